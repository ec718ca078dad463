"""Lists of words that a prompt must not contain. A star matches any letters within a word: ``blood*``, ``*gun*``.

Whole words are compared, ignoring case, accents and invisible characters, and a second time with letters that look
like Latin ones replaced by these. In scripts without spaces a word matches anywhere.

All lists are searched at once. The work is counted and bounded for any text and any lists: the result of
:func:`WordList.found_in` says whether the whole text was searched.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.domain.characters import visible
from bot.domain.look_alikes import compared_forms, is_ideograph, is_symbol, stands_alone
from bot.errors import Problem, UserError
from bot.text import message

NO_WORDS = message("words.none", "This list has no words. Separate words with commas, or type none to clear it.")
TOO_MANY_WORDS = message("words.too_many", "That's {words} words; a list holds up to {most}.")
WORD_TOO_LONG = message("words.too_long", "“{word}…” is too long: a word has up to {most} characters.")
WORD_TOO_SHORT = message("words.too_short", "“{word}” has too few letters: it would match almost every prompt.")

WORDS_AT_MOST = 100
LENGTH_AT_MOST = 40
LETTERS_AT_LEAST = 2
SIGNS_AT_MOST = 50_000
"""Characters that are searched for one prompt: enough for the longest one with the most choices, in a script where
each character is a word."""
STEPS_AT_MOST = 50_000
"""Comparisons for one prompt, for all words of all lists together."""
_STAR = "*"
# A word is searched where its first characters occur.
_FIRST = 3
# How many characters a search in C compares in the time of one step.
_AT_ONCE = 50
# Steps to compile each character of an entry into a regular expression.
_TO_COMPILE = 100
# Characters around a word that do not belong to it.
_AROUND = " ,.;:!?\"'“”‘’()[]{}<>*_~`|，。；：！？、"
# How many characters a star matches at most in a script without spaces.
_BETWEEN = 10


def typed_list(text: str) -> tuple[str, ...]:
    """The entries of a typed list with commas between them. Raises UserError for entries that cannot be searched."""
    entries = tuple(dict.fromkeys(" ".join(part.split()) for part in re.split("[,，、]", text) if visible(part)))
    problems: list[Problem] = []
    if not entries:
        problems.append(NO_WORDS)
    if len(entries) > WORDS_AT_MOST:
        problems.append(TOO_MANY_WORDS(words=len(entries), most=WORDS_AT_MOST))
    for entry in entries:
        if len(entry) > LENGTH_AT_MOST:
            problems.append(WORD_TOO_LONG(word=entry[:LENGTH_AT_MOST], most=LENGTH_AT_MOST))
        elif not _is_word(entry):
            problems.append(WORD_TOO_SHORT(word=entry))
    if problems:
        raise UserError(*problems)
    return entries


def _is_word(entry: str) -> bool:
    """Return whether the entry has two letters, or an ideograph or a symbol."""
    signs = [sign for sign in compared_forms(entry, symbols=True)[-1] if sign not in {_STAR, " "}]
    return len(signs) >= LETTERS_AT_LEAST or any(is_ideograph(sign) or is_symbol(sign) for sign in signs)


@dataclass(frozen=True, slots=True)
class Found:
    """The entries that occur, in the order of the list. ``whole``: the whole text was searched."""

    entries: tuple[str, ...]
    whole: bool


class WordList:
    """Entries to search in texts: each is one or more consecutive words, with or without stars."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(dict.fromkeys(entries))
        self._symbols = any(is_symbol(sign) for entry in entries for sign in entry)
        self._needles: dict[str, list[tuple[str, str | None]]] = {}
        """Strings to search, each with its entries. If the string is only a part of the entry, the whole entry is
        given too, to be matched next."""
        for entry in self.entries:
            for form in compared_forms(entry, symbols=self._symbols):
                found = _needle(form)
                if found is not None:
                    self._needles.setdefault(found[0], []).append((entry, found[1]))
        self._lengths: dict[str, list[int]] = {}
        """The lengths of the needles, by their first characters."""
        for needle in self._needles:
            lengths = self._lengths.setdefault(needle[:_FIRST], [])
            if len(needle) not in lengths:
                lengths.append(len(needle))
        self._starts = _starts(self._lengths)
        self._patterns: dict[str, re.Pattern[str]] = {}

    def found_in(self, texts: Iterable[str]) -> Found:
        """The entries that occur in any of the texts."""
        if not self._needles:
            return Found((), whole=True)
        text, whole = self._compared(texts)
        search = _Search(text, STEPS_AT_MOST)
        found: set[str] = set()
        for needle in search.needles(self._needles, self._lengths, self._starts):
            for entry, form in self._needles[needle]:
                if entry not in found and (form is None or self._matches(form, search)):
                    found.add(entry)
        return Found(tuple(entry for entry in self.entries if entry in found), whole and not search.exhausted)

    def as_typed(self, entry: str, texts: Iterable[str]) -> str | None:
        """The words of a text in which an entry occurs, as they were typed. None if they are not found.

        They are narrowed down to whole words, or to single characters in scripts without spaces.
        """
        alone = WordList([entry])
        for text in dict.fromkeys(texts):
            if not alone.found_in([text]).entries:
                continue
            pieces = _narrowed(alone, text.split(), " ")
            if len(pieces) == 1 and any(is_ideograph(sign) for sign in pieces[0]):
                pieces = ["".join(_narrowed(alone, list(pieces[0]), ""))]
            return " ".join(pieces).strip(_AROUND) or None
        return None

    def _compared(self, texts: Iterable[str]) -> tuple[str, bool]:
        """All texts as one: each line is one form of one text, with a space around each word."""
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


def _narrowed(words: WordList, pieces: Sequence[str], between: str) -> Sequence[str]:
    """The fewest consecutive pieces, joined by ``between``, in which the words occur; all of them if in no fewer."""

    def occurs(start: int, end: int) -> int:
        return len(words.found_in([between.join(pieces[start:end])]).entries)

    # The shortest beginning in which they occur, and then its shortest ending.
    end = bisect_left(range(len(pieces)), 1, key=lambda last: occurs(0, last + 1)) + 1
    start = bisect_left(range(end), 1, key=lambda first: 1 - occurs(first, end)) - 1
    return pieces[max(0, start) : end]


class _Search:
    """One search through one text, with the steps that it has left."""

    def __init__(self, text: str, steps: int) -> None:
        self._text = text
        self._left = steps

    @property
    def exhausted(self) -> bool:
        return self._left < 0

    def spend(self, steps: int) -> bool:
        """Use so many steps. Returns False if they are used up."""
        self._left -= steps
        return self._left >= 0

    def needles(self, needles: Iterable[str], lengths: dict[str, list[int]], starts: re.Pattern[str]) -> Iterator[str]:
        """The needles that occur, each once, while steps are left. ``starts`` matches where one may begin."""
        text, seen, wanted = self._text, set[str](), frozenset(needles)
        for needle in wanted:
            if len(needle) < _FIRST and self.spend(len(text) // _AT_ONCE) and needle in text:
                yield needle
        for start in starts.finditer(text):
            place = start.start()
            for length in lengths.get(text[place : place + _FIRST], ()):
                self._left -= 1
                if self._left < 0:
                    return
                piece = text[place : place + length]
                if piece in wanted and piece not in seen:
                    seen.add(piece)
                    yield piece

    def matches(self, pattern: re.Pattern[str], cost: int) -> bool:
        """Return whether the pattern occurs. False if no steps are left."""
        return self.spend(len(self._text) * cost // _AT_ONCE) and pattern.search(self._text) is not None


def _starts(firsts: Iterable[str]) -> re.Pattern[str]:
    """Matches, without using it up, a text that may begin with one of these: a search in C for what is looked up."""
    long = [first for first in firsts if len(first) == _FIRST]
    places = ("".join(map(re.escape, sorted({first[place] for first in long}))) for place in range(_FIRST))
    return re.compile("(?=" + "".join(f"[{signs}]" for signs in places) + ")" if long else r"(?!)")


def _needle(form: str) -> tuple[str, str | None] | None:
    """The string to search for an entry in this form, and the whole form if the string is only a part of it."""
    words = re.sub(r"\*+", _STAR, form).split()
    # A star at either end matches the empty string as well, so it changes nothing.
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
    """A regular expression without backtracking."""
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
