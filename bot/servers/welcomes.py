"""Decides which servers are welcomed. The decision is stored before anything is posted, so nobody is welcomed twice."""

from __future__ import annotations

from collections.abc import Collection

from bot.clock import Clock
from storage import welcomes
from storage.database import Database

DAY = 24 * 3600 * 1000
AGAIN_AFTER = 30 * DAY
"""Milliseconds after which a server that adds the bot again is welcomed again."""
NEW_FOR = 7 * DAY
"""Milliseconds for which a server that added the bot while it was not running counts as new."""


class Welcomes:
    """Records the servers that were welcomed.

    Only servers that are ``allowed`` and have the ``commands`` are welcomed. An empty collection contains all servers.
    """

    def __init__(
        self, database: Database, clock: Clock, *, allowed: Collection[int], commands: Collection[int]
    ) -> None:
        self._database = database
        self._clock = clock
        self._only = [frozenset(servers) for servers in (allowed, commands) if servers]

    async def joined(self, server_id: int) -> bool:
        """Record that the bot has just joined the server. Returns whether to welcome it. Raises StorageError."""
        return await self._claim(server_id, not_since=self._clock.now() - AGAIN_AFTER)

    async def found(self, server_id: int, joined_at: int) -> bool:
        """Record a server that the bot found at its start. Returns whether to welcome it. Raises StorageError.

        The server counts as new if the bot joined it in the last days (``joined_at``, Unix milliseconds), it was never
        welcomed, and it has no jobs.
        """
        if joined_at < self._clock.now() - NEW_FOR:
            return False
        async with self._database.read() as connection:
            if await welcomes.has_jobs(connection, server_id):
                return False
        return await self._claim(server_id, not_since=None)

    async def _claim(self, server_id: int, *, not_since: int | None) -> bool:
        if not all(server_id in servers for servers in self._only):
            return False
        async with self._database.write() as tx:
            return await welcomes.claim(tx, server_id, at=self._clock.now(), not_since=not_since)
