"""``python -m benchmarks.optimal_schedule``: the best that any poll schedule can reach if it knows the distribution.

The schedule knows how durations are distributed, but not when a job will end. Dynamic programming from the end finds,
for each age of an open job, the next poll with the lowest cost. The price of a poll is chosen so that the schedule
makes as many polls as Easel does in the simulation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.duration_scenarios import SCENARIOS
from benchmarks.polling import compare

STEP = 0.1
"""Resolution, in seconds."""
LONGEST = 200.0
"""Longest duration in seconds; longer ones are cut to this."""
SAMPLES = 40_000
# A job is no longer polled once its probability of being open is below this.
_FEW = 1e-5


def schedule(durations: list[float]) -> Callable[[float], tuple[float, float]]:
    """A function from the price of a poll, in seconds, to a job's mean number of polls and mean lateness in seconds."""
    cells = np.minimum(np.ceil(np.minimum(durations, LONGEST) / STEP).astype(int), int(LONGEST / STEP))
    last = int(LONGEST / STEP)
    ends = np.bincount(cells, minlength=last + 1) / len(cells)
    over = np.cumsum(ends)
    moments = np.cumsum(ends * np.arange(last + 1) * STEP)
    ages = np.arange(last + 1)

    def late(now: int, then: np.ndarray) -> np.ndarray:
        """The lateness added by a poll at ``then`` if the previous one was ``now``."""
        # On average a job ends in the middle of its cell.
        added: np.ndarray = (then * STEP + STEP / 2) * (over[then] - over[now]) - (moments[then] - moments[now])
        return added

    def reached(price: float) -> tuple[float, float]:
        cost, following = np.zeros(last + 1), np.full(last + 1, last)
        for now in range(last - 1, -1, -1):
            if (still := 1 - over[now]) > _FEW:
                then = ages[now + 1 :]
                whole = price * still + late(now, then) + cost[then]
                best = int(whole.argmin())
                cost[now], following[now] = whole[best], then[best]
        now, polls, lateness = 0, 0.0, 0.0
        while now < last and 1 - over[now] > _FEW:
            then = following[now]
            polls += 1 - over[now]
            lateness += float(late(now, np.array([then]))[0])
            now = int(then)
        return float(polls), lateness

    return reached


def main() -> None:
    sys.stdout.write(f"{'mean lateness, s':20}{'polls':>7}{'fixed':>8}{'Easel':>8}{'best':>8}{'of fixed':>10}\n")
    for scenario in SCENARIOS:
        both = compare(scenario, (0, 1, 2))
        reached = schedule(scenario.durations(SAMPLES, 7))
        cheap, dear = 1e-3, 20.0
        for _ in range(18):
            price = (cheap * dear) ** 0.5
            cheap, dear = (price, dear) if reached(price)[0] > both.ours.polls_a_job else (cheap, price)
        polls, lateness = reached(dear)
        sys.stdout.write(
            f"{scenario.name:20}{polls:7.1f}{both.fixed.mean:8.2f}{both.ours.mean:8.2f}"
            f"{lateness:8.2f}{lateness / both.fixed.mean:10.2f}\n"
        )


if __name__ == "__main__":
    main()
