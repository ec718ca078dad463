"""Usage reports from the ledger by user, engine, operation, day or channel, and lists of open and failed requests.

Each ended request counts by its last ledger entry: its capture, or its release if it has no capture. A request in
flight counts by its hold. Amounts are millicredits, times Unix milliseconds (UTC). ``since`` is inclusive, ``until`` is
exclusive, None means no bound.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    RowMapping,
    Select,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind, Scope
from storage.records import ON_THEIR_WAY, UNFINISHED, JobStatus, SubmissionStatus
from storage.threads import HAS_OTHERS

_LEDGER = tables.ledger.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_THREADS = tables.threads.c

HOUR = 3_600_000
"""An hour in milliseconds."""
DAY = 24 * HOUR
"""A day in milliseconds."""

# The conditions of the partial indexes, repeated literally so that SQLite uses them: captures, and plain releases.
_PAID = text("ledger.images IS NOT NULL")
_FREED = text("ledger.outcome IS NOT NULL")
_WENT_WRONG = (SubmissionStatus.FAILED.value, SubmissionStatus.UNKNOWN.value)
_EXACT = case((_LEDGER.exact.is_(True), _LEDGER.amount), else_=0)


class By(StrEnum):
    """The grouping of a report's lines."""

    USER = "user"
    ENGINE = "engine"
    DAY = "day"
    CHANNEL = "channel"
    OPERATION = "operation"


_KEYS: Mapping[By, ColumnElement[Any]] = {
    # + 0 keeps SQLite from reading the whole ledger in the order of users just to avoid a sort.
    By.USER: _LEDGER.user_id + literal_column("0"),
    By.ENGINE: _LEDGER.engine,
    By.DAY: _LEDGER.counted_at // DAY,
    By.CHANNEL: _LEDGER.channel_id,
    By.OPERATION: func.coalesce(_LEDGER.operation, literal_column("'text_to_image'")),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The credits spent (exact and estimated), the images made for them, and the number of jobs.

    ``failed`` and ``cancelled`` count requests; a job may have several. ``given_back`` is the sum of their released
    holds. ``in_flight`` is held for unfinished requests.
    """

    exact: int = 0
    estimated: int = 0
    jobs: int = 0
    images: int = 0
    failed: int = 0
    cancelled: int = 0
    given_back: int = 0
    in_flight: int = 0

    @property
    def spent(self) -> int:
        return self.exact + self.estimated


NAMES = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one user, engine, operation, day (days since 1970) or channel. The key is None if unknown."""

    key: int | str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """The total figures, and some of the ``count`` lines."""

    totals: Figures
    lines: list[Line]
    count: int


@dataclass(frozen=True, slots=True)
class Spent:
    """The amounts spent (exact and estimated) in the step of time that begins at ``start``."""

    start: int
    exact: int
    estimated: int


# --- spending ---------------------------------------------------------------------------------------------------------


async def report(conn: AsyncConnection, by: By, scope: Scope, *, limit: int | None = None, offset: int = 0) -> Report:
    """Read lines by amount spent; days are newest first. If ``offset`` is too high, the report is empty."""
    merged = _merged(_KEYS[by], scope)
    mine = merged.c
    sums = (func.sum(mine[name]).label(f"all_{name}") for name in NAMES)
    totals = select(func.count().label("count"), *sums).subquery()
    order = [mine.key.desc()] if by is By.DAY else [(mine.exact + mine.estimated).desc(), mine.key]
    # The totals are one row, joined to each line. This is much faster than a window function over all lines.
    statement = select(merged, totals).join_from(merged, totals, true()).order_by(*order)
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    rows = (await conn.execute(statement)).mappings().all()
    if not rows:
        return Report(Figures(), [], 0)
    return Report(
        totals=Figures(**{name: int(rows[0][f"all_{name}"]) for name in NAMES}),
        lines=[Line(row["key"], Figures(**{name: int(row[name]) for name in NAMES})) for row in rows],
        count=int(rows[0]["count"]),
    )


async def spent_by_time(conn: AsyncConnection, scope: Scope, step: int) -> list[Spent]:
    """Read the amount spent in each hour or day (``step`` in milliseconds). Steps without spending are omitted."""
    number = _LEDGER.counted_at // step
    statement = (
        select(number.label("number"), func.sum(_EXACT).label("exact"), func.sum(_LEDGER.amount).label("spent"))
        .where(_PAID, *scope.conditions())
        .group_by(number)
        .order_by(number)
    )
    return [
        Spent(int(row.number) * step, int(row.exact), int(row.spent) - int(row.exact))
        for row in await conn.execute(statement)
    ]


async def spent_by_thread(conn: AsyncConnection, scope: Scope, *, limit: int) -> list[tuple[str, int]]:
    """Read the titles of the threads with the highest spending, and the amounts.

    A thread is left out if it is its user's only one in its place.
    """
    spent = func.sum(_LEDGER.amount)
    statement = (
        select(_THREADS.title, spent)
        .select_from(tables.ledger)
        .join(tables.jobs, _JOBS.id == _LEDGER.job_id)
        .join(tables.threads, _THREADS.id == _JOBS.thread_id)
        .where(_PAID, HAS_OTHERS, *scope.conditions())
        .group_by(_THREADS.id)
        .order_by(spent.desc(), _THREADS.id)
        .limit(limit)
    )
    return [(title, int(amount)) for title, amount in await conn.execute(statement)]


async def first_spent(conn: AsyncConnection, scope: Scope) -> int | None:
    """Return the time of the first request with a cost."""
    statement = select(_LEDGER.counted_at).where(_PAID, *scope.conditions()).order_by(_LEDGER.counted_at).limit(1)
    first: int | None = (await conn.execute(statement)).scalar_one_or_none()
    return first


def _merged(key: ColumnElement[Any], scope: Scope) -> CTE:
    """Sum captures, releases and holds by key."""
    paid = {
        "exact": func.sum(_EXACT),
        "estimated": func.sum(_LEDGER.amount) - func.sum(_EXACT),
        "jobs": _jobs(),
        "images": func.sum(_LEDGER.images),
    }
    freed = {
        "jobs": _jobs(),
        "failed": func.count(case((_LEDGER.outcome.in_(_WENT_WRONG), 1))),
        "cancelled": func.count(case((_LEDGER.outcome == SubmissionStatus.CANCELLED.value, 1))),
        "given_back": -func.sum(_LEDGER.amount),
    }
    held = {"jobs": _jobs(), "in_flight": func.sum(_LEDGER.amount)}
    open_ones = select(_SUBMISSIONS.id).where(
        _SUBMISSIONS.status.in_([status.value for status in UNFINISHED]),
        # A reopened submission has no hold any more.
        _SUBMISSIONS.reopened_at.is_(None),
    )
    parts = union_all(
        _figures(key, paid).where(_PAID, *scope.conditions()),
        _figures(key, freed).where(_FREED, *scope.conditions()),
        _figures(key, held).where(
            _LEDGER.kind == EntryKind.HOLD.value,
            _LEDGER.submission_id.in_(open_ones),
            # Starts from the few open submissions instead of from all entries of the scope.
            *scope.conditions(indexed=False),
        ),
    ).subquery()
    sums = (func.sum(parts.c[name]).label(name) for name in NAMES)
    return select(parts.c.key, *sums).group_by(parts.c.key).cte("merged")


def _figures(key: ColumnElement[Any], known: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    """Select the known figures of each key, and 0 for the others."""
    columns = [known.get(name, literal_column("0")).label(name) for name in NAMES]
    return select(key.label("key"), *columns).select_from(tables.ledger).group_by(key)


def _jobs() -> ColumnElement[Any]:
    """Count jobs: the requests that are the first of their job."""
    return func.count(case((_LEDGER.position == 0, 1)))


# --- requests -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One submission as admins may see it, without its prompt because that may be private.

    ``problems`` are the stored texts of the card. They are None for a private job, because they may repeat the prompt.
    """

    id: int
    job_id: int
    user_id: int
    server_id: int | None
    channel_id: int
    private: bool
    engine: str
    provider: str
    status: SubmissionStatus
    created_at: int
    sent_at: int | None
    updated_at: int
    problems: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Waits:
    """The submissions of one provider that wait for the operator.

    After a change of ``setting``, all or some of their images can be fetched. ``details`` are the refused hosts or
    sizes. If ``setting`` is None, they wait until the provider is configured again.
    """

    provider: str
    setting: str | None
    submissions: int
    details: tuple[str, ...] = ()


async def waiting(conn: AsyncConnection, providers: Collection[str]) -> list[Waits]:
    """Return the submissions that wait for the operator, given that these providers are configured."""
    missing = _SUBMISSIONS.provider.not_in(list(providers))
    sent = or_(
        _SUBMISSIONS.status.in_([status.value for status in ON_THEIR_WAY]),
        and_(_SUBMISSIONS.status == SubmissionStatus.QUEUED.value, _SUBMISSIONS.sendings > 0),
    )
    unfetched = and_(
        _SUBMISSIONS.status.in_((SubmissionStatus.UNKNOWN.value, SubmissionStatus.DONE.value)),
        _SUBMISSIONS.waits_for.is_not(None),
        _SUBMISSIONS.handle.is_not(None),
        _JOBS.status != JobStatus.DELETED.value,
    )
    # A reopened one keeps its setting until it has ended again.
    setting = case((unfetched, _SUBMISSIONS.waits_for)).label("setting")
    statement = (
        select(_SUBMISSIONS.provider, setting, _SUBMISSIONS.result)
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(or_(and_(missing, sent), unfetched))
        .order_by(_SUBMISSIONS.provider, setting, _SUBMISSIONS.id)
    )
    found: dict[tuple[str, str | None], list[str]] = {}
    for row in await conn.execute(statement):
        found.setdefault((row.provider, row.setting), []).append((row.result or {}).get("why", ""))
    return [
        Waits(provider, setting, len(whys), tuple(dict.fromkeys(filter(None, whys))))
        for (provider, setting), whys in found.items()
    ]


async def unfinished(conn: AsyncConnection, *, server_id: int | None, limit: int) -> list[Request]:
    """Return unfinished requests in the server, or (None) everywhere, oldest first."""
    statement = _requests(UNFINISHED, server_id).order_by(_SUBMISSIONS.created_at, _SUBMISSIONS.id).limit(limit)
    return await _read(conn, statement)


async def unknown(conn: AsyncConnection, *, server_id: int | None, since: int, limit: int) -> list[Request]:
    """Return requests since then with an unknown outcome, newest first."""
    statement = _requests((SubmissionStatus.UNKNOWN,), server_id).where(_SUBMISSIONS.created_at >= since)
    return await _read(conn, statement.order_by(_SUBMISSIONS.created_at.desc(), _SUBMISSIONS.id.desc()).limit(limit))


async def failures_of(conn: AsyncConnection, *, user_id: int, server_id: int | None, limit: int) -> list[Request]:
    """Return the person's latest requests that failed or have an unknown outcome, newest first."""
    of_theirs = _SUBMISSIONS.job_id == _JOBS.id
    wanted: list[ColumnElement[bool]] = [_JOBS.user_id == user_id, _SUBMISSIONS.status.in_(_WENT_WRONG)]
    if server_id is not None:
        wanted.append(_JOBS.server_id == server_id)
    statement = select(*_COLUMNS).select_from(tables.jobs).join(tables.submissions, of_theirs).where(*wanted)
    return await _read(conn, statement.order_by(_JOBS.created_at.desc(), _SUBMISSIONS.id.desc()).limit(limit))


_COLUMNS: tuple[ColumnElement[Any], ...] = (
    _SUBMISSIONS.id,
    _SUBMISSIONS.job_id,
    _SUBMISSIONS.user_id,
    _JOBS.server_id,
    _JOBS.channel_id,
    _JOBS.private,
    _SUBMISSIONS.engine,
    _SUBMISSIONS.provider,
    _SUBMISSIONS.status,
    _SUBMISSIONS.created_at,
    _SUBMISSIONS.sent_at,
    _SUBMISSIONS.updated_at,
    _SUBMISSIONS.problems,
)


def _requests(statuses: Collection[SubmissionStatus], server_id: int | None) -> Select[Any]:
    statement = (
        select(*_COLUMNS)
        .join_from(tables.submissions, tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(_SUBMISSIONS.status.in_([status.value for status in statuses]))
    )
    # + 0 keeps SQLite from reading all jobs of the server, of which few are unfinished.
    return statement if server_id is None else statement.where(_JOBS.server_id + 0 == server_id)


async def _read(conn: AsyncConnection, statement: Select[Any]) -> list[Request]:
    rows = (await conn.execute(statement)).mappings()
    return [_request(row) for row in rows]


def _request(row: RowMapping) -> Request:
    # In direct messages only the author sees the card.
    shown = row["problems"] if row["server_id"] is not None and not row["private"] else None
    return Request(**{**row, "status": SubmissionStatus(row["status"]), "problems": shown})
