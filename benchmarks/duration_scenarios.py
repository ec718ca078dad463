"""Synthetic job durations: from engines that are easy to predict to one that cannot be predicted at all."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from random import Random
from typing import TypeAlias

Make: TypeAlias = Callable[[Random], Iterator[float]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of engine. ``foretells``: past durations predict the next one well enough to halve the lateness."""

    name: str
    make: Make
    foretells: bool = False

    def durations(self, jobs: int, seed: int) -> list[float]:
        """Durations of ``count`` jobs, in seconds; the same for the same seed."""
        return list(islice(self.make(Random(f"{self.name} {seed}")), jobs))


def uniform(low: float, high: float) -> Make:
    return lambda chance: (chance.uniform(low, high) for _ in repeat(None))


def steady(chance: Random) -> Iterator[float]:
    while True:
        yield max(1.0, chance.gauss(12, 0.5))


def two_humps(chance: Random) -> Iterator[float]:
    """A cache, or two machines: fast and slow, in unpredictable order."""
    while True:
        yield max(1.0, chance.gauss(9, 0.7) if chance.random() < 0.6 else chance.gauss(32, 2))


def heavy_tail(chance: Random) -> Iterator[float]:
    """Most jobs take 8 to 16 s; occasionally one takes minutes."""
    while True:
        yield min(500.0, 8 * chance.paretovariate(1.5))


def drifting(chance: Random) -> Iterator[float]:
    """From 10 to 40 s and back over 200 jobs."""
    job = 0
    while True:
        yield (25 - 15 * math.cos(math.tau * job / 200)) * max(0.5, chance.gauss(1, 0.05))
        job += 1


def stepping(chance: Random) -> Iterator[float]:
    """The provider moves to other machines every 80 jobs."""
    while True:
        usual = chance.choice((8, 12, 20, 35))
        for _ in range(80):
            yield max(1.0, chance.gauss(usual, usual / 20))


def queued(chance: Random) -> Iterator[float]:
    """Two machines of 8 to 13 s that are busy with other people's jobs 80 % of the time."""
    machines = [0.0, 0.0]
    now = 0.0
    while True:
        now += chance.expovariate(1 / 6.5)
        end = max(now, machines[0]) + chance.uniform(8, 13)
        heapq.heapreplace(machines, end)
        yield end - now


def memoryless(chance: Random) -> Iterator[float]:
    """Exponential after the first second: nothing beats a fixed interval."""
    while True:
        yield 1 + chance.expovariate(1 / 15)


SCENARIOS = (
    Scenario("8 to 13 s", uniform(8, 13), foretells=True),
    Scenario("20 to 60 s", uniform(20, 60), foretells=True),
    Scenario("steady", steady, foretells=True),
    Scenario("two humps", two_humps, foretells=True),
    Scenario("drifting", drifting, foretells=True),
    Scenario("in steps", stepping, foretells=True),
    Scenario("heavy tail", heavy_tail),
    Scenario("queue in front", queued),
    Scenario("memoryless", memoryless),
)
