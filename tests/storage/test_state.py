"""Small facts by name."""

from __future__ import annotations

import pytest

from storage import state
from storage.database import Database


async def test_a_value_is_put_replaced_and_outlives_a_restart(database: Database, url: str) -> None:
    async with database.write() as tx:
        assert await state.get(tx, "commands") is None
        await state.put(tx, "commands", {"hash": "a"})
        await state.put(tx, "commands", ["ü", 1, True, None])
        await state.put(tx, "zero", 0)
    again = await Database.open(url)
    async with again.read() as conn:
        assert await state.get(conn, "commands") == ["ü", 1, True, None]
        assert await state.get(conn, "zero") == 0
    await again.close()


async def test_none_is_no_value(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match="None"):
            await state.put(tx, "commands", None)
