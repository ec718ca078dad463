"""Submissions (the paid requests of a job) and their events.

Every function takes the connection first: `tx` is one from `Database.write()`, `conn` may be either kind. `at` and
every other time is in Unix milliseconds (UTC). Statuses change only by guarded moves, each with its event. A submission
that ends without images releases its hold. `why` is an EventReason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    RowMapping,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import (
    ENDED,
    Costs,
    Event,
    EventReason,
    Submission,
    SubmissionStatus,
    Took,
)
from storage.tables import settable

_SUBMISSIONS = tables.submissions.c
_JOBS = tables.jobs.c
_EVENTS = tables.events.c
_LEDGER = tables.ledger.c

_DECODED_AT_ONCE = 50

# Built once: building a statement takes longer than running it. An update writes the columns given at execution.
_ADD_SUBMISSION = insert(tables.submissions).returning(_SUBMISSIONS.position, _SUBMISSIONS.id)
_ADD_EVENT = insert(tables.events)
_MOVE_SUBMISSION = (
    update(tables.submissions)
    .where(_SUBMISSIONS.id == bindparam("of"), _SUBMISSIONS.status == bindparam("old"))
    .returning(_SUBMISSIONS.id)
)
_FORGET_RESULTS = (
    update(tables.submissions)
    .where(_SUBMISSIONS.job_id == bindparam("job"), _SUBMISSIONS.result.is_not(None))
    .values(result=None, waits_for=None)
)
_SUBMISSIONS_OF = (
    select(tables.submissions).where(_SUBMISSIONS.job_id == bindparam("job")).order_by(_SUBMISSIONS.position)
)
_HELD = case((_LEDGER.kind.in_(("hold", "release")), _LEDGER.amount))
_CAPTURED = _LEDGER.kind == "capture"
_ESTIMATED = and_(_CAPTURED, _LEDGER.exact == False)  # noqa: E712 - a column, not a value
_SUBMISSIONS_WITH_COSTS = (
    select(
        tables.submissions,
        func.coalesce(func.sum(_HELD), 0).label("held"),
        func.sum(case((_CAPTURED, _LEDGER.amount))).label("captured"),
        func.count(case((_ESTIMATED, 1))).label("estimates"),
    )
    .outerjoin(tables.ledger, _LEDGER.submission_id == _SUBMISSIONS.id)
    .where(_SUBMISSIONS.job_id.in_(bindparam("jobs", expanding=True)))
    .group_by(_SUBMISSIONS.id)
    .order_by(_SUBMISSIONS.position)
)
_OLDEST_FIRST = (_SUBMISSIONS.created_at, _SUBMISSIONS.id)
# In each provider's queue, the first submission of every user precedes the second of every user.
_TURNS = (
    select(
        _SUBMISSIONS.id,
        _SUBMISSIONS.created_at,
        _SUBMISSIONS.provider,
        func.row_number()
        .over(partition_by=(_SUBMISSIONS.provider, _SUBMISSIONS.user_id), order_by=_OLDEST_FIRST)
        .label("turn"),
    )
    .where(
        _SUBMISSIONS.status == SubmissionStatus.QUEUED.value,
        or_(_SUBMISSIONS.next_attempt_at.is_(None), _SUBMISSIONS.id.in_(bindparam("due", expanding=True))),
    )
    .subquery()
)
_PLACES = select(
    _TURNS.c.id,
    func.row_number()
    .over(partition_by=_TURNS.c.provider, order_by=(_TURNS.c.turn, _TURNS.c.created_at, _TURNS.c.id))
    .label("place"),
).subquery()
_QUEUED = (
    select(tables.submissions)
    .join(_PLACES, _PLACES.c.id == _SUBMISSIONS.id)
    .where(_PLACES.c.place <= bindparam("most"))
    .order_by(*_OLDEST_FIRST)
)
_NEXT_ATTEMPTS = select(_SUBMISSIONS.id, _SUBMISSIONS.next_attempt_at).where(
    _SUBMISSIONS.status == SubmissionStatus.QUEUED.value, _SUBMISSIONS.next_attempt_at.is_not(None)
)


class Asked(NamedTuple):
    """One paid request to add: its engine and provider, the request as JSON, the operation (None: text to image)."""

    engine: str
    provider: str
    request: dict[str, Any]
    operation: str | None = None


async def add_submissions(
    tx: AsyncConnection, job_id: int, asked: Sequence[Asked], *, user_id: int, at: int, first: int = 0
) -> list[int]:
    """Add queued submissions from position `first` on, with their first events. Returns their ids in this order."""
    rows = [
        {
            "job_id": job_id,
            "position": position,
            "user_id": user_id,
            "engine": one.engine,
            "provider": one.provider,
            "status": SubmissionStatus.QUEUED.value,
            "request": one.request,
            "created_at": at,
            "updated_at": at,
        }
        for position, one in enumerate(asked, first)
    ]
    ids = {row.position: int(row.id) for row in await tx.execute(_ADD_SUBMISSION, rows)}
    events = [_event_row(id_, None, SubmissionStatus.QUEUED, at, EventReason.ASKED) for id_ in ids.values()]
    await tx.execute(_ADD_EVENT, events)
    return [ids[position] for position, _ in enumerate(asked, first)]


async def submissions_of(conn: AsyncConnection, job_id: int) -> list[Submission]:
    """Return the job's submissions by position."""
    return [_submission(row) for row in (await conn.execute(_SUBMISSIONS_OF, {"job": job_id})).mappings()]


async def with_costs(conn: AsyncConnection, job_ids: Collection[int]) -> list[tuple[Submission, Costs]]:
    """Return the submissions of the jobs by position, each with its held and captured amounts."""
    found = []
    for row in (await conn.execute(_SUBMISSIONS_WITH_COSTS, {"jobs": list(job_ids)})).mappings():
        columns = dict(row)
        held, captured, estimates = (columns.pop(name) for name in ("held", "captured", "estimates"))
        costs = Costs(int(held), None if captured is None else int(captured), exact=not estimates)
        found.append((_submission(columns), costs))
    return found


async def events_of(conn: AsyncConnection, job_id: int) -> list[Event]:
    """Return the events of the job's submissions, oldest first."""
    statement = (
        select(tables.events)
        .join(tables.submissions, _SUBMISSIONS.id == _EVENTS.submission_id)
        .where(_SUBMISSIONS.job_id == job_id)
        .order_by(_EVENTS.id)
    )
    return [_event(row) for row in (await conn.execute(statement)).mappings()]


async def move_submission(
    tx: AsyncConnection,
    submission_id: int,
    old: SubmissionStatus,
    new: SubmissionStatus,
    *,
    at: int,
    why: str = "",
    **columns: Any,
) -> bool:
    """Move a submission from `old` to `new`, set the columns and write the event. False if it is not in `old`.

    If `old` equals `new`, the columns are set under the same guard. No event is written then, so `why` is not needed.
    `ended_at` is set automatically at the end. Raises ValueError for a move out of an ended status.
    """
    settable(tables.submissions, columns, "id", "job_id", "status")
    if old in ENDED and new is not old:
        raise ValueError(f"{old.value} is an end: a submission cannot become {new.value} after it")
    values: dict[str, Any] = {"status": new.value, "updated_at": at, **columns}
    if new in ENDED and new is not old:
        values.setdefault("ended_at", at)
    moved = await tx.execute(_MOVE_SUBMISSION, values | {"of": submission_id, "old": old.value})
    if moved.first() is None:
        return False
    if new is not old:
        await tx.execute(_ADD_EVENT, _event_row(submission_id, old, new, at, why))
    return True


async def forget_results(tx: AsyncConnection, job_id: int) -> None:
    """Erase the stored URLs of the job's images that could not be fetched."""
    await tx.execute(_FORGET_RESULTS, {"job": job_id})


async def queued(conn: AsyncConnection, *, due: Collection[int], limit: int) -> list[Submission]:
    """Return up to `limit` queued submissions per provider, oldest first: those never postponed, and those in `due`.

    If there are more, they are shared equally among the users.
    """
    found = []
    for row in (await conn.execute(_QUEUED, {"due": list(due), "most": limit})).mappings():
        found.append(_submission(row))
        if len(found) % _DECODED_AT_ONCE == 0:
            # A thousand rows take a tenth of a second, so let the event loop serve others in between.
            await asyncio.sleep(0)
    return found


async def next_attempts(conn: AsyncConnection) -> dict[int, int]:
    """Return the time of the next attempt for each postponed submission, by id."""
    return {row.id: int(row.next_attempt_at) for row in await conn.execute(_NEXT_ATTEMPTS)}


async def with_status(
    conn: AsyncConnection, statuses: Collection[SubmissionStatus], *, limit: int | None = None
) -> list[Submission]:
    """Return the submissions in one of the statuses, oldest first."""
    statement = (
        select(tables.submissions)
        .where(_SUBMISSIONS.status.in_([status.value for status in statuses]))
        .order_by(_SUBMISSIONS.created_at, _SUBMISSIONS.id)
        .limit(limit)
    )
    return [_submission(row) for row in (await conn.execute(statement)).mappings()]


async def durations(conn: AsyncConnection, engine: str, *, limit: int = 30) -> list[Took]:
    """Return the durations of the engine's latest done submissions, newest first."""
    statement = (
        select(_SUBMISSIONS.request, (_SUBMISSIONS.finished_at - _SUBMISSIONS.sent_at).label("milliseconds"))
        .where(
            _SUBMISSIONS.engine == engine,
            # Excludes NULLs, and clocks that were set back in between.
            _SUBMISSIONS.finished_at > _SUBMISSIONS.sent_at,
            _SUBMISSIONS.status == SubmissionStatus.DONE.value,
            # The time in the status unknown says nothing about the engine.
            _SUBMISSIONS.reopened_at.is_(None),
        )
        .order_by(_SUBMISSIONS.finished_at.desc())
        .limit(limit)
    )
    return [Took(row.request, int(row.milliseconds)) for row in await conn.execute(statement)]


async def engines(conn: AsyncConnection) -> list[str]:
    """Return all engines that were ever used."""
    return list((await conn.execute(select(_SUBMISSIONS.engine).distinct().order_by(_SUBMISSIONS.engine))).scalars())


def _event_row(
    submission_id: int, old: SubmissionStatus | None, new: SubmissionStatus, at: int, why: str
) -> dict[str, Any]:
    return {
        "submission_id": submission_id,
        "old_status": None if old is None else old.value,
        "new_status": new.value,
        "at": at,
        "why": why,
    }


def _submission(row: RowMapping | dict[str, Any]) -> Submission:
    return Submission(**{**row, "status": SubmissionStatus(row["status"])})


def _event(row: RowMapping) -> Event:
    old = row["old_status"]
    statuses = {
        "old_status": None if old is None else SubmissionStatus(old),
        "new_status": SubmissionStatus(row["new_status"]),
    }
    return Event(**{**row, **statuses})
