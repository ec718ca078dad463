"""Errors whose text is meant for the person who caused them."""

from __future__ import annotations

from typing import TypeAlias

from bot.text import VERBATIM, Message, Text

Problem: TypeAlias = Text | Message | str
"""What a person is told of something that cannot be."""


class UserError(Exception):
    """Something a person did wrong or can act on.

    Its ``problems`` are one or more texts that are safe to show: what happened, what it cost, what to do. They never
    hold a token, a traceback or another person's data.
    """

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a UserError needs at least one problem")
        self.problems = tuple(_text(problem) for problem in problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def _text(problem: Problem) -> Text:
    if isinstance(problem, Message):
        return problem()
    return VERBATIM(words=problem) if isinstance(problem, str) else problem


class SettingsError(UserError):
    """A setting is missing or wrong: the program ends with status 2 and this one line."""


class Undelivered(Exception):
    """Something could not be shown for a reason that may pass; the text says which, for the log."""


STORAGE_FAILS = (
    "The bot cannot use its own records at the moment. Nothing was changed and nothing was charged. "
    "Try again in a few minutes; whoever runs the bot finds the reason in its log."
)
"""What a person is told when the disk or the database fails: all that is written is written whole or not at all."""
