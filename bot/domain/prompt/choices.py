"""The choices of a prompt, ``{red, blue}``: expands them to one text for each combination."""

from __future__ import annotations

import itertools
import math
import re

from bot.domain.characters import clean, visible
from bot.domain.options import IMAGES_PER_JOB
from bot.domain.prompt.tokens import Fault, PromptError, escape_length
from bot.text import Text, Value, message, t

TOO_MANY_PROMPTS = message(
    "prompt.too_many_prompts", "These choices make {prompts} prompts; a job makes at most {most} images."
)
NESTED_BRACES = message("prompt.nested_braces", "Braces can't be nested. For plain text write “\\{{”.")
UNOPENED_BRACE = message("prompt.unopened_brace", "This “}}” closes nothing. For plain text write “\\}}”.")
UNCLOSED_BRACE = message("prompt.unclosed_brace", "This “{{” is never closed. For plain text write “\\{{”.")
EMPTY_CHOICE = message("prompt.empty_choice", "There is an empty choice before this.")
ONE_CHOICE = message(
    "prompt.one_choice",
    "These braces hold only one choice. Put commas between choices: {{{choices}}}. "
    "For plain text write “\\{{” and “\\}}”.",
)

_QUOTED = 40
_COUNTED = 1_000_000
# All that means something here. The search between them is in C, since people type long prompts.
_MARKS = re.compile(r"[\\{},]")
_NO_SEPARATORS = re.compile(r"[|｜;；/，、]")


def expand(text: str) -> tuple[str, ...]:
    """Expand the choices of a prompt to one text for each combination, in reading order.

    Raises PromptError if a brace is misplaced, a choice is empty, or there are more than ten combinations.
    """
    text = clean(text)
    pieces = _pieces(text)
    count = math.prod(len(piece) for piece in pieces)
    if count > IMAGES_PER_JOB:
        # The product of many choices can have thousands of digits.
        shown: Value = count if count < _COUNTED else t("more than a million")
        raise PromptError(text, [Fault(len(pieces[0][0]), TOO_MANY_PROMPTS(prompts=shown, most=IMAGES_PER_JOB))])
    return tuple("".join(combination) for combination in itertools.product(*pieces))


def _pieces(text: str) -> list[tuple[str, ...]]:
    """Cut a clean text at its braces. Text outside braces is a piece with a single choice.

    The first and the last piece are always outside.
    """
    pieces: list[tuple[str, ...]] = []
    choices: list[str] = []
    faults: list[Fault] = []
    opened: int | None = None
    start = position = 0
    while (mark := _MARKS.search(text, position)) is not None:
        position = mark.start()
        escape = escape_length(text, position)
        if escape:
            position += escape
            continue
        character = text[position]
        if character == "{":
            if opened is not None:
                faults.append(Fault(position, NESTED_BRACES()))
                break  # which brace closes which cannot be told from here on
            pieces.append((text[start:position],))
            opened, choices, start = position, [], position + 1
        elif character == "}" and opened is None:
            faults.append(Fault(position, UNOPENED_BRACE()))
        elif character == "}" or (character == "," and opened is not None):
            choice = text[start:position].strip()
            if not visible(choice):
                faults.append(Fault(position, EMPTY_CHOICE()))
            choices.append(choice)
            start = position + 1
            if character == "}" and opened is not None:
                if len(choices) == 1 and visible(choice):
                    faults.append(Fault(opened, _one_choice(choice)))
                pieces.append(tuple(choices))
                opened = None
        position += 1
    else:
        if opened is not None:
            faults.append(Fault(opened, UNCLOSED_BRACE()))
    if faults:
        raise PromptError(text, faults)
    return [*pieces, (text[start:],)]


def _one_choice(choice: str) -> Text:
    """What to write in place of braces with a single choice in them."""
    parts = [part.strip() for part in _NO_SEPARATORS.split(choice)]
    meant: Value = (
        ", ".join(parts) if len(parts) > 1 and all(map(visible, parts)) else t("{choice}, another", choice=choice)
    )
    return ONE_CHOICE(choices=meant if len(str(meant)) <= _QUOTED else t("red, blue"))
