"""A clock for simulations: time advances as soon as every task is waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from heapq import heappop, heappush
from itertools import count

# How often all runnable tasks may run before time advances: longer than any chain of wake-ups.
_ROUNDS = 8


class VirtualClock:
    """Wakes the earliest sleeper when no task can run. Nothing may wait for real I/O."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> int:
        return round(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self.seconds + max(0.0, seconds), next(self._numbers), woken))
        await woken

    async def run(self, *jobs: Coroutine[None, None, None]) -> None:
        """Advance time until all of these are done."""
        everything = asyncio.gather(*jobs)
        while not everything.done():
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heappop(self._sleepers)
            if self._sleepers:
                at, _, woken = heappop(self._sleepers)
                self.seconds = max(self.seconds, at)
                woken.set_result(None)
        everything.result()
