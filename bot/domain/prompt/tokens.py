"""A prompt's text cut into words, weights and flags, and the error that points at a place in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.domain.characters import DASHES, clean, visible
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
_NUMBER_STARTS = "+-−–."
_ESCAPED = "\\{}," + DASHES
_DASH_RUN = re.compile(f"[{DASHES}]+")
_NAME_END = re.compile(r"[=＝\s]|$")
# A known name with its value right behind it.
_GLUED = re.compile(r"(?P<name>ar|aspect|size|images|steps|seed|guidance):?(?P<value>\d.*)", re.DOTALL)
# What follows dashes with a space behind them as if they were a flag's: a number, or after “--” anything.
_APART = re.compile(r"\s+(?P<name>\w+)\s+(?P<number>\d)?")


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
    """The tokens of a clean text whose choices are written out. What is left over of a brace or of a flag goes to
    ``faults``. What cannot be seen is no word.
    """
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
            if (name := _flag_apart(text, position, end)) is not None:
                faults.append(
                    Fault(
                        position, f"A flag has no space in it: write --{name}. A dash as text is “\\{text[position]}”."
                    )
                )
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
            faults.append(Fault(position, f"“{text[position]}” is for choices; as text it is “\\{text[position]}”."))
        letters.append(text[position])
        position += 1
    return "".join(letters), position


def escape_length(text: str, position: int) -> int:
    """How many characters the escape at this place takes, its backslash counted, or 0 if there is none."""
    if text[position] != "\\":
        return 0
    if text.startswith("::", position + 1):
        return 3
    return 2 if position + 1 < len(text) and text[position + 1] in _ESCAPED else 0


def _word_starts(text: str, position: int) -> bool:
    return position == 0 or text[position - 1].isspace()


def flag_at(text: str, position: int) -> Flag | None:
    """The flag that starts at this place: a known name after any dash signs, or after ``--`` any name.

    Keyboards make all kinds of dashes of ``--``. A known name with its number right behind it is an unknown flag, which
    is refused.
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
    """An unknown flag's name with the space that it lacks, or None where it is another mistake."""
    found = _GLUED.match(name)
    return None if found is None else f"{found['name']} {found['value']}"


def reads_as_flag(words: str) -> bool:
    """Whether the first of these words would be read as a flag, or as the dashes of one."""
    return flag_at(words, 0) is not None or _flag_apart(words, 0, words.find(" ") % (len(words) + 1)) is not None


def _end_of_name(text: str, start: int) -> int:
    found = _NAME_END.search(text, start)
    return len(text) if found is None else found.start()


def _flag_apart(text: str, start: int, end: int) -> str | None:
    """The known flag whose dashes are the word at this place, with a space in it: ``- -ar 1:1``, ``-- ar 1:1``."""
    if not _DASH_RUN.fullmatch(text, start, end):
        return None
    following = end
    while following < len(text) and text[following].isspace():
        following += 1
    flag = flag_at(text, following)
    if flag is not None and flag.name in FLAGS:
        # A dash before a whole “--” is a dash.
        return None if text[following + 1] in DASHES else flag.name
    found = _APART.match(text, end)
    name = found["name"].lower() if found is not None else ""
    if found is None or name not in FLAGS:
        return None
    return name if (found["number"] and _GLUED.match(f"{name}1")) or text[start:end] == "--" else None


def _number_end(text: str, start: int) -> int:
    """Where the number ends that stands right after ``::``; ``start`` itself if something else stands there."""
    if start == len(text) or not (text[start] in _NUMBER_STARTS or text[start].isdecimal()):
        return start
    end = start
    while end < len(text) and not text[end].isspace() and not text.startswith("::", end):
        end += 1
    return end


def excerpt(text: str, position: int) -> str:
    """A short piece of the text around a place, with a mark at it."""
    text = clean(text)
    start = max(0, position - _EXCERPT_BEFORE)
    end = position + _EXCERPT_AFTER
    before = ("…" if start > 0 else "") + text[start:position]
    after = text[position:end] + ("…" if end < len(text) else "")
    return f"{before}{_MARK}{after}"
