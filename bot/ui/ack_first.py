"""Many commands in the same instant: all of them are answered before any is worked on, and nothing stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 1.0
"""Seconds for which work waits for the answers to others."""


class Rush:
    """Counts who has not been answered yet, of all who ask at this moment."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._turn = asyncio.Lock()
        self._way_out = asyncio.Lock()
        self._unanswered = 0
        self._calm = asyncio.Event()
        self._calm.set()

    async def turn(self) -> None:
        """Come back once the loop has gone round since it was the turn of the one before.

        Without it, all that is to be judged of five hundred commands would be judged in one go, and the first of them
        would be answered after the last one was judged.
        """
        await _one_a_turn(self._turn)

    @contextmanager
    def unanswered(self) -> Iterator[None]:
        """Somebody waits for the first answer within this."""
        self._unanswered += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._unanswered -= 1
            if not self._unanswered:
                self._calm.set()

    async def calm(self) -> None:
        """Come back when nobody waits for a first answer any more, or else after the patience.

        Those who waited come back one a turn of the loop.
        """
        if self._unanswered:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience):
                    await self._calm.wait()
            # Those who are still to be judged do not wait behind these.
            await _one_a_turn(self._way_out)


async def _one_a_turn(door: asyncio.Lock) -> None:
    async with door:
        await asyncio.sleep(0)
