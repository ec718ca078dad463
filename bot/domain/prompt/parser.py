r"""The syntax of a prompt: read from any text, and printed so that reading it again gives the same.

    a red fox::2 snow::0.5 people::-1 --no text, frames --ar 16:9 --style anime
    {red, blue} car --seed {1, 2}

* ``::`` ends a part. A number right after it is the part's weight, else the weight is 1; so is that of a last part
  without ``::``. A weight below 0 says what to avoid, and at least one must be above 0. One comma right after a
  weight is taken for a separator.
* Flags stand at the end: ``--`` and a letter, at the start of a word. A value is one word, after a space or ``=``;
  that of ``--no`` goes on to the next flag. Before a known name any dash signs count, since keyboards make a dash of
  ``--`` or have other signs for it.
* ``{…, …}`` stands for one prompt with each choice. It is written out before anything else is read (:func:`expand`),
  so a choice may hold a weight, a flag or a flag's value. Braces do not stand inside braces, and hold two choices or
  more.
* A backslash takes the meaning from ``::``, a dash, ``{``, ``}``, ``,`` and itself. Before anything else it is a
  backslash.
* White space of any kind and length is one space. What is no text (``bot.domain.characters``) counts as white space,
  and a word of which nothing can be seen is none.

Everything here reads a text from left to right, once.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bot.domain.characters import DASHES, clean
from bot.domain.prompt.choices import IMAGES_PER_JOB, expand, reseed
from bot.domain.prompt.tokens import (
    FAULTS_SHOWN,
    FLAGS,
    Fault,
    Flag,
    PromptError,
    Token,
    Weight,
    Word,
    glued,
    reads_as_flag,
    scan,
)
from bot.domain.sizes import Ratio
from bot.providers.base import Size, WeightedText

__all__ = [
    "FLAGS",
    "IMAGES_PER_JOB",
    "PROMPT_LIMIT",
    "Fault",
    "ParsedPrompt",
    "PromptError",
    "PromptOptions",
    "escaped",
    "expand",
    "number_text",
    "parse",
    "reseed",
]

PROMPT_LIMIT = 2000
"""Characters of a prompt, and of a negative prompt, at most; the syntax is not counted."""
WEIGHT_LIMIT = 10
"""A weight is from minus this to this; an engine may take less."""

_QUOTED = 30
_FLAG_OF = {option: flag for flag, option in reversed(list(FLAGS.items()))}
_NUMBER = re.compile(r"[+-]?(?:\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,12}", re.ASCII)
_PUNCTUATION = ",.;:!，。；、"
_MINUS_SIGNS = str.maketrans("−–", "--")


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """What the flags of a prompt say; None: not given. Whether an engine takes it is not decided here."""

    negative: str | None = None
    ratio: Ratio | None = None
    size: Size | None = None
    images: int | None = None
    steps: int | None = None
    style: str | None = None
    seed: int | None = None
    engine: str | None = None
    guidance: float | None = None
    sampler: str | None = None

    @property
    def shape(self) -> Size | Ratio | None:
        """The size or the ratio: a prompt that gives both is refused."""
        return self.ratio if self.size is None else self.size


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """One prompt as it was meant: its parts, one or more, and what its flags say."""

    parts: tuple[WeightedText, ...]
    options: PromptOptions = field(default_factory=PromptOptions)

    def text(self) -> str:
        """Print it so that :func:`parse` gives the same again."""
        return " ".join([*_printed_parts(self.parts), *_printed_options(self.options)])


@lru_cache(maxsize=64)
def parse(text: str) -> ParsedPrompt:
    """Read one prompt, whose choices have been written out by :func:`expand`.

    Raises PromptError, which names everything that is wrong with it and shows where. A command reads its prompts
    several times, so the latest ones are remembered.
    """
    text = clean(text)
    faults: list[Fault] = []
    tokens = list(scan(text, faults))
    flags_at = next((index for index, token in enumerate(tokens) if isinstance(token, Flag)), len(tokens))
    parts = _read_parts(tokens[:flags_at], faults)
    options = _read_flags(tokens[flags_at:], faults)
    for what, length in (
        ("prompt", sum(len(part.text) for part in parts)),
        ("negative prompt", len(options.negative or "")),
    ):
        if length > PROMPT_LIMIT:
            faults.append(Fault(PROMPT_LIMIT, f"The {what} has {length:,} characters; {PROMPT_LIMIT:,} is the most."))
    if faults:
        raise PromptError(text, faults)
    return ParsedPrompt(tuple(parts), options)


def number_text(value: float) -> str:
    """A number as a person would type it: ``2``, ``0.5``; never with an exponent."""
    return format(Decimal(repr(value)), "f").removesuffix(".0")


# --- from tokens to a prompt --------------------------------------------------------------------------------------


def _read_parts(tokens: Sequence[Token], faults: list[Fault]) -> list[WeightedText]:
    parts: list[WeightedText] = []
    words: list[str] = []
    first_weight: int | None = None
    for token in tokens:
        if isinstance(token, Word):
            words.append(token.text)
        elif isinstance(token, Weight):
            if not words:
                faults.append(Fault(token.position, "There is no text before this “::”."))
            weight = _read_weight(token, faults)
            parts.append(WeightedText(" ".join(words), weight))
            words = []
            first_weight = token.position if first_weight is None else first_weight
    if words:
        parts.append(WeightedText(" ".join(words)))
    if not parts:
        faults.append(Fault(0, "The prompt is empty: say what the picture should show."))
    elif first_weight is not None and not any(part.weight > 0 for part in parts):
        faults.append(Fault(first_weight, "At least one weight must be above 0, or there is nothing to show."))
    return parts


def _read_weight(token: Weight, faults: list[Fault]) -> float:
    if not token.number:
        return 1.0
    try:
        weight = _decimal(token.number.removesuffix(","))
    except ValueError:
        problem = (
            f"“{_quoted(token.number)}” is no weight: right after “::” comes a number such as 2 or -0.5, or a space."
        )
    else:
        if abs(weight) <= WEIGHT_LIMIT:
            return weight
        problem = f"A weight is from -{WEIGHT_LIMIT} to {WEIGHT_LIMIT}."
    faults.append(Fault(token.position + 2, problem))
    return 1.0


def _read_flags(tokens: Sequence[Token], faults: list[Fault]) -> PromptOptions:
    """``tokens`` begin with a flag, or are none."""
    values: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for flag, value in _by_flag(tokens):
        option = FLAGS.get(flag.name)
        if option is None:
            # Nearness takes a while to find: it is looked for only as long as the sentence will be shown.
            suggest = len(faults) < FAULTS_SHOWN
            faults.append(Fault(flag.position, _unknown_flag(flag.name, suggest=suggest)))
            continue
        if option in seen:
            faults.append(Fault(flag.position, f"--{flag.name} is given twice.{_TWICE.get(option, '')}"))
            continue
        seen[option] = flag.name
        words = _value_words(flag, option, value, faults)
        if not words:
            continue
        try:
            values[option] = _READERS[option](" ".join(words))
        except ValueError:
            hint = _hint(option, " ".join(words))
            faults.append(Fault(value[0].position, f"--{flag.name} takes {_TAKES[option]}.{hint}"))
    if "ratio" in seen and "size" in seen:
        second = [flag for flag, _ in _by_flag(tokens) if FLAGS.get(flag.name) in {"ratio", "size"}][1]
        faults.append(Fault(second.position, f"--{seen['ratio']} and --{seen['size']} both say the size: keep one."))
    return PromptOptions(**values)


def _by_flag(tokens: Sequence[Token]) -> list[tuple[Flag, list[Token]]]:
    groups: list[tuple[Flag, list[Token]]] = []
    for token in tokens:
        if isinstance(token, Flag):
            groups.append((token, []))
        else:
            groups[-1][1].append(token)
    return groups


def _value_words(flag: Flag, option: str, value: Sequence[Token], faults: list[Fault]) -> list[str]:
    """The words of a flag's value; none where they are missing or wrong, which is then among the faults."""
    if not value:
        faults.append(Fault(flag.position, f"--{flag.name} needs {_TAKES[option]} after it."))
        return []
    for index, token in enumerate(value):
        if isinstance(token, Weight):
            faults.append(Fault(token.position, "A weight belongs to the text before the flags; as text it is “\\::”."))
            return []
        if index > 0 and option != "negative":
            faults.append(
                Fault(token.position, f"Flags come last: put this before them, for --{flag.name} takes one word.")
            )
            return []
    return [token.text for token in value if isinstance(token, Word)]


def _hint(option: str, value: str) -> str:
    """What to do about a value that cannot be read, with a space before it; or nothing."""
    if option == "seed" and (value[0] in DASHES or value.casefold() in {"random", "any"}):
        return " Leave it out for any seed."
    shorter = value.rstrip(_PUNCTUATION)
    try:
        _READERS[option](shorter)
    except ValueError:
        return ""
    return f" Leave out the “{_quoted(value[len(shorter) :])}” at its end."


def _unknown_flag(name: str, *, suggest: bool) -> str:
    if (apart := glued(name)) is not None:
        return f"--{_quoted(name)} lacks a space: write --{_quoted(apart)}. As text it is “\\--{_quoted(name)}”."
    near = difflib.get_close_matches(name, FLAGS, n=1) if suggest and len(name) <= _QUOTED else []
    every = ", ".join(f"--{flag}" for flag in _FLAG_OF.values())
    shown = _quoted(name)
    known = f"Did you mean --{near[0]}?" if near else f"There are {every}."
    return f"--{shown} is no flag. {known} As text it is “\\--{shown}”."


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"


def _decimal(text: str) -> float:
    text = text.translate(_MINUS_SIGNS)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    return float(text) + 0.0  # minus nothing is nothing


def _ratio(text: str) -> Ratio:
    return Ratio.parse(_half_width(text))


def _size(text: str) -> Size:
    return Size.parse(_half_width(text))


def _half_width(text: str) -> str:
    """Digits and signs as Latin keyboards make them: those of Chinese and Japanese ones are wider."""
    return unicodedata.normalize("NFKC", text)


def _whole(text: str) -> int:
    text = _half_width(text)
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(f"not a whole number: {text!r}")
    return int(text)


_READERS: Mapping[str, Callable[[str], object]] = {
    "negative": str,
    "ratio": _ratio,
    "size": _size,
    "images": _whole,
    "steps": _whole,
    "style": str,
    "seed": _whole,
    "engine": str,
    "guidance": _decimal,
    "sampler": str,
}

_TAKES: Mapping[str, str] = {
    "negative": "the things to leave out",
    "ratio": "two numbers such as 16:9",
    "size": "a width and a height such as 1024x1024",
    "images": "a whole number",
    "steps": "a whole number",
    "style": "the name of a style",
    "seed": "a whole number of at most 12 digits",
    "engine": "the name of an engine",
    "guidance": "a number such as 7.5",
    "sampler": "the name of a sampler",
}

_TWICE: Mapping[str, str] = {"negative": " One can name several things: --no text, frames."}


# --- and back -----------------------------------------------------------------------------------------------------


def _printed_parts(parts: Sequence[WeightedText]) -> Iterator[str]:
    for index, part in enumerate(parts):
        text = escaped(part.text)
        mark = "::" if part.weight == 1 else f"::{number_text(part.weight)}"
        if part.weight == 1 and index == len(parts) - 1:
            mark = ""
        # A colon right before the mark would be read as the first half of it.
        yield f"{text} {mark}" if mark and text.endswith(":") else f"{text}{mark}"


def _printed_options(options: PromptOptions) -> Iterator[str]:
    for option in fields(options):
        value = getattr(options, option.name)
        if value is not None:
            text = number_text(value) if isinstance(value, float) else str(value)
            yield f"--{_FLAG_OF[option.name]} {escaped(text)}"


def escaped(text: str) -> str:
    """The text so that no part of it is read as a weight, a flag or a choice."""
    words = text.split()
    return " ".join(
        _escaped_word(word, flag=reads_as_flag(" ".join(words[place : place + 3]))) for place, word in enumerate(words)
    )


def _escaped_word(word: str, *, flag: bool) -> str:
    printed = word.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}").replace("::", "\\::")
    return f"\\{printed}" if flag else printed
