"""The submissions that wait to be sent, as they were last read from the database."""

from __future__ import annotations

from storage import jobs as rows
from storage.database import Database
from storage.jobs import Submission

READ_AT_ONCE = 1000


class Queue:
    """Reads only when something was added or has fallen due: most of what wakes a worker is something that ended."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.waiting: list[Submission] = []
        """What was due and has not been started, in the order in which it will be; the worker says so."""
        self._later: int | None = None
        self._stale = True

    @property
    def next_at(self) -> int | None:
        """When the next one falls due that is not due yet, in Unix milliseconds."""
        return self._later

    def added(self) -> None:
        """There may be something that was not read."""
        self._stale = True

    async def due(self, now: int) -> list[Submission]:
        """What may be sent now, oldest first, READ_AT_ONCE at most. Raises StorageError.

        Some of it may have been cancelled since it was read: the guard of its first step finds that out.
        """
        if not self._stale and (self._later is None or self._later > now):
            return self.waiting
        # What is added from here on may not be in what is read.
        self._stale = False
        try:
            async with self._database.read() as connection:
                due = await rows.queued(connection, now=now, limit=READ_AT_ONCE)
                self._later = await rows.next_attempt(connection, now)
        except BaseException:
            self._stale = True
            raise
        self._stale |= len(due) == READ_AT_ONCE
        return due
