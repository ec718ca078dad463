"""Forgetting by age: tokens that are over, and jobs that ended long ago. The ledger keeps its entries for ever."""

from __future__ import annotations

from sqlalchemy import and_, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import UNSHOWN

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c


async def forget_tokens(tx: AsyncConnection, now: int) -> int:
    """Erase the interaction tokens that are over at `now` (Unix milliseconds); the number of them.

    One by which a result may still be shown stays until Discord refuses it: a clock that jumped must not take it away.
    """
    over = and_(
        _JOBS.interaction_token.is_not(None),
        _JOBS.token_expires_at <= now,
        _JOBS.status.not_in([status.value for status in UNSHOWN]),
    )
    erased = await tx.execute(update(tables.jobs).where(over).values(interaction_token=None))
    return int(erased.rowcount)


async def forget_jobs(tx: AsyncConnection, before: int, *, limit: int) -> int:
    """Delete the oldest jobs, `limit` at most, that ended before `before` (Unix milliseconds); the number of them.

    Their submissions, events and image records go with them. A job whose files are still there stays, and so does one
    that was not shown yet.
    """
    has_files = exists().where(
        _SUBMISSIONS.job_id == _JOBS.id, _IMAGES.submission_id == _SUBMISSIONS.id, _IMAGES.file.is_not(None)
    )
    oldest = (
        select(_JOBS.id)
        .where(_JOBS.ended_at < before, _JOBS.status.not_in([status.value for status in UNSHOWN]), ~has_files)
        .order_by(_JOBS.ended_at)
        .limit(limit)
    )
    gone = await tx.execute(delete(tables.jobs).where(_JOBS.id.in_(oldest)))
    return int(gone.rowcount)
