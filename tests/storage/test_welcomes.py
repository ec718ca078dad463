"""Which servers were welcomed, and what an upgrade knows of servers that use the bot already."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage import welcomes
from storage.database import Database, migrate
from tests.storage.database_files import editing, made_at
from tests.storage.rows import NOW, SERVER, address


async def test_a_server_is_claimed_once(database: Database) -> None:
    async with database.write() as tx:
        assert await welcomes.claim(tx, SERVER, at=NOW, not_since=None)
        assert not await welcomes.claim(tx, SERVER, at=NOW + 1, not_since=None)
        assert not await welcomes.claim(tx, SERVER, at=NOW + 1, not_since=NOW - 1)
        assert await welcomes.claim(tx, SERVER + 1, at=NOW, not_since=None)


async def test_a_server_can_be_claimed_again_after_a_while(database: Database) -> None:
    async with database.write() as tx:
        assert await welcomes.claim(tx, SERVER, at=NOW, not_since=NOW - 10)
        assert await welcomes.claim(tx, SERVER, at=NOW + 20, not_since=NOW + 10)
        assert not await welcomes.claim(tx, SERVER, at=NOW + 21, not_since=NOW + 11)


@pytest.mark.parametrize("old", ["0005", "0008", "0012"])
def test_servers_that_use_the_bot_already_are_known_but_not_welcomed(tmp_path: Path, old: str) -> None:
    path = tmp_path / "easel.db"
    made_at(path, old)
    with editing(path) as connection:
        for server_id in (7, 9):
            connection.execute(
                "INSERT INTO server_settings (server_id, settings, updated_at) VALUES (?, '{}', 1)", (server_id,)
            )
        connection.execute(
            "INSERT INTO quotas (server_id, subject, subject_id, updated_at) VALUES (9, 'default', 0, 1)"
        )
        connection.execute(
            "INSERT INTO ledger (kind, user_id, server_id, amount, counted_at, created_at) VALUES "
            "('grant', 1, 11, 1, 1, 1), ('grant', 1, NULL, 1, 1, 1)"
        )
    asyncio.run(migrate(address(path), tmp_path / "copies"))
    with editing(path) as connection:
        known = connection.execute("SELECT server_id, welcomed_at FROM welcomes ORDER BY server_id").fetchall()
    assert known == [(7, 0), (9, 0), (11, 0)]
