"""Time, handed in, so that nothing has to wait for it in a test."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The time of day and waiting."""

    def now(self) -> int:
        """Unix milliseconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, from no particular start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
