"""A clock that skips waiting."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class SkippingClock:
    """A clock whose time passes only when a task sleeps, and then at once.

    The earliest sleeper is woken first. Before the next one is woken, all runnable tasks have run. So the order of
    events is the same as in real time, at any speed of the machine.
    """

    def __init__(self, now: int = 1_790_000_000_000) -> None:
        self.milliseconds = float(now)
        self._set_by = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()
        self._driver: asyncio.Task[None] | None = None

    def now(self) -> int:
        return round(self.milliseconds + self._set_by)

    def monotonic(self) -> float:
        return self.milliseconds / 1000

    def advance(self, seconds: float) -> None:
        """Advance the time at once, without waking sleepers."""
        self.milliseconds += seconds * 1000

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock ahead by ``seconds``, or back if negative. No time passes."""
        self._set_by += seconds * 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.milliseconds + seconds * 1000, next(self._number), woken))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        await woken

    async def _drive(self) -> None:
        while self._sleepers:
            # Results of files, database and sockets arrive through threads and the selector: handle these first.
            for _ in range(20):
                await asyncio.sleep(0.0005)
                if not self._sleepers:
                    return
            at, _, woken = heapq.heappop(self._sleepers)
            self.milliseconds = max(self.milliseconds, at)
            if not woken.done():
                woken.set_result(None)
