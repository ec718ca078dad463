"""Periods of the UTC calendar, for the renewal of limits and for reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.errors import UserError
from bot.text import Message, Text, message

NOT_A_PERIOD = message(
    "periods.not_a_period",
    "That isn't a period. Try today, this month, last week, 30 days, 2026, 2026-03, 2026-03-14, "
    "2026-01-15..2026-02-14 or all time.",
)
ENDS_FIRST = message("periods.ends_first", "That period ends before it begins. Put the earlier date first.")
TOO_EARLY = message("periods.too_early", "There is nothing before {year:plain}. Choose a later period.")
NOT_BEGUN = message("periods.not_begun", "That period is in the future. Choose an earlier one.")

ALL_TIME = "all time"
SUGGESTED: Mapping[str, Message] = {
    "today": message("period.today", "today"),
    "yesterday": message("period.yesterday", "yesterday"),
    "this week": message("period.this_week", "this week"),
    "last week": message("period.last_week", "last week"),
    "this month": message("period.this_month", "this month"),
    "last month": message("period.last_month", "last month"),
    "this year": message("period.this_year", "this year"),
    "last year": message("period.last_year", "last year"),
    ALL_TIME: message("period.all_time", "all time"),
}
"""The suggested periods, as typed, with their names."""

MONTHS = (
    message("month.1", "Jan"),
    message("month.2", "Feb"),
    message("month.3", "Mar"),
    message("month.4", "Apr"),
    message("month.5", "May"),
    message("month.6", "Jun"),
    message("month.7", "Jul"),
    message("month.8", "Aug"),
    message("month.9", "Sep"),
    message("month.10", "Oct"),
    message("month.11", "Nov"),
    message("month.12", "Dec"),
)
DAY_AND_MONTH = message("date.day_and_month", "{day:plain} {month}")
MONTH_AND_YEAR = message("date.month_and_year", "{month} {year:plain}")
FULL_DATE = message("date.full", "{day:plain} {month} {year:plain}")

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""The epoch of Discord's ids. Nothing is older."""

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_DAYS = re.compile(r"(?:last )?(\d{1,4}) days?")


class Period(StrEnum):
    """How often a limit renews."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def this(self) -> Message:
        """The name of the current period: ``today``, ``this week``."""
        return SUGGESTED["today" if self is Period.DAY else f"this {self}"]

    @property
    def each(self) -> Message:
        """The period as a rate: ``a day``, ``a week``."""
        return _EACH[self]


_EACH = {
    Period.DAY: message("period.a_day", "a day"),
    Period.WEEK: message("period.a_week", "a week"),
    Period.MONTH: message("period.a_month", "a month"),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A time span from ``since`` (inclusive) to ``until`` (exclusive), in Unix milliseconds. None: unbounded.

    ``name`` is how a person can type it.
    """

    since: int | None
    until: int | None
    name: str

    @property
    def text(self) -> Message | str:
        """The display name."""
        return SUGGESTED.get(self.name, self.name)


def milliseconds(moment: datetime) -> int:
    """Convert an aware datetime to Unix milliseconds."""
    return int(moment.timestamp() * 1000)


def moment_of(at: int) -> datetime:
    """Convert Unix milliseconds to a datetime in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


def date_text(moment: datetime, form: Message = FULL_DATE) -> Text:
    """Format a date in one of the forms ``FULL_DATE``, ``DAY_AND_MONTH`` and ``MONTH_AND_YEAR``."""
    return form(day=moment.day, month=MONTHS[moment.month - 1], year=moment.year)


def current(period: Period, now: int) -> tuple[datetime, datetime]:
    """Return the start of the period of ``now`` (Unix milliseconds), and of the next one. Weeks begin on Monday."""
    day = moment_of(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return day, day + timedelta(days=1)
    if period is Period.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, next_month(first)


def next_month(first: datetime) -> datetime:
    """Return the first day of the next month. ``first`` is the first day of a month."""
    return (first + timedelta(days=32)).replace(day=1)


def span(text: str, now: int) -> Span:
    """Parse a span. Raises UserError if it is invalid.

    Valid are the ``SUGGESTED`` periods, ``30 days``, ``2026``, ``2026-03``, ``2026-03-14``, and two such dates
    separated by two dots, both inclusive. The span is cut to the years from 2015 to the current one, which bounds a
    report's work.
    """
    typed = " ".join(text.lower().split())
    if typed in {"all", ALL_TIME, "ever"}:
        return Span(None, None, ALL_TIME)
    try:
        found = _relative(typed, now) or _dates(typed)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise UserError(NOT_A_PERIOD)
    start, end = found
    if start >= end:
        raise UserError(ENDS_FIRST)
    if end <= EARLIEST:
        raise UserError(TOO_EARLY(year=EARLIEST.year))
    if start > moment_of(now):
        raise UserError(NOT_BEGUN)
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
    """Parse a year, a month or a day into its start and end. Raises ValueError for an invalid date."""
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
