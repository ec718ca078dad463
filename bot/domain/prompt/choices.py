"""The choices of a prompt: what works on its text before they are written out."""

from __future__ import annotations

import itertools
import math
import re

from bot.domain.characters import DASHES, clean, visible
from bot.domain.prompt.tokens import Fault, PromptError, escape_length

IMAGES_PER_JOB = 10

_QUOTED = 40
_SEED_FLAG = re.compile(rf"(?<![^\s{{,])[{DASHES}]+(?:seed|ｓｅｅｄ)(?=[=＝\s])[=＝]?", re.IGNORECASE)
_NO_SEPARATORS = re.compile(r"[|｜;；/，、]")


def expand(text: str) -> tuple[str, ...]:
    """Write out the choices of a prompt: one text for each combination, in the order of reading.

    Raises PromptError where a brace is out of place, a choice is empty, or there would be more than ten.
    """
    text = clean(text)
    pieces = pieces_of(text)
    count = math.prod(len(piece) for piece in pieces)
    if count > IMAGES_PER_JOB:
        many = f"{count:,}" if count < 1_000_000 else "more than a million"
        problem = f"These choices make {many} prompts; a job makes at most {IMAGES_PER_JOB} images."
        raise PromptError(text, [Fault(len(pieces[0][0]), problem)])
    return tuple("".join(combination) for combination in itertools.product(*pieces))


def reseed(text: str, seed: int) -> str | None:
    """Put ``seed`` in place of the one that a flag of the prompt fixes, or return None where no flag does.

    Where there are several, as in ``--seed {1, 2}``, they become ``seed``, ``seed + 1`` and so on.
    """
    text = clean(text)
    seeds = itertools.count(seed)
    pieces: list[str] = []
    copied = position = 0
    while position < len(text):
        flag = _SEED_FLAG.match(text, position)
        if flag is not None:
            end = _value_end(text, flag.end())
            value = re.sub(r"\d+", lambda _: str(next(seeds)), text[flag.end() : end])
            pieces += [text[copied : flag.end()], value]
            copied = position = end
        else:
            position += escape_length(text, position) or 1
    return "".join([*pieces, text[copied:]]) if pieces else None


def _value_end(text: str, start: int) -> int:
    """Where the one word of a flag's value ends in a text whose choices are not written out."""
    position = start
    while position < len(text) and text[position].isspace():
        position += 1
    inside = False
    while position < len(text) and (inside or not (text[position].isspace() or text[position] in ",}")):
        inside = (inside or text[position] == "{") and text[position] != "}"
        position += 1
    return position


def pieces_of(text: str) -> list[tuple[str, ...]]:
    """Cut a clean text at its braces: what stands outside is a piece with one choice, as are the first and the last.

    Raises PromptError like :func:`expand`.
    """
    pieces: list[tuple[str, ...]] = []
    choices: list[str] = []
    faults: list[Fault] = []
    opened: int | None = None
    start = position = 0
    while position < len(text):
        escape = escape_length(text, position)
        if escape:
            position += escape
            continue
        character = text[position]
        if character == "{":
            if opened is not None:
                faults.append(Fault(position, "Braces cannot stand inside braces; as text it is “\\{”."))
                break  # which brace closes which cannot be told from here on
            pieces.append((text[start:position],))
            opened, choices, start = position, [], position + 1
        elif character == "}" and opened is None:
            faults.append(Fault(position, "This “}” closes nothing; as text it is “\\}”."))
        elif character == "}" or (character == "," and opened is not None):
            choice = text[start:position].strip()
            if not visible(choice):
                faults.append(Fault(position, "There is an empty choice before this."))
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
            faults.append(Fault(opened, "This “{” is never closed; as text it is “\\{”."))
    if faults:
        raise PromptError(text, faults)
    return [*pieces, (text[start:],)]


def _one_choice(choice: str) -> str:
    """Why braces with a single choice in them are no choice."""
    parts = [part.strip() for part in _NO_SEPARATORS.split(choice)]
    meant = ", ".join(parts) if len(parts) > 1 and all(map(visible, parts)) else f"{choice}, another"
    shown = meant if len(meant) <= _QUOTED else "red, blue"
    return (
        f"These braces hold one choice. Choices have commas between them: {{{shown}}}. "
        "As text, braces are “\\{” and “\\}”."
    )
