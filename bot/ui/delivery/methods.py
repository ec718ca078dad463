"""The ways by which a result can reach a person, and which ways are left after each kind of failure. Pure tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import discord

from storage.records import Job


class Step(StrEnum):
    """A way to show a result; the value is how it reads in the job's delivery note."""

    TOKEN = "edited by the interaction's token"  # noqa: S105 - the name of a way, not a secret
    BOT_EDIT = "edited by the bot itself"
    POST = "posted as a new message"
    DM = "sent as a direct message"


class Reason(StrEnum):
    """Why a way is closed; the value is how it reads in the job's delivery note."""

    TOKEN_OVER = "the interaction's token was over"  # noqa: S105 - the name of a reason, not a secret
    MESSAGE_GONE = "the card was deleted"
    MESSAGE_UNKNOWN = "the card's message was not known"
    PLACE_GONE = "the channel or the server is gone"
    NOT_ALLOWED = "the bot may not see or write there"
    NO_FILES = "Discord takes no pictures in this place"
    NOT_PRESENT = "the bot is not a member there"
    NO_DMS = "this person takes no direct messages"
    DMS_OFF = "this person turned direct messages off"
    MAYBE_POSTED = "it may have been posted already"
    MAYBE_SHOWN = "it may have been shown already"
    TOO_LARGE = "Discord found it too large"
    REFUSED = "Discord refused it"


PUBLIC = (Step.TOKEN, Step.BOT_EDIT, Step.POST, Step.DM)
PRIVATE = (Step.TOKEN, Step.DM)

_ANY = frozenset(Step)
_NONE: frozenset[Step] = frozenset()
_DM = frozenset({Step.DM})

LEFT: Mapping[Reason, frozenset[Step]] = {
    Reason.TOKEN_OVER: _ANY,
    # Somebody did not want to see it there: that is an answer.
    Reason.MESSAGE_GONE: _NONE,
    Reason.MESSAGE_UNKNOWN: _ANY,
    Reason.PLACE_GONE: _DM,
    Reason.NOT_ALLOWED: _DM,
    Reason.NO_FILES: _DM,
    Reason.NOT_PRESENT: _DM,
    Reason.NO_DMS: _NONE,
    Reason.DMS_OFF: _NONE,
    Reason.MAYBE_POSTED: _NONE,
    Reason.MAYBE_SHOWN: _NONE,
    Reason.TOO_LARGE: _NONE,
    Reason.REFUSED: _ANY,
}
"""The ways that a failure leaves open, as far as they come later in the job's ladder."""

WORDS_MAY_DO = frozenset({Reason.NO_FILES, Reason.REFUSED, Reason.TOO_LARGE})
"""Why a card was not edited with the images in it, though it may take words alone."""
_EDITS = frozenset({Step.TOKEN, Step.BOT_EDIT})

MISSING_PERMISSIONS = 50013
_CODES: Mapping[int, Reason] = {
    50027: Reason.TOKEN_OVER,
    10015: Reason.TOKEN_OVER,
    10062: Reason.TOKEN_OVER,
    10008: Reason.MESSAGE_GONE,
    10003: Reason.PLACE_GONE,
    10004: Reason.PLACE_GONE,
    50001: Reason.NOT_ALLOWED,
    MISSING_PERMISSIONS: Reason.NOT_ALLOWED,
    # Uploads are limited for the server; the picture is too explicit for the place.
    400001: Reason.NO_FILES,
    20009: Reason.NO_FILES,
    50007: Reason.NO_DMS,
    50278: Reason.NO_DMS,
    10013: Reason.NO_DMS,
    40005: Reason.TOO_LARGE,
}


def ladder(job: Job) -> tuple[Step, ...]:
    """The job's ways, the best first. What is private never goes to a channel."""
    return PRIVATE if job.private else PUBLIC


def needs_token(job: Job) -> bool:
    """Whether nothing but an interaction's token can edit the card."""
    return job.private or not job.bot_present


def closed(step: Step, job: Job, *, takes_dms: bool = True) -> Reason | None:
    """Why a way need not even be tried, from what is known here; ``takes_dms``: direct messages were left on.

    No clock decides whether a token is over: Discord's and the machine's need not agree. A token that Discord
    refused is erased, and every other one is tried.
    """
    if step is Step.TOKEN:
        if job.message_id is None:
            return Reason.MESSAGE_UNKNOWN
        return Reason.TOKEN_OVER if job.interaction_token is None else None
    if step is Step.BOT_EDIT and job.message_id is None:
        return Reason.MESSAGE_UNKNOWN
    if step in (Step.BOT_EDIT, Step.POST) and not job.bot_present:
        return Reason.NOT_PRESENT
    if step is Step.DM and not takes_dms:
        return Reason.DMS_OFF
    return None


def reason(step: Step, error: discord.HTTPException) -> Reason | None:
    """Why Discord refused this way; None where the failure may pass and the same way is worth another try."""
    if error.status >= 500 or error.status == 429:
        return None
    if error.status == 413:
        return Reason.TOO_LARGE
    if error.status == 401:
        # On a webhook it is the interaction's token; elsewhere it is the bot's own, which an operator has to mend.
        return Reason.TOKEN_OVER if step is Step.TOKEN else None
    known = _CODES.get(error.code)
    if known is Reason.NOT_ALLOWED and error.code == MISSING_PERMISSIONS and step in _EDITS:
        # A message of one's own can be edited without any permission: only the files need one.
        return Reason.NO_FILES
    if step is Step.DM and error.status in (403, 404) and known is not Reason.MESSAGE_GONE:
        return Reason.NO_DMS
    return known or Reason.REFUSED
