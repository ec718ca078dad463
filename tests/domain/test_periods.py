"""Periods as people type them, by the calendar of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.periods import (
    EARLIEST,
    ENDS_FIRST,
    MONTH_AND_YEAR,
    MONTHS,
    NOT_A_PERIOD,
    NOT_BEGUN,
    SUGGESTED,
    TOO_EARLY,
    Period,
    current,
    date_text,
    milliseconds,
    moment_of,
    span,
)
from bot.errors import UserError
from bot.text import Message
from tests.doubles.texts import codes

# A Saturday.
NOW = milliseconds(datetime(2026, 2, 28, 13, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("typed", "since", "until"),
    [
        ("today", "2026-02-28", "2026-03-01"),
        ("yesterday", "2026-02-27", "2026-02-28"),
        ("this week", "2026-02-23", "2026-03-02"),
        ("Last  Week", "2026-02-16", "2026-02-23"),
        ("this month", "2026-02-01", "2026-03-01"),
        ("last month", "2026-01-01", "2026-02-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("30 days", "2026-01-30", "2026-03-01"),
        ("last 1 day", "2026-02-28", "2026-03-01"),
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2024-02..2025", "2024-02-01", "2026-01-01"),
        ("2026-01-15..2026-02-14", "2026-01-15", "2026-02-15"),
        ("1500..2026", "2015-01-01", "2027-01-01"),
        ("0001..2025-12", "2015-01-01", "2026-01-01"),
        ("9999 days", "2015-01-01", "2026-03-01"),
        ("2026..9999", "2026-01-01", "2027-01-01"),
        ("2026-02..9999-12", "2026-02-01", "2027-01-01"),
        ("2026-02-03..9999-12-31", "2026-02-03", "2027-01-01"),
        ("2014..2015", "2015-01-01", "2016-01-01"),
    ],
)
def test_a_period(typed: str, since: str, until: str) -> None:
    found = span(typed, NOW)
    assert found.since is not None
    assert found.until is not None
    assert (moment_of(found.since), moment_of(found.until)) == (
        datetime.fromisoformat(since).replace(tzinfo=UTC),
        datetime.fromisoformat(until).replace(tzinfo=UTC),
    )


def test_all_time_has_no_ends() -> None:
    for typed in ("all", "all time", "ever"):
        found = span(typed, NOW)
        assert (found.since, found.until) == (None, None)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "next week",
        "2023-02-29",
        "2026-13",
        "0000",
        "0000-01-01",
        "0000..2026",
        "2026-02-28T23:59:60",
        "9999 days ago",
        "99999 days",
        "..",
        "2026..",
        "=1",
    ],
)
def test_invalid_periods(typed: str) -> None:
    with pytest.raises(UserError) as refused:
        span(typed, NOW)
    assert codes(refused.value) == [NOT_A_PERIOD.code]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("2026..2025", ENDS_FIRST),
        ("2026-02-02..2026-02-01", ENDS_FIRST),
        ("0 days", ENDS_FIRST),
        ("1500", TOO_EARLY),
        ("0001-01-01..2014-12-31", TOO_EARLY),
        ("9999", NOT_BEGUN),
        ("9999-12-31", NOT_BEGUN),
        ("2026-03-01", NOT_BEGUN),
    ],
)
def test_an_impossible_period_is_refused_with_the_reason(typed: str, why: Message) -> None:
    with pytest.raises(UserError) as refused:
        span(typed, NOW)
    assert codes(refused.value) == [why.code]


@given(
    st.text("0123456789-. days", max_size=24)
    | st.from_regex(r"\d{4}(-\d\d){0,2}(\.\.\d{4}(-\d\d){0,2})?", fullmatch=True)
)
def test_every_period_is_short_enough_to_iterate(typed: str) -> None:
    try:
        found = span(typed, NOW)
    except UserError:
        return
    assert found.since is not None
    assert found.until is not None
    assert milliseconds(EARLIEST) <= found.since < found.until <= milliseconds(datetime(2027, 1, 1, tzinfo=UTC))


@given(st.text(max_size=40))
def test_any_text_is_a_period_or_refused(typed: str) -> None:
    try:
        found = span(typed, NOW)
    except UserError:
        return
    assert found.since is None or found.until is None or found.since < found.until


@given(st.sampled_from(Period), st.integers(0, 4_000_000_000_000))
def test_a_period_contains_its_moment_and_ends_where_the_next_begins(period: Period, now: int) -> None:
    start, end = current(period, now)
    assert milliseconds(start) <= now < milliseconds(end)
    assert current(period, milliseconds(end))[0] == end
    assert end - start <= timedelta(days=31)


def test_every_suggestion_is_a_valid_period_with_that_name() -> None:
    for typed, name in SUGGESTED.items():
        assert (span(typed, NOW).name, span(typed, NOW).text) == (typed, name)
    assert [period.this for period in Period] == [SUGGESTED[name] for name in ("today", "this week", "this month")]


def test_a_date_is_built_from_its_parts() -> None:
    assert date_text(moment_of(NOW)).values == {"day": 28, "month": MONTHS[1], "year": 2026}
    assert str(date_text(moment_of(NOW))) == "28 Feb 2026"
    assert str(date_text(moment_of(NOW), MONTH_AND_YEAR)) == "Feb 2026"
