"""No connection stays open after the database was closed, whatever used it at that moment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from storage.database import Database, database_url
from storage.errors import Fault, StorageError
from storage.sqlite import driver


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[driver.Connection]:
    """Every connection that the test opens."""
    connections: list[driver.Connection] = []
    make = driver.Connection.__init__

    def remembered(self: driver.Connection, *call: Any, **further: Any) -> None:
        make(self, *call, **further)
        connections.append(self)

    monkeypatch.setattr(driver.Connection, "__init__", remembered)
    return connections


def still_open(made: list[driver.Connection]) -> list[driver.Connection]:
    return [each for each in made if each._connection is not None]


@pytest.mark.parametrize("trip", range(1, 7))
async def test_a_cancelled_read_leaves_no_open_connection(
    migrated: Path, made: list[driver.Connection], monkeypatch: pytest.MonkeyPatch, trip: int
) -> None:
    """The read is cancelled during one of its trips to the connection's thread."""
    trips, execute = 0, driver.Connection._execute
    async with Database.opened(database_url(migrated)) as database:

        async def cancelled(self: driver.Connection, *call: Any, **further: Any) -> Any:
            nonlocal trips
            trips += 1
            if trips == trip:
                asyncio.get_running_loop().call_soon(reading.cancel)
            return await execute(self, *call, **further)  # type: ignore[no-untyped-call]  # the parent's has no types

        async def read() -> None:
            async with database.read() as connection:
                await connection.scalar(select(1))

        monkeypatch.setattr(driver.Connection, "_execute", cancelled)
        reading = asyncio.create_task(read())
        await asyncio.gather(reading, return_exceptions=True)
    assert trips >= trip
    assert still_open(made) == []


@pytest.mark.parametrize("writes", [False, True])
async def test_closing_waits_for_a_transaction_in_progress(
    migrated: Path, made: list[driver.Connection], *, writes: bool
) -> None:
    database = await Database.open(database_url(migrated))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def use() -> None:
        async with database.write() if writes else database.read() as connection:
            begun.set()
            await go_on.wait()
            await connection.scalar(select(1))

    using = asyncio.create_task(use())
    await begun.wait()
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(using, closing)
    assert still_open(made) == []


@pytest.mark.parametrize("writes", [False, True])
async def test_a_closed_database_takes_no_transactions(
    migrated: Path, made: list[driver.Connection], *, writes: bool
) -> None:
    database = await Database.open(database_url(migrated))
    await database.close()
    with pytest.raises(StorageError) as error:
        async with database.write() if writes else database.read():
            pass
    assert error.value.fault is Fault.CLOSED
    assert still_open(made) == []
