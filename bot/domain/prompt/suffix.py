"""A text that a person wants in each of their prompts: plain words, put behind what they typed and before its flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.domain.characters import clean
from bot.domain.prompt.choices import pieces_of
from bot.domain.prompt.parser import PromptError, PromptOptions, escaped, expand, parse
from bot.domain.prompt.tokens import Weight, escape_length, flag_at, scan
from bot.errors import UserError

ADDED_AT_MOST = 500
"""Characters of such a text."""


def plain_words(text: str) -> str:
    """The words that are meant. Raises UserError where the text holds weights, flags or choices."""
    try:
        written_out = expand(text)
        prompt = parse(written_out[0])
    except PromptError as error:
        raise UserError(*error.problems) from error
    one_part = len(prompt.parts) == 1 and prompt.parts[0].weight == 1
    if len(written_out) > 1 or not one_part or prompt.options != PromptOptions():
        raise UserError(
            "The text that is always added takes plain words: no weights, no flags such as --no, no choices in braces."
        )
    words = prompt.parts[0].text
    if len(words) > ADDED_AT_MOST:
        raise UserError(f"The text that is always added has {len(words):,} characters; {ADDED_AT_MOST} is the most.")
    return words


def with_words(prompt: str, words: str) -> str:
    """The prompt, as it was typed, with plain words behind its text in each of the prompts that its choices make.

    Raises PromptError where the prompt's choices cannot be read.
    """
    pieces = [list(piece) for piece in pieces_of(clean(prompt))]
    place = _last_of_the_text(pieces)
    piece = pieces[place]
    before = "".join(each[-1] for each in pieces[:place])
    added = escaped(words) if len(piece) == 1 else escaped(words).replace(",", "\\,")
    comma = ", " if len(piece) == 1 else "\\, "
    for index, choice in enumerate(piece):
        flags = _flags_at(choice, at_start=not before or before[-1].isspace())
        text, rest = (choice, "") if flags is None else (choice[:flags], choice[flags:])
        joint = _joint(text if text.strip() else before, comma)
        # What follows are flags, be it in this piece or in the next one.
        space = " " if rest or (text[-1:].isspace() and place < len(pieces) - 1) else ""
        piece[index] = f"{text.rstrip()}{joint}{added}{space}{rest}"
    return "".join(_printed(pieces))


def _last_of_the_text(pieces: Sequence[Sequence[str]]) -> int:
    """The piece in which the text ends and the flags begin, or the last one."""
    at_start = True
    for place, piece in enumerate(pieces):
        flags = [_flags_at(choice, at_start=at_start) for choice in piece]
        if any(flag is not None for flag in flags):
            # Choices that are nothing but flags belong to the flags: the text ends before them.
            return place - 1 if place and len(piece) > 1 and not any(flag != 0 for flag in flags) else place
        if piece[-1]:
            at_start = piece[-1][-1].isspace()
    return len(pieces) - 1


def _flags_at(text: str, *, at_start: bool) -> int | None:
    """Where the first flag begins; ``at_start``: what stands before this text lets one begin right here."""
    position = 0
    while position < len(text):
        word_starts = text[position - 1].isspace() if position else at_start
        if word_starts and flag_at(text, position) is not None:
            return position
        position += escape_length(text, position) or 1
    return None


def _joint(before: str, comma: str) -> str:
    if not before.strip():
        return ""
    tokens = list(scan(before, []))
    # After a weight the words are a part of their own. A backslash would take the comma's meaning.
    return " " if isinstance(tokens[-1], Weight) or before.rstrip().endswith((",", "\\")) else comma


def _printed(pieces: Sequence[Sequence[str]]) -> Iterator[str]:
    for piece in pieces:
        yield piece[0] if len(piece) == 1 else f"{{{', '.join(piece)}}}"
