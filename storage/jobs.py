"""Jobs: adding, moving and finding them, what was made from which, where one was shared, and how words find them.

Every function takes the connection first: `tx` is the one of `Database.write()`, `conn` may be either. `at` and every
other time is in Unix milliseconds (UTC). Statuses change by guarded moves only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import (
    UNFINISHED,
    UNLISTED,
    UNSHOWN,
    DeliveryMethod,
    DeliveryReason,
    Job,
    JobStatus,
    LapseReason,
    ShareState,
    job_of,
)
from storage.tables import settable

WORDS_AT_MOST = 4000
"""So much of a prompt is searched; no prompt is longer."""

DOT_ABOVE = "\u0307"
"""What is left of a Turkish capital İ in small letters, which only older rows still hold."""

_ESCAPE = "\\"
# Accents of Latin, Greek and Cyrillic letters, and signs without a shape; marks of other scripts are letters there.
_LEFT_OUT = re.compile("[\u0300-\u036f\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")

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


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is to be added. `options` is plain JSON, `file_limit` in bytes."""

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


class JobColumns(TypedDict, total=False):
    """The columns of a job that change during its life, its status excepted."""

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


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which of a person's jobs: those whose prompt holds the words, on that engine, in that thread; None: any."""

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
    **columns: Unpack[JobColumns],
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


async def update_job(tx: AsyncConnection, job_id: int, **columns: Unpack[JobColumns]) -> None:
    """Set columns of a job: its message, token, the delivery that was begun, … never its status."""
    settable(tables.jobs, columns, "id", "status")
    await tx.execute(_UPDATE_JOB, {**columns, "of": job_id})


async def jobs_with_status(conn: AsyncConnection, statuses: Collection[JobStatus]) -> list[Job]:
    """Jobs in one of the statuses, oldest first."""
    statement = select(tables.jobs).where(_JOBS.status.in_([status.value for status in statuses])).order_by(_JOBS.id)
    return [job_of(row) for row in (await conn.execute(statement)).mappings()]


async def unfinished_jobs(conn: AsyncConnection, user_id: int, *, server_id: int | None = None) -> int:
    """How many jobs of the user are proposed or working: everywhere, or in the server."""
    statement = _UNFINISHED_JOBS if server_id is None else _UNFINISHED_JOBS_THERE
    return int((await conn.execute(statement, {"user": user_id, "server": server_id})).scalar_one())


# --- lineage and sharing ---------------------------------------------------------------------------------------------


async def children(conn: AsyncConnection, job_id: int) -> list[int]:
    """The ids of the jobs that were made from this one and are still there, oldest first."""
    there = _JOBS.status != JobStatus.DELETED.value
    statement = select(_JOBS.id).where(_JOBS.parent_id == job_id, there).order_by(_JOBS.id)
    return list((await conn.execute(statement)).scalars())


async def unfinished_of_message(conn: AsyncConnection, message_id: int) -> int | None:
    """The id of the job whose card this message is, if that is not finished."""
    unfinished = _JOBS.status.in_([status.value for status in UNSHOWN])
    statement = select(_JOBS.id).where(unfinished, _JOBS.message_id == message_id).limit(1)
    found: int | None = (await conn.execute(statement)).scalar_one_or_none()
    return found


async def begin_share(tx: AsyncConnection, job_id: int, *, server_id: int, channel_id: int, message_id: int) -> bool:
    """Record that the images are about to be put into this message; False if they were, or may have been, before."""
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
    """The images are in that message, which delivers an undelivered job. Returns the job, None if there is none."""
    of_this = (_JOBS.id == job_id) & (_JOBS.share_message_id == message_id)
    await tx.execute(update(tables.jobs).where(of_this).values(share_state=ShareState.POSTED.value, updated_at=at))
    delivered: JobColumns = {"delivered_by": DeliveryMethod.SHARE, "delivery_reasons": [], "attempting": None}
    await move_job(tx, job_id, JobStatus.UNDELIVERED, JobStatus.DELIVERED, at=at, **delivered)
    row = (await tx.execute(select(tables.jobs).where(_JOBS.id == job_id))).mappings().first()
    return None if row is None else job_of(row)


async def undo_share(tx: AsyncConnection, job_id: int, *, message_id: int) -> None:
    """Forget a share whose message certainly does not show the images, so that the job can be shared again."""
    of_this = (_JOBS.id == job_id) & (_JOBS.share_message_id == message_id)
    nothing = dict.fromkeys(("share_state", "share_server_id", "share_channel_id", "share_message_id"))
    await tx.execute(update(tables.jobs).where(of_this).values(nothing))


# --- a person's jobs -------------------------------------------------------------------------------------------------


async def jobs_of(conn: AsyncConnection, user_id: int, wanted: JobFilter, *, limit: int, offset: int = 0) -> list[Job]:
    """The person's jobs that are wanted, the latest first."""
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
    """How many of the person's jobs are wanted."""
    statement = select(func.count(_JOBS.id)).where(*_matches(user_id, wanted))
    return int((await conn.execute(statement)).scalar_one())


def _matches(user_id: int, wanted: JobFilter) -> list[ColumnElement[bool]]:
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
    there: ColumnElement[bool] = _JOBS.status.not_in([status.value for status in UNLISTED])
    return there


# --- words -----------------------------------------------------------------------------------------------------------


def words_of(options: Mapping[str, Any]) -> str:
    """What a job with these options is found by: the words of its prompt, and those that were added to it."""
    return folded(f"{options.get('prompt', '')} {options.get('added') or ''}")[:WORDS_AT_MOST]


def folded(text: str) -> str:
    """The text without letter case, accents and other forms of the same letters, and with single spaces.

    So it is stored, and so it is looked for.
    """
    bare = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return " ".join(unicodedata.normalize("NFC", bare).split())


def patterns(text: str) -> list[str]:
    """The LIKE patterns of whatever holds the text; what has a meaning in a pattern loses it. Escaped by ``\\``.

    One is that of :func:`folded`. The others find rows that were stored by an older version, which changed letter case
    alone: they may hold accents in either form. ``DOT_ABOVE`` has to be taken out of what is compared with them.
    """
    older = (" ".join(unicodedata.normalize(form, text).casefold().split()) for form in ("NFC", "NFD"))
    wanted = dict.fromkeys([folded(text), *(each.replace(DOT_ABOVE, "") for each in older)])
    return [_pattern(each[:WORDS_AT_MOST]) for each in wanted]


def _pattern(wanted: str) -> str:
    for sign in (_ESCAPE, "%", "_"):
        wanted = wanted.replace(sign, _ESCAPE + sign)
    return f"%{wanted}%"
