"""Transactions: durable, serialised and atomic. Damaged or missing files are reported in plain sentences."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from storage import settings, tables
from storage.database import AsyncConnection, Database, InstanceLock, database_path
from storage.errors import Fault
from storage.sqlite import connection as sqlite
from tests.doubles.texts import fails
from tests.storage.rows import add_job, address, count


async def test_connections_are_configured_as_documented(database: Database) -> None:
    async with database.write() as tx:
        assert await pragma(tx, "journal_mode") == "wal"
        assert await pragma(tx, "synchronous") == 2  # FULL
        assert await pragma(tx, "foreign_keys") == 1
        assert await pragma(tx, "busy_timeout") == 5000
    async with database.read() as conn:
        assert await pragma(conn, "query_only") == 1
        with pytest.raises(OperationalError):
            await settings.set_state(conn, "name", 1)


async def test_a_transaction_is_committed_at_its_end_and_rolled_back_by_an_exception(database: Database) -> None:
    async with database.write() as tx:
        await settings.set_state(tx, "kept", {"a": [1, None, "ü"]})

    async def fail() -> None:
        async with database.write() as tx:
            await settings.set_state(tx, "undone", 1)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.read() as conn:
        assert await settings.get_state(conn, "kept") == {"a": [1, None, "ü"]}
        assert await settings.get_state(conn, "undone") is None


async def test_readers_see_a_snapshot_and_do_not_wait_for_the_writer(database: Database) -> None:
    async with database.read() as conn:
        assert await settings.get_state(conn, "name") is None
        async with database.write() as tx:
            await settings.set_state(tx, "name", 1)
            async with database.read() as other:
                assert await settings.get_state(other, "name") is None
        assert await settings.get_state(conn, "name") is None
    async with database.read() as conn:
        assert await settings.get_state(conn, "name") == 1


async def test_writers_take_turns(database: Database) -> None:
    async with database.write() as tx:
        await settings.set_state(tx, "count", 0)

    async def add_one() -> None:
        async with database.write() as tx:
            await settings.set_state(tx, "count", await settings.get_state(tx, "count") + 1)

    await asyncio.gather(*(add_one() for _ in range(50)))
    async with database.read() as conn:
        assert await settings.get_state(conn, "count") == 50


async def test_a_nested_write_is_refused_instead_of_deadlocking(database: Database) -> None:
    async with database.write():
        with pytest.raises(RuntimeError):
            async with database.write():
                pytest.fail("this cannot be reached")
    async with database.write() as tx:
        await settings.set_state(tx, "name", 1)


async def test_a_cancelled_write_is_committed_completely_or_not_at_all(database: Database) -> None:
    async def write_two(name: str) -> None:
        async with database.write() as tx:
            await settings.set_state(tx, f"{name}-1", 1)
            await settings.set_state(tx, f"{name}-2", 2)

    whole = step = 0
    cancelled = True
    while cancelled:
        step += 1
        task = asyncio.create_task(cancelled_at(step, write_two(str(step))))
        await asyncio.wait({task})
        cancelled = task.cancelled()
        async with database.write() as tx:
            there = [await settings.get_state(tx, f"{step}-{number}") for number in (1, 2)]
            await settings.set_state(tx, "afterwards", step)
        assert there in ([1, 2], [None, None]), f"half of it was kept when cancelled at step {step}"
        assert cancelled or there == [1, 2]
        whole += cancelled and there == [1, 2]
    # Otherwise the loop above has not covered everything: before the commit and within it.
    assert step > 5
    assert whole > 0


async def test_a_cancelled_read_leaves_the_connections_usable(database: Database) -> None:
    async def read() -> None:
        async with database.read() as conn:
            await settings.get_state(conn, "name")

    step = 0
    cancelled = True
    while cancelled:
        step += 1
        task = asyncio.create_task(cancelled_at(step, read()))
        await asyncio.wait({task})
        cancelled = task.cancelled()
        await asyncio.gather(*(read() for _ in range(8)))
    assert step > 2


async def test_a_writer_that_is_cancelled_while_waiting_does_not_block_the_next(database: Database) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.write() as tx:
            inside.set()
            await leave.wait()
            await settings.set_state(tx, "first", 1)

    async def second() -> None:
        async with database.write():
            pytest.fail("it was cancelled before its turn")

    going = asyncio.create_task(first())
    await inside.wait()
    waiting = asyncio.create_task(second())
    await asyncio.sleep(0)
    waiting.cancel()
    leave.set()
    await going
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with database.write() as tx:
        assert await settings.get_state(tx, "first") == 1


async def test_a_failed_commit_changes_nothing_and_the_next_one_works(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as tx:
            await tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            await add_job(tx, thread_id=12345)

    with pytest.raises(IntegrityError):
        await fail()
    async with database.write() as tx:
        assert await count(tx, tables.jobs) == 0
        await add_job(tx)
    async with database.read() as conn:
        assert await count(conn, tables.jobs) == 1


async def test_an_error_does_not_show_the_values_to_write(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.write() as tx:
            await add_job(tx, thread_id=12345, interaction_token="a-secret-token")
    assert "a-secret-token" not in str(caught.value)


async def test_a_full_disk_is_reported_and_nothing_is_half_written(database: Database) -> None:
    async def fill() -> None:
        async with database.write() as tx:
            pages = await pragma(tx, "page_count")
            await tx.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
            await settings.set_state(tx, "small", 1)
            await settings.set_state(tx, "large", "x" * 100_000)

    with fails(Fault.DISK_FULL):
        await fill()
    async with database.write() as tx:
        assert await count(tx, tables.state) == 0
        await tx.exec_driver_sql("PRAGMA max_page_count = 1000000")
        await settings.set_state(tx, "large", "x" * 100_000)


async def test_another_programs_lock_is_reported(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)
    database = await Database.open(url)
    other = await asyncio.to_thread(locked, path)

    async def write() -> None:
        async with database.write() as tx:
            await settings.get_state(tx, "name")

    with fails(Fault.LOCKED):
        await write()
    with fails(Fault.LOCKED):
        await Database.open(url)
    async with database.read() as conn:
        assert await settings.get_state(conn, "name") is None
    await asyncio.to_thread(other.close)
    async with database.write() as tx:
        await settings.set_state(tx, "name", 1)
    await database.close()


async def test_a_read_only_file_is_reported_at_the_start(url: str, path: Path) -> None:
    await asyncio.to_thread(make_read_only, path)
    with fails(Fault.READ_ONLY):
        await Database.open(url)


async def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    path.write_bytes(b"this is a letter to my aunt, " * 100)
    with fails(Fault.NOT_A_DATABASE):
        await Database.open(address(path))


async def test_a_damaged_file_is_reported(url: str, path: Path) -> None:
    await asyncio.to_thread(damage, path)
    database = await Database.open(url)
    with fails(Fault.DAMAGED):
        async with database.read() as conn:
            await count(conn, tables.jobs)
    await database.close()


async def test_opening_does_not_create_a_missing_file(tmp_path: Path) -> None:
    with fails(Fault.OUTDATED):
        await Database.open(address(tmp_path / "easel.db"))
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


@pytest.mark.parametrize(
    "wrong", ["postgresql+asyncpg://here/easel", "sqlite:///easel.db", "sqlite+aiosqlite://", "easel.db", ""]
)
def test_an_unsupported_database_url_is_refused(wrong: str) -> None:
    with fails(Fault.BAD_ADDRESS):
        database_path(wrong)


async def test_only_one_instance_runs_on_a_database(tmp_path: Path) -> None:
    url = address(tmp_path / "not" / "yet" / "easel.db")
    async with InstanceLock(url):
        with fails(Fault.ALREADY_RUNNING):
            async with InstanceLock(url):
                pytest.fail("the second was let in")
        async with InstanceLock(address(tmp_path / "other.db")):
            pass
    async with InstanceLock(url):
        pass


async def test_a_database_has_one_lock_under_all_its_paths(path: Path, url: str, tmp_path: Path) -> None:
    other = tmp_path / "other"

    def link() -> None:
        (tmp_path / "folder").symlink_to(tmp_path)
        other.mkdir()
        (other / "easel.db").symlink_to("../easel.db")

    await asyncio.to_thread(link)
    names = [path, tmp_path / "folder" / "easel.db", other / "easel.db", tmp_path / "other" / ".." / "easel.db"]
    for held in names:
        async with InstanceLock(address(held)):
            for name in names:
                with fails(Fault.ALREADY_RUNNING):
                    async with InstanceLock(address(name)):
                        pytest.fail(f"{name} was let in beside {held}")


async def test_a_database_with_two_hard_links_is_refused(path: Path, tmp_path: Path) -> None:
    """Each path would have its own log, and neither would be complete."""
    await asyncio.to_thread((tmp_path / "second.db").hardlink_to, path)
    for name in ("easel.db", "second.db"):
        with fails(Fault.SEVERAL_NAMES):
            async with InstanceLock(address(tmp_path / name)):
                pytest.fail("it was let in")


async def test_two_databases_cannot_share_one_images_folder(tmp_path: Path) -> None:
    async with InstanceLock(address(tmp_path / "one.db"), tmp_path):
        with fails(Fault.ALREADY_RUNNING):
            async with InstanceLock(address(tmp_path / "two.db"), tmp_path):
                pytest.fail("the second was let in")
        async with InstanceLock(address(tmp_path / "two.db"), tmp_path / "elsewhere"):
            pass
    async with InstanceLock(address(tmp_path / "two.db"), tmp_path):
        pass


async def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with fails(Fault.FOLDER_UNUSABLE):
        async with InstanceLock(address(tmp_path / "file" / "easel.db")):
            pytest.fail("there is no such folder")


async def pragma(conn: AsyncConnection, name: str) -> Any:
    return (await conn.exec_driver_sql(f"PRAGMA {name}")).scalar_one()


def locked(path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def make_read_only(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    # Root ignores permissions, and tests may run as root; a format that SQLite can only read does the same.
    with path.open("rb+") as file:
        file.seek(18)
        file.write(b"\x03")


def damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()
        indexes = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'jobs' AND type = 'index'"
        ).fetchall()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("rb+") as file:
        for number in (page, *(index for (index,) in indexes)):
            file.seek((number - 1) * size)
            file.write(b"\xff" * size)


async def cancelled_at(step: int, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and cancel the task at its ``step``-th wait."""
    await _stepwise(step, work)


@types.coroutine
def _stepwise(step: int, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    steps = 0
    waiting = work.__await__()
    resume: Callable[[], Any] = partial(next, waiting)
    while True:
        try:
            awaited = resume()
        except StopIteration:
            return
        steps += 1
        if steps == step:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001 - it is handed on to the work, as awaiting would do
            resume = partial(waiting.throw, error)
        else:
            resume = partial(next, waiting)
