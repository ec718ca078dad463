"""The choices of a prompt: what works on its text before they are written out."""

from __future__ import annotations

import itertools
import math
import re

from bot.generation.prompt_tokens import Fault, PromptError, clean, escape_length

IMAGES_PER_JOB = 10

_SEED_FLAG = re.compile(r"(?<![^\s{,])(?:--|[—–―])seed(?=[=\s])=?", re.IGNORECASE)


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
                raise PromptError(text, [Fault(position, "Braces cannot stand inside braces.")])
            pieces.append((text[start:position],))
            opened, choices, start = position, [], position + 1
        elif character == "}" and opened is None:
            raise PromptError(text, [Fault(position, "This “}” closes nothing; as text it is “\\}”.")])
        elif character == "}" or (character == "," and opened is not None):
            choices.append(_choice(text, start, position))
            start = position + 1
            if character == "}":
                pieces.append(tuple(choices))
                opened = None
        position += 1
    if opened is not None:
        raise PromptError(text, [Fault(opened, "This “{” is never closed; as text it is “\\{”.")])
    return [*pieces, (text[start:],)]


def _choice(text: str, start: int, end: int) -> str:
    choice = text[start:end].strip()
    if not choice:
        raise PromptError(text, [Fault(end, "There is an empty choice before this.")])
    return choice
