"""What was done in threads: how many jobs, what they cost, what a thread takes with it. Amounts are millicredits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import and_, case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.history import GONE
from storage.ledger import EntryKind
from storage.records import UNSHOWN, JobStatus

_THREADS = tables.threads.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c
_LEDGER = tables.ledger.c


@dataclass(frozen=True, slots=True)
class Work:
    """A thread's jobs and images that are still there, and what all of its jobs cost; `kept` ones were not shown.

    `estimated` is a part of `spent`; `held` is for what is not over.
    """

    jobs: int = 0
    unfinished: int = 0
    kept: int = 0
    images: int = 0
    spent: int = 0
    estimated: int = 0
    held: int = 0


async def work_in(conn: AsyncConnection, thread_ids: Collection[int]) -> dict[int, Work]:
    """What was done in each of these threads."""
    mine = _JOBS.thread_id.in_(thread_ids)
    there = _JOBS.status.not_in([status.value for status in GONE])
    unfinished = _JOBS.status.in_([status.value for status in UNSHOWN])
    jobs = (
        select(
            _JOBS.thread_id,
            func.count(case((there, _JOBS.id))),
            func.count(case((unfinished, _JOBS.id))),
            func.count(case((_JOBS.status == JobStatus.UNDELIVERED.value, _JOBS.id))),
        )
        .where(mine)
        .group_by(_JOBS.thread_id)
    )
    images = (
        select(_JOBS.thread_id, func.count(_IMAGES.id))
        .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
        .join(tables.images, _IMAGES.submission_id == _SUBMISSIONS.id)
        .where(mine, there)
        .group_by(_JOBS.thread_id)
    )
    captured = _LEDGER.kind == EntryKind.CAPTURE.value
    estimated = and_(captured, _LEDGER.exact == False)  # noqa: E712 - a column, not a value
    held = _LEDGER.kind.in_((EntryKind.HOLD.value, EntryKind.RELEASE.value))
    money = (
        select(_JOBS.thread_id, *(func.sum(case((of, _LEDGER.amount), else_=0)) for of in (captured, estimated, held)))
        .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
        .join(tables.ledger, _LEDGER.submission_id == _SUBMISSIONS.id)
        .where(mine)
        .group_by(_JOBS.thread_id)
    )
    done = {thread_id: Work() for thread_id in thread_ids}
    for thread_id, every, open_ones, kept in await conn.execute(jobs):
        done[thread_id] = replace(done[thread_id], jobs=every, unfinished=open_ones, kept=kept)
    for thread_id, made in await conn.execute(images):
        done[thread_id] = replace(done[thread_id], images=made)
    for thread_id, *amounts in await conn.execute(money):
        spent, guessed, in_flight = map(int, amounts)
        done[thread_id] = replace(done[thread_id], spent=spent, estimated=guessed, held=in_flight)
    return done


async def delete_thread(tx: AsyncConnection, thread_id: int, user_id: int) -> list[str] | None:
    """Delete the user's thread with its jobs and their images; the ledger keeps its entries.

    Returns the names of the files that have to go now, or None if they have no such thread. The caller sees to it that
    none of its jobs is unfinished.
    """
    theirs = and_(_THREADS.id == thread_id, _THREADS.user_id == user_id)
    if (await tx.execute(select(_THREADS.id).where(theirs))).first() is None:
        return None
    files = (
        select(_IMAGES.file, _IMAGES.preview)
        .join(tables.submissions, _SUBMISSIONS.id == _IMAGES.submission_id)
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(_JOBS.thread_id == thread_id)
    )
    names = [name for row in await tx.execute(files) for name in row if name is not None]
    await tx.execute(delete(tables.jobs).where(_JOBS.thread_id == thread_id))
    await tx.execute(delete(tables.threads).where(theirs))
    return names
