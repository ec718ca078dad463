"""What a person spent, by time, engine and thread. Amounts are millicredits, times Unix milliseconds (UTC)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind

_LEDGER = tables.ledger.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_THREADS = tables.threads.c


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent in the time that begins at `start`: what is known exactly, and what is estimated."""

    start: int
    exact: int
    estimated: int

    @property
    def total(self) -> int:
        return self.exact + self.estimated


async def by_time(conn: AsyncConnection, *, user_id: int, since: int, until: int, step: int) -> list[Spent]:
    """What the user spent from `since` to `until`, by stretches of `step` milliseconds; those without are left out."""
    stretch = (_LEDGER.counted_at - since) // step
    statement = (
        select(
            stretch.label("number"),
            func.sum(case((_LEDGER.exact.is_(True), _LEDGER.amount), else_=0)).label("exact"),
            func.sum(_LEDGER.amount).label("amount"),
        )
        .where(*_paid(user_id, since, until))
        .group_by(stretch)
        .order_by(stretch)
    )
    return [
        Spent(since + int(row.number) * step, int(row.exact), int(row.amount) - int(row.exact))
        for row in await conn.execute(statement)
    ]


async def first_spent(conn: AsyncConnection, *, user_id: int) -> int | None:
    """When the user asked for the first thing that they paid for."""
    statement = select(func.min(_LEDGER.counted_at)).where(
        _LEDGER.kind == EntryKind.CAPTURE.value, _LEDGER.user_id == user_id
    )
    first = (await conn.execute(statement)).scalar_one()
    return None if first is None else int(first)


async def by_engine(conn: AsyncConnection, *, user_id: int, since: int, until: int) -> list[tuple[str, int]]:
    """The engines and what the user spent on each from `since` to `until`, most first."""
    spent = func.sum(_LEDGER.amount)
    statement = (
        select(_LEDGER.engine, spent)
        .where(*_paid(user_id, since, until))
        .group_by(_LEDGER.engine)
        .order_by(spent.desc(), _LEDGER.engine)
    )
    return [(engine, int(amount)) for engine, amount in await conn.execute(statement)]


async def by_thread(
    conn: AsyncConnection, *, user_id: int, since: int, until: int, limit: int
) -> list[tuple[str, int]]:
    """The titles of the user's threads and what was spent in each from `since` to `until`, most first."""
    spent = func.sum(_LEDGER.amount)
    statement = (
        select(_THREADS.title, spent)
        .select_from(tables.ledger)
        .join(tables.submissions, _SUBMISSIONS.id == _LEDGER.submission_id)
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .join(tables.threads, _THREADS.id == _JOBS.thread_id)
        .where(*_paid(user_id, since, until))
        .group_by(_THREADS.id)
        .order_by(spent.desc(), _THREADS.id)
        .limit(limit)
    )
    return [(title, int(amount)) for title, amount in await conn.execute(statement)]


def _paid(user_id: int, since: int, until: int) -> tuple[ColumnElement[bool], ...]:
    return (
        _LEDGER.kind == EntryKind.CAPTURE.value,
        _LEDGER.user_id == user_id,
        _LEDGER.counted_at >= since,
        _LEDGER.counted_at < until,
    )
