"""What was spent and what became of it, counted from the ledger alone: in a server or everywhere, by what one likes.

Every request that has ended counts by its last entry, its capture or the release of what was not captured, which hold
all that is counted and are read from indexes of just those; what is on its way counts by its hold. Amounts are
millicredits, times Unix milliseconds (UTC); `since` is included, `until` is not, None is without an end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind
from storage.records import UNFINISHED, SubmissionStatus

_LEDGER = tables.ledger.c
_SUBMISSIONS = tables.submissions.c

DAY = 86_400_000
"""Milliseconds of a day."""

# In the words of the indexes of just these rows, so that they can be used: a capture, and a release without one.
_PAID = text("ledger.images IS NOT NULL")
_FREED = text("ledger.outcome IS NOT NULL")
# Of a flag the sum is wanted; and a number that is written out is not bound anew.
_ZERO: ColumnElement[int] = literal_column("0")
_IS_EXACT: ColumnElement[int] = literal_column("ledger.exact")
_WENT_WRONG = (SubmissionStatus.FAILED.value, SubmissionStatus.UNKNOWN.value)


class By(StrEnum):
    """What a report's lines are about."""

    USER = "user"
    ENGINE = "engine"
    DAY = "day"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which entries count: those of a server, of a person, of a stretch of time; None: all."""

    server_id: int | None = None
    user_id: int | None = None
    since: int | None = None
    until: int | None = None

    def conditions(self, *, indexed: bool = True) -> list[ColumnElement[bool]]:
        """The same for a statement on the ledger, with parameters for which `values` are given.

        Without ``indexed`` no index is to be found by them.
        """
        if self == _EVERYTHING:
            # It is true of all, and leads to the index in the order of time.
            return [_LEDGER.counted_at >= 0]

        def its(column: ColumnElement[int]) -> ColumnElement[int]:
            return column if indexed else column + _ZERO

        wanted: list[ColumnElement[bool]] = []
        if self.server_id is not None:
            wanted.append(its(_LEDGER.server_id) == _parameter("server_id"))
        if self.user_id is not None:
            wanted.append(its(_LEDGER.user_id) == _parameter("user_id"))
        if self.since is not None:
            wanted.append(its(_LEDGER.counted_at) >= _parameter("since"))
        if self.until is not None:
            wanted.append(its(_LEDGER.counted_at) < _parameter("until"))
        return wanted

    @property
    def values(self) -> dict[str, int]:
        """What the parameters of the conditions stand for."""
        every = {"server_id": self.server_id, "user_id": self.user_id, "since": self.since, "until": self.until}
        return {name: value for name, value in every.items() if value is not None}

    @property
    def shape(self) -> Scope:
        """The same for all scopes with the same conditions, whatever their values."""
        return Scope(*(None if each is None else 0 for each in (self.server_id, self.user_id, self.since, self.until)))


def _parameter(name: str) -> BindParameter[int]:
    return bindparam(name, type_=tables.Int64())


_EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Figures:
    """Credits spent (exactly known and estimated), the images for them, and the jobs asked for.

    ``failed`` and ``cancelled`` are requests, of which a job may have several; ``given_back`` was held for them.
    ``in_flight`` is held for what is not over.
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

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, name) + getattr(other, name) for name in NAMES))


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one user, engine, day (days since 1970) or channel; None: it is not known which."""

    key: int | str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """All of it, and some of its lines; there are ``count`` lines."""

    totals: Figures
    lines: list[Line]
    count: int


NAMES = tuple(field.name for field in fields(Figures))


async def report(
    conn: AsyncConnection,
    by: By,
    scope: Scope,
    *,
    limit: int | None = None,
    users: Collection[int] | None = None,
) -> Report:
    """Who spent most comes first; days come in their order. Of all people only `users` count, if they are given."""
    statement = _report(by, scope.shape, limited=limit is not None, some=users is not None)
    most = {} if limit is None else {"at_most": limit}
    some = {} if users is None else {"users": list(users)}
    rows = (await conn.execute(statement, scope.values | most | some)).mappings().all()
    if not rows:
        return Report(Figures(), [], 0)
    return Report(
        totals=Figures(**{name: int(rows[0][f"all_{name}"]) for name in NAMES}),
        lines=[Line(row["key"], Figures(**{name: int(row[name]) for name in NAMES})) for row in rows],
        count=int(rows[0]["count"]),
    )


def together(by: By, *parts: Report) -> Report:
    """One report of several times, in the order of a report."""
    sums: dict[int | str | None, Figures] = {}
    for line in (line for part in parts for line in part.lines):
        sums[line.key] = sums.get(line.key, Figures()) + line.figures

    def place(line: Line) -> tuple[Any, ...]:
        known = (line.key is not None, line.key)
        return known if by is By.DAY else (-line.figures.spent, *known)

    lines = sorted((Line(key, figures) for key, figures in sums.items()), key=place)
    return Report(sum((part.totals for part in parts), Figures()), lines, len(lines))


async def totals(conn: AsyncConnection, scope: Scope) -> Figures:
    """All of it together, which takes far less than who spent what."""
    row = (await conn.execute(_totals(scope.shape), scope.values)).mappings().one()
    return Figures(**{name: int(row[name]) for name in NAMES})


async def spenders(conn: AsyncConnection, scope: Scope, *, limit: int, offset: int = 0) -> tuple[list[int], int]:
    """Some of the users of a report, in its order, and how many there are; 0 as well where `offset` is beyond them."""
    rows = (await conn.execute(_spenders(scope.shape), scope.values | {"at_most": limit, "skipped": offset})).all()
    return [int(row.key) for row in rows], int(rows[0].count) if rows else 0


async def timeline(conn: AsyncConnection, scope: Scope, bounds: list[int]) -> list[tuple[int, int]]:
    """What was spent from each of the ascending ``bounds`` to the next one: exactly known and estimated."""
    if len(bounds) < 2:
        return []
    whole = Scope(scope.server_id, scope.user_id)
    moments = {f"bound_{number}": bound for number, bound in enumerate(bounds)}
    rows = (await conn.execute(_timeline(whole.shape, len(bounds) - 1), whole.values | moments)).all()
    return [(int(row.exact), int(row.spent) - int(row.exact)) for row in rows]


# Statements of this size take longer to be put together than a month takes to be counted: so each is made once.
@lru_cache(maxsize=256)
def _report(by: By, shape: Scope, *, limited: bool, some: bool) -> Select[Any]:
    merged = _merged(_key(by, shape), shape, NAMES, some=some)
    mine = merged.c
    summed = (func.sum(mine[name]).label(f"all_{name}") for name in NAMES)
    totals = select(func.count().label("count"), *summed).subquery()
    order = [mine.key] if by is By.DAY else [(mine.exact + mine.estimated).desc(), mine.key]
    # Beside each line the same one row: a window over them all would take far longer.
    statement = select(merged, totals).join_from(merged, totals, true()).order_by(*order)
    return statement.limit(_parameter("at_most")) if limited else statement


@lru_cache(maxsize=256)
def _totals(shape: Scope) -> Select[Any]:
    parts = union_all(*(make(None, shape, NAMES) for make in (_paid, _freed, _held))).subquery()
    return select(*(func.coalesce(func.sum(parts.c[name]), 0).label(name) for name in NAMES))


@lru_cache(maxsize=256)
def _spenders(shape: Scope) -> Select[Any]:
    # No more columns than the order needs: whatever is sorted besides makes it slower.
    mine = _merged(_key(By.USER, shape), shape, ("spent",))
    count = select(func.count()).select_from(mine).scalar_subquery()
    statement = select(mine.c.key, count.label("count")).order_by(mine.c.spent.desc(), mine.c.key)
    return statement.limit(_parameter("at_most")).offset(_parameter("skipped"))


def _merged(key: ColumnElement[Any], shape: Scope, names: Sequence[str], *, some: bool = False) -> CTE:
    """The sums of each key from all three sources."""
    only = [_LEDGER.user_id.in_(bindparam("users", expanding=True, type_=tables.Int64()))] if some else []
    lines = union_all(*(make(key, shape, names).where(*only) for make in (_paid, _freed, _held))).subquery()
    sums = (func.sum(lines.c[name]).label(name) for name in names)
    return select(lines.c.key, *sums).group_by(lines.c.key).cte("merged")


@lru_cache(maxsize=256)
def _timeline(shape: Scope, bars: int) -> Select[Any] | CompoundSelect[Any]:
    # One short search of the index a bar, which needs no sorting.
    pieces = [
        select(
            func.coalesce(func.sum(_LEDGER.amount), 0).label("spent"),
            func.coalesce(func.sum(_LEDGER.amount * _IS_EXACT), 0).label("exact"),
        ).where(
            _PAID,
            *([] if shape == _EVERYTHING else shape.conditions()),
            _LEDGER.counted_at >= _parameter(f"bound_{number}"),
            _LEDGER.counted_at < _parameter(f"bound_{number + 1}"),
        )
        for number in range(bars)
    ]
    return union_all(*pieces) if len(pieces) > 1 else pieces[0]


async def first_entry(conn: AsyncConnection, scope: Scope) -> int | None:
    """When the first thing was asked for that was paid for."""
    statement = select(_LEDGER.counted_at).where(_PAID, *scope.conditions()).order_by(_LEDGER.counted_at).limit(1)
    first: int | None = (await conn.execute(statement, scope.values)).scalar_one_or_none()
    return first


def _paid(key: ColumnElement[Any] | None, scope: Scope, names: Sequence[str]) -> Select[Any]:
    spent = func.sum(_LEDGER.amount)
    exact = func.sum(_LEDGER.amount * _IS_EXACT)
    known = {
        "spent": spent,
        "exact": exact,
        "estimated": spent - exact,
        "jobs": _firsts(),
        "images": func.sum(_LEDGER.images),
    }
    return _figures(key, known, names).where(_PAID, *scope.conditions())


def _freed(key: ColumnElement[Any] | None, scope: Scope, names: Sequence[str]) -> Select[Any]:
    known = {
        "jobs": _firsts(),
        "failed": func.count(case((_LEDGER.outcome.in_(_WENT_WRONG), 1))),
        "cancelled": func.count(case((_LEDGER.outcome == SubmissionStatus.CANCELLED.value, 1))),
        "given_back": -func.sum(_LEDGER.amount),
    }
    return _figures(key, known, names).where(_FREED, *scope.conditions())


def _held(key: ColumnElement[Any] | None, scope: Scope, names: Sequence[str]) -> Select[Any]:
    """Few of many: found by the submissions that are unfinished, and not by the scope."""
    known = {"jobs": _firsts(), "in_flight": func.sum(_LEDGER.amount)}
    open_ones = _SUBMISSIONS.status.in_([status.value for status in UNFINISHED])
    return (
        _figures(key, known, names)
        .join(tables.submissions, _SUBMISSIONS.id == _LEDGER.submission_id)
        # What was reopened holds nothing any more.
        .where(open_ones, _SUBMISSIONS.reopened_at.is_(None))
        .where(_LEDGER.kind == EntryKind.HOLD.value, *scope.conditions(indexed=False))
    )


def _figures(
    key: ColumnElement[Any] | None, known: Mapping[str, ColumnElement[Any]], names: Sequence[str]
) -> Select[Any]:
    """Some of the figures of each key, or of everything together."""
    columns = [known.get(name, _ZERO).label(name) for name in names]
    if key is None:
        return select(*columns).select_from(tables.ledger)
    return select(key.label("key"), *columns).select_from(tables.ledger).group_by(key)


def _key(by: By, scope: Scope) -> ColumnElement[Any]:
    columns: dict[By, ColumnElement[Any]] = {
        By.USER: _LEDGER.user_id,
        By.ENGINE: _LEDGER.engine,
        By.CHANNEL: _LEDGER.channel_id,
        By.DAY: _LEDGER.counted_at // DAY,
    }
    # Over all time of a server the index in the order of users saves the sorting. Of a stretch of time it would have to
    # be read from end to end, so there the one in the order of time is better: this keeps the planner from the other.
    in_order = scope.since is None and scope.server_id is not None
    return columns[by] if by is not By.USER or in_order else columns[by] + _ZERO


def _firsts() -> ColumnElement[Any]:
    """How many of the requests are the first of their jobs."""
    return func.count(case((_LEDGER.position == _ZERO, 1)))
