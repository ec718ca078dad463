"""Faults of the bot's machine: the clock is set, the database is locked, the disk is full."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine

from chaos.conditions import Conditions
from storage import ledger
from storage.database import Database
from storage.errors import StorageError

SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000
STEPS = (2 * SECOND, 120 * SECOND, 16 * MINUTE, DAY)
"""Milliseconds by which the clock is set, forward or back."""
YEARS = 400 * DAY
"""Milliseconds by which a clock may be wrong when a machine starts: longer than any retention period."""
FURTHEST = 2 * DAY
"""The maximum error of the clock, in milliseconds."""


class Machine:
    """Applies the faults, now or some seconds later. ``close`` ends those in progress."""

    def __init__(self, conditions: Conditions, database_url: str, chance: random.Random) -> None:
        self.conditions = conditions
        self._database_url = database_url
        self._chance = chance
        self._under_way: set[asyncio.Task[None]] = set()

    def set_clock(self, milliseconds: int) -> None:
        """Set the wall clock forward; a negative number sets it back."""
        self.conditions.clock += milliseconds

    def set_clock_anyhow(self) -> None:
        """Set the clock forward or back, by a little or a lot."""
        step = self._chance.choice(STEPS) * self._chance.choice((-1, 1))
        self.set_clock(step if abs(self.conditions.clock + step) <= FURTHEST else -step)

    async def lock(self, seconds: float) -> None:
        """Hold the database's write lock, as another program could."""
        try:
            database = await Database.open(self._database_url)
        except StorageError:
            return  # The database does not exist yet.
        try:
            async with database.write() as tx:
                # The first statement takes the lock.
                await ledger.totals(tx)
                await asyncio.sleep(seconds)
        except StorageError:
            return  # The bot itself held the lock all the time.
        finally:
            await database.close()

    async def fill_disk(self, seconds: float) -> None:
        """Let writes of image files fail for this long."""
        self.conditions.disk_full = True
        await asyncio.sleep(seconds)
        self.conditions.disk_full = False

    async def slow_names(self, lookup: float, seconds: float) -> None:
        """Let each DNS lookup take ``lookup`` seconds, for this long."""
        self.conditions.slow_names = round(1000 * lookup)
        await asyncio.sleep(seconds)
        self.conditions.slow_names = 0

    def soon_set_clock(self) -> None:
        self._soon(self._step())

    def soon_lock(self) -> None:
        self._soon(self.lock(self._chance.uniform(0.2, 2.0)))

    def soon_fill_disk(self) -> None:
        self._soon(self.fill_disk(self._chance.uniform(0.2, 2.0)))

    def soon_slow_names(self) -> None:
        self._soon(self.slow_names(self._chance.uniform(0.1, 1.0), 2.0))

    async def clear(self) -> None:
        """End all faults except the wrong time of day."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self.conditions.disk_full = False
        self.conditions.slow_names = 0

    async def _step(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 2.0))
        self.set_clock_anyhow()

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
