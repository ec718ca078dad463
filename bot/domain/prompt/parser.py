r"""The parser of prompts, and the printer whose output parses to the same prompt.

    a red fox::2 snow::0.5 people::-1 --no text, frames --ar 16:9 --style anime
    {red, blue} car --seed {1, 2}

* ``::`` ends a part. A number right after it is the part's weight; without one, the weight is 1. A weight below 0 says
  what to avoid, and at least one must be above 0. One comma right after a weight is a separator.
* Flags come last: ``--`` and a letter, at the start of a word. A value is one word, after a space or ``=``; that of
  ``--no`` goes on to the next flag. Any dash signs make a flag of a known name, since keyboards replace ``--``.
* ``{…, …}`` stands for one prompt with each choice. Choices are expanded before anything else is parsed
  (:func:`expand`), so a choice may hold a weight, a flag or a flag's value. Braces cannot be nested and hold at least
  two choices.
* A backslash escapes ``::``, a dash, ``{``, ``}``, ``,`` and itself. Before anything else it is a backslash.
* White space of any kind and length is one space. Characters that are not text (``bot.domain.characters``) count as
  white space, and invisible words are ignored.

All functions here read a text from left to right, once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from bot.domain.characters import DASHES, clean
from bot.domain.features import Option
from bot.domain.options import FLAGS, OPTIONS, PROMPT_LIMIT
from bot.domain.prompt.choices import expand
from bot.domain.prompt.tokens import (
    FAULTS_SHOWN,
    Correction,
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
from bot.domain.values import Value, Values, decimal_number, value_text
from bot.errors import UserError
from bot.providers.base import WeightedText
from bot.text import Text, message

WEIGHT_LIMIT = 10
"""A weight is from minus this to this; an engine may take less."""
ADDED_AT_MOST = 500
"""Characters of the words that a person adds to every prompt, at most."""

PROMPT_TOO_LONG = message("prompt.too_long", "The prompt has {length} characters; at most {limit} are allowed.")
NEGATIVE_TOO_LONG = message(
    "prompt.negative_too_long", "The negative prompt has {length} characters; at most {limit} are allowed."
)
EMPTY_PROMPT = message("prompt.empty", "The prompt is empty. Say what the image should show.")
EMPTY_PART = message("prompt.empty_part", "There is no text before this “::”.")
NOTHING_TO_SHOW = message("prompt.nothing_to_show", "At least one weight must be above 0.")
NOT_A_WEIGHT = message(
    "prompt.not_a_weight", "“{text}” isn't a weight. After “::” write a number such as 2 or -0.5, or a space."
)
WEIGHT_RANGE = message("prompt.weight_range", "A weight must be between -{limit} and {limit}.")
UNKNOWN_FLAG = message(
    "prompt.unknown_flag", "Unknown flag --{flag}. /help lists the flags. For plain text write “\\--{flag}”."
)
MISSPELT_FLAG = message(
    "prompt.misspelt_flag", "Unknown flag --{flag}. Did you mean --{near}? For plain text write “\\--{flag}”."
)
GLUED_FLAG = message("prompt.glued_flag", "--{flag} needs a space: write --{apart}. For plain text write “\\--{flag}”.")
FLAG_TWICE = message("prompt.flag_twice", "--{flag} and --{first} set the same option. Keep one of them.")
FLAG_REPEATED = message("prompt.flag_repeated", "--{flag} is given twice. Keep one of them.")
NO_LIST_TWICE = message(
    "prompt.no_list_twice", "--{flag} is given twice. List everything after one of them: --no text, frames."
)
NO_VALUE = message("prompt.no_value", "Add a value after --{flag}: {expects}.")
WRONG_VALUE = message("prompt.wrong_value", "--{flag} takes {expects}.")
SEED_FOR_ANY = message("prompt.seed_for_any", "--{flag} takes {expects}. For a random seed, leave --{flag} out.")
WRONG_ENDING = message("prompt.wrong_ending", "--{flag} takes {expects}. Remove the “{ending}” at the end.")
WEIGHT_AFTER_FLAGS = message("prompt.weight_after_flags", "Weights go before the flags. For plain text write “\\::”.")
TEXT_AFTER_FLAGS = message("prompt.text_after_flags", "Put this before the flags: --{flag} takes only one word.")
NOT_PLAIN_WORDS = message(
    "prompt.not_plain_words",
    "The text added to every prompt must be plain words: no weights, no flags such as --no, no choices in braces.",
)
ADDED_TOO_LONG = message(
    "prompt.added_too_long", "The text added to every prompt has {length} characters; at most {limit} are allowed."
)

_UNKNOWN_FLAGS = frozenset({UNKNOWN_FLAG.code, MISSPELT_FLAG.code, GLUED_FLAG.code})
_QUOTED = 30
_PUNCTUATION = ",.;:!，。；、"


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """One prompt: its parts, and the options that its flags set. Only some operations need no parts.

    Whether an engine takes them is not checked here.
    """

    parts: tuple[WeightedText, ...]
    options: Values = field(default_factory=dict, hash=False)

    def text(self) -> str:
        """Print it so that :func:`parse` returns the same again."""
        return " ".join([*_printed_parts(self.parts), *_printed_options(self.options)])

    def with_words(self, words: str) -> ParsedPrompt:
        """The same with plain words added to its text, unless it has none or ends with them already.

        They continue the last part, or become a part of their own where that one has a weight.
        """
        if not self.parts:
            return self
        last = self.parts[-1]
        if last.text.casefold().endswith(words.casefold()):
            return self
        if last.weight != 1:
            return replace(self, parts=(*self.parts, WeightedText(words)))
        comma = " " if last.text.endswith(",") else ", "
        return replace(self, parts=(*self.parts[:-1], WeightedText(f"{last.text}{comma}{words}")))


def read_prompt(text: str, *, may_be_empty: bool = False) -> tuple[ParsedPrompt, ...]:
    """Expand the choices of a prompt and parse each combination. Raises PromptError.

    ``may_be_empty``: it may have no words, only flags or nothing at all.
    """
    return tuple(parse(each, may_be_empty=may_be_empty) for each in expand(text))


def read_faulty_prompt(text: str, *, may_be_empty: bool = False) -> tuple[tuple[ParsedPrompt, ...], PromptError]:
    """Return as much of a prompt as can be read, and the error with all its faults.

    Nothing can be read if the braces are wrong; then the error has the unknown flags too. Raises ValueError if the
    prompt has no faults.
    """
    try:
        every = expand(text)
    except PromptError as error:
        _, found = parse_leniently(text)
        unknown = [fault for fault in found if fault.problem.code in _UNKNOWN_FLAGS]
        return (), PromptError(clean(text), [*error.faults, *unknown])
    read = [(each, *parse_leniently(each)) for each in every]
    for each, _, found in read:
        if faults := _counted(found, may_be_empty=may_be_empty):
            return tuple(prompt for _, prompt, _ in read), PromptError(clean(each), faults)
    raise ValueError("this prompt has no faults")


def corrected(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a prompt with its misspelt flags as they were probably meant, and these flags.

    None if it has other faults or choices, or none at all.
    """
    text = clean(text)
    _, faults = parse_leniently(text)
    corrections = [(fault.position, fault.correction) for fault in faults]
    flags: list[str] = []
    for position, correction in sorted(corrections, key=lambda each: each[0], reverse=True):
        if correction is None:
            return None
        text = " ".join([text[:position] + correction.text, text[correction.end :].lstrip()])
        flags.insert(0, correction.text.split()[0])
    return (text.rstrip(), tuple(flags)) if flags else None


def parse(text: str, *, may_be_empty: bool = False) -> ParsedPrompt:
    """Parse one prompt, whose choices are expanded. Raises PromptError, which names every fault and its place."""
    prompt, found = parse_leniently(text)
    faults = _counted(found, may_be_empty=may_be_empty)
    if faults:
        raise PromptError(clean(text), faults)
    return prompt


def _counted(faults: Sequence[Fault], *, may_be_empty: bool) -> list[Fault]:
    """The faults without a missing prompt, if that is none."""
    return [fault for fault in faults if not may_be_empty or fault.problem.code != EMPTY_PROMPT.code]


# The cards of a comparison read the same few prompts at every edit.
@lru_cache(maxsize=64)
def parse_leniently(text: str) -> tuple[ParsedPrompt, tuple[Fault, ...]]:
    """Parse as much of one prompt as possible, and return it with all faults. It may then have no parts."""
    text = clean(text)
    faults: list[Fault] = []
    tokens = list(scan(text, faults))
    flags_at = next((index for index, token in enumerate(tokens) if isinstance(token, Flag)), len(tokens))
    parts = _read_parts(tokens[:flags_at], faults)
    options = _read_flags(tokens[flags_at:], faults)
    for problem, length in (
        (PROMPT_TOO_LONG, sum(len(part.text) for part in parts)),
        (NEGATIVE_TOO_LONG, len(str(options.get("negative", "")))),
    ):
        if length > PROMPT_LIMIT:
            faults.append(Fault(PROMPT_LIMIT, problem(length=length, limit=PROMPT_LIMIT)))
    return ParsedPrompt(tuple(parts), options), tuple(faults)


def plain_words(text: str) -> str:
    """Read the words that a person adds to every prompt. Raises UserError if they hold weights, flags or choices."""
    prompts = read_prompt(text)
    prompt = prompts[0]
    if len(prompts) > 1 or len(prompt.parts) > 1 or prompt.parts[0].weight != 1 or prompt.options:
        raise UserError(NOT_PLAIN_WORDS)
    words = prompt.parts[0].text
    if len(words) > ADDED_AT_MOST:
        raise UserError(ADDED_TOO_LONG(length=len(words), limit=ADDED_AT_MOST))
    return words


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
                faults.append(Fault(token.position, EMPTY_PART()))
            weight = _read_weight(token, faults)
            parts.append(WeightedText(" ".join(words), weight))
            words = []
            first_weight = token.position if first_weight is None else first_weight
    if words:
        parts.append(WeightedText(" ".join(words)))
    if not parts:
        faults.append(Fault(0, EMPTY_PROMPT()))
    elif first_weight is not None and not any(part.weight > 0 for part in parts):
        faults.append(Fault(first_weight, NOTHING_TO_SHOW()))
    return parts


def _read_weight(token: Weight, faults: list[Fault]) -> float:
    if not token.number:
        return 1.0
    try:
        weight = decimal_number(token.number.removesuffix(","))
    except ValueError:
        problem = NOT_A_WEIGHT(text=_quoted(token.number))
    else:
        if abs(weight) <= WEIGHT_LIMIT:
            return weight
        problem = WEIGHT_RANGE(limit=WEIGHT_LIMIT)
    faults.append(Fault(token.position + 2, problem))
    return 1.0


def _read_flags(tokens: Sequence[Token], faults: list[Fault]) -> Values:
    """``tokens`` begin with a flag, or are none."""
    values: dict[str, Value] = {}
    seen: dict[str, str] = {}
    for flag, value in _by_flag(tokens):
        option = FLAGS.get(flag.name)
        if option is None:
            # Near matches are slow to find, so they are looked for only while faults are shown.
            suggest = len(faults) < FAULTS_SHOWN
            faults.append(_unknown_flag(flag, suggest=suggest))
            continue
        if option.name in seen:
            faults.append(Fault(flag.position, _twice(option, flag.name, seen[option.name])))
            continue
        seen[option.name] = flag.name
        words = _value_words(flag, option, value, faults)
        if not words:
            continue
        try:
            values[option.name] = option.read(" ".join(words))
        except ValueError:
            faults.append(Fault(value[0].position, _wrong_value(flag.name, option, " ".join(words))))
    return values


def _twice(option: Option, flag: str, first: str) -> Text:
    if flag != first:
        return FLAG_TWICE(flag=flag, first=first)
    return (NO_LIST_TWICE if option.several_words else FLAG_REPEATED)(flag=flag)


def _by_flag(tokens: Sequence[Token]) -> list[tuple[Flag, list[Token]]]:
    groups: list[tuple[Flag, list[Token]]] = []
    for token in tokens:
        if isinstance(token, Flag):
            groups.append((token, []))
        else:
            groups[-1][1].append(token)
    return groups


def _value_words(flag: Flag, option: Option, value: Sequence[Token], faults: list[Fault]) -> list[str]:
    """The words of a flag's value. None if they are missing or wrong, which is then among the faults."""
    if not value:
        faults.append(Fault(flag.position, NO_VALUE(flag=flag.name, expects=option.expects)))
        return []
    for index, token in enumerate(value):
        if isinstance(token, Weight):
            faults.append(Fault(token.position, WEIGHT_AFTER_FLAGS()))
            return []
        if index > 0 and not option.several_words:
            faults.append(Fault(token.position, TEXT_AFTER_FLAGS(flag=flag.name)))
            return []
    return [token.text for token in value if isinstance(token, Word)]


def _wrong_value(flag: str, option: Option, value: str) -> Text:
    """What to do about a value that cannot be read."""
    if option.any_value is not None and (value[0] in DASHES or value.casefold() in {"random", "any"}):
        return SEED_FOR_ANY(flag=flag, expects=option.expects)
    shorter = value.rstrip(_PUNCTUATION)
    try:
        option.read(shorter)
    except ValueError:
        return WRONG_VALUE(flag=flag, expects=option.expects)
    return WRONG_ENDING(flag=flag, expects=option.expects, ending=_quoted(value[len(shorter) :]))


def _unknown_flag(flag: Flag, *, suggest: bool) -> Fault:
    shown = _quoted(flag.name)
    if (apart := glued(flag.name)) is not None:
        problem = GLUED_FLAG(flag=shown, apart=_quoted(apart))
        return Fault(flag.position, problem, Correction(flag.end, f"--{apart}"))
    near = difflib.get_close_matches(flag.name, FLAGS, n=1) if suggest and len(flag.name) <= _QUOTED else []
    if near:
        return Fault(flag.position, MISSPELT_FLAG(flag=shown, near=near[0]), Correction(flag.end, f"--{near[0]}"))
    return Fault(flag.position, UNKNOWN_FLAG(flag=shown))


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"


# --- and back -----------------------------------------------------------------------------------------------------


def _printed_parts(parts: Sequence[WeightedText]) -> Iterator[str]:
    for index, part in enumerate(parts):
        text = escaped(part.text)
        mark = "::" if part.weight == 1 else f"::{value_text(part.weight)}"
        if part.weight == 1 and index == len(parts) - 1:
            mark = ""
        # A colon right before the mark would be read as the first half of it.
        yield f"{text} {mark}" if mark and text.endswith(":") else f"{text}{mark}"


def _printed_options(values: Values) -> Iterator[str]:
    for option in OPTIONS.values():
        if (value := values.get(option.name)) is not None:
            yield f"--{option.flags[0]} {escaped(value_text(value))}"


def escaped(text: str) -> str:
    """The text so that no part of it is read as a weight, a flag or a choice."""
    words = text.split()
    return " ".join(
        _escaped_word(word, flag=reads_as_flag(" ".join(words[place : place + 3]))) for place, word in enumerate(words)
    )


def _escaped_word(word: str, *, flag: bool) -> str:
    printed = word.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}").replace("::", "\\::")
    return f"\\{printed}" if flag else printed
