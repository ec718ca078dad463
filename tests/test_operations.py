"""What whoever runs the bot sees: copies, putting them back, the books, and a sentence for whatever is wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage import ledger, submissions
from storage.database import Database, InstanceLock, migrate
from storage.migrations import known_versions
from storage.records import JobStatus, SubmissionStatus
from storage.sqlite import connection as sqlite
from tests import test_main
from tests.storage.rows import NOW, SERVER, USER, add_job, add_submission, address
from tests.storage.test_database import make_read_only
from tests.test_main import TOKEN, Ended

easel = test_main.easel

# Each command that opens the database, and what else it needs to come as far as that.
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
    """The database of the folder in which the commands run, up to date."""
    path = tmp_path / "data" / "easel.db"
    asyncio.run(migrate(address(path)))
    return path


async def put(path: Path, amount: int = 6000) -> None:
    """A submission that is queued, with its hold."""
    database = await Database.open(address(path))
    async with database.write() as tx:
        id_ = await add_submission(tx, await add_job(tx, status=JobStatus.WORKING))
        await ledger.hold(tx, ledger.Hold(id_, "aithriving/core", amount), user_id=USER, server_id=SERVER, at=NOW)
    await database.close()


def in_one_line(ended: Ended, words: str) -> None:
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("easel: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1


# --- copies and the books ---------------------------------------------------------------------------------------------


def test_a_copy_is_made_beside_the_running_bot_and_put_back_when_it_stands(
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
    in_one_line(refused, "already running")
    (copy,) = (path.parent / "backups").iterdir()
    assert made.out == f"The database was copied to data/backups/{copy.name}.\n"

    asyncio.run(put(path))
    restored = easel("restore", str(copy))
    assert (restored.status, restored.err) == (0, "")
    assert f"{copy} was put back as data/easel.db." in restored.out
    assert "What was there before is kept as data/backups/easel-replaced-" in restored.out
    assert "Unfinished requests in it: 1." in restored.out
    assert "told so at the next start: 1." in restored.out
    books = easel("reconcile")
    assert books.status == 0
    assert "unknown  submission 1 of job 1 (aithriving/core): since 20" in books.out
    assert "6 credits given back" in books.out
    assert "Submissions: 1, ledger entries: 2. Spent: 0 credits, held: 0 credits. The books agree." in books.out


def test_a_copy_is_put_back_behind_a_link_which_stays_one(
    easel: Callable[..., Ended], path: Path, tmp_path: Path
) -> None:
    real = tmp_path / "real" / "easel.db"
    real.parent.mkdir()
    path.rename(real)
    path.symlink_to(real)
    assert easel("backup").status == 0
    (copy,) = (path.parent / "backups").iterdir()
    asyncio.run(put(path))
    assert easel("restore", str(copy)).status == 0
    assert path.is_symlink()
    assert "Submissions: 0" in easel("reconcile").out


@pytest.mark.parametrize("named", ["copy.db", "here"])
def test_a_copy_can_be_named_or_put_into_a_folder(
    easel: Callable[..., Ended], path: Path, tmp_path: Path, named: str
) -> None:
    (tmp_path / "here").mkdir()
    assert easel("backup", named).status == 0
    made = [file for file in (tmp_path / named, *(tmp_path / "here").iterdir()) if file.is_file()]
    assert len(made) == 1
    again = easel("backup", str(made[0]))
    in_one_line(again, "is there already")


def test_the_books_name_what_is_open_and_what_differs(easel: Callable[..., Ended], path: Path) -> None:
    asyncio.run(put(path, amount=1500))
    books = easel("reconcile")
    assert (books.status, books.err) == (0, "")
    assert books.out.splitlines() == [
        "open     submission 1 of job 1 (aithriving/core): queued since 2026-01-01 00:00 UTC, 1.5 credits held",
        "Submissions: 1, ledger entries: 1. Spent: 0 credits, held: 1.5 credits. The books agree.",
    ]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE submissions SET status = 'failed'")
        connection.commit()
    books = easel("reconcile")
    assert (books.status, books.err) == (1, "")
    assert books.out.splitlines() == [
        "differs  submission 1 of job 1 (failed): has ended, and its hold was not released once",
        "differs  job 1 (working): is worked on, and nothing in it is unfinished",
        "differs  the ledger: 1500 millicredits are held, and 0 of them for unfinished submissions",
        "Submissions: 1, ledger entries: 1. Spent: 0 credits, held: 1.5 credits. The books differ in 3 places.",
    ]


def test_what_is_unknown_is_asked_for_again_while_the_bot_does_not_run(easel: Callable[..., Ended], path: Path) -> None:
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
        in_one_line(easel("retry", AI_CLIENT_TOKEN="key"), "already running")
    finally:
        asyncio.run(lock.__aexit__(None, None, None))
    for key, counts in (("AITHRIVING_KEY", [(0, 3)]), ("AI_CLIENT_TOKEN", [(1, 2)])):
        asked = easel("retry", **{key: "key"})
        assert (asked.status, asked.err) == (0, "")
        ((again, left),) = counts
        first, second = asked.out.splitlines()
        assert f"at the next start: {again}, of {again} jobs." in first
        assert f"stay unknown: {left}." in second
    books = easel("reconcile")
    assert books.status == 0
    assert books.out.count("open     submission 1 of job 1") == 1
    beyond = "beyond   submission 2 of job 2 (aithriving/core, unknown): 5 credits charged by the service"
    assert books.out.count(beyond) == 1


def test_what_cannot_be_put_back_is_one_line(easel: Callable[..., Ended], path: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("a letter to my aunt " * 100)
    before = path.read_bytes()
    for name, words in (("letter.db", "is not a database"), ("missing.db", "There is no file missing.db")):
        in_one_line(easel("restore", name), words)
    with pytest.raises(SystemExit):
        easel("restore")
    assert path.read_bytes() == before


# --- what is wrong with the file or the disk -------------------------------------------------------------------------


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


@pytest.mark.parametrize("command", OPENING)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (letter, "data/easel.db is not a database."),
        (newer, "data/easel.db was written by a newer version of Easel: update the program."),
        (foreign, "data/easel.db is the database of another program."),
        (folder, "data/easel.db cannot be opened"),
    ],
)
def test_a_file_that_is_not_ours_is_one_line_and_left_alone(
    easel: Callable[..., Ended], path: Path, command: str, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    in_one_line(easel(command, **OPENING[command]), words)
    assert before == (path.read_bytes() if path.is_file() else None)
    assert not list((path.parent / "backups").glob("*")), "nothing half made is left"
    ill = easel("doctor")
    assert f"TO DO  database: {words}" in ill.out.replace("The database data", "data")


@pytest.fixture
def locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another program writes, and nobody has the patience to wait for it."""
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("command", [*WRITING, "doctor"])
def test_a_locked_database_is_one_line(easel: Callable[..., Ended], locked: None, command: str) -> None:
    ended = easel(command, **OPENING.get(command, {}))
    if command == "doctor":
        assert "TO DO  database: The database data/easel.db is locked by another program." in ended.out
    else:
        in_one_line(ended, "data/easel.db is locked by another program.")


@pytest.mark.parametrize("command", [*WRITING, "doctor"])
def test_a_read_only_database_is_one_line(easel: Callable[..., Ended], path: Path, command: str) -> None:
    make_read_only(path)
    ended = easel(command, **OPENING.get(command, {}))
    if command == "doctor":
        assert "TO DO  database: The database data/easel.db cannot be written" in ended.out
    else:
        in_one_line(ended, "data/easel.db cannot be written: the file or its folder is read-only.")


def outdated(path: Path) -> None:
    """The database as the first version made it, with something in the way of the next step."""
    from sqlalchemy import create_engine

    from storage.migrations import upgrade

    path.unlink()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, to=known_versions()[0])
        connection.exec_driver_sql("CREATE INDEX ix_jobs_ended_at ON jobs (ended_at)")
    engine.dispose()


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_an_update_that_fails_half_way_is_one_line_and_changes_nothing(
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
def test_who_may_not_update_the_database_says_that_it_is_needed(
    easel: Callable[..., Ended], path: Path, command: str
) -> None:
    outdated(path)
    ended = easel(command, **OPENING.get(command, {}))
    assert ended.status == 1
    assert "data/easel.db is not up to date: migrate it first." in ended.err + ended.out
    assert "Traceback" not in ended.err


def test_a_full_disk_is_one_line(easel: Callable[..., Ended], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.unlink()
    monkeypatch.setattr(sqlite, "MIGRATOR", ("PRAGMA max_page_count = 8", *sqlite.MIGRATOR))
    for command in ("run", "migrate"):
        in_one_line(
            easel(command, **OPENING[command]), "The disk is full: the database data/easel.db cannot take more."
        )
    monkeypatch.undo()


@pytest.mark.parametrize("command", [*OPENING, "restore"])
def test_a_folder_that_cannot_be_made_is_one_line(easel: Callable[..., Ended], tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    words = (command, "file") if command == "restore" else (command,)
    settings = OPENING.get(command, {}) | {"DATA_DIR": str(tmp_path / "file" / "data")}
    ended = easel(*words, **settings)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
