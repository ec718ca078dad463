"""Restoring a copy: nothing in it is paid for again, every author is notified, and the current file is never lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from storage import jobs, ledger, reconcile, settings, threads
from storage import submissions as submission_rows
from storage.database import Database, StorageError, migrate
from storage.errors import Fault
from storage.migrations import known_versions, upgrade
from storage.records import ENDED, DeliveryReason, JobStatus, NotificationState, SubmissionStatus
from storage.sqlite import backups as copies
from storage.sqlite import connection as sqlite
from storage.sqlite import restore
from storage.sqlite.restore import Restored
from tests.doubles.texts import fails
from tests.storage.rows import NOW, SERVER, USER, add_job, add_submission, address
from tests.storage.test_database import damage

pytestmark = pytest.mark.slow

QUEUED, SUBMITTING, RENDERING = SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING
DONE, UNKNOWN = SubmissionStatus.DONE, SubmissionStatus.UNKNOWN
LATER = NOW + 86_400_000
TOLD = [{"code": "told", "values": {}}]


@pytest.fixture
def copy(tmp_path: Path, path: Path) -> Path:
    """A copy of the database, after ``made`` has been called."""
    return tmp_path / "copies" / "copy.db"


async def put_back(path: Path, copy: Path) -> Restored:
    aside = path.parent / "backups" / "aside.db"
    return await restore.restore(path, copy, aside=aside, problems=TOLD, at=LATER)


async def put(database: Database, job: JobStatus, *statuses: SubmissionStatus) -> int:
    async with database.write() as tx:
        job_id = await add_job(tx, status=job, message_id=77)
        for position, status in enumerate(statuses):
            id_ = await add_submission(tx, job_id, position=position, engine="core")
            await ledger.hold(tx, ledger.Hold(id_, "core", 6000), user_id=USER, server_id=SERVER, at=NOW)
            if status is not QUEUED:
                await submission_rows.move_submission(tx, id_, QUEUED, status, at=NOW, why="a test")
            if status is DONE:
                await ledger.capture(tx, id_, amount=6000, exact=True, raw_amount=6000, at=NOW)
    return job_id


async def remember(path: Path, value: int) -> None:
    """Write a marker by which the database can be recognised."""
    database = await Database.open(address(path))
    async with database.write() as tx:
        await settings.set_state(tx, "value", value)
    await database.close()


async def remembered(path: Path) -> object:
    database = await Database.open(address(path))
    async with database.read() as conn:
        value = await settings.get_state(conn, "value")
    await database.close()
    return value


async def backup(path: Path, to: Path) -> None:
    await asyncio.to_thread(copies.backup, path, to)


async def names(folder: Path) -> list[str]:
    return sorted(await asyncio.to_thread(os.listdir, folder))


async def test_nothing_in_an_old_copy_is_ever_paid_for_again(database: Database, path: Path, copy: Path) -> None:
    working = await put(database, JobStatus.WORKING, QUEUED, SUBMITTING, RENDERING, DONE)
    ready = await put(database, JobStatus.READY, DONE)
    proposed = await put(database, JobStatus.PROPOSED)
    delivered = await put(database, JobStatus.DELIVERED, DONE)
    async with database.write() as tx:
        await jobs.update_job(tx, delivered, notification=NotificationState.DUE)
    # With the tokens, as in a file that was copied by hand.
    await asyncio.to_thread(copy.parent.mkdir)
    await asyncio.to_thread(copies.duplicate, path, copy)
    await database.close()
    assert await put_back(path, copy) == Restored(unknown=3, told=1, kept=1)

    again = await Database.open(address(path))
    async with again.read() as conn:
        submissions = await submission_rows.submissions_of(conn, working)
        assert [one.status for one in submissions] == [UNKNOWN, UNKNOWN, UNKNOWN, DONE]
        assert [one.problems for one in submissions] == [TOLD, TOLD, TOLD, None]
        assert [event.why for event in await submission_rows.events_of(conn, working)][-3:] == ["restored"] * 3
        assert await submission_rows.with_status(conn, set(SubmissionStatus) - ENDED) == []
        assert (await ledger.totals(conn)).in_flight == 0
        found = {job.id: job for job in await jobs.jobs_with_status(conn, list(JobStatus))}
        assert {id_: job.status for id_, job in found.items()} == {
            working: JobStatus.READY,
            ready: JobStatus.UNDELIVERED,
            proposed: JobStatus.LAPSED,
            delivered: JobStatus.DELIVERED,
        }
        assert {job.interaction_token for job in found.values()} == {None}
        # Its author may have been notified since.
        assert found[delivered].notification is None
        # Results shown since the copy was made are not overwritten.
        assert found[working].message_id is None
        assert (found[ready].message_id, found[ready].delivery_reasons) == (77, (DeliveryReason.RESTORED,))
        assert (await reconcile.reconcile(conn)).differences == []
    await again.close()


async def test_the_current_database_is_kept_including_its_wal(path: Path, copy: Path) -> None:
    await remember(path, 1)
    await backup(path, copy)
    # As a killed bot leaves it: the last commit is in the log.
    database = await Database.open(address(path))
    async with database.write() as tx:
        await settings.set_state(tx, "value", 2)
    beside = {file: await asyncio.to_thread(file.read_bytes) for file in (path, path.with_name(f"{path.name}-wal"))}
    await database.close()
    for file, data in beside.items():
        await asyncio.to_thread(file.write_bytes, data)
    assert (await names(path.parent)).count(f"{path.name}-wal") == 1

    await put_back(path, copy)
    assert await remembered(path) == 1
    assert await names(path.parent) == ["backups", "copies", path.name]
    assert await names(path.parent / "backups") == ["aside.db"]
    assert await remembered(path.parent / "backups" / "aside.db") == 2


@pytest.mark.parametrize(
    ("ruin", "kept"),
    [
        (damage, ["aside.db"]),
        (lambda path: path.write_bytes(b"a letter to my aunt " * 100), ["aside.db", "aside.db-wal"]),
    ],
)
async def test_a_copy_replaces_a_damaged_file(
    path: Path, copy: Path, ruin: Callable[[Path], object], kept: list[str]
) -> None:
    await remember(path, 1)
    await backup(path, copy)
    await asyncio.to_thread(ruin, path)
    ruined = await asyncio.to_thread(path.read_bytes)
    await asyncio.to_thread(path.with_name(f"{path.name}-wal").write_bytes, b"what was in its log")
    await put_back(path, copy)
    assert await remembered(path) == 1
    backups = path.parent / "backups"
    assert await names(backups) == kept
    aside = await asyncio.to_thread((backups / "aside.db").read_bytes)
    # Beyond the header, which says whether there is a log.
    assert aside[100:] == ruined[100:]


async def test_a_copy_is_restored_into_an_empty_folder(path: Path, copy: Path, tmp_path: Path) -> None:
    await remember(path, 1)
    await backup(path, copy)
    other = tmp_path / "a new machine" / "easel.db"
    await put_back(other, copy)
    assert await remembered(other) == 1
    assert await names(other.parent) == ["easel.db"]


async def test_a_copy_of_an_older_version_is_migrated(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    await asyncio.to_thread(made_by_the_first_version, old)
    before = await asyncio.to_thread(old.read_bytes)
    await put_back(path, old)
    assert await remembered(path) is None
    assert await asyncio.to_thread(old.read_bytes) == before


def made_by_the_first_version(path: Path) -> None:
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(path))
    with engine.begin() as connection:
        upgrade(connection, to=known_versions()[0])
    engine.dispose()


def broken_keys(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO current_threads VALUES (1, 1, 12345)")
        connection.commit()


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name)")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda path: path.unlink(), Fault.FILE_MISSING),
        (lambda path: path.write_bytes(b""), Fault.COPY_EMPTY),
        (lambda path: path.write_bytes(b"a letter to my aunt " * 100), Fault.NOT_A_DATABASE),
        (damage, Fault.COPY_DAMAGED),
        (broken_keys, Fault.COPY_DAMAGED),
        (newer, Fault.NEWER_VERSION),
        (foreign, Fault.OTHER_PROGRAM),
    ],
)
async def test_an_unusable_copy_changes_nothing(
    path: Path, copy: Path, spoil: Callable[[Path], object], fault: Fault
) -> None:
    await remember(path, 1)
    await backup(path, copy)
    await remember(path, 2)
    await asyncio.to_thread(spoil, copy)
    with fails(fault):
        await put_back(path, copy)
    assert await remembered(path) == 2
    assert await names(path.parent) == ["copies", path.name]


async def test_the_database_is_not_accepted_as_its_own_copy(path: Path) -> None:
    with fails(Fault.COPY_IS_THE_DATABASE):
        await put_back(path, path)


@pytest.mark.parametrize("step", ["_settle", "set_aside", "put_in_place"])
async def test_if_any_step_fails_the_current_database_stays(
    path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await remember(path, 1)
    await backup(path, copy)
    await remember(path, 2)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    where = copies if step == "set_aside" else restore
    monkeypatch.setattr(where, step, fail)
    with pytest.raises((StorageError, OSError), match="No space left"):
        await put_back(path, copy)
    assert await remembered(path) == 2
    assert await names(path.parent) in (["copies", path.name], ["backups", "copies", path.name])


async def test_a_database_that_is_open_elsewhere_is_not_replaced(
    database: Database, path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)
    async with database.write() as tx:
        await settings.set_state(tx, "value", 2)
    await backup(path, copy)
    async with database.read() as conn:
        await settings.get_state(conn, "value")
        with fails(Fault.LOCKED):
            await put_back(path, copy)
    assert await remembered(path) == 2


async def test_ids_assigned_after_the_copy_are_not_reused(database: Database, path: Path, copy: Path) -> None:
    await put(database, JobStatus.DELIVERED, DONE)
    async with database.write() as tx:
        await threads.open_thread(tx, user_id=1, place_id=1, title="cats", at=NOW)
    await backup(path, copy)
    since = await put(database, JobStatus.DELIVERED, DONE)
    await database.close()
    await put_back(path, copy)
    assert min(await next_ids(path)) > since + 1000


async def next_ids(path: Path) -> tuple[int, int, int]:
    """The ids that the next job, its submission and the next thread get."""
    database = await Database.open(address(path))
    async with database.write() as tx:
        job = await add_job(tx, status=JobStatus.DELIVERED)
        submission = await add_submission(tx, job, engine="core")
        thread = await threads.open_thread(tx, user_id=1, place_id=1, title="dogs", at=NOW)
    await database.close()
    return job, submission, thread


def ruined(path: Path) -> None:
    path.write_bytes(b"a letter to my aunt " * 100)


def without_a_trace(path: Path) -> None:
    path.unlink()


def begun_anew(path: Path) -> None:
    path.unlink()
    asyncio.run(migrate(address(path)))


@pytest.mark.parametrize("spoil", [None, ruined, damage, without_a_trace, begun_anew])
async def test_an_empty_copy_does_not_reuse_ids(path: Path, copy: Path, spoil: Callable[[Path], object] | None) -> None:
    """Buttons of all later jobs still work, even if the database that knew those jobs is damaged or gone."""
    await backup(path, copy)
    database = await Database.open(address(path))
    async with database.write() as tx:
        # As after many years: more than any fixed gap between ids.
        await tx.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', 30000000)")
    await database.close()
    before = await next_ids(path)
    assert before[0] > 30_000_000
    if spoil is not None:
        await asyncio.to_thread(spoil, path)
    await put_back(path, copy)
    after = await next_ids(path)
    assert all(later > earlier for earlier, later in zip(before, after, strict=True))
    # The same copy again: it does not know the ids assigned since, and still must not reuse them.
    await asyncio.to_thread(path.unlink)
    await restore.restore(path, copy, aside=path.parent / "backups" / "again.db", problems=TOLD, at=LATER + 86_400_000)
    assert all(later > earlier for earlier, later in zip(after, await next_ids(path), strict=True))


async def test_a_clock_that_is_behind_causes_no_reuse_of_ids(path: Path, copy: Path) -> None:
    await backup(path, copy)
    before = await next_ids(path)
    await restore.restore(path, copy, aside=path.parent / "aside.db", problems=TOLD, at=0)
    assert all(later > earlier for earlier, later in zip(before, await next_ids(path), strict=True))


async def test_a_copy_of_an_older_version_causes_no_reuse_of_ids(path: Path, tmp_path: Path) -> None:
    before = await next_ids(path)
    old = tmp_path / "old.db"
    await asyncio.to_thread(made_by_the_first_version, old)
    await put_back(path, old)
    assert all(later > earlier for earlier, later in zip(before, await next_ids(path), strict=True))


async def test_compaction_causes_no_reuse_of_ids(path: Path) -> None:
    before = await next_ids(path)
    database = await Database.open(address(path))
    async with database.write() as tx:
        for table in ("jobs", "submissions", "threads"):
            await tx.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    assert await database.compact()
    await database.close()
    assert all(later > earlier for earlier, later in zip(before, await next_ids(path), strict=True))


async def test_a_restored_database_is_current(path: Path, copy: Path) -> None:
    await backup(path, copy)
    await put_back(path, copy)
    before = await asyncio.to_thread(path.read_bytes)
    await migrate(address(path))
    assert await asyncio.to_thread(path.read_bytes) == before
