"""Stretches of the UTC calendar: the periods in which limits count, and those that a report is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.errors import UserError

SUGGESTED = (
    "today",
    "yesterday",
    "this week",
    "last week",
    "this month",
    "last month",
    "this year",
    "last year",
    "all time",
)
"""What a report is mostly asked for."""

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_DAYS = re.compile(r"(?:last )?(\d{1,4}) days?")


class Period(StrEnum):
    """How often a limit renews."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def this(self) -> str:
        """The one that it is now, in a sentence."""
        return "today" if self is Period.DAY else f"this {self}"


@dataclass(frozen=True, slots=True)
class Span:
    """From ``since`` to just before ``until``, in Unix milliseconds; None: from the beginning, or up to now.

    ``name`` is what it is called in a sentence.
    """

    since: int | None
    until: int | None
    name: str


def milliseconds(moment: datetime) -> int:
    """Unix milliseconds of an aware moment."""
    return int(moment.timestamp() * 1000)


def moment_of(at: int) -> datetime:
    """The moment of Unix milliseconds, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


def current(period: Period, now: int) -> tuple[datetime, datetime]:
    """Where the period of ``now`` (Unix milliseconds) begins, and where the next one does. Weeks begin on Monday."""
    day = moment_of(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return day, day + timedelta(days=1)
    if period is Period.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, next_month(first)


def next_month(first: datetime) -> datetime:
    """The first of the month after the month that begins at ``first``."""
    return (first + timedelta(days=32)).replace(day=1)


def span(text: str, now: int) -> Span:
    """The span that somebody typed: one of ``SUGGESTED``, ``30 days``, ``2026``, ``2026-03``, ``2026-03-14``, or two
    such dates with two dots between them, both included. Raises UserError for anything else.
    """
    typed = " ".join(text.lower().split())
    if typed in {"all", "all time", "ever"}:
        return Span(None, None, "all time")
    try:
        found = _relative(typed, now) or _dates(typed)
    except (ValueError, OverflowError):
        found = None
    if found is None or found[0] >= found[1]:
        raise UserError(
            "That is no period. Write today, this month, last week, 30 days, 2026, 2026-03, 2026-03-14, "
            "2026-01-15..2026-02-14 or all time."
        )
    return Span(milliseconds(found[0]), milliseconds(found[1]), typed)


def _relative(typed: str, now: int) -> tuple[datetime, datetime] | None:
    today, tomorrow = current(Period.DAY, now)
    if days := _DAYS.fullmatch(typed):
        return tomorrow - timedelta(days=int(days[1])), tomorrow
    if typed in {"today", "yesterday"}:
        return (today, tomorrow) if typed == "today" else (today - timedelta(days=1), today)
    which, _, unit = typed.partition(" ")
    if which not in {"this", "last"} or unit not in {"day", "week", "month", "year"}:
        return None
    if unit == "year":
        first = today.replace(month=1, day=1)
        start, end = first, first.replace(year=first.year + 1)
        return (start, end) if which == "this" else (start.replace(year=start.year - 1), start)
    start, end = current(Period(unit), now)
    if which == "this":
        return start, end
    return current(Period(unit), milliseconds(start) - 1)[0], start


def _dates(typed: str) -> tuple[datetime, datetime] | None:
    first, dots, last = (part.strip() for part in typed.partition(".."))
    start = _date(first)
    end = _date(last) if dots else start
    return (start[0], end[1]) if start is not None and end is not None else None


def _date(typed: str) -> tuple[datetime, datetime] | None:
    """The beginning and the end of a year, a month or a day. Raises ValueError where there is no such day."""
    found = _DATE.fullmatch(typed)
    if found is None:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    start = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
    if month is None:
        return start, start.replace(year=start.year + 1)
    return start, next_month(start) if day is None else start + timedelta(days=1)
