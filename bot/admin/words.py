"""Lists of words that a prompt must not hold. A star stands for any letters within a word: ``blood*``, ``*gun*``.

What is compared are whole words without letter case, accents and signs that cannot be seen. Nothing here goes back and
tries again, so the time is bounded by the length of the text and of the list, whatever stands in them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.errors import UserError

WORDS_AT_MOST = 100
LENGTH_AT_MOST = 40
LETTERS_AT_LEAST = 2
_STAR = "*"


def typed_list(text: str) -> tuple[str, ...]:
    """The entries of a list with commas between them, tidied. Raises UserError where one cannot be compared."""
    entries = dict.fromkeys(" ".join(part.split()) for part in text.split(","))
    entries.pop("", None)
    problems = []
    if len(entries) > WORDS_AT_MOST:
        problems.append(f"These are {len(entries)} words; a list holds {WORDS_AT_MOST} at most.")
    for entry in entries:
        letters = sum(len(word.replace(_STAR, "")) for word in words_of(entry, keep=_STAR))
        if len(entry) > LENGTH_AT_MOST:
            problems.append(f"“{entry[:LENGTH_AT_MOST]}…” is too long: a word has {LENGTH_AT_MOST} characters at most.")
        elif letters < LETTERS_AT_LEAST:
            problems.append(f"“{entry}” has too few letters: it would be found nearly everywhere.")
    if problems:
        raise UserError(*problems)
    return tuple(entries)


def words_of(text: str, keep: str = "") -> list[str]:
    """The words of a text in the form in which they are compared; the signs in ``keep`` count as letters."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    signs = []
    for sign in folded:
        category = unicodedata.category(sign)
        # Accents and signs that cannot be seen are no reason to miss a word.
        if category in {"Mn", "Me", "Cf"}:
            continue
        signs.append(sign if sign in keep or category[0] in "LN" or category == "Mc" else " ")
    return "".join(signs).split()


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One word with a star: what it begins and ends with, and what stands between in this order."""

    first: str
    middle: tuple[str, ...]
    last: str

    def matches(self, word: str) -> bool:
        end = len(word) - len(self.last)
        place = len(self.first)
        if place > end or not word.startswith(self.first) or not word.endswith(self.last):
            return False
        for piece in self.middle:
            # The earliest place leaves the most room for what follows, so no other one needs to be tried.
            found = word.find(piece, place, end)
            if found < 0:
                return False
            place = found + len(piece)
        return True


class WordList:
    """Entries to look for in texts: each is one word or several that follow each other, with or without stars."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(entries)
        self._plain: dict[str, str] = {}
        self._others: list[tuple[str, tuple[str | _Pattern, ...]]] = []
        for entry in entries:
            parts = words_of(entry, keep=_STAR)
            if len(parts) == 1 and _STAR not in parts[0]:
                self._plain.setdefault(parts[0], entry)
            elif parts:
                self._others.append((entry, tuple(map(_part, parts))))

    def found_in(self, texts: Iterable[str]) -> list[str]:
        """The entries that occur, each once, in the order of the list."""
        found: set[str] = set()
        for text in dict.fromkeys(texts):
            words = words_of(text)
            found.update(self._plain[word] for word in set(words) & self._plain.keys())
            found.update(entry for entry, parts in self._others if _occurs(parts, words))
        return [entry for entry in self.entries if entry in found]


def _part(word: str) -> str | _Pattern:
    if _STAR not in word:
        return word
    first, *middle, last = word.split(_STAR)
    return _Pattern(first, tuple(piece for piece in middle if piece), last)


def _occurs(parts: Sequence[str | _Pattern], words: Sequence[str]) -> bool:
    for start in range(len(words) - len(parts) + 1):
        if all(_is(part, words[start + place]) for place, part in enumerate(parts)):
            return True
    return False


def _is(part: str | _Pattern, word: str) -> bool:
    return word == part if isinstance(part, str) else part.matches(word)
