"""One page of a report: its lines, and what stands above them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace

from bot.servers.timeline import Bar, bars_of, bars_of_days
from storage import reports
from storage.database import Database
from storage.reports import By, Figures, Line, Report, Scope

LINES = 10
"""Lines of a report on one page."""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The figures of everything, ``count`` lines of which some are here, and what was spent over time."""

    totals: Figures
    lines: tuple[Line, ...]
    count: int
    number: int
    bars: tuple[Bar, ...] = ()

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // LINES))


async def page_of(database: Database, by: By, scope: Scope, number: int, now: int) -> ReportPage:
    """Page ``number``, or the last one there is. Raises StorageError."""
    if by is By.USER:
        (lines, count, number), (totals, bars) = await asyncio.gather(
            _people(database, scope, number, now), _over_time(database, scope, now)
        )
        return ReportPage(totals, tuple(lines), count, number, bars)
    found = await _report(database, by, scope, now)
    # Of engines and channels the lines themselves are the bars; of days the latest come first.
    lines, bars = (found.lines[::-1], bars_of_days(found.lines)) if by is By.DAY else (found.lines, ())
    number = max(1, min(number, -(-found.count // LINES)))
    return ReportPage(found.totals, tuple(lines[(number - 1) * LINES : number * LINES]), found.count, number, bars)


async def _report(database: Database, by: By, scope: Scope, now: int, users: Collection[int] | None = None) -> Report:
    """Two halves of the time are read and sorted each by itself, on a connection and a processor of its own."""
    since = scope.since
    if since is None:
        async with database.read() as connection:
            since = await reports.first_entry(connection, scope) or now
    middle = (since + max(since, min(now, scope.until or now))) // 2

    async def part(half: Scope) -> Report:
        async with database.read() as connection:
            return await reports.report(connection, by, half, users=users)

    return reports.together(
        by, *await asyncio.gather(part(replace(scope, until=middle)), part(replace(scope, since=middle)))
    )


async def _people(database: Database, scope: Scope, number: int, now: int) -> tuple[list[Line], int, int]:
    """A page's lines, how many there are on all, and which page it is.

    Who they are is found first, by the little that has to be sorted for it, and then what they did.
    """
    number = max(1, number)
    async with database.read() as connection:
        users, count = await reports.spenders(connection, scope, limit=LINES, offset=(number - 1) * LINES)
        if not users and number > 1:
            _, count = await reports.spenders(connection, scope, limit=1)
            number = max(1, -(-count // LINES))
            users, count = await reports.spenders(connection, scope, limit=LINES, offset=(number - 1) * LINES)
    found = await _report(database, By.USER, scope, now, users)
    return found.lines, count, number


async def _over_time(database: Database, scope: Scope, now: int) -> tuple[Figures, tuple[Bar, ...]]:
    """On a connection of its own, so that it is read while the people are sorted."""
    async with database.read() as connection:
        totals = await reports.totals(connection, scope)
        return totals, await bars_of(connection, scope, now) if totals.spent else ()
