"""Simulates polling: the worker's own code on a virtual clock, with a provider that only has durations."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeAlias

from bot.clock import Elapsed
from bot.jobs import poll_schedule
from bot.jobs.durations import DurationModel
from bot.jobs.poll_schedule import PollSchedule
from bot.jobs.rate import Rate
from bot.providers.ai_client import AiClient
from bot.providers.base import Waiting
from fakes.clock import VirtualClock

# Requests per job besides its polls: opening the thread and the submit.
CALLS = 2

Watching: TypeAlias = Callable[[float], Callable[..., PollSchedule]]
"""The poll schedule of a job, from its true duration in seconds. Only the oracle uses the duration."""

Says: TypeAlias = Callable[[float, float], Waiting]
"""The provider's answer at an age of a job, from its true duration in seconds."""


class Scheduled(PollSchedule):
    """Polls at a given time, then at a fixed interval."""

    def __init__(self, *given: Any, first: float, then: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._first = first
        self._then = then

    def due(self) -> float:
        return self._first if self._polled is None else self._polled + self._then

    def _value(self) -> float:
        """All polls have the same value, so a scarce rate limit is first come, first served."""
        return 0.0


def nothing(_age: float, _takes: float) -> Waiting:
    """A provider that only reports that the job is not done."""
    return Waiting()


def easel(_: float) -> Callable[..., PollSchedule]:
    """The worker's own schedule."""
    return PollSchedule


def priced(part: float) -> Watching:
    """The worker's schedule under load, with the price of a poll multiplied by ``part``."""

    def price(usual: float, _: float) -> float:
        return part * poll_schedule.price(usual, poll_schedule.MANY)

    return lambda _: partial(PollSchedule, price=price)


def every(seconds: float) -> Watching:
    return lambda _: partial(Scheduled, first=seconds, then=seconds)


def oracle(duration: float) -> Callable[..., PollSchedule]:
    """Polls once, at the exact end."""
    return partial(Scheduled, first=duration, then=AiClient.shortest_poll)


@dataclass(slots=True)
class Outcome:
    """The lateness of each job, in seconds, and its number of polls."""

    durations: Sequence[float]
    lateness: list[float] = field(default_factory=list)
    polls: list[int] = field(default_factory=list)

    @classmethod
    def together(cls, outcomes: Sequence[Outcome]) -> Outcome:
        """Combine the jobs of several outcomes."""
        return cls(
            [each for outcome in outcomes for each in outcome.durations],
            [each for outcome in outcomes for each in outcome.lateness],
            [each for outcome in outcomes for each in outcome.polls],
        )

    @property
    def mean(self) -> float:
        return statistics.fmean(self.lateness)

    @property
    def polls_a_job(self) -> float:
        return statistics.fmean(self.polls)

    def late(self, part: float) -> float:
        """A quantile of the lateness."""
        return sorted(self.lateness)[min(len(self.lateness) - 1, int(part * len(self.lateness)))]

    def after(self, jobs: int) -> Outcome:
        """The outcome without the first jobs."""
        return Outcome(self.durations[jobs:], self.lateness[jobs:], self.polls[jobs:])


@dataclass(frozen=True, slots=True)
class Compared:
    """The worker's schedule compared with a fixed interval that makes as many polls."""

    ours: Outcome
    fixed: Outcome

    @property
    def ratio(self) -> float:
        return self.ours.mean / self.fixed.mean


def at_fixed_interval(durations: Sequence[float], polls_a_job: float) -> Outcome:
    """The outcome of a fixed interval that makes as many polls, without a rate limit."""
    short, long = 0.01, 10 * max(durations)
    for _ in range(60):
        interval = math.sqrt(short * long)
        if statistics.fmean(math.ceil(each / interval) for each in durations) > polls_a_job:
            short = interval
        else:
            long = interval
    polls = [math.ceil(each / long) for each in durations]
    return Outcome(durations, [count * long - each for count, each in zip(polls, durations, strict=True)], polls)


async def _simulate(
    durations: Sequence[float], watching: Watching, rate: float, gap: float, at_once: int, says: Says, seed: int
) -> Outcome:
    clock = VirtualClock()
    lane = Rate(rate, clock)
    model = DurationModel(DurationModel())
    outcome = Outcome(durations, [0.0] * len(durations), [0] * len(durations))
    room = asyncio.Semaphore(at_once)
    chance = Random(seed)

    async def run(number: int, arrives: float) -> None:
        await clock.sleep(arrives)
        async with room:
            for _ in range(CALLS):
                await lane.turn()
            sent = Elapsed(clock)
            asking = watching(durations[number])
            with asking(model, lane, clock, sent=sent, shortest=AiClient.shortest_poll) as schedule:
                while True:
                    await schedule.turn()
                    outcome.polls[number] += 1
                    age = sent.here
                    # A wait may end this much early.
                    if age > durations[number] - 0.001:
                        break
                    schedule.still_waiting(says(age, durations[number]))
                outcome.lateness[number] = max(0.0, age - durations[number])
                model.add(schedule.estimated_duration(), schedule.mark, blind=schedule.never_seen_open)

    arrivals = [0.0] * len(durations)
    if gap:
        for number in range(1, len(durations)):
            arrivals[number] = arrivals[number - 1] + chance.expovariate(1 / gap)
    await clock.run(*(run(*job) for job in enumerate(arrivals)))
    return outcome


def simulate(
    durations: Sequence[float],
    watching: Watching = easel,
    *,
    rate: float = 10.0,
    gap: float = 0.0,
    at_once: int = 1000,
    says: Says = nothing,
    seed: int = 0,
) -> Outcome:
    """Simulate jobs that arrive ``gap`` seconds apart on average, at a provider with ``rate`` requests per second.

    At most ``at_once`` of them run concurrently.

    At most ``at_once`` of them run side by side.
    """
    return asyncio.run(_simulate(durations, watching, rate, gap, at_once, says, seed))
