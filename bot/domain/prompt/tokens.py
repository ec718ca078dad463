"""The tokenizer of prompts: words, weights and flags, and the error that points at a place in a prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.domain.characters import DASHES, clean, visible
from bot.domain.options import FLAGS, SIZE
from bot.errors import UserError
from bot.text import Text, message

STRAY_BRACE = message("prompt.stray_brace", "“{brace}” is for choices. For plain text write “\\{brace}”.")
FLAG_APART = message(
    "prompt.flag_apart", "Write --{flag} without a space after the dashes. For a plain dash write “\\{dash}”."
)
FAULT_AT = message("prompt.fault_at", "{fault} Here: {excerpt}")
MORE_FAULTS = message("prompt.more_faults", "There is {count} more mistake.", "There are {count} more mistakes.")

FAULTS_SHOWN = 5
"""At most this many faults of a prompt are shown at once."""

_EXCERPT_BEFORE = 24
_EXCERPT_AFTER = 32
_MARK = "👉"
_NUMBER_STARTS = "+-−–."
_ESCAPED = "\\{}," + DASHES
# Words without anything that needs a closer look, with one space between them. Most prompts have no others.
_PLAIN = rf"[^\s:\\{{}}{re.escape(DASHES)}]++(?!\S)"
_PLAIN_WORDS = re.compile(f"{_PLAIN}(?: {_PLAIN})*")
_DASH_RUN = re.compile(f"[{DASHES}]+")
_NAME_END = re.compile(r"[=＝\s]|$")
# A known name whose value, which begins with a digit, follows it without a space.
_BEFORE_DIGITS = "|".join(flag for flag, option in FLAGS.items() if option is SIZE or option.kind is not str)
_GLUED = re.compile(rf"(?P<name>{_BEFORE_DIGITS}):?(?P<value>\d.*)", re.DOTALL)
# A name after dashes and a space, and whether a number follows it.
_APART = re.compile(r"\s+(?P<name>\w+)\s+(?P<number>\d)?")


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody probably meant: ``text`` in place of the characters up to ``end``."""

    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a text; ``position`` counts characters from 0."""

    position: int
    problem: Text
    correction: Correction | None = None


class PromptError(UserError):
    """A prompt that cannot be parsed. Every problem shows its place in the prompt.

    ``faults`` are all that were found, from left to right. ``position`` is that of the first one, and ``excerpt`` shows
    it with a mark. Where the prompt has choices, positions are those in the expanded text.
    """

    def __init__(self, text: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.position))
        self.position = self.faults[0].position
        self.excerpt = excerpt(text, self.position)
        problems = [
            FAULT_AT(fault=fault.problem, excerpt=excerpt(text, fault.position)) if text.strip() else fault.problem
            for fault in self.faults[:FAULTS_SHOWN]
        ]
        if len(self.faults) > FAULTS_SHOWN:
            problems.append(MORE_FAULTS(count=len(self.faults) - FAULTS_SHOWN))
        super().__init__(*problems)


@dataclass(frozen=True, slots=True)
class Word:
    """Text without a space in it, its escapes undone. Before the first flag, it may be several plain words."""

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A ``::`` and the text right after it that looks like a number, if any."""

    position: int
    number: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag's name in lower case; ``end`` is where its value may begin."""

    position: int
    name: str
    end: int


Token: TypeAlias = Word | Weight | Flag


def scan(text: str, faults: list[Fault]) -> Iterator[Token]:
    """Yield the tokens of a clean text whose choices are expanded. Stray braces and broken flags go to ``faults``.

    Invisible words are skipped.
    """
    position, flags = 0, False
    while position < len(text):
        if text[position].isspace():
            position += 1
        elif not flags and (plain := _PLAIN_WORDS.match(text, position)) is not None and plain[0].isascii():
            yield Word(position, plain[0])
            position = plain.end()
        elif text.startswith("::", position):
            end = _number_end(text, position + 2)
            yield Weight(position, text[position + 2 : end])
            position = end
        elif _word_starts(text, position) and (flag := flag_at(text, position)) is not None:
            yield flag
            position, flags = flag.end, True
        else:
            word, end = _scan_word(text, position, faults)
            if (name := _flag_apart(text, position, end)) is not None:
                faults.append(Fault(position, FLAG_APART(flag=name, dash=text[position])))
            if word.isascii() or visible(word):
                yield Word(position, word)
            position = end


def _scan_word(text: str, start: int, faults: list[Fault]) -> tuple[str, int]:
    """The word that starts here, without its escapes, and where it ends."""
    letters: list[str] = []
    position = start
    while position < len(text) and not text[position].isspace() and not text.startswith("::", position):
        escape = escape_length(text, position)
        if escape:
            letters.append(text[position + 1 : position + escape])
            position += escape
            continue
        if text[position] in "{}":
            faults.append(Fault(position, STRAY_BRACE(brace=text[position])))
        letters.append(text[position])
        position += 1
    return "".join(letters), position


def escape_length(text: str, position: int) -> int:
    """The length of the escape at this place with its backslash, 0 if there is none."""
    if text[position] != "\\":
        return 0
    if text.startswith("::", position + 1):
        return 3
    return 2 if position + 1 < len(text) and text[position + 1] in _ESCAPED else 0


def _word_starts(text: str, position: int) -> bool:
    return position == 0 or text[position - 1].isspace()


def flag_at(text: str, position: int) -> Flag | None:
    """The flag that starts at this place: a known name after any dash signs, or any name after ``--``.

    Keyboards replace ``--`` by all kinds of dashes. A known name followed by its number without a space is an unknown
    flag, which is refused.
    """
    dashes = _DASH_RUN.match(text, position)
    if dashes is None:
        return None
    end = _end_of_name(text, dashes.end())
    name = unicodedata.normalize("NFKC", text[dashes.end() : end]).lower()
    if name not in FLAGS and not _GLUED.match(name) and not (dashes[0] == "--" and name[:1].isalpha()):
        return None
    return Flag(position, name, end + 1 if text[end : end + 1] in {"=", "＝"} else end)


def glued(name: str) -> str | None:
    """An unknown flag's name with the missing space, or None if it is another mistake."""
    found = _GLUED.match(name)
    return None if found is None else f"{found['name']} {found['value']}"


def reads_as_flag(words: str) -> bool:
    """Return whether the first of these words would be parsed as a flag, or as the dashes of one."""
    return flag_at(words, 0) is not None or _flag_apart(words, 0, words.find(" ") % (len(words) + 1)) is not None


def _end_of_name(text: str, start: int) -> int:
    found = _NAME_END.search(text, start)
    return len(text) if found is None else found.start()


def _flag_apart(text: str, start: int, end: int) -> str | None:
    """The known flag that is split by a space after its dashes: ``- -ar 1:1``, ``-- ar 1:1``."""
    if not _DASH_RUN.fullmatch(text, start, end):
        return None
    following = end
    while following < len(text) and text[following].isspace():
        following += 1
    flag = flag_at(text, following)
    if flag is not None and flag.name in FLAGS:
        # A dash before a complete “--” is plain text.
        return None if text[following + 1] in DASHES else flag.name
    found = _APART.match(text, end)
    name = found["name"].lower() if found is not None else ""
    if found is None or name not in FLAGS:
        return None
    return name if (found["number"] and _GLUED.match(f"{name}1")) or text[start:end] == "--" else None


def _number_end(text: str, start: int) -> int:
    """The end of the number right after ``::``; ``start`` itself if there is none."""
    if start == len(text) or not (text[start] in _NUMBER_STARTS or text[start].isdecimal()):
        return start
    end = start
    while end < len(text) and not text[end].isspace() and not text.startswith("::", end):
        end += 1
    return end


def excerpt(text: str, position: int) -> str:
    """A short piece of the text around a place, with a mark at the place."""
    text = clean(text)
    start = max(0, position - _EXCERPT_BEFORE)
    end = position + _EXCERPT_AFTER
    before = ("…" if start > 0 else "") + text[start:position]
    after = text[position:end] + ("…" if end < len(text) else "")
    return f"{before}{_MARK}{after}"
