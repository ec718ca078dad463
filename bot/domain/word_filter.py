"""Lists of words that a prompt must not hold. A star stands for any letters within a word: ``blood*``, ``*gun*``.

What is compared are whole words, without letter case, accents and what cannot be seen, and once more with letters that
look like Latin ones taken for these. In scripts without spaces a word is found wherever it stands.

All lists are searched for at once. The work is counted, and ends at a bound, whatever stands in text and lists:
:func:`WordList.found_in` then says that it did not see everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.domain.characters import visible
from bot.domain.look_alikes import compared_forms, is_ideograph, is_symbol, stands_alone
from bot.errors import UserError

WORDS_AT_MOST = 100
LENGTH_AT_MOST = 40
LETTERS_AT_LEAST = 2
SIGNS_AT_MOST = 50_000
"""Characters of the compared forms that are searched for one prompt: as many as the longest one with the most choices
has in a script whose signs are words."""
STEPS_AT_MOST = 50_000
"""Places of these that are looked at closely, for all words of all lists together."""
_STAR = "*"
# A word is looked for at the places where its first signs stand.
_FIRST = 3
# How many signs are compared in the time of a step, where the interpreter is not asked in between.
_AT_ONCE = 50
# Steps that it takes to make an expression of each sign of an entry.
_TO_COMPILE = 100
# How many signs a star stands for at most between two of a script without spaces.
_BETWEEN = 10


def typed_list(text: str) -> tuple[str, ...]:
    """The entries of a list with commas between them, tidied. Raises UserError where one cannot be compared."""
    entries = tuple(dict.fromkeys(" ".join(part.split()) for part in re.split("[,，、]", text) if visible(part)))
    problems = []
    if not entries:
        problems.append("There is no word in this list. Write words with commas between them, or none to clear it.")
    if len(entries) > WORDS_AT_MOST:
        problems.append(f"These are {len(entries)} words; a list holds {WORDS_AT_MOST} at most.")
    for entry in entries:
        if len(entry) > LENGTH_AT_MOST:
            problems.append(f"“{entry[:LENGTH_AT_MOST]}…” is too long: a word has {LENGTH_AT_MOST} characters at most.")
        elif not _is_word(entry):
            problems.append(f"“{entry}” has too few letters: it would be found nearly everywhere.")
    if problems:
        raise UserError(*problems)
    return entries


def _is_word(entry: str) -> bool:
    """Two letters are one, and so is a single ideograph or a single symbol."""
    signs = [sign for sign in compared_forms(entry, symbols=True)[-1] if sign not in {_STAR, " "}]
    return len(signs) >= LETTERS_AT_LEAST or any(is_ideograph(sign) or is_symbol(sign) for sign in signs)


@dataclass(frozen=True, slots=True)
class Found:
    """The entries that occur, in the order of the list; ``whole``: the work did not end before everything was seen."""

    entries: tuple[str, ...]
    whole: bool


class WordList:
    """Entries to look for in texts: each is one word or several that follow each other, with or without stars."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(dict.fromkeys(entries))
        self._symbols = any(is_symbol(sign) for entry in entries for sign in entry)
        self._needles: dict[str, list[tuple[str, str | None]]] = {}
        """What to look for in a text, with the entries that it belongs to; where it is only a part of an entry, with
        the whole of it to be looked for then."""
        for entry in self.entries:
            for form in compared_forms(entry, symbols=self._symbols):
                found = _needle(form)
                if found is not None:
                    self._needles.setdefault(found[0], []).append((entry, found[1]))
        self._lengths: dict[str, list[int]] = {}
        """How long those are that begin with these signs."""
        for needle in self._needles:
            lengths = self._lengths.setdefault(needle[:_FIRST], [])
            if len(needle) not in lengths:
                lengths.append(len(needle))
        self._patterns: dict[str, re.Pattern[str]] = {}

    def found_in(self, texts: Iterable[str]) -> Found:
        """The entries that occur in any of the texts."""
        if not self._needles:
            return Found((), whole=True)
        text, whole = self._compared(texts)
        search = _Search(text, STEPS_AT_MOST)
        found: set[str] = set()
        for needle in search.needles(self._needles, self._lengths):
            for entry, form in self._needles[needle]:
                if entry not in found and (form is None or self._matches(form, search)):
                    found.add(entry)
        return Found(tuple(entry for entry in self.entries if entry in found), whole and not search.exhausted)

    def _compared(self, texts: Iterable[str]) -> tuple[str, bool]:
        """The texts as one, in which a line holds one form of one text, with a space around each word."""
        lines: dict[str, None] = {}
        length = 0
        for text in dict.fromkeys(texts):
            if length + len(text) > SIGNS_AT_MOST:
                return "\n".join(lines), False
            for form in compared_forms(text, symbols=self._symbols):
                if f" {form} " in lines:
                    continue
                length += len(form) + 3
                if length > SIGNS_AT_MOST:
                    return "\n".join(lines), False
                lines[f" {form} "] = None
        return "\n".join(lines), True

    def _matches(self, form: str, search: _Search) -> bool:
        if form not in self._patterns:
            if not search.spend(len(form) * _TO_COMPILE):
                return False
            self._patterns[form] = re.compile(_expression(form.split()))
        return search.matches(self._patterns[form], len(form))


class _Search:
    """One search through one text, and the steps that it has left."""

    def __init__(self, text: str, steps: int) -> None:
        self._text = text
        self._left = steps

    @property
    def exhausted(self) -> bool:
        return self._left < 0

    def spend(self, steps: int) -> bool:
        """Take so many steps; False where there are not so many left."""
        self._left -= steps
        return self._left >= 0

    def needles(self, needles: Iterable[str], lengths: dict[str, list[int]]) -> Iterator[str]:
        """Those that occur, each once, as long as there are steps left."""
        text, seen, wanted = self._text, set[str](), frozenset(needles)
        for needle in wanted:
            if len(needle) < _FIRST and self.spend(len(text) // _AT_ONCE) and needle in text:
                yield needle
        for place in range(len(text)):
            for length in lengths.get(text[place : place + _FIRST], ()):
                self._left -= 1
                if self._left < 0:
                    return
                piece = text[place : place + length]
                if piece in wanted and piece not in seen:
                    seen.add(piece)
                    yield piece

    def matches(self, pattern: re.Pattern[str], cost: int) -> bool:
        """Whether the pattern occurs; each of its signs may be compared at each place. False without steps left."""
        return self.spend(len(self._text) * cost // _AT_ONCE) and pattern.search(self._text) is not None


def _needle(form: str) -> tuple[str, str | None] | None:
    """What to look for of an entry in this form, and the form itself where that is not all of it."""
    words = re.sub(r"\*+", _STAR, form).split()
    # Beside a sign that is found anywhere, and in front of words or behind them, a star changes nothing.
    while words and words[0] == _STAR:
        del words[0]
    while words and words[-1] == _STAR:
        del words[-1]
    whole = f" {' '.join(words)} "
    pieces = whole.removeprefix(f" {_STAR}").removesuffix(f"{_STAR} ").split(_STAR)
    if not any(piece.strip() for piece in pieces):
        return None
    if len(pieces) == 1:
        return pieces[0], None
    return max(pieces, key=len), " ".join(words)


def _expression(words: Sequence[str]) -> str:
    """A regular expression that takes the first place that fits, and never goes back and tries another one."""
    parts = [" "]
    gap = False
    for place, word in enumerate(words):
        if word == _STAR:
            if stands_alone(words[place - 1]) or stands_alone(words[place + 1]):
                gap = True
            else:
                parts.append(r"[^ \n]++ ")
        else:
            found = f"{_word(word)} "
            parts.append(rf"(?>(?:[^ \n] ){{0,{_BETWEEN}}}?{found})" if gap else found)
            gap = False
    return "".join(parts)


def _word(word: str) -> str:
    first, *others = word.split(_STAR)
    parts = [re.escape(first)]
    parts += [rf"(?>[^ \n]*?{re.escape(piece)})" for piece in others[:-1]]
    if others:
        parts.append(rf"(?>[^ \n]*?{re.escape(others[-1])}(?= ))")
    return "".join(parts)
