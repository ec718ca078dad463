"""A connection whose statements take one trip to its thread each, and not one for every step of them.

SQLAlchemy's adapter asks the driver for a cursor, to execute, for the rows, and to close; each of these wakes a thread
and then the event loop, which takes longer than most statements. Here the first three are one, and the last is none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

import aiosqlite

T = TypeVar("T")

LATER = "BEGIN"
"""A deferred BEGIN does nothing before the next statement, so it goes there together with that one."""


class Connection(aiosqlite.Connection):
    """Opened by awaiting it, like its parent."""

    def __init__(self, database: str, options: dict[str, Any]) -> None:
        super().__init__(lambda: sqlite3.connect(database, **options), 64)
        # A thread that is left over must not hold up the end of the process.
        self._thread.daemon = True
        self._begins = False

    def cursor(self) -> Cursor:  # type: ignore[override]  # the adapter calls what its parent's only promises
        return Cursor(self)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do this in the connection's thread. Raises what it raises, and ValueError once it was closed."""
        begins, self._begins = self._begins, False

        def begun() -> T:
            connection = self._conn
            if begins:
                connection.execute(LATER)
            return work(connection)

        result: T = await self._execute(begun)  # type: ignore[no-untyped-call]  # the parent's has no types
        return result

    def begin_later(self) -> None:
        self._begins = True

    async def commit(self) -> None:
        if self._begins:
            self._begins = False
        else:
            await super().commit()

    async def rollback(self) -> None:
        if self._begins:
            self._begins = False
        else:
            await super().rollback()


class Cursor:
    """What the adapter needs of a cursor. All rows are here when a statement is done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        if statement == LATER:
            self._connection.begin_later()
            return self
        return await self._do(lambda connection: connection.execute(statement, parameters))

    async def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> Self:
        return await self._do(lambda connection: connection.executemany(statement, rows))

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = []

    async def _do(self, start: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> Self:
        def work(connection: sqlite3.Connection) -> tuple[Any, list[Any], int, int | None]:
            cursor = start(connection)
            try:
                rows = cursor.fetchall() if cursor.description else []
                return cursor.description, rows, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        self.description, self._rows, self.rowcount, self.lastrowid = await self._connection.run(work)
        return self


def connection(database: str, **options: Any) -> Connection:
    """A connection that is not open yet; the options are those of :func:`sqlite3.connect`."""
    return Connection(database, options)
