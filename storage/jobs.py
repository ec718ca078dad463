"""Jobs; their submissions, the images and the records are offered here as well.

Every function takes the connection first: `tx` is the one of `Database.write()`, `conn` may be either. `at` and every
other time is in Unix milliseconds (UTC). Statuses change by guarded moves only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.images import NewImage, add_images, forget_files, image_files, images_of, old_images
from storage.records import (
    ENDED,
    ON_THEIR_WAY,
    UNFINISHED,
    Costs,
    Event,
    Job,
    JobStatus,
    ShareState,
    StoredImage,
    Submission,
    SubmissionStatus,
    Took,
    job_of,
)
from storage.searching import words_of
from storage.submissions import (
    Asked,
    add_submissions,
    durations,
    events_of,
    forget_results,
    move_submission,
    next_attempts,
    queued,
    submissions_of,
    with_costs,
    with_status,
)
from storage.tables import settable

__all__ = [
    "ENDED",
    "ON_THEIR_WAY",
    "UNFINISHED",
    "Asked",
    "Costs",
    "Event",
    "Job",
    "JobStatus",
    "NewImage",
    "ShareState",
    "StoredImage",
    "Submission",
    "SubmissionStatus",
    "Took",
    "add_images",
    "add_job",
    "add_submissions",
    "durations",
    "events_of",
    "forget_files",
    "forget_results",
    "get_job",
    "get_jobs",
    "image_files",
    "images_of",
    "jobs_with_status",
    "move_job",
    "move_submission",
    "next_attempts",
    "old_images",
    "queued",
    "settle_job",
    "submissions_of",
    "unfinished_jobs",
    "update_job",
    "with_costs",
    "with_status",
]

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c

# Made once: to put a statement together takes longer than to carry it out. The columns to be written are those that are
# given with it.
_ADD_JOB = insert(tables.jobs).returning(_JOBS.id)
_MOVE_JOB = (
    update(tables.jobs)
    .where(_JOBS.id == bindparam("of"), _JOBS.status.in_(bindparam("olds", expanding=True)))
    .returning(_JOBS.id)
)
_SETTLE_JOB = update(tables.jobs).where(
    _JOBS.id == bindparam("of"),
    _JOBS.status == JobStatus.WORKING.value,
    ~exists().where(
        _SUBMISSIONS.job_id == bindparam("of"), _SUBMISSIONS.status.in_([status.value for status in UNFINISHED])
    ),
)
_UPDATE_JOB = update(tables.jobs).where(_JOBS.id == bindparam("of"))
_UNFINISHED_JOBS = select(func.count()).where(
    _JOBS.user_id == bindparam("user"), _JOBS.status.in_([JobStatus.PROPOSED.value, JobStatus.WORKING.value])
)
_UNFINISHED_JOBS_THERE = _UNFINISHED_JOBS.where(_JOBS.server_id == bindparam("server"))
_GET_JOB = select(tables.jobs).where(_JOBS.id == bindparam("job"))

# Nothing is edited by the interaction's token any more.
_TOKEN_OVER = frozenset({JobStatus.DELIVERED, JobStatus.LAPSED, JobStatus.DELETED})


async def add_job(
    tx: AsyncConnection,
    *,
    thread_id: int | None,
    parent_id: int | None,
    user_id: int,
    server_id: int | None,
    status: JobStatus,
    options: dict[str, Any],
    private: bool,
    spoiler: bool,
    channel_id: int,
    message_id: int | None,
    interaction_token: str | None,
    token_expires_at: int | None,
    bot_present: bool,
    file_limit: int,
    at: int,
) -> int:
    """Add a job and return its id. `file_limit` is in bytes; `options` is plain JSON."""
    job = {
        "thread_id": thread_id,
        "parent_id": parent_id,
        "user_id": user_id,
        "server_id": server_id,
        "status": status.value,
        "options": options,
        "private": private,
        "spoiler": spoiler,
        "channel_id": channel_id,
        "message_id": message_id,
        "interaction_token": interaction_token,
        "token_expires_at": token_expires_at,
        "bot_present": bot_present,
        "file_limit": file_limit,
        "created_at": at,
        "updated_at": at,
        "words": words_of(options),
    }
    return int((await tx.execute(_ADD_JOB, job)).scalar_one())


async def get_job(conn: AsyncConnection, job_id: int) -> Job | None:
    """The job, or None if there is none of this id."""
    row = (await conn.execute(_GET_JOB, {"job": job_id})).mappings().first()
    return None if row is None else job_of(row)


async def get_jobs(conn: AsyncConnection, job_ids: Collection[int]) -> list[Job]:
    """Those of the jobs that there are, in the order of their ids."""
    statement = select(tables.jobs).where(_JOBS.id.in_(job_ids)).order_by(_JOBS.id)
    return [job_of(row) for row in (await conn.execute(statement)).mappings()]


async def move_job(
    tx: AsyncConnection,
    job_id: int,
    old: JobStatus | Collection[JobStatus],
    new: JobStatus,
    *,
    at: int,
    **columns: Any,
) -> bool:
    """Move a job from `old` (or one of several) to `new` and set the columns; False if it is in none of them.

    Set by itself unless given: `ended_at` when nothing more will be rendered, `delivered_at` with DELIVERED, and the
    interaction's token is erased where nothing will be edited by it any more.
    """
    settable(tables.jobs, columns, "id", "status")
    values: dict[str, Any] = {"status": new.value, "updated_at": at, **columns}
    if new in (JobStatus.READY, JobStatus.LAPSED):
        values.setdefault("ended_at", at)
    if new is JobStatus.DELIVERED:
        values.setdefault("delivered_at", at)
    if new in _TOKEN_OVER:
        values.setdefault("interaction_token", None)
    olds = (old,) if isinstance(old, JobStatus) else old
    moved = await tx.execute(_MOVE_JOB, values | {"of": job_id, "olds": [status.value for status in olds]})
    return moved.first() is not None


async def settle_job(tx: AsyncConnection, job_id: int, at: int) -> None:
    """Working → ready, if every submission of the job has ended."""
    ready = {"status": JobStatus.READY.value, "updated_at": at, "ended_at": at}
    await tx.execute(_SETTLE_JOB, ready | {"of": job_id})


async def update_job(tx: AsyncConnection, job_id: int, **columns: Any) -> None:
    """Set columns of a job: its message, token, delivery's nonce or note, … never its status."""
    settable(tables.jobs, columns, "id", "status")
    await tx.execute(_UPDATE_JOB, columns | {"of": job_id})


async def jobs_with_status(conn: AsyncConnection, statuses: Collection[JobStatus]) -> list[Job]:
    """Jobs in one of the statuses, oldest first."""
    statement = select(tables.jobs).where(_JOBS.status.in_([status.value for status in statuses])).order_by(_JOBS.id)
    return [job_of(row) for row in (await conn.execute(statement)).mappings()]


async def unfinished_jobs(conn: AsyncConnection, user_id: int, *, server_id: int | None = None) -> int:
    """How many jobs of the user are proposed or working: everywhere, or in the server."""
    statement = _UNFINISHED_JOBS if server_id is None else _UNFINISHED_JOBS_THERE
    return int((await conn.execute(statement, {"user": user_id, "server": server_id})).scalar_one())
