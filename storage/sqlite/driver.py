"""A connection that runs each statement in one round trip to its thread.

SQLAlchemy's adapter makes four calls to the driver: create a cursor, execute, fetch the rows, close. Each of them would
wake a thread and then the event loop, which takes longer than most statements. Here the first three are one round trip,
and the last is none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

import aiosqlite

T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """A connection that is opened by awaiting it, like its parent.

    The first statement begins a transaction in the same round trip. Without a transaction, commit and rollback need
    none.
    """

    def __init__(self, database: str, *, begin: str, pragmas: Iterable[str], **options: Any) -> None:
        def opened() -> sqlite3.Connection:
            connection: sqlite3.Connection = sqlite3.connect(database, **options)
            try:
                for pragma in pragmas:
                    connection.execute(pragma)
            except BaseException:
                connection.close()
                raise
            return connection

        super().__init__(opened, 64)
        # A leftover thread must not keep the process alive.
        self._thread.daemon = True
        self._begin = begin
        self._begun = False

    def cursor(self) -> Cursor:  # type: ignore[override]  # the adapter calls what its parent's only promises
        return Cursor(self)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the connection's thread, in a transaction. Raises what it raises; ValueError once closed."""
        begins, self._begun = not self._begun, True

        def begun() -> T:
            connection = self._conn
            if begins:
                connection.execute(self._begin)
            return work(connection)

        result: T = await self._execute(begun)  # type: ignore[no-untyped-call]  # the parent's has no types
        return result

    async def commit(self) -> None:
        if self._begun:
            await super().commit()
            self._begun = False

    async def rollback(self) -> None:
        if self._begun:
            self._begun = False
            await super().rollback()


class Cursor:
    """The part of a cursor that the adapter needs. All rows are fetched with the statement."""

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


def connection(database: str, *, begin: str, pragmas: Iterable[str], **options: Any) -> Connection:
    """Create a connection that is not open yet, with its pragmas and the statement that begins a transaction.

    The other options are those of :func:`sqlite3.connect`.
    """
    return Connection(database, begin=begin, pragmas=pragmas, **options)
