"""What one person has made, the latest first: their jobs by pages, and the images of one of their threads.

Every question names the person, so that nobody is shown what is another's. Times are Unix milliseconds (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import Job, JobStatus, StoredImage, job_of
from storage.searching import DOT_ABOVE, folded, patterns

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c

GONE = frozenset({JobStatus.LAPSED, JobStatus.DELETED})
"""Jobs that nobody is shown any more: never confirmed, or deleted."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of a person's jobs: those whose prompt holds the words, on that engine, in that thread; None: any."""

    words: str | None = None
    engine: str | None = None
    thread_id: int | None = None


async def jobs_of(conn: AsyncConnection, user_id: int, wanted: Wanted, *, limit: int, offset: int = 0) -> list[Job]:
    """The person's jobs that are wanted, the latest first."""
    statement = (
        select(tables.jobs)
        .where(*_wanted(user_id, wanted))
        .order_by(_JOBS.created_at.desc(), _JOBS.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = (await conn.execute(statement)).mappings()
    return [job_of(row) for row in rows]


async def count_jobs(conn: AsyncConnection, user_id: int, wanted: Wanted) -> int:
    """How many of the person's jobs are wanted."""
    statement = select(func.count(_JOBS.id)).where(*_wanted(user_id, wanted))
    return int((await conn.execute(statement)).scalar_one())


async def images_of_thread(
    conn: AsyncConnection, user_id: int, thread_id: int, *, limit: int, offset: int = 0
) -> list[tuple[int, StoredImage]]:
    """The images of the person's thread with the ids of their jobs: the latest job first, each as on its card."""
    statement = (
        select(_JOBS.id.label("of_job"), tables.images)
        .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
        .join(tables.images, _IMAGES.submission_id == _SUBMISSIONS.id)
        .where(_JOBS.thread_id == thread_id, _JOBS.user_id == user_id, _still_there())
        .order_by(_JOBS.id.desc(), _SUBMISSIONS.position, _IMAGES.position)
        .limit(limit)
        .offset(offset)
    )
    rows = [dict(row) for row in (await conn.execute(statement)).mappings()]
    return [(row.pop("of_job"), StoredImage(**row)) for row in rows]


def _wanted(user_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [_JOBS.user_id == user_id, _still_there()]
    if wanted.thread_id is not None:
        conditions.append(_JOBS.thread_id == wanted.thread_id)
    if wanted.words is not None and folded(wanted.words):
        words = func.replace(_JOBS.words, DOT_ABOVE, "")
        conditions.append(or_(*(words.like(each, escape="\\") for each in patterns(wanted.words))))
    if wanted.engine is not None:
        conditions.append(exists().where(_SUBMISSIONS.job_id == _JOBS.id, _SUBMISSIONS.engine == wanted.engine))
    return conditions


def _still_there() -> ColumnElement[bool]:
    there: ColumnElement[bool] = _JOBS.status.not_in([status.value for status in GONE])
    return there
