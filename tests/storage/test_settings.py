"""Settings of users and servers, limits, and the bot's state: one value for each key, replaced by writing."""

from __future__ import annotations

import pytest

from storage import settings
from storage.database import Database
from storage.settings import Quota, Subject
from tests.storage.rows import NOW, SERVER, USER


async def test_settings_are_stored_by_user_and_replaced_as_a_whole(database: Database) -> None:
    async with database.write() as tx:
        await settings.set_user(tx, USER, {"engine": "a/b", "images": 2}, at=NOW)
        await settings.set_user(tx, USER + 1, {"text": "in oil"}, at=NOW)
        await settings.set_user(tx, USER, {"images": 3}, at=NOW + 1)
    async with database.read() as connection:
        assert await settings.of_users(connection) == {USER: {"images": 3}, USER + 1: {"text": "in oil"}}


async def test_empty_settings_are_deleted(database: Database) -> None:
    async with database.write() as tx:
        await settings.set_user(tx, USER, {"images": 3}, at=NOW)
        await settings.set_user(tx, USER, {}, at=NOW)
        await settings.set_user(tx, USER + 1, {}, at=NOW)
        assert await settings.of_users(tx) == {}
        await settings.set_server(tx, SERVER, {"period": "week"}, at=NOW)
        await settings.set_server(tx, SERVER, {}, at=NOW)
        assert await settings.of_servers(tx) == {}
        assert await settings.of_server(tx, SERVER) == {}


async def test_a_quota_replaces_only_that_of_its_subject(database: Database) -> None:
    first, second = Quota(Subject.ROLE, 7, credits=1000), Quota(Subject.USER, 7, images=2, jobs=3, free_images=0)
    async with database.write() as tx:
        for quota in (Quota(Subject.ROLE, 7, images=9), second, first):
            await settings.set_quota(tx, SERVER, quota, at=NOW)
        assert await settings.quotas_of(tx, SERVER) == [first, second]
        assert await settings.quotas_for(tx, SERVER, USER) == [first]
        await settings.set_quota(tx, SERVER, Quota(Subject.ROLE, 7), at=NOW)
        assert await settings.quotas(tx) == {SERVER: [second]}


async def test_the_state_is_replaced_and_survives_a_restart(database: Database, url: str) -> None:
    async with database.write() as tx:
        assert await settings.get_state(tx, "commands") is None
        await settings.set_state(tx, "commands", {"hash": "a"})
        await settings.set_state(tx, "commands", ["ü", 1, True, None])
        await settings.set_state(tx, "zero", 0)
    again = await Database.open(url)
    async with again.read() as conn:
        assert await settings.get_state(conn, "commands") == ["ü", 1, True, None]
        assert await settings.get_state(conn, "zero") == 0
    await again.close()


async def test_none_is_not_a_valid_value(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match="None"):
            await settings.set_state(tx, "commands", None)
