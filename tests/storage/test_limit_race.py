"""The limit check and the hold share one transaction, so that concurrent requests cannot exceed the limit."""

from __future__ import annotations

import asyncio

from storage import ledger
from storage.database import Database
from tests.storage.rows import NOW, SERVER, USER

PRICE, LIMIT = 6_000, 60_000


async def test_of_a_hundred_concurrent_requests_at_a_limit_for_ten_ten_succeed(url: str) -> None:
    databases = [await Database.open(url) for _ in range(2)]

    async def ask(number: int) -> bool:
        async with databases[number % len(databases)].write() as tx:
            if await ledger.spent_and_held(tx, since=NOW, user_id=USER) + PRICE > LIMIT:
                return False
            await ledger.hold(tx, ledger.Hold(number, "core", PRICE), user_id=USER, server_id=SERVER, at=NOW)
            return True

    allowed = await asyncio.gather(*(ask(number) for number in range(100)))
    assert sum(allowed) == 10
    for database in databases:
        async with database.read() as conn:
            assert await ledger.spent_and_held(conn, since=NOW, user_id=USER) == LIMIT
        await database.close()
