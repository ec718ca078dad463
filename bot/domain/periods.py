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
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""When Discord's own ids begin, and before which nothing can have been made."""

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

    It begins with the year 2015 at the earliest, and ends with this year at the latest: what is made of it has an end.
    """
    typed = " ".join(text.lower().split())
    if typed in {"all", "all time", "ever"}:
        return Span(None, None, "all time")
    try:
        found = _relative(typed, now) or _dates(typed)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise UserError(
            "That is no period. Write today, this month, last week, 30 days, 2026, 2026-03, 2026-03-14, "
            "2026-01-15..2026-02-14 or all time."
        )
    start, end = found
    if start >= end:
        raise UserError("That period ends before it begins. Write the earlier date first.")
    if end <= EARLIEST:
        raise UserError(f"Nothing can have been made before {EARLIEST.year}. Write a later period.")
    if start > moment_of(now):
        raise UserError("That period has not begun yet. Write an earlier one.")
    this_year = moment_of(now).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    latest = this_year.replace(year=this_year.year + 1)
    return Span(milliseconds(max(start, EARLIEST)), milliseconds(min(end, max(latest, EARLIEST))), typed)


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
    try:
        if month is None:
            return start, start.replace(year=start.year + 1)
        return start, next_month(start) if day is None else start + timedelta(days=1)
    except (ValueError, OverflowError):
        return start, datetime.max.replace(tzinfo=UTC)  # the calendar ends with the year 9999
