"""What people set for themselves."""

from __future__ import annotations

from storage import user_settings
from storage.database import Database
from tests.storage.rows import NOW, USER


async def test_settings_are_kept_by_person_and_replaced_as_a_whole(database: Database) -> None:
    async with database.write() as tx:
        await user_settings.put(tx, USER, {"engine": "a/b", "images": 2}, at=NOW)
        await user_settings.put(tx, USER + 1, {"text": "in oil"}, at=NOW)
        await user_settings.put(tx, USER, {"images": 3}, at=NOW + 1)
    async with database.read() as connection:
        assert await user_settings.every(connection) == {USER: {"images": 3}, USER + 1: {"text": "in oil"}}


async def test_nothing_set_is_nothing_kept(database: Database) -> None:
    async with database.write() as tx:
        await user_settings.put(tx, USER, {"images": 3}, at=NOW)
        await user_settings.put(tx, USER, {}, at=NOW)
        await user_settings.put(tx, USER + 1, {}, at=NOW)
        assert await user_settings.every(tx) == {}
