"""A prompt's text cut into words, weights and flags, and the error that points at a place in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.errors import UserError

FLAGS: Mapping[str, str] = {
    "no": "negative",
    "negative": "negative",
    "ar": "ratio",
    "aspect": "ratio",
    "size": "size",
    "images": "images",
    "steps": "steps",
    "style": "style",
    "seed": "seed",
    "engine": "engine",
    "guidance": "guidance",
    "sampler": "sampler",
}
"""The name of each flag, and the option that it sets."""

FAULTS_SHOWN = 5
"""So many faults of a prompt are told at once."""

_EXCERPT_BEFORE = 24
_EXCERPT_AFTER = 32
_MARK = "👉"
# Control characters, a space of no width, breaks of lines, turns of direction, a byte order mark, half pairs.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LONG_DASHES = "—–―"
_NUMBER_STARTS = "+-−–."
_ESCAPED_PAIRS = ("::", "--")
_ESCAPED = "\\{}," + _LONG_DASHES


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a text; ``position`` counts characters from 0."""

    position: int
    message: str


class PromptError(UserError):
    """A prompt that cannot be read. Every sentence shows its place in the prompt.

    ``faults`` are all that were found, from left to right, without an excerpt; ``position`` is the first one's and
    ``excerpt`` shows it with a mark. Positions are those of the text that was read: where the prompt has choices, of
    the written out text that could not be read.
    """

    def __init__(self, text: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.position))
        self.position = self.faults[0].position
        self.excerpt = excerpt(text, self.position)
        sentences = [
            f"{fault.message} Here: {excerpt(text, fault.position)}" if text.strip() else fault.message
            for fault in self.faults[:FAULTS_SHOWN]
        ]
        if len(self.faults) > FAULTS_SHOWN:
            sentences.append(f"The prompt has {len(self.faults) - FAULTS_SHOWN} more mistakes like these.")
        super().__init__(*sentences)


@dataclass(frozen=True, slots=True)
class Word:
    """Text without a space in it, its escapes undone."""

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A ``::`` and what stands right after it like a number; empty: nothing of the kind."""

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
    """The tokens of a clean text whose choices are written out; a brace that is left over goes to ``faults``."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
        elif text.startswith("::", position):
            end = _number_end(text, position + 2)
            yield Weight(position, text[position + 2 : end])
            position = end
        elif _word_starts(text, position) and (flag := flag_at(text, position)) is not None:
            yield flag
            position = flag.end
        else:
            word, end = _scan_word(text, position, faults)
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
            faults.append(Fault(position, f"“{text[position]}” is for choices; as text it is “\\{text[position]}”."))
        letters.append(text[position])
        position += 1
    return "".join(letters), position


def escape_length(text: str, position: int) -> int:
    """How many characters the escape at this place takes, its backslash counted, or 0 if there is none."""
    if text[position] != "\\":
        return 0
    if text.startswith(_ESCAPED_PAIRS, position + 1):
        return 3
    return 2 if position + 1 < len(text) and text[position + 1] in _ESCAPED else 0


def _word_starts(text: str, position: int) -> bool:
    return position == 0 or text[position - 1].isspace()


def flag_at(text: str, position: int) -> Flag | None:
    """The flag that starts at this place, known or not; after a long dash only a known one is a flag."""
    if text.startswith("--", position):
        start = position + 2
        if not text[start : start + 1].isalpha():
            return None
    elif text[position] in _LONG_DASHES:
        start = position + 1
    else:
        return None
    end = start
    while end < len(text) and text[end] != "=" and not text[end].isspace():
        end += 1
    name = text[start:end].lower()
    if text[position] in _LONG_DASHES and name not in FLAGS:
        return None
    return Flag(position, name, end + 1 if text.startswith("=", end) else end)


def _number_end(text: str, start: int) -> int:
    """Where the number ends that stands right after ``::``; ``start`` itself if something else stands there."""
    if start == len(text) or not (text[start] in _NUMBER_STARTS or text[start].isdecimal()):
        return start
    end = start
    while end < len(text) and not text[end].isspace() and not text.startswith("::", end):
        end += 1
    return end


def clean(text: str) -> str:
    """Put a space in place of every character that is not text; nothing changes its position."""
    return _NO_TEXT.sub(" ", text)


def excerpt(text: str, position: int) -> str:
    """A short piece of the text around a place, with a mark at it."""
    text = clean(text)
    start = max(0, position - _EXCERPT_BEFORE)
    end = position + _EXCERPT_AFTER
    before = ("…" if start > 0 else "") + text[start:position]
    after = text[position:end] + ("…" if end < len(text) else "")
    return f"{before}{_MARK}{after}"
