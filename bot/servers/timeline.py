"""The bars of a chart: what was spent over time, in not too many steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from bot.domain.periods import Period, current, milliseconds, moment_of, next_month
from storage import reports
from storage.database import AsyncConnection
from storage.reports import DAY, Line, Scope

# More bars than this are too thin to be told apart.
_BARS_AT_MOST = 31


@dataclass(frozen=True, slots=True)
class Bar:
    """What was spent from ``start`` to just before ``end``, in Unix milliseconds."""

    start: int
    end: int
    exact: int
    estimated: int


async def bars_of(connection: AsyncConnection, scope: Scope, now: int) -> tuple[Bar, ...]:
    """What was spent over time, in not too many steps: days, weeks or months."""
    first = scope.since if scope.since is not None else await reports.first_entry(connection, scope)
    bounds = _bounds(now if first is None else first, now if scope.until is None else min(scope.until - 1, now))
    # A week or a month of which only a part belongs to the report is counted in part.
    bounds[0] = max(bounds[0], scope.since or 0)
    bounds[-1] = bounds[-1] if scope.until is None else min(bounds[-1], scope.until)
    spent = await reports.timeline(connection, scope, bounds)
    return tuple(
        Bar(start, end, exact, estimated)
        for (exact, estimated), (start, end) in zip(spent, pairwise(bounds), strict=True)
    )


def bars_of_days(lines: Sequence[Line]) -> tuple[Bar, ...]:
    """The same from the figures of each day."""
    if not lines:
        return ()
    days = {int(line.key or 0): line.figures for line in lines}
    bounds = _bounds(min(days) * DAY, (max(days) + 1) * DAY - 1)
    return tuple(
        Bar(
            start,
            end,
            exact=sum(days[day].exact for day in days if start <= day * DAY < end),
            estimated=sum(days[day].estimated for day in days if start <= day * DAY < end),
        )
        for start, end in pairwise(bounds)
    )


def _bounds(first: int, last: int) -> list[int]:
    """Where each bar begins, and where the last one ends: whole days, weeks, months or years of UTC."""
    end = moment_of(max(first, last))
    days = (end - moment_of(first)).days + 1
    bound = current(Period.DAY, first)[0]
    step: Callable[[datetime], datetime] = _next_day
    if days > _BARS_AT_MOST:
        bound, step = current(Period.WEEK, first)[0], _next_week
    if days > 7 * _BARS_AT_MOST:
        bound, step = current(Period.MONTH, first)[0], next_month
    if days > 30 * _BARS_AT_MOST:
        bound, step = bound.replace(month=1), _next_year
    bounds = [bound]
    while bound <= end:
        bound = step(bound)
        bounds.append(bound)
    return [milliseconds(each) for each in bounds]


def _next_day(day: datetime) -> datetime:
    return day + timedelta(days=1)


def _next_week(monday: datetime) -> datetime:
    return monday + timedelta(days=7)


def _next_year(first: datetime) -> datetime:
    return first.replace(year=first.year + 1)
