"""``python -m bot usage``: the report of all servers, or of one, in the terminal, with the figures of /usage."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bot.config import Settings
from bot.domain.periods import Span, moment_of, span
from bot.text import amount_text, credits_text
from storage import reports
from storage.database import Database
from storage.reports import DAY, By, Line, Report, Scope

_HEAD = ("", "credits", "estimated", "jobs", "images", "failed", "given back", "in flight")


async def usage(settings: Settings, *, period: str, by: str, server_id: int | None) -> list[str]:
    """The report, a line each. Raises UserError for a period that is none, and StorageError."""
    asked = span(period, int(time.time() * 1000))
    database = await Database.open(settings.database_url)
    try:
        async with database.read() as connection:
            scope = Scope(server_id, None, asked.since, asked.until)
            report = await reports.report(connection, By(by), scope)
    finally:
        await database.close()
    return list(_lines(report, By(by), asked, server_id))


def _lines(report: Report, by: By, asked: Span, server_id: int | None) -> Iterator[str]:
    rows = [_HEAD, *(_row(_name(line, by), line) for line in report.lines)]
    if len(report.lines) != 1:
        rows.append(_row("all", Line(None, report.totals)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    where = "all servers" if server_id is None else f"server {server_id}"
    yield f"{where}, {asked.name} (UTC): {credits_text(report.totals.spent)} spent"
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join((first.strip().ljust(widths[0]), *others)).rstrip()


def _row(name: str, line: Line) -> tuple[str, ...]:
    figures = line.figures
    return (
        name,
        amount_text(figures.spent),
        amount_text(figures.estimated),
        str(figures.jobs),
        str(figures.images),
        str(figures.failed),
        amount_text(figures.given_back),
        amount_text(figures.in_flight),
    )


def _name(line: Line, by: By) -> str:
    if line.key is None:
        return "not known"
    return f"{moment_of(int(line.key) * DAY):%Y-%m-%d}" if by is By.DAY else str(line.key)
