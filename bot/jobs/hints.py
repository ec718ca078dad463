"""Decides who is shown a hint. Each hint is shown to a person once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage import hints
from storage.database import Database
from storage.hints import Hint


class Hints:
    """Reserves hints while cards with them are delivered. The delivery records that a hint was shown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reserved: set[tuple[int, Hint]] = set()

    @asynccontextmanager
    async def reserved(self, user_id: int, hint: Hint, *, maybe: bool) -> AsyncIterator[bool]:
        """Yield whether to show the hint to this person: they have not seen it, and no other card is showing it now.

        With ``maybe`` False the answer is no, without a query. Raises StorageError.
        """
        key = (user_id, hint)
        if not maybe or key in self._reserved:
            yield False
            return
        self._reserved.add(key)
        try:
            # Read after the reservation: another card may have just shown it.
            async with self._database.read() as connection:
                seen = await hints.was_shown(connection, user_id, hint)
            yield not seen
        finally:
            self._reserved.discard(key)
