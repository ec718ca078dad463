"""The hints that people have seen. Each is shown to a person once. Times are Unix milliseconds (UTC)."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import bindparam, exists, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_HINTS = tables.hints.c
_JOBS = tables.jobs.c


class Hint(StrEnum):
    """The hints."""

    FIRST_RESULT = "first_result"
    """What to try next, below a person's first result."""


# Built once: building a statement takes longer than running it.
_SEEN = select(_HINTS.shown_at).where(_HINTS.user_id == bindparam("user"), _HINTS.hint == bindparam("which"))


async def was_shown(conn: AsyncConnection, user_id: int, hint: Hint) -> bool:
    """Return whether the person has seen the hint."""
    return (await conn.execute(_SEEN, {"user": user_id, "which": hint.value})).first() is not None


async def record_shown(tx: AsyncConnection, job_id: int, hint: Hint, *, at: int) -> None:
    """Record that the card of this job showed the hint to its author."""
    seen = exists().where(_HINTS.user_id == _JOBS.user_id, _HINTS.hint == hint.value)
    author = select(_JOBS.user_id, literal(hint.value), literal(at, _HINTS.shown_at.type)).where(
        _JOBS.id == job_id, ~seen
    )
    await tx.execute(insert(tables.hints).from_select(["user_id", "hint", "shown_at"], author))
