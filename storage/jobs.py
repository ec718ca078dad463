"""Jobs, their submissions and the events of these; the records and the images are offered here as well.

Every function takes the connection first: `tx` is the one of `Database.write()`, `conn` may be either. `at` and every
other time is in Unix milliseconds (UTC). Statuses change by guarded moves only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.images import add_image, forget_files, image_files, images_of, old_images
from storage.records import (
    ENDED,
    ON_THEIR_WAY,
    UNFINISHED,
    Event,
    Job,
    JobStatus,
    StoredImage,
    Submission,
    SubmissionStatus,
    Took,
)
from storage.searching import words_of

__all__ = [
    "ENDED",
    "ON_THEIR_WAY",
    "UNFINISHED",
    "Event",
    "Job",
    "JobStatus",
    "StoredImage",
    "Submission",
    "SubmissionStatus",
    "Took",
    "add_image",
    "add_job",
    "add_submission",
    "durations",
    "engines",
    "events_of",
    "forget_files",
    "get_job",
    "get_submission",
    "image_files",
    "images_of",
    "jobs_with_status",
    "move_job",
    "move_submission",
    "next_attempt",
    "old_images",
    "queued",
    "submissions_of",
    "unfinished_jobs",
    "update_job",
    "with_status",
]

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c

# Made once: to put a statement together takes longer than to carry it out.
_GET_JOB = select(tables.jobs).where(_JOBS.id == bindparam("job"))
_SUBMISSIONS_OF = (
    select(tables.submissions).where(_SUBMISSIONS.job_id == bindparam("job")).order_by(_SUBMISSIONS.position)
)
_QUEUED = (
    select(tables.submissions)
    .where(
        _SUBMISSIONS.status == SubmissionStatus.QUEUED.value,
        or_(_SUBMISSIONS.next_attempt_at.is_(None), _SUBMISSIONS.next_attempt_at <= bindparam("now")),
    )
    .order_by(_SUBMISSIONS.created_at, _SUBMISSIONS.id)
    .limit(bindparam("most"))
)
_NEXT_ATTEMPT = select(func.min(_SUBMISSIONS.next_attempt_at)).where(
    _SUBMISSIONS.status == SubmissionStatus.QUEUED.value, _SUBMISSIONS.next_attempt_at > bindparam("now")
)

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
    statement = (
        insert(tables.jobs)
        .values(
            thread_id=thread_id,
            parent_id=parent_id,
            user_id=user_id,
            server_id=server_id,
            status=status.value,
            options=options,
            private=private,
            spoiler=spoiler,
            channel_id=channel_id,
            message_id=message_id,
            interaction_token=interaction_token,
            token_expires_at=token_expires_at,
            bot_present=bot_present,
            file_limit=file_limit,
            created_at=at,
            updated_at=at,
            words=words_of(options),
        )
        .returning(_JOBS.id)
    )
    return int((await tx.execute(statement)).scalar_one())


async def add_submission(
    tx: AsyncConnection,
    *,
    job_id: int,
    position: int,
    user_id: int,
    engine: str,
    provider: str,
    request: dict[str, Any],
    at: int,
) -> int:
    """Add a queued submission with its first event, and return its id."""
    statement = (
        insert(tables.submissions)
        .values(
            job_id=job_id,
            position=position,
            user_id=user_id,
            engine=engine,
            provider=provider,
            status=SubmissionStatus.QUEUED.value,
            request=request,
            created_at=at,
            updated_at=at,
        )
        .returning(_SUBMISSIONS.id)
    )
    submission_id = int((await tx.execute(statement)).scalar_one())
    await _add_event(tx, submission_id, None, SubmissionStatus.QUEUED, at, "asked for")
    return submission_id


async def get_job(conn: AsyncConnection, job_id: int) -> Job | None:
    """The job, or None if there is none of this id."""
    row = (await conn.execute(_GET_JOB, {"job": job_id})).mappings().first()
    return None if row is None else _job(row)


async def get_submission(conn: AsyncConnection, submission_id: int) -> Submission | None:
    """The submission, or None if there is none of this id."""
    statement = select(tables.submissions).where(_SUBMISSIONS.id == submission_id)
    row = (await conn.execute(statement)).mappings().first()
    return None if row is None else _submission(row)


async def submissions_of(conn: AsyncConnection, job_id: int) -> list[Submission]:
    """The job's submissions by position."""
    return [_submission(row) for row in (await conn.execute(_SUBMISSIONS_OF, {"job": job_id})).mappings()]


async def events_of(conn: AsyncConnection, job_id: int) -> list[Event]:
    """What became of the job's submissions, oldest first."""
    statement = (
        select(tables.events)
        .join(tables.submissions, _SUBMISSIONS.id == tables.events.c.submission_id)
        .where(_SUBMISSIONS.job_id == job_id)
        .order_by(tables.events.c.id)
    )
    return [_event(row) for row in (await conn.execute(statement)).mappings()]


async def move_submission(
    tx: AsyncConnection,
    submission_id: int,
    old: SubmissionStatus,
    new: SubmissionStatus,
    *,
    at: int,
    why: str,
    **columns: Any,
) -> bool:
    """Move a submission from `old` to `new`, set the columns, write the event; False if it is not in `old` (any more).

    With `old` equal to `new` the columns are set under the same guard and no event is written. `ended_at` is set by
    itself when it ends. Raises ValueError for a move out of an ended status.
    """
    _refuse(columns, "id", "job_id", "status")
    if old in ENDED and new is not old:
        raise ValueError(f"{old.value} is an end: a submission cannot become {new.value} after it")
    values: dict[str, Any] = {"status": new.value, "updated_at": at, **columns}
    if new in ENDED and new is not old:
        values.setdefault("ended_at", at)
    guard = and_(_SUBMISSIONS.id == submission_id, _SUBMISSIONS.status == old.value)
    moved = await tx.execute(update(tables.submissions).where(guard).values(values).returning(_SUBMISSIONS.id))
    if moved.first() is None:
        return False
    if new is not old:
        await _add_event(tx, submission_id, old, new, at, why)
    return True


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
    _refuse(columns, "id", "status")
    values: dict[str, Any] = {"status": new.value, "updated_at": at, **columns}
    if new in (JobStatus.READY, JobStatus.LAPSED):
        values.setdefault("ended_at", at)
    if new is JobStatus.DELIVERED:
        values.setdefault("delivered_at", at)
    if new in _TOKEN_OVER:
        values.setdefault("interaction_token", None)
    olds = (old,) if isinstance(old, JobStatus) else old
    guard = and_(_JOBS.id == job_id, _JOBS.status.in_([status.value for status in olds]))
    moved = await tx.execute(update(tables.jobs).where(guard).values(values).returning(_JOBS.id))
    return moved.first() is not None


async def update_job(tx: AsyncConnection, job_id: int, **columns: Any) -> None:
    """Set columns of a job: its message, token, delivery's nonce or note, … never its status."""
    _refuse(columns, "id", "status")
    await tx.execute(update(tables.jobs).where(_JOBS.id == job_id).values(columns))


async def queued(conn: AsyncConnection, *, now: int, limit: int) -> list[Submission]:
    """Up to `limit` queued submissions that are due at `now`, oldest first."""
    return [_submission(row) for row in (await conn.execute(_QUEUED, {"now": now, "most": limit})).mappings()]


async def next_attempt(conn: AsyncConnection, now: int) -> int | None:
    """When the next queued submission will be due, if one waits for a time after `now`."""
    at: int | None = (await conn.execute(_NEXT_ATTEMPT, {"now": now})).scalar_one()
    return at


async def with_status(
    conn: AsyncConnection, statuses: Collection[SubmissionStatus], *, limit: int | None = None
) -> list[Submission]:
    """Submissions in one of the statuses, oldest first."""
    statement = (
        select(tables.submissions)
        .where(_SUBMISSIONS.status.in_([status.value for status in statuses]))
        .order_by(_SUBMISSIONS.created_at, _SUBMISSIONS.id)
        .limit(limit)
    )
    return [_submission(row) for row in (await conn.execute(statement)).mappings()]


async def jobs_with_status(conn: AsyncConnection, statuses: Collection[JobStatus]) -> list[Job]:
    """Jobs in one of the statuses, oldest first."""
    statement = select(tables.jobs).where(_JOBS.status.in_([status.value for status in statuses])).order_by(_JOBS.id)
    return [_job(row) for row in (await conn.execute(statement)).mappings()]


async def unfinished_jobs(conn: AsyncConnection, user_id: int, *, server_id: int | None = None) -> int:
    """How many jobs of the user are proposed or working: everywhere, or in the server."""
    unfinished = (JobStatus.PROPOSED.value, JobStatus.WORKING.value)
    statement = select(func.count()).where(_JOBS.user_id == user_id, _JOBS.status.in_(unfinished))
    if server_id is not None:
        statement = statement.where(_JOBS.server_id == server_id)
    return int((await conn.execute(statement)).scalar_one())


async def durations(conn: AsyncConnection, engine: str, *, limit: int = 30) -> list[Took]:
    """How long the engine's latest done submissions took from sent to finished, newest first."""
    statement = (
        select(_SUBMISSIONS.request, (_SUBMISSIONS.finished_at - _SUBMISSIONS.sent_at).label("milliseconds"))
        .where(
            _SUBMISSIONS.engine == engine,
            _SUBMISSIONS.finished_at.is_not(None),
            _SUBMISSIONS.sent_at.is_not(None),
            _SUBMISSIONS.status == SubmissionStatus.DONE.value,
        )
        .order_by(_SUBMISSIONS.finished_at.desc())
        .limit(limit)
    )
    return [Took(row.request, int(row.milliseconds)) for row in await conn.execute(statement)]


async def engines(conn: AsyncConnection) -> list[str]:
    """The engines that anything was ever asked of."""
    return list((await conn.execute(select(_SUBMISSIONS.engine).distinct().order_by(_SUBMISSIONS.engine))).scalars())


async def _add_event(
    tx: AsyncConnection,
    submission_id: int,
    old: SubmissionStatus | None,
    new: SubmissionStatus,
    at: int,
    why: str,
) -> None:
    await tx.execute(
        insert(tables.events).values(
            submission_id=submission_id,
            old_status=None if old is None else old.value,
            new_status=new.value,
            at=at,
            why=why,
        )
    )


def _refuse(columns: dict[str, Any], *names: str) -> None:
    if wrong := columns.keys() & set(names):
        raise ValueError(f"not to be set here: {', '.join(sorted(wrong))}")


def _job(row: RowMapping) -> Job:
    return Job(**{**row, "status": JobStatus(row["status"])})


def _submission(row: RowMapping) -> Submission:
    return Submission(**{**row, "status": SubmissionStatus(row["status"])})


def _event(row: RowMapping) -> Event:
    old = row["old_status"]
    statuses = {
        "old_status": None if old is None else SubmissionStatus(old),
        "new_status": SubmissionStatus(row["new_status"]),
    }
    return Event(**{**row, **statuses})
