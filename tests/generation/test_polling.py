"""The polling policy: never too early, never never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.generation.polling import OVERDUE_LONGEST, PRIOR, expected, next_delay

seconds = st.floats(0, 3600, allow_nan=False)
histories = st.lists(st.floats(0.01, 600, allow_nan=False), max_size=40)


@given(seconds, histories, st.floats(0.1, 10), st.none() | seconds, st.none() | st.integers(-5, 120))
def test_a_delay_is_never_below_the_shortest(
    elapsed: float, durations: list[float], shortest: float, eta: float | None, percent: int | None
) -> None:
    assert next_delay(elapsed, durations, shortest=shortest, eta=eta, percent=percent) >= shortest


@given(histories)
def test_nothing_is_asked_before_any_such_job_was_ever_done(durations: list[float]) -> None:
    assert next_delay(0, durations, shortest=0.01) >= min(durations or PRIOR)


@given(seconds, histories)
def test_an_overdue_job_is_asked_for_at_a_bounded_distance(elapsed: float, durations: list[float]) -> None:
    overdue = max(durations or PRIOR) + elapsed
    assert next_delay(overdue, durations, shortest=1.0) <= max(1.0, OVERDUE_LONGEST)
    assert expected(overdue, durations) is None


def test_polls_come_close_together_where_jobs_usually_end() -> None:
    durations = [10.0, 10.5, 11.0, 11.5, 12.0, 12.5, 13.0, 13.5]
    first = next_delay(0, durations, shortest=0.2)
    assert 10 <= first <= 12
    assert next_delay(first, durations, shortest=0.2) <= 2


def test_what_the_provider_says_counts() -> None:
    assert next_delay(3, [60.0] * 8, shortest=1, eta=4.5) == 4.5
    assert next_delay(5, [60.0] * 8, shortest=1, percent=50) == 5


def test_the_expected_end_is_the_middle_of_what_is_left() -> None:
    assert expected(0, [8.0, 9.0, 10.0]) == 9
    assert expected(9.5, [8.0, 9.0, 10.0]) == 0.5
