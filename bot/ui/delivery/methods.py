"""The delivery methods of a result, and the fallbacks after each kind of failure. Pure tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import discord

from storage.records import DeliveryMethod, DeliveryReason, Job

TOKEN, BOT_EDIT = DeliveryMethod.TOKEN, DeliveryMethod.BOT_EDIT
NEW_MESSAGE, DIRECT_MESSAGE = DeliveryMethod.NEW_MESSAGE, DeliveryMethod.DIRECT_MESSAGE

EDITS = (TOKEN, BOT_EDIT)
"""The methods that put the result into the job's card."""
SENDS = (NEW_MESSAGE, DIRECT_MESSAGE)
"""The methods that send another message, which notifies its author."""
PUBLIC = (*EDITS, *SENDS)
PRIVATE = (TOKEN, DIRECT_MESSAGE)

_ANY = frozenset(PUBLIC)
_NONE: frozenset[DeliveryMethod] = frozenset()
_DIRECT_MESSAGE = frozenset({DIRECT_MESSAGE})

NEXT_AFTER: Mapping[DeliveryReason, frozenset[DeliveryMethod]] = {
    DeliveryReason.TOKEN_EXPIRED: _ANY,
    # Somebody deleted the card on purpose, so do not send it again.
    DeliveryReason.MESSAGE_GONE: _NONE,
    DeliveryReason.MESSAGE_UNKNOWN: _ANY,
    DeliveryReason.PLACE_GONE: _DIRECT_MESSAGE,
    DeliveryReason.NOT_ALLOWED: _DIRECT_MESSAGE,
    DeliveryReason.NO_FILES: _DIRECT_MESSAGE,
    DeliveryReason.NOT_PRESENT: _DIRECT_MESSAGE,
    DeliveryReason.NO_DMS: _NONE,
    DeliveryReason.DMS_OFF: _NONE,
    DeliveryReason.MAYBE_POSTED: _NONE,
    DeliveryReason.MAYBE_SHOWN: _NONE,
    DeliveryReason.TOO_LARGE: _NONE,
    DeliveryReason.REFUSED: _ANY,
}
"""The fallbacks after a failure, as far as they come later in the job's order."""

WORDS_MAY_DO = frozenset({DeliveryReason.NO_FILES, DeliveryReason.REFUSED, DeliveryReason.TOO_LARGE})
"""Reasons for refusing a card with images; the same card without images may be accepted."""

MISSING_PERMISSIONS = 50013
_CODES: Mapping[int, DeliveryReason] = {
    50027: DeliveryReason.TOKEN_EXPIRED,
    10015: DeliveryReason.TOKEN_EXPIRED,
    10062: DeliveryReason.TOKEN_EXPIRED,
    10008: DeliveryReason.MESSAGE_GONE,
    10003: DeliveryReason.PLACE_GONE,
    10004: DeliveryReason.PLACE_GONE,
    50001: DeliveryReason.NOT_ALLOWED,
    MISSING_PERMISSIONS: DeliveryReason.NOT_ALLOWED,
    # The server limits uploads; or the image is too explicit for the channel.
    400001: DeliveryReason.NO_FILES,
    20009: DeliveryReason.NO_FILES,
    50007: DeliveryReason.NO_DMS,
    50278: DeliveryReason.NO_DMS,
    10013: DeliveryReason.NO_DMS,
    40005: DeliveryReason.TOO_LARGE,
}


class Refused(Exception):
    """Discord refused a request, or a method is unavailable, for this reason."""

    def __init__(self, reason: DeliveryReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def methods_of(job: Job) -> tuple[DeliveryMethod, ...]:
    """The job's delivery methods in the order of the attempts. A private result is never posted in a channel."""
    return PRIVATE if job.private else PUBLIC


def needs_token(job: Job) -> bool:
    """Whether only an interaction's token can edit the card."""
    return job.only_author_sees or not job.bot_present


def unavailable(method: DeliveryMethod, job: Job, *, takes_dms: bool = True) -> DeliveryReason | None:
    """Why the method cannot work, according to the stored job. ``takes_dms``: the author allows direct messages.

    The clock does not decide whether a token has expired, because Discord's clock and ours may differ. A token that
    Discord refused is erased; every other token is tried.
    """
    if method is TOKEN:
        if job.message_id is None:
            return DeliveryReason.MESSAGE_UNKNOWN
        return DeliveryReason.TOKEN_EXPIRED if job.interaction_token is None else None
    if method is BOT_EDIT and job.message_id is None:
        return DeliveryReason.MESSAGE_UNKNOWN
    if method in (BOT_EDIT, NEW_MESSAGE) and not job.bot_present:
        return DeliveryReason.NOT_PRESENT
    if method is DIRECT_MESSAGE and not takes_dms:
        return DeliveryReason.DMS_OFF
    return None


def reason_of(method: DeliveryMethod, error: discord.HTTPException) -> DeliveryReason | None:
    """Why Discord refused this method; None if the failure is temporary, so that the method is worth a retry."""
    if error.status >= 500 or error.status == 429:
        return None
    if error.status == 413:
        return DeliveryReason.TOO_LARGE
    if error.status == 401:
        # For a webhook, 401 is about the interaction's token. Otherwise the operator has to fix the bot's own token.
        return DeliveryReason.TOKEN_EXPIRED if method is TOKEN else None
    known = _CODES.get(error.code)
    if known is DeliveryReason.NOT_ALLOWED and error.code == MISSING_PERMISSIONS and method in EDITS:
        # The bot needs no permission to edit its own message; only attaching files needs one.
        return DeliveryReason.NO_FILES
    if method is DIRECT_MESSAGE and error.status in (403, 404) and known is not DeliveryReason.MESSAGE_GONE:
        return DeliveryReason.NO_DMS
    return known or DeliveryReason.REFUSED


@contextmanager
def refusals(method: DeliveryMethod, among: Collection[DeliveryReason] = frozenset(DeliveryReason)) -> Iterator[None]:
    """Turn Discord's refusals for reasons ``among`` these into Refused within the block; other errors pass."""
    try:
        yield
    except discord.HTTPException as error:
        reason = reason_of(method, error)
        if reason is None or reason not in among:
            raise
        raise Refused(reason) from error
