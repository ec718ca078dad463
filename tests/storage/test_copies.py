"""Backups: complete despite concurrent writes, checked, without tokens, and never over another file."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import settings, tables
from storage.database import Database, migrate
from storage.errors import Fault
from storage.sqlite import backups
from storage.sqlite import connection as sqlite
from tests.doubles.texts import fails
from tests.storage.rows import add_job, address, count

TOKEN = "a-secret-token"


async def backup(path: Path, to: Path) -> None:
    await asyncio.to_thread(backups.backup, path, to)


async def files(folder: Path) -> list[str]:
    return sorted(await asyncio.to_thread(lambda: [file.name for file in folder.iterdir()]))


async def test_a_copy_of_a_database_in_use_is_complete_and_consistent(
    database: Database, path: Path, tmp_path: Path
) -> None:
    """A writer never stops, and the copy is made meanwhile."""
    async with database.write() as tx:
        await settings.set_state(tx, "first", 0)
        await settings.set_state(tx, "second", 0)
    copied, written = asyncio.Event(), 0

    async def write() -> None:
        nonlocal written
        while not copied.is_set():
            written += 1
            async with database.write() as tx:
                await settings.set_state(tx, "first", written)
                await settings.set_state(tx, "padding", "x" * 1000 * written)
                await settings.set_state(tx, "second", written)

    writing = asyncio.create_task(write())
    for number in range(5):
        await backup(path, tmp_path / f"{number}.db")
    copied.set()
    await writing
    for number in range(5):
        copy = await Database.open(address(tmp_path / f"{number}.db"))
        async with copy.read() as conn:
            assert await settings.get_state(conn, "first") == await settings.get_state(conn, "second")
        await copy.close()
    assert written > 5


async def test_data_in_the_wal_is_copied_into_the_one_file(database: Database, path: Path, tmp_path: Path) -> None:
    async with database.write() as tx:
        await add_job(tx, interaction_token=TOKEN)
    folder = tmp_path / "copies"
    await backup(path, folder / "copy.db")
    assert await files(folder) == ["copy.db"]
    data = await asyncio.to_thread((folder / "copy.db").read_bytes)
    assert TOKEN.encode() not in data, "a long-lived copy must contain no credentials"
    assert data[18:20] == b"\x01\x01", "it must be readable in a read-only folder"
    copy = await Database.open(address(folder / "copy.db"))
    async with copy.read() as conn:
        assert await count(conn, tables.jobs) == 1
    await copy.close()
    async with database.read() as conn:
        assert await count(conn, tables.jobs) == 1


async def test_no_file_is_overwritten(path: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("a letter")
    with fails(Fault.FILE_EXISTS):
        await backup(path, there)
    with fails(Fault.FILE_EXISTS):
        await backup(path, path)
    assert there.read_text() == "a letter"


async def test_a_missing_database_cannot_be_copied(tmp_path: Path) -> None:
    for wrong, fault in (
        (tmp_path / "easel.db", Fault.NOTHING_TO_COPY),
        (tmp_path / "letter.db", Fault.NOT_A_DATABASE),
    ):
        (tmp_path / "letter.db").write_text("a letter to my aunt " * 100)
        with fails(fault):
            await backup(wrong, tmp_path / "copies" / "copy.db")
    assert not (tmp_path / "copies").exists()


async def test_a_damaged_database_gives_no_copy(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO current_threads VALUES (1, 1, 12345)")
        connection.commit()
    with fails(Fault.DAMAGED):
        await backup(path, tmp_path / "copies" / "copy.db")
    assert await files(tmp_path / "copies") == []


async def test_a_full_disk_leaves_no_partial_copy(
    database: Database, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as tx:
        await settings.set_state(tx, "large", "x" * 100_000)
    connect = sqlite3.connect

    def full(name: Path | str, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, **options)  # type: ignore[call-overload]  # handed through
        if str(name).endswith(".part"):
            connection.execute("PRAGMA max_page_count = 8")
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    with fails(Fault.DISK_FULL, "copy.db"):
        await backup(path, tmp_path / "copies" / "copy.db")
    assert await files(tmp_path / "copies") == []


async def test_a_folder_that_cannot_be_created_is_reported(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with fails(Fault.FOLDER_UNUSABLE):
        await backup(path, tmp_path / "file" / "copy.db")


async def test_a_lock_is_waited_for_with_a_time_limit(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)

    def locked() -> sqlite3.Connection:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        return other

    other = await asyncio.to_thread(locked)
    for work in (backups.backup, backups.duplicate):
        with fails(Fault.LOCKED):
            await asyncio.to_thread(work, path, tmp_path / "copy.db")
    await asyncio.to_thread(other.close)


def test_the_name_of_a_copy_contains_its_time(tmp_path: Path) -> None:
    at = datetime(2026, 1, 31, 12, 5, 9, tzinfo=UTC)
    name = backups.dated(Path("data/easel.db"), tmp_path, at).name
    assert name == "easel-2026-01-31T120509Z.db"
    assert re.fullmatch(r"[\w.-]+", name), "the name must be valid on every file system"


async def test_a_copy_that_cannot_be_renamed_leaves_no_partial_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "put_in_place", fail)
    folder = tmp_path / "copies"
    with fails(Fault.FOLDER_UNUSABLE):
        await asyncio.to_thread(backups.before_migration, path, folder, "0001")
    with fails(Fault.FOLDER_UNUSABLE):
        await backup(path, folder / "copy.db")
    assert await files(folder) == []


async def test_partial_copies_of_a_killed_process_are_removed_at_the_next_start(database: Database, path: Path) -> None:
    folder = path.parent / "backups"

    def leave() -> None:
        folder.mkdir()
        for name in ("easel-1.db.part", "easel-1.db.part-journal", "easel-2.db.part", "easel-3.db"):
            (folder / name).touch()
            os.utime(folder / name, (1000, 1000))
        (folder / "easel-2.db.part").touch()
        path.with_name(f"{path.name}.restoring").touch()

    await asyncio.to_thread(leave)
    await migrate(f"sqlite+aiosqlite:///{path}")
    assert await files(folder) == ["easel-2.db.part", "easel-3.db"], "a recent one may still be being written"
    assert not await asyncio.to_thread(path.with_name(f"{path.name}.restoring").exists)
