"""The operator's commands: backup, restore, retry, reconcile, and a sentence for each error."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.operations import (
    AGREE,
    BEYOND,
    DIFFER,
    DIFFERS,
    OPEN,
    REOPENED,
    RESTORED,
    SET_ASIDE,
    STILL_INCOMPLETE,
    STILL_UNKNOWN,
    SUBMISSION,
    TOTALS,
    UNKNOWN,
    UNKNOWN_OUTCOMES,
)
from bot.ui.cards.wording import JOBS
from storage import ledger, submissions
from storage.database import Database, InstanceLock, migrate
from storage.errors import Fault, StorageError
from storage.migrations import known_versions
from storage.records import JobStatus, SubmissionStatus
from storage.sqlite import connection as sqlite
from tests import test_main
from tests.doubles.texts import shows
from tests.storage.rows import NOW, SERVER, USER, add_job, add_submission, address
from tests.storage.test_database import make_read_only
from tests.test_main import TOKEN, Ended

pytestmark = pytest.mark.slow

easel = test_main.easel

# Each command that opens the database, with the arguments and settings it needs to get there.
OPENING = {
    "run": {"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "key"},
    "sync": {"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "key"},
    "migrate": {},
    "backup": {},
    "retry": {},
    "reconcile": {},
}
WRITING = ("run", "sync", "retry", "reconcile")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The migrated database in the folder of the commands."""
    path = tmp_path / "data" / "easel.db"
    asyncio.run(migrate(address(path)))
    return path


async def put(path: Path, amount: int = 6000) -> None:
    """Add a queued submission with its hold."""
    database = await Database.open(address(path))
    async with database.write() as tx:
        id_ = await add_submission(tx, await add_job(tx, status=JobStatus.WORKING))
        await ledger.hold(tx, ledger.Hold(id_, "aithriving/core", amount), user_id=USER, server_id=SERVER, at=NOW)
    await database.close()


def of(fault: Fault) -> str:
    """The error message for a fault of the database in the folder of the commands."""
    return str(StorageError(fault, path="data/easel.db"))


def in_one_line(ended: Ended, words: str) -> None:
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("easel: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1


# --- backups and the ledger -------------------------------------------------------------------------------------------


def test_a_backup_is_made_while_the_bot_runs_and_restored_when_it_is_stopped(
    easel: Callable[..., Ended], path: Path, tmp_path: Path
) -> None:
    asyncio.run(put(path))
    lock = InstanceLock(address(path))
    asyncio.run(lock.__aenter__())
    try:
        made = easel("backup")
        refused = easel("restore", str(tmp_path / "any.db"))
    finally:
        asyncio.run(lock.__aexit__(None, None, None))
    assert (made.status, made.err) == (0, "")
    in_one_line(refused, of(Fault.ALREADY_RUNNING))
    (copy,) = (path.parent / "backups").iterdir()
    assert f"data/backups/{copy.name}" in made.out

    asyncio.run(put(path))
    restored = easel("restore", str(copy))
    assert (restored.status, restored.err) == (0, "")
    assert shows(restored.out, RESTORED(copy=str(copy), database="data/easel.db"))
    assert shows(restored.out, SET_ASIDE)
    assert "data/backups/easel-replaced-" in restored.out
    assert shows(restored.out, UNKNOWN_OUTCOMES(count=1, jobs=JOBS(count=1)))
    books = easel("reconcile")
    assert books.status == 0
    assert shows(books.out, SUBMISSION(id=1, job=1, engine="aithriving/core"))
    assert shows(books.out, UNKNOWN)
    assert shows(books.out, TOTALS(submissions=1, entries=2, spent=0, held=0))
    assert shows(books.out, AGREE)


def test_restoring_through_a_link_keeps_the_link(easel: Callable[..., Ended], path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real" / "easel.db"
    real.parent.mkdir()
    path.rename(real)
    path.symlink_to(real)
    assert easel("backup").status == 0
    (copy,) = (path.parent / "backups").iterdir()
    asyncio.run(put(path))
    assert easel("restore", str(copy)).status == 0
    assert path.is_symlink()
    assert shows(easel("reconcile").out, TOTALS(submissions=0, entries=0, spent=0, held=0))


@pytest.mark.parametrize("named", ["copy.db", "here"])
def test_a_backup_can_go_to_a_file_or_a_folder(
    easel: Callable[..., Ended], path: Path, tmp_path: Path, named: str
) -> None:
    (tmp_path / "here").mkdir()
    assert easel("backup", named).status == 0
    made = [file for file in (tmp_path / named, *(tmp_path / "here").iterdir()) if file.is_file()]
    assert len(made) == 1
    again = easel("backup", str(made[0]))
    in_one_line(again, str(StorageError(Fault.FILE_EXISTS, path=made[0])))


def test_reconcile_lists_open_requests_and_differences(easel: Callable[..., Ended], path: Path) -> None:
    asyncio.run(put(path, amount=1500))
    books = easel("reconcile")
    assert (books.status, books.err) == (0, "")
    submission = SUBMISSION(id=1, job=1, engine="aithriving/core")
    totals = TOTALS(submissions=1, entries=1, spent=0, held=1500)
    opened = OPEN(submission=submission, status="queued", since="2026-01-01 00:00 UTC", held=1500)
    assert books.out.splitlines() == [str(line) for line in (opened, totals, AGREE)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE submissions SET status = 'failed'")
        connection.commit()
    books = easel("reconcile")
    assert (books.status, books.err) == (1, "")
    *differences, totals_line, last = books.out.splitlines()
    assert all(shows(line, DIFFERS) for line in differences)
    assert ["submission 1" in differences[0], "job 1" in differences[1], "ledger" in differences[2]] == [True] * 3
    assert (totals_line, last) == (str(totals), str(DIFFER(count=3)))


@pytest.mark.parametrize("status", [SubmissionStatus.UNKNOWN, SubmissionStatus.DONE])
def test_retry_reopens_requests_whose_images_have_addresses(
    easel: Callable[..., Ended], path: Path, status: SubmissionStatus
) -> None:
    """Also those of a service that cannot look up requests."""

    async def put_missing() -> None:
        database = await Database.open(address(path))
        async with database.write() as tx:
            id_ = await add_submission(tx, await add_job(tx, status=JobStatus.DELIVERED), provider="openai")
            known = {"handle": {"engine": "x"}, "result": {"images": []}}
            await submissions.move_submission(tx, id_, SubmissionStatus.QUEUED, status, at=NOW, why="", **known)
        await database.close()

    asyncio.run(put_missing())
    still = STILL_UNKNOWN if status is SubmissionStatus.UNKNOWN else STILL_INCOMPLETE
    for key, lines in (
        ("AITHRIVING_KEY", [REOPENED(count=0, jobs=JOBS(count=0)), still(count=1)]),
        ("OPENAI_KEY", [REOPENED(count=1, jobs=JOBS(count=1))]),
    ):
        asked = easel("retry", **{key: "key", "OPENAI_MODELS": "gpt-image-1 0.042"})
        assert (asked.status, asked.err) == (0, "")
        assert asked.out.splitlines() == [str(line) for line in lines]


def test_retry_reopens_unknown_requests_while_the_bot_is_stopped(easel: Callable[..., Ended], path: Path) -> None:
    async def put_unknown() -> None:
        database = await Database.open(address(path))
        async with database.write() as tx:
            for provider, handle in (
                ("ai-client", {"thread": "x"}),
                ("ai-client", None),
                ("aithriving", {"engine": "x"}),
            ):
                id_ = await add_submission(tx, await add_job(tx, status=JobStatus.DELIVERED), provider=provider)
                hold = ledger.Hold(id_, "aithriving/core", 6000)
                await ledger.hold(tx, hold, user_id=USER, server_id=SERVER, at=NOW)
                known = {"handle": handle, "charged": 5000 if handle is None else None}
                queued, unknown = SubmissionStatus.QUEUED, SubmissionStatus.UNKNOWN
                await submissions.move_submission(tx, id_, queued, unknown, at=NOW, why="lost", **known)
                await ledger.release(tx, id_, at=NOW)
        await database.close()

    asyncio.run(put_unknown())
    lock = InstanceLock(address(path))
    asyncio.run(lock.__aenter__())
    try:
        in_one_line(easel("retry", AI_CLIENT_TOKEN="key"), of(Fault.ALREADY_RUNNING))
    finally:
        asyncio.run(lock.__aexit__(None, None, None))
    for key, counts in (("AITHRIVING_KEY", [(0, 3)]), ("AI_CLIENT_TOKEN", [(1, 2)])):
        asked = easel("retry", **{key: "key"})
        assert (asked.status, asked.err) == (0, "")
        ((again, left),) = counts
        first, second = asked.out.splitlines()
        assert first == str(REOPENED(count=again, jobs=JOBS(count=again)))
        assert second == str(STILL_UNKNOWN(count=left))
    books = easel("reconcile")
    assert books.status == 0
    lines = books.out.splitlines()
    one, two = (SUBMISSION(id=number, job=number, engine="aithriving/core") for number in (1, 2))
    assert [str(one) in line for line in lines if shows(line, OPEN)] == [True]
    assert str(BEYOND(submission=two, status="unknown", charged=5000, captured=0)) in lines


def test_a_failed_restore_gives_one_line(easel: Callable[..., Ended], path: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("a letter to my aunt " * 100)
    before = path.read_bytes()
    for name, fault in (("letter.db", Fault.NOT_A_DATABASE), ("missing.db", Fault.FILE_MISSING)):
        in_one_line(easel("restore", name), str(StorageError(fault, path=name)))
    with pytest.raises(SystemExit):
        easel("restore")
    assert path.read_bytes() == before


# --- errors of the file or the disk ----------------------------------------------------------------------------------


def letter(path: Path) -> None:
    path.write_text("a letter to my aunt " * 100)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name)")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.slow
@pytest.mark.parametrize("command", OPENING)
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (letter, Fault.NOT_A_DATABASE),
        (newer, Fault.NEWER_VERSION),
        (foreign, Fault.OTHER_PROGRAM),
        (folder, Fault.CANNOT_OPEN),
    ],
)
def test_a_foreign_file_gives_one_line_and_stays_unchanged(
    easel: Callable[..., Ended], path: Path, command: str, spoil: Callable[[Path], None], fault: Fault
) -> None:
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    in_one_line(easel(command, **OPENING[command]), of(fault))
    assert before == (path.read_bytes() if path.is_file() else None)
    assert not list((path.parent / "backups").glob("*")), "no incomplete file remains"
    ill = easel("doctor")
    assert f"TO DO  database: {of(fault)}" in ill.out


@pytest.fixture
def locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another program holds a write lock, and the time-out is short."""
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("command", [*WRITING, "doctor"])
def test_a_locked_database_gives_one_line(easel: Callable[..., Ended], locked: None, command: str) -> None:
    ended = easel(command, **OPENING.get(command, {}))
    if command == "doctor":
        assert f"TO DO  database: {of(Fault.LOCKED)}" in ended.out
    else:
        in_one_line(ended, of(Fault.LOCKED))


@pytest.mark.parametrize("command", [*WRITING, "doctor"])
def test_a_read_only_database_gives_one_line(easel: Callable[..., Ended], path: Path, command: str) -> None:
    make_read_only(path)
    ended = easel(command, **OPENING.get(command, {}))
    if command == "doctor":
        assert f"TO DO  database: {of(Fault.READ_ONLY)}" in ended.out
    else:
        in_one_line(ended, of(Fault.READ_ONLY))


def outdated(path: Path) -> None:
    """A database of the first version, whose next migration fails."""
    from sqlalchemy import create_engine

    from storage.migrations import upgrade

    path.unlink()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, to=known_versions()[0])
        connection.exec_driver_sql("CREATE INDEX ix_jobs_ended_at ON jobs (ended_at)")
    engine.dispose()


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_a_failed_migration_gives_one_line_and_changes_nothing(
    easel: Callable[..., Ended], path: Path, command: str
) -> None:
    outdated(path)
    before = path.read_bytes()
    for _ in range(2):
        in_one_line(
            easel(command, **OPENING[command]),
            "could not be brought up to date (index ix_jobs_ended_at already exists)",
        )
    assert path.read_bytes() == before
    assert list((path.parent / "backups").iterdir()) == []


@pytest.mark.parametrize("command", ["sync", "retry", "reconcile", "doctor"])
def test_commands_that_may_not_migrate_report_an_outdated_database(
    easel: Callable[..., Ended], path: Path, command: str
) -> None:
    outdated(path)
    ended = easel(command, **OPENING.get(command, {}))
    assert ended.status == 1
    assert of(Fault.OUTDATED) in ended.err + ended.out
    assert "Traceback" not in ended.err


def test_a_full_disk_gives_one_line(easel: Callable[..., Ended], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.unlink()
    monkeypatch.setattr(sqlite, "MIGRATOR", ("PRAGMA max_page_count = 8", *sqlite.MIGRATOR))
    for command in ("run", "migrate"):
        in_one_line(easel(command, **OPENING[command]), of(Fault.DISK_FULL))
    monkeypatch.undo()


@pytest.mark.parametrize("command", [*OPENING, "restore"])
def test_a_folder_that_cannot_be_created_gives_one_line(
    easel: Callable[..., Ended], tmp_path: Path, command: str
) -> None:
    (tmp_path / "file").touch()
    words = (command, "file") if command == "restore" else (command,)
    settings = OPENING.get(command, {}) | {"DATA_DIR": str(tmp_path / "file" / "data")}
    ended = easel(*words, **settings)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
