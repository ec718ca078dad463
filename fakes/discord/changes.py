"""Waits for conditions on the world. Each change wakes the waiters: no sleeping, no polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes all waiters each time the world changes."""

    def __init__(self) -> None:
        self.patience = 30.0
        """Seconds after which a wait fails. Only broken tests come near it."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._broken: str | None = None

    def notify(self) -> None:
        """Make all waiters check again."""
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_result(None)

    def give_up(self, reason: str) -> None:
        """Make all waits, now and later, fail with an AssertionError with this ``reason``, such as "the bot died"."""
        self._broken = reason
        self.notify()

    def hope_again(self) -> None:
        """Undo ``give_up``."""
        self._broken = None

    async def until(self, look: Callable[[], T | None], what: Callable[[], str] | str) -> T:
        """Wait until ``look`` returns something true, and return it. Raises AssertionError with ``what`` after the time
        limit.

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
