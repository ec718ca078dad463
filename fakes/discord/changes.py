"""Waiting for the world to change without sleeping and without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes those who wait each time the world changes."""

    def __init__(self) -> None:
        self.patience = 30.0
        """Seconds after which a wait is called in vain. It only ends broken tests; nothing sound comes near it."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._broken: str | None = None

    def notify(self) -> None:
        """Something changed: everybody looks again."""
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_result(None)

    def give_up(self, reason: str) -> None:
        """Everybody who waits, now or later, gets an AssertionError with ``reason`` (the bot has died, say)."""
        self._broken = reason
        self.notify()

    def hope_again(self) -> None:
        """Takes ``give_up`` back."""
        self._broken = None

    async def until(self, look: Callable[[], T | None], what: Callable[[], str] | str) -> T:
        """Looks at each change until ``look`` gives something true, and returns that.

        Raises AssertionError with ``what`` when nothing came.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience
        while True:
            found = look()
            if found:
                return found
            if self._broken is not None:
                raise AssertionError(self._broken)
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiting.add(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                raise AssertionError(f"waited in vain for {what() if callable(what) else what}") from None
            finally:
                self._waiting.discard(waiter)
