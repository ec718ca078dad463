"""A clock that skips waiting."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class SkippingClock:
    """Time passes only when somebody waits for it, and then at once.

    The earliest sleeper is woken first, and everything that can run has run before the next one is woken, so the order
    of things is that of real time whatever the machine's speed.
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
        """Let time pass at once, waking nobody early."""
        self.milliseconds += seconds * 1000

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock so many seconds ahead, or back: no time passes."""
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
            # Files, database and sockets answer through threads and the selector: give them their turn first.
            for _ in range(20):
                await asyncio.sleep(0.0005)
                if not self._sleepers:
                    return
            at, _, woken = heapq.heappop(self._sleepers)
            self.milliseconds = max(self.milliseconds, at)
            if not woken.done():
                woken.set_result(None)
