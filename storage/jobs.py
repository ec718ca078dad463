"""Jobs: adding, moving, finding and searching them, their lineage, and their shares.

Every function takes the connection first: `tx` is one from `Database.write()`, `conn` may be either kind. `at` and
every other time is in Unix milliseconds (UTC). Statuses change only by guarded moves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind
from storage.records import (
    UNFINISHED,
    UNLISTED,
    UNSHOWN,
    DeliveryMethod,
    DeliveryReason,
    Job,
    JobStatus,
    LapseReason,
    NotificationState,
    ShareState,
    job_of,
)
from storage.tables import settable

WORDS_AT_MOST = 4000
"""The maximum number of searchable characters of a prompt. No prompt is longer."""

_ESCAPE = "\\"
# Accents of Latin, Greek and Cyrillic letters, and invisible characters. In other scripts, marks are letters.
_LEFT_OUT = re.compile("[\u0300-\u036f\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c

# Built once: building a statement takes longer than running it. An update writes the columns given at execution.
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
_RUNNING = and_(_JOBS.user_id == bindparam("user"), _JOBS.status == JobStatus.WORKING.value)
_THERE = _JOBS.server_id == bindparam("server")
_COUNT_RUNNING = select(func.count()).where(_RUNNING)
# The hold of a free request is 0. Until it ends, all of its images count, then those that it made: the ledger knows
# them even after the person has had everything deleted.
_MADE = tables.ledger.alias("made")
_FREE_IMAGES = (
    select(
        func.coalesce(
            func.sum(
                case(
                    (
                        _SUBMISSIONS.status.in_([status.value for status in UNFINISHED]),
                        func.json_extract(_SUBMISSIONS.request, "$.images").cast(Integer),
                    ),
                    else_=_MADE.c.images,
                )
            ),
            0,
        )
    )
    .select_from(
        tables.ledger.outerjoin(tables.submissions, tables.ledger.c.submission_id == _SUBMISSIONS.id).outerjoin(
            _MADE,
            and_(_MADE.c.submission_id == tables.ledger.c.submission_id, _MADE.c.kind == EntryKind.CAPTURE.value),
        )
    )
    .where(
        tables.ledger.c.counted_at >= bindparam("since"),
        tables.ledger.c.kind == EntryKind.HOLD.value,
        tables.ledger.c.amount == 0,
    )
)
_OF_USER = tables.ledger.c.user_id == bindparam("user")
_IN_SERVER = tables.ledger.c.server_id == bindparam("server")
_FREE_IMAGES_BY = {
    (True, False): _FREE_IMAGES.where(_OF_USER),
    (False, True): _FREE_IMAGES.where(_IN_SERVER),
    (True, True): _FREE_IMAGES.where(_OF_USER, _IN_SERVER),
}
_COUNT_RUNNING_THERE = _COUNT_RUNNING.where(_THERE)
_LIST_RUNNING = select(tables.jobs).where(_RUNNING).order_by(_JOBS.id).limit(bindparam("most"))
_LIST_RUNNING_THERE = _LIST_RUNNING.where(_THERE)
_PROPOSED = (
    select(tables.jobs)
    .where(_JOBS.user_id == bindparam("user"), _JOBS.status == JobStatus.PROPOSED.value)
    .order_by(_JOBS.id)
)
_GET_JOB = select(tables.jobs).where(_JOBS.id == bindparam("job"))

# The statuses after which the interaction's token is no longer used.
_TOKEN_OVER = frozenset({JobStatus.DELIVERED, JobStatus.LAPSED, JobStatus.DELETED})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add. `options` is plain JSON, `file_limit` is in bytes."""

    user_id: int
    server_id: int | None
    status: JobStatus
    options: dict[str, Any]
    channel_id: int
    created_at: int
    file_limit: int
    thread_id: int | None = None
    parent_id: int | None = None
    private: bool = False
    spoiler: bool = False
    message_id: int | None = None
    interaction_token: str | None = field(default=None, repr=False)
    token_expires_at: int | None = None
    bot_present: bool = True
    source_id: int | None = None
    mask_id: int | None = None


class JobColumns(TypedDict, total=False):
    """The columns of a job that can change, except its status."""

    options: dict[str, Any]
    channel_id: int
    message_id: int | None
    interaction_token: str | None
    token_expires_at: int | None
    file_limit: int
    attempting: DeliveryMethod | None
    delivered_by: DeliveryMethod | None
    delivery_reasons: list[DeliveryReason]
    lapse_reason: LapseReason | None
    resumed_at: int | None
    parent_id: int | None
    ended_at: int | None
    delivered_at: int | None
    share_state: ShareState | None
    share_server_id: int | None
    share_channel_id: int | None
    share_message_id: int | None
    notification: NotificationState | None
    notification_channel_id: int | None
    notification_message_id: int | None
    source_id: int | None
    mask_id: int | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter for a person's jobs: by words in the prompt, by engine, by thread. None: any."""

    words: str | None = None
    engine: str | None = None
    thread_id: int | None = None


# --- adding and moving --------------------------------------------------------------------------------------------


async def add_job(tx: AsyncConnection, job: NewJob) -> int:
    """Add a job and return its id."""
    row = asdict(job) | {
        "status": job.status.value,
        "updated_at": job.created_at,
        "words": words_of(job.options),
    }
    return int((await tx.execute(_ADD_JOB, row)).scalar_one())


async def get_job(conn: AsyncConnection, job_id: int) -> Job | None:
    """Return the job with this id, or None."""
    row = (await conn.execute(_GET_JOB, {"job": job_id})).mappings().first()
    return None if row is None else job_of(row)


async def get_jobs(conn: AsyncConnection, job_ids: Collection[int]) -> list[Job]:
    """Return the jobs with these ids that exist, ordered by id."""
    statement = select(tables.jobs).where(_JOBS.id.in_(job_ids)).order_by(_JOBS.id)
    return [job_of(row) for row in (await conn.execute(statement)).mappings()]


async def move_job(
    tx: AsyncConnection,
    job_id: int,
    old: JobStatus | Collection[JobStatus],
    new: JobStatus,
    *,
    at: int,
    **columns: Unpack[JobColumns],
) -> bool:
    """Move a job from `old` (or one of several) to `new` and set the columns. False if it is in none of them.

    Unless given, `ended_at` is set when nothing more will be rendered, and `delivered_at` with DELIVERED. The
    interaction's token is erased if it is no longer needed.
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
    """Move working → ready if every submission of the job has ended."""
    ready = {"status": JobStatus.READY.value, "updated_at": at, "ended_at": at}
    await tx.execute(_SETTLE_JOB, ready | {"of": job_id})


async def update_job(tx: AsyncConnection, job_id: int, **columns: Unpack[JobColumns]) -> None:
    """Set columns of a job, such as its message, its token or the current delivery method, but never its status."""
    settable(tables.jobs, columns, "id", "status")
    await tx.execute(_UPDATE_JOB, {**columns, "of": job_id})


async def jobs_with_status(conn: AsyncConnection, statuses: Collection[JobStatus]) -> list[Job]:
    """Return the jobs in one of the statuses, oldest first."""
    statement = select(tables.jobs).where(_JOBS.status.in_([status.value for status in statuses])).order_by(_JOBS.id)
    return [job_of(row) for row in (await conn.execute(statement)).mappings()]


async def count_running(conn: AsyncConnection, user_id: int, *, server_id: int | None = None) -> int:
    """Count the user's jobs that are working: everywhere, or in the server."""
    statement = _COUNT_RUNNING if server_id is None else _COUNT_RUNNING_THERE
    return int((await conn.execute(statement, {"user": user_id, "server": server_id})).scalar_one())


async def free_images(
    conn: AsyncConnection,
    *,
    since: int,
    user_id: int | None = None,
    server_id: int | None = None,
) -> int:
    """Return the number of free images that were made, and of those that may still be made.

    At least one of ``user_id`` and ``server_id`` must be given: who asked, and where.
    """
    statement = _FREE_IMAGES_BY[user_id is not None, server_id is not None]
    values = {"user": user_id, "server": server_id, "since": since}
    return int((await conn.execute(statement, values)).scalar_one())


async def running_jobs(conn: AsyncConnection, user_id: int, *, server_id: int | None = None, limit: int) -> list[Job]:
    """Return the user's jobs that are working, oldest first: everywhere, or in the server."""
    statement = _LIST_RUNNING if server_id is None else _LIST_RUNNING_THERE
    found = await conn.execute(statement, {"user": user_id, "server": server_id, "most": limit})
    return [job_of(row) for row in found.mappings()]


async def proposed_by(conn: AsyncConnection, user_id: int) -> list[Job]:
    """Return the user's jobs that wait for the confirmation of their price, oldest first."""
    return [job_of(row) for row in (await conn.execute(_PROPOSED, {"user": user_id})).mappings()]


# --- lineage and sharing ---------------------------------------------------------------------------------------------


async def unfinished_of_message(conn: AsyncConnection, message_id: int) -> int | None:
    """Return the id of the unfinished job whose card is this message, or None."""
    unfinished = _JOBS.status.in_([status.value for status in UNSHOWN])
    statement = select(_JOBS.id).where(unfinished, _JOBS.message_id == message_id).limit(1)
    found: int | None = (await conn.execute(statement)).scalar_one_or_none()
    return found


async def begin_share(tx: AsyncConnection, job_id: int, *, server_id: int, channel_id: int, message_id: int) -> bool:
    """Record that the images will be added to this message. False if they were, or may have been, shared before."""
    begun = (
        update(tables.jobs)
        .where(_JOBS.id == job_id, _JOBS.share_state.is_(None), _JOBS.status != JobStatus.DELETED.value)
        .values(
            share_state=ShareState.POSTING.value,
            share_server_id=server_id,
            share_channel_id=channel_id,
            share_message_id=message_id,
        )
    )
    return int((await tx.execute(begun)).rowcount) > 0


async def finish_share(tx: AsyncConnection, job_id: int, *, message_id: int, at: int) -> Job | None:
    """Record that the message shows the images, which delivers an undelivered job. Returns the job, or None."""
    of_this = (_JOBS.id == job_id) & (_JOBS.share_message_id == message_id)
    await tx.execute(update(tables.jobs).where(of_this).values(share_state=ShareState.POSTED.value, updated_at=at))
    delivered: JobColumns = {"delivered_by": DeliveryMethod.SHARE, "delivery_reasons": [], "attempting": None}
    await move_job(tx, job_id, JobStatus.UNDELIVERED, JobStatus.DELIVERED, at=at, **delivered)
    row = (await tx.execute(select(tables.jobs).where(_JOBS.id == job_id))).mappings().first()
    return None if row is None else job_of(row)


async def undo_share(tx: AsyncConnection, job_id: int, *, message_id: int) -> None:
    """Delete a share whose message certainly does not show the images, so that the job can be shared again."""
    of_this = (_JOBS.id == job_id) & (_JOBS.share_message_id == message_id)
    nothing = dict.fromkeys(("share_state", "share_server_id", "share_channel_id", "share_message_id"))
    await tx.execute(update(tables.jobs).where(of_this).values(nothing))


# --- a person's jobs -------------------------------------------------------------------------------------------------


async def jobs_of(conn: AsyncConnection, user_id: int, wanted: JobFilter, *, limit: int, offset: int = 0) -> list[Job]:
    """Return the person's jobs that match the filter, latest first."""
    statement = (
        select(tables.jobs)
        .where(*_matches(user_id, wanted))
        .order_by(_JOBS.created_at.desc(), _JOBS.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = (await conn.execute(statement)).mappings()
    return [job_of(row) for row in rows]


async def count_jobs(conn: AsyncConnection, user_id: int, wanted: JobFilter) -> int:
    """Count the person's jobs that match the filter."""
    statement = select(func.count(_JOBS.id)).where(*_matches(user_id, wanted))
    return int((await conn.execute(statement)).scalar_one())


def _matches(user_id: int, wanted: JobFilter) -> list[ColumnElement[bool]]:
    conditions = [_JOBS.user_id == user_id, _still_there()]
    if wanted.thread_id is not None:
        conditions.append(_JOBS.thread_id == wanted.thread_id)
    if wanted.words is not None and folded(wanted.words):
        conditions.append(_JOBS.words.like(pattern(wanted.words), escape=_ESCAPE))
    if wanted.engine is not None:
        conditions.append(exists().where(_SUBMISSIONS.job_id == _JOBS.id, _SUBMISSIONS.engine == wanted.engine))
    return conditions


def _still_there() -> ColumnElement[bool]:
    there: ColumnElement[bool] = _JOBS.status.not_in([status.value for status in UNLISTED])
    return there


# --- search ----------------------------------------------------------------------------------------------------------


def words_of(options: Mapping[str, Any]) -> str:
    """Return the searchable text of a job with these options: its prompt, the added words, and what is replaced."""
    words = (options.get(name) or "" for name in ("prompt", "added", "search"))
    return folded(" ".join(words))[:WORDS_AT_MOST]


def folded(text: str) -> str:
    """Normalise letter case, accents, compatibility forms and spaces.

    Both the stored text and the search text are normalised like this.
    """
    bare = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return " ".join(unicodedata.normalize("NFC", bare).split())


def pattern(text: str) -> str:
    """Return the LIKE pattern for rows that contain the text. Special characters are escaped with ``\\``."""
    wanted = folded(text)[:WORDS_AT_MOST]
    for sign in (_ESCAPE, "%", "_"):
        wanted = wanted.replace(sign, _ESCAPE + sign)
    return f"%{wanted}%"
