"""Stores delivery methods and the reasons for lapsed jobs as codes instead of sentences."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.migrations.column_types import JsonText

revision = "0009"
down_revision = "0008"

_JOBS = sa.table(
    "jobs",
    *(
        sa.column(name, kind)
        for name, kind in (
            ("status", sa.Text),
            ("delivery_note", sa.Text),
            ("delivery_nonce", sa.Text),
            ("attempting", sa.Text),
            ("delivered_by", sa.Text),
            ("delivery_reasons", JsonText),
            ("lapse_reason", sa.Text),
        )
    ),
)
_BEGUN, _KEPT, _WORDS_ALONE = "begun: ", "kept: ", ", without the images"
_METHODS = {
    "edited by the interaction's token": "token",
    "edited by the bot itself": "bot_edit",
    "posted as a new message": "new_message",
    "sent as a direct message": "direct_message",
    "found in its card": "found_in_card",
    "shown in the history": "history",
    "shared by its author": "share",
}
_REASONS = {
    "the interaction's token was over": "token_expired",
    "the card was deleted": "message_gone",
    "the card's message was not known": "message_unknown",
    "the channel or the server is gone": "place_gone",
    "the bot may not see or write there": "not_allowed",
    "Discord takes no pictures in this place": "no_files",
    "the bot is not a member there": "not_present",
    "this person takes no direct messages": "no_dms",
    "this person turned direct messages off": "dms_off",
    "it may have been posted already": "maybe_posted",
    "it may have been shown already": "maybe_shown",
    "Discord found it too large": "too_large",
    "Discord refused it": "refused",
    "put back from a copy, and may have been shown before": "restored",
}
_LAPSED = {
    "its price was not confirmed in time": "expired",
    "cancelled before its price was confirmed": "cancelled",
    "cancelled by an admin": "cancelled_by_admin",
}
_NONCES = {"%-token%": "token", "%-post%": "new_message", "%-dm%": "direct_message"}
_ENDED = ("delivered", "lapsed", "deleted")


def upgrade() -> None:
    """Map every sentence and nonce that an older version stored, then drop their columns."""
    for name, kind in (
        ("attempting", sa.Text),
        ("delivered_by", sa.Text),
        ("delivery_reasons", JsonText),
        ("lapse_reason", sa.Text),
    ):
        op.add_column("jobs", sa.Column(name, kind))
    connection = op.get_bind()
    jobs = _JOBS.c
    stored = sa.select(jobs.status, jobs.delivery_note).where(jobs.delivery_note.is_not(None)).distinct()
    for status, note in connection.execute(stored).all():
        same = (jobs.status == status) & (jobs.delivery_note == note)
        connection.execute(sa.update(_JOBS).where(same).values(_codes(status, note)))
    for nonce, method in _NONCES.items():
        begun = jobs.delivery_nonce.like(nonce) & jobs.status.not_in(_ENDED)
        connection.execute(sa.update(_JOBS).where(begun).values(attempting=method))
    connection.execute(sa.update(_JOBS).where(jobs.status == "kept").values(status="undelivered"))
    op.drop_column("jobs", "delivery_note")
    op.drop_column("jobs", "delivery_nonce")


def _codes(status: str, note: str) -> dict[str, Any]:
    """Convert a sentence of an older version to columns."""
    if note in _LAPSED or status == "lapsed":
        return {"lapse_reason": _LAPSED.get(note, "other")}
    if note.startswith(_KEPT):
        return {"delivery_reasons": _reasons(note.removeprefix(_KEPT))}
    how, _, why = note.removeprefix(_BEGUN).removesuffix(_WORDS_ALONE).partition(", since ")
    method = _METHODS.get(how)
    if method is None:
        return {"delivery_reasons": ["other"]} if status in ("kept", "ready") else {"delivered_by": "other"}
    # A delivery that was only started is recognised by its nonce.
    shown = {} if note.startswith(_BEGUN) else {"delivered_by": method}
    return {**shown, "delivery_reasons": _reasons(why)}


def _reasons(sentence: str) -> list[str]:
    known = [reason for reason in sentence.split(", then ") if reason and reason != "no way was open"]
    return [_REASONS.get(reason, "other") for reason in known]
