"""Deletes jobs that ended long ago, and erases expired tokens. The ledger keeps its entries forever."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import UNSHOWN, JobStatus
from storage.sources import delete_bare
from storage.submissions import submissions_of
from storage.threads import delete_untitled, forget_titles

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c

_ROW = (_JOBS.id, _JOBS.thread_id, _JOBS.source_id, _JOBS.mask_id)
_LAPSED = _JOBS.status == JobStatus.LAPSED.value
_AT_ONCE = 200

# The fields of a request that predict its duration and reveal nothing about its content.
_MEASURES = frozenset({"engine", "size", "images", "steps", "operation"})


async def erase_tokens(tx: AsyncConnection, now: int) -> int:
    """Erase the interaction tokens that have expired at `now` (Unix milliseconds). Returns their number.

    The token of an undelivered job stays until Discord refuses it, because the clock may be wrong.
    """
    over = and_(
        _JOBS.interaction_token.is_not(None),
        _JOBS.token_expires_at <= now,
        _JOBS.status.not_in([status.value for status in UNSHOWN]),
    )
    erased = await tx.execute(update(tables.jobs).where(over).values(interaction_token=None))
    return int(erased.rowcount)


async def delete_jobs(tx: AsyncConnection, before: int, *, limit: int) -> int:
    """Delete the oldest jobs, up to `limit`, that ended before `before` (Unix milliseconds). Returns their number.

    Their submissions, events and image records are deleted too, and so are the records of pictures without a file that
    only they started from, and threads that are then empty and have no title of their own. Jobs that still have files
    or were not shown are kept.
    """
    has_files = exists().where(
        _SUBMISSIONS.job_id == _JOBS.id, _IMAGES.submission_id == _SUBMISSIONS.id, _IMAGES.file.is_not(None)
    )
    oldest = (
        select(*_ROW)
        .where(_JOBS.ended_at < before, _JOBS.status.not_in([status.value for status in UNSHOWN]), ~has_files)
        .order_by(_JOBS.ended_at)
        .limit(limit)
    )
    return await _delete(tx, oldest)


async def delete_lapsed(tx: AsyncConnection, before: int, *, limit: int) -> int:
    """Delete lapsed jobs, up to `limit`, that ended before `before` (Unix milliseconds). Returns their number."""
    return await _delete(tx, select(*_ROW).where(_LAPSED, _JOBS.ended_at < before).limit(limit))


async def delete_lapsed_of(tx: AsyncConnection, user_id: int, *, keep: int) -> int:
    """Delete a person's lapsed jobs except the latest `keep`. Returns the number deleted."""
    theirs = select(*_ROW).where(_LAPSED, _JOBS.user_id == user_id)
    return await _delete(tx, theirs.order_by(_JOBS.id.desc()).limit(_AT_ONCE).offset(keep))


async def _delete(tx: AsyncConnection, wanted: Select[Any]) -> int:
    """Delete these jobs, and those of their threads that are then empty and have no title of their own."""
    gone = list(await tx.execute(wanted))
    if not gone:
        return 0
    ids = [row.id for row in gone]
    await forget_titles(tx, ids)
    await tx.execute(delete(tables.jobs).where(_JOBS.id.in_(ids)))
    await delete_bare(tx, {each for row in gone for each in (row.source_id, row.mask_id) if each is not None})
    await delete_untitled(tx, {row.thread_id for row in gone if row.thread_id is not None})
    return len(ids)


async def erase_request(tx: AsyncConnection, job_id: int) -> None:
    """Erase a person's request, in every table, when they delete a job.

    The engine, the amounts, the times and the cost are kept.
    """
    await tx.execute(update(tables.jobs).where(_JOBS.id == job_id).values(options={"prompt": ""}, words=""))
    its_own = [(each.id, each.request) for each in await submissions_of(tx, job_id)]
    for submission_id, request in its_own:
        left = {name: value for name, value in request.items() if name in _MEASURES} | {"prompts": []}
        blank = update(tables.submissions).where(_SUBMISSIONS.id == submission_id)
        await tx.execute(blank.values(request=left, problems=None))
    ids = [submission_id for submission_id, _ in its_own]
    await tx.execute(update(tables.ledger).where(tables.ledger.c.submission_id.in_(ids)).values(note=None))
    await tx.execute(update(tables.images).where(_IMAGES.submission_id.in_(ids)).values(seed=None))
    await forget_titles(tx, [job_id])
