"""The best schedule for known durations."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.optimal_schedule import STEP, schedule


def test_a_constant_duration_takes_one_poll_without_delay() -> None:
    polls, lateness = schedule([10.0] * 100)(1.0)
    assert polls == pytest.approx(1)
    assert lateness <= STEP


def test_cheaper_polls_are_more_and_more_expensive_ones_are_fewer() -> None:
    chance = Random(1)
    reached = schedule([chance.uniform(8, 13) for _ in range(2000)])
    (many, soon), (few, late) = reached(0.05), reached(1.0)
    assert many > few >= 1
    assert soon < late
    # For a job that ends between 8 and 13 s, a single poll at 13 s would be 2.5 s late on average.
    assert late < 2.5 + STEP
