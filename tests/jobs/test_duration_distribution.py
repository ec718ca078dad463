"""The distribution of durations, and when it makes a poll due."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.jobs.durations import DurationDistribution
from bot.jobs.poll_schedule import CHEAP, FEW, MANY, price

ages = st.floats(0, 3600)
costs = st.floats(0.0001, 5)


@st.composite
def distributions(draw: st.DrawFn) -> DurationDistribution:
    gaps = draw(st.lists(st.floats(0.01, 60), min_size=2, max_size=30))
    edges = [sum(gaps[: end + 1]) for end in range(len(gaps))]
    chances = draw(st.lists(st.floats(0, 1), min_size=len(gaps) - 1, max_size=len(gaps) - 1))
    assume(sum(chances) > 0.01)
    return DurationDistribution(edges, chances)


def even(low: float, high: float) -> DurationDistribution:
    """A job that takes any time in this range, or once in a thousand times up to a hundred times as long."""
    return DurationDistribution([low, high, 100 * high], [0.999, 0.001])


def polls(distribution: DurationDistribution, cost: float, until: float) -> list[float]:
    """The ages at which a job that stays open this long is polled."""
    found: list[float] = [0.0]
    while found[-1] < until:
        found.append(distribution.when(found[-1], cost))
    return found[1:]


@given(distributions(), ages, costs)
def test_a_poll_is_due_when_it_is_worth_its_price_and_not_before(
    distribution: DurationDistribution, seen: float, cost: float
) -> None:
    due = distribution.when(seen, cost)
    assert due > seen
    if distribution.still_open(seen) >= 0.05:
        assert distribution.worth(seen, due) >= cost * 0.999
    else:
        assert due <= seen * 1.125 + 1e-6
    # Accurate to a few thousandths of a second.
    assert distribution.worth(seen, max(seen, due - 0.006)) <= cost * 1.001


@given(distributions(), ages, costs, st.floats(1.1, 10))
def test_a_dearer_poll_is_never_due_earlier(
    distribution: DurationDistribution, seen: float, cost: float, more: float
) -> None:
    assert distribution.when(seen, cost * more) >= distribution.when(seen, cost)


@pytest.mark.slow
@given(distributions(), ages, st.lists(st.floats(0, 100), min_size=2, max_size=5).map(sorted))
def test_waiting_makes_a_poll_worth_more(distribution: DurationDistribution, seen: float, later: list[float]) -> None:
    worths = [distribution.worth(seen, seen + each) for each in later]
    # Floating-point sums of small and large values are not exact.
    assert all(b >= a - 1e-6 * max(1.0, abs(a)) for a, b in pairwise(worths))


@given(distributions(), ages, st.floats(0, 1000), st.floats(0, 10))
def test_an_estimate_by_the_provider_keeps_the_probabilities_valid(
    distribution: DurationDistribution, at: float, left: float, trust: float
) -> None:
    combined = distribution.with_remaining(at, left, trust)
    opens = [combined.still_open(age) for age in range(0, 4000, 50)]
    assert all(0 <= b <= a <= 1 for a, b in pairwise(opens))


@given(distributions(), st.floats(0, 1))
def test_a_quantile_is_the_age_by_which_that_part_has_ended(distribution: DurationDistribution, part: float) -> None:
    assert 1 - distribution.still_open(distribution.quantile(part)) >= part - 1e-6


@given(distributions(), ages, ages)
def test_an_unobserved_end_lies_between_the_two_polls(
    distribution: DurationDistribution, one: float, other: float
) -> None:
    first, last = sorted((one, other))
    assert first <= distribution.between(first, last) <= last


def test_there_is_no_poll_before_the_shortest_known_duration() -> None:
    assert even(8, 13).when(0, 0.001) > 8


def test_polls_are_dense_where_jobs_usually_end_and_sparse_when_overdue() -> None:
    found = polls(even(8, 13), 0.06, 600)
    usual = [each for each in found if each <= 13]
    assert 4 <= len(usual) <= 12
    gaps = [b - a for a, b in pairwise(found) if a > 20]
    assert len(found) < 100
    assert min(gaps) > 1


def test_a_known_end_takes_few_polls() -> None:
    found = polls(even(9.9, 10.1), 0.06, 10.1)
    assert len(found) <= 3
    assert found[0] > 9.9


def test_there_are_no_polls_between_two_humps() -> None:
    found = polls(DurationDistribution([8, 10, 30, 34, 3000], [0.6, 0.0005, 0.399, 0.0005]), 0.06, 34)
    assert not [each for each in found if 11 < each < 30]
    assert [each for each in found if each < 11]
    assert [each for each in found if each > 30]


def test_a_memoryless_job_is_polled_at_the_best_fixed_interval() -> None:
    mean = 15.0
    edges = [each * 0.05 for each in range(4000)]
    distribution = DurationDistribution(edges, [math.exp(-a / mean) - math.exp(-b / mean) for a, b in pairwise(edges)])
    cost = 0.5
    found = polls(distribution, cost, 60)
    gaps = [b - a for a, b in pairwise(found)]
    assert max(gaps) - min(gaps) < 0.05

    def total(gap: float) -> float:
        """The mean cost (waiting and polls) of a job that is polled at this interval."""
        over = 1 - math.exp(-gap / mean)
        return (gap + cost) / over

    best = min((each * 0.01 for each in range(50, 1500)), key=total)
    assert gaps[0] == pytest.approx(best, rel=0.02)


def test_the_price_rises_with_the_load_within_its_bounds() -> None:
    prices = [price(20, crowd / 10) for crowd in range(30)]
    assert prices == sorted(prices)
    assert price(20, 0) == price(20, FEW) == pytest.approx(20 * CHEAP)
    assert price(20, MANY) == price(20, 1000) > 3 * price(20, 0)


def test_polls_of_longer_jobs_have_a_higher_price() -> None:
    assert price(60, 1) > price(10, 1)


def test_the_providers_estimate_counts() -> None:
    past = even(8, 13)
    # The provider estimates far more than such jobs took, and then that the job is nearly done.
    assert past.with_remaining(5, 60, 6).usual > 40
    found = polls(past.with_remaining(5, 2, 6), 0.06, 13)
    assert [each for each in found if 5.5 < each < 8]
    # With this little trust it changes little.
    assert past.with_remaining(5, 60, 0.01).usual == pytest.approx(past.usual, abs=0.2)


def test_a_wrong_estimate_does_not_cause_endless_polling() -> None:
    found = polls(even(8, 13).with_remaining(5, 0, 6), 0.06, 8)
    assert len(found) < 5


def test_the_usual_duration_is_the_median() -> None:
    assert even(8, 13).usual == pytest.approx(10.5, abs=0.02)
