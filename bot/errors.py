"""Errors whose text is shown to the person who caused them."""

from __future__ import annotations

from typing import TypeAlias

from bot.text import Message, Text, message

Problem: TypeAlias = Text | Message
"""A text that tells a person why something is not possible."""


class UserError(Exception):
    """Something a person did wrong or can act on.

    Its ``problems`` are one or more texts that are safe to show: what happened, what it cost, what to do. They never
    contain a token, a traceback or another person's data.
    """

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a UserError needs at least one problem")
        self.problems = tuple(_text(problem) for problem in problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class NotMade(UserError):
    """No images were made, and nothing was charged. The card states that once, below the problems."""


def _text(problem: Problem) -> Text:
    return problem() if isinstance(problem, Message) else problem


class SettingsError(UserError):
    """A setting is missing or wrong: the program prints this line and exits with status 2."""


class Undelivered(Exception):
    """Something could not be delivered for a reason that may pass; the text is for the log."""


STORAGE_FAILS = message(
    "storage.fails",
    "The bot can't use its database at the moment. Nothing was changed or charged. Try again in a few minutes; if it "
    "keeps happening, tell the bot's operator.",
)
"""The text for a failure of the disk or the database. Writes are all or nothing, so nothing was changed."""
