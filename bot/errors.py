"""Errors whose text is meant for the person who caused them."""


class UserError(Exception):
    """Something a person did wrong or can act on.

    The message is one or more plain sentences that are safe to show: what happened, what it cost, what to do.
    It never holds a token, a traceback or another person's data.
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise ValueError("a UserError needs at least one sentence")
        self.problems = problems
        super().__init__("\n".join(problems))


class SettingsError(UserError):
    """A setting is missing or wrong: the program ends with status 2 and this one line."""


class Undelivered(Exception):
    """Something could not be shown for a reason that may pass; the text says which, for the log."""


STORAGE_FAILS = (
    "The bot cannot use its own records at the moment. Nothing was changed and nothing was charged. "
    "Try again in a few minutes; whoever runs the bot finds the reason in its log."
)
"""What a person is told when the disk or the database fails: all that is written is written whole or not at all."""
