"""One submission on a virtual clock, and the ages at which it is polled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.clock import Elapsed
from bot.jobs.durations import DurationModel
from bot.jobs.poll_schedule import PollSchedule
from bot.jobs.rate import Rate
from bot.providers.base import Waiting
from fakes.clock import VirtualClock

Says = Callable[[float], Waiting | None]


@dataclass
class Post:
    """One submission, sent at second 1000, and the ages at which it was polled."""

    durations: list[float] = field(default_factory=lambda: [8 + 0.25 * (number % 20) for number in range(100)])
    per_second: float = 10
    shortest: float = 0.25

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.clock.seconds = 1000
        self.rate = Rate(self.per_second, self.clock)
        self.model = DurationModel()
        for seconds in self.durations:
            self.model.add(seconds)
        self.ages: list[float] = []

    def schedule(
        self, *, sent_ago: float = 0, at_once: bool = False, pushed: asyncio.Event | None = None
    ) -> PollSchedule:
        sent = Elapsed(self.clock, before=sent_ago)
        return PollSchedule(
            self.model, self.rate, self.clock, sent=sent, shortest=self.shortest, at_once=at_once, pushed=pushed
        )

    async def follow_until(self, schedule: PollSchedule, until: float, says: Says = lambda _: Waiting()) -> None:
        with schedule:
            while True:
                await schedule.turn()
                self.ages.append(round(schedule.age, 3))
                if schedule.age >= until:
                    return
                answer = says(schedule.age)
                if answer is None:
                    schedule.failed()
                else:
                    schedule.still_waiting(answer)

    async def follow(self, schedule: PollSchedule, *, until: float, says: Says = lambda _: Waiting()) -> list[float]:
        """The ages at which it is polled until it has ended. ``says`` gives the earlier answers; None: no response."""
        await self.clock.run(self.follow_until(schedule, until, says))
        return self.ages
