"""Clocks. They are passed as arguments, so that tests need not wait.

Durations are measured with the monotonic clock: time-outs, backoff, queue time, how long a job took. The wall
clock can be wrong and can be set at any moment. It only gives timestamps: for records, for people and for the periods
of limits. A duration that began before this process is an estimate: see :class:`Elapsed`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, Self


class Clock(Protocol):
    """The time of day and waiting."""

    def now(self) -> int:
        """The wall clock: Unix milliseconds, UTC. Do not subtract two values to measure a duration."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


async def wait_at_most(event: asyncio.Event, clock: Clock, seconds: float | None) -> None:
    """Wait until the event is set, but for so many seconds at most; None: however long it takes."""
    if seconds is None:
        await event.wait()
        return
    waits = [asyncio.create_task(event.wait()), asyncio.create_task(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


class Elapsed:
    """How many seconds ago something began.

    ``before`` is how long it had lasted when this process first saw it. That is an estimate from the wall clock, and by
    itself never a reason to give up, to pay again or to delete.
    """

    __slots__ = ("_before", "_clock", "_since")

    def __init__(self, clock: Clock, *, before: float = 0.0) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._before = max(0.0, before)

    @classmethod
    def since(cls, clock: Clock, at: int) -> Self:
        """Something that began at ``at``, Unix milliseconds, perhaps in an earlier process."""
        return cls(clock, before=(clock.now() - at) / 1000)

    @property
    def here(self) -> float:
        """Seconds since this process first saw it: measured."""
        return self._clock.monotonic() - self._since

    @property
    def total(self) -> float:
        """Seconds since it began: measured in this process, estimated before it."""
        return self._before + self.here

    @property
    def guessed(self) -> bool:
        """Whether part of the total is an estimate."""
        return self._before > 0


class ReferenceClock:
    """A second clock that confirms the wall clock: Discord's, from the dates of its responses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: tuple[int, float] | None = None

    def record(self, at: int) -> None:
        """Record that the other clock reads ``at``, in Unix milliseconds, now."""
        self._latest = at, self._clock.monotonic()

    def ahead(self) -> float | None:
        """Seconds by which the wall clock is ahead of the other one; None if nothing was recorded yet."""
        if self._latest is None:
            return None
        at, recorded = self._latest
        return (self._clock.now() - at) / 1000 - (self._clock.monotonic() - recorded)
