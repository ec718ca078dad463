"""Migrations: forwards, whole or not at all, a copy first, and nothing strange is touched."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from storage.database import Database, migrate
from storage.errors import Fault
from storage.migrations import FOLDER, known_versions
from storage.sqlite import backups
from storage.sqlite import connection as sqlite
from storage.sqlite import upgrade as schema_module
from storage.tables import metadata
from tests.doubles.texts import fails
from tests.storage.database_files import (
    CURRENT,
    NEXT,
    VERSIONS,
    add_step,
    contents,
    declared,
    differences,
    editing,
    fill,
    fill_every_table,
    made_at,
    read_everything,
    rows,
    schema,
    version,
)
from tests.storage.rows import address

pytestmark = pytest.mark.slow

ADD_A_TABLE = 'op.create_table("added", sa.Column("id", sa.Integer, primary_key=True))'
ADD_A_COLUMN = 'op.add_column("jobs", sa.Column("mood", sa.Text))'
REBUILD_JOBS = """with op.batch_alter_table("jobs", recreate="always") as jobs:
        jobs.add_column(sa.Column("mood", sa.Text, nullable=False, server_default="calm"))"""


FILLED = ("jobs", "submissions", "images", "events")


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """The folder of the real steps, to which a test adds one."""
    return Path(shutil.copytree(FOLDER, tmp_path / "100% steps", ignore=shutil.ignore_patterns("__pycache__")))


def test_a_blank_database_becomes_what_the_tables_say(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "easel.db"
    asyncio.run(migrate(address(path)))
    assert differences(path) == []
    made = schema(path)
    expected = declared(tmp_path / "declared.db")
    assert made.keys() == expected.keys()
    for name, sql in expected.items():
        # Beyond what Alembic compares: every table STRICT, no id used twice where the tables say so, partial indexes.
        assert ("STRICT" in made[name]) == ("STRICT" in sql), name
        assert ("AUTOINCREMENT" in made[name]) == ("AUTOINCREMENT" in sql), name
        assert made[name] == sql or not name.startswith("ix_")
    assert all("STRICT" in made[name] for name in metadata.tables)
    assert not (path.parent / "backups").exists()


def test_a_second_time_changes_nothing_and_makes_no_copy(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    asyncio.run(migrate(address(path)))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_start_with_nothing_to_migrate_does_not_load_alembic(path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from storage.database import Database, migrate\n"
        "async def start(url):\n"
        "    await migrate(url)\n"
        "    await (await Database.open(url)).close()\n"
        f"asyncio.run(start({address(path)!r}))\n"
        "sys.exit(any(name.partition('.')[0] in ('alembic', 'mako') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=FOLDER.parents[1], check=False).returncode == 0  # noqa: S603 - our own program


def test_the_versions_are_one_line_named_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    line = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert known_versions() == tuple(reversed(line))


def test_an_older_version_is_copied_and_brought_up_to_date_with_its_rows(path: Path, steps: Path) -> None:
    url = address(path)
    asyncio.run(fill(url))
    add_step(steps, ADD_A_TABLE)
    asyncio.run(migrate(url, migrations=steps))
    assert version(path) == NEXT
    assert "added" in schema(path)
    copy = path.parent / "backups" / f"easel-{CURRENT}-1.db"
    assert version(copy) == CURRENT
    assert "added" not in schema(copy)
    for file in (path, copy):
        assert rows(file, *FILLED) == [1, 1, 1, 1]


@pytest.mark.parametrize("old", VERSIONS)
def test_every_older_version_comes_up_to_date_with_rows_in_every_table(tmp_path: Path, old: str) -> None:
    path = tmp_path / "easel.db"
    made_at(path, old)
    before = fill_every_table(path)
    asyncio.run(migrate(address(path)))
    assert version(path) == CURRENT
    assert differences(path) == []
    after = contents(path)
    for table, row in before.items():
        kept = {name: row[name] for name in row.keys() & after[table].keys()}
        if table == "events" and old < "0010":
            kept["why"] = "other"
        assert after[table].items() >= kept.items(), table
    with editing(path) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    asyncio.run(read_everything(address(path)))
    copied = [file.name for file in (tmp_path / "backups").glob("*")]
    assert copied == ([] if old == CURRENT else [f"easel-{old}-1.db"])


def test_only_the_latest_copies_are_kept(path: Path, steps: Path) -> None:
    folder = path.parent / "backups"
    folder.mkdir()
    others = ["easel-2026-01-31T120000Z.db", "easel-replaced-2026-01-31T120000Z.db", "notes.txt"]
    for name in (*others, *(f"easel-0001-{number}.db" for number in (9, 10, 11, 12, 13, 14))):
        (folder / name).touch()
    add_step(steps, ADD_A_TABLE)
    asyncio.run(migrate(address(path), folder, migrations=steps))
    kept = [f"easel-0001-{number}.db" for number in (11, 12, 13, 14)] + [f"easel-{CURRENT}-15.db"]
    assert len(kept) == backups.KEPT_BEFORE_MIGRATIONS
    assert {file.name for file in folder.iterdir()} == {*others, *kept}


def test_a_migration_that_fails_at_every_start_leaves_no_copies(path: Path, steps: Path) -> None:
    add_step(steps, "raise RuntimeError('the author was tired')")
    for _ in range(3):
        with fails(Fault.UPGRADE_FAILED):
            asyncio.run(migrate(address(path), migrations=steps))
    assert list((path.parent / "backups").iterdir()) == []


def test_an_earlier_copy_is_never_overwritten(path: Path, steps: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / f"easel-{CURRENT}-1.db").write_text("an earlier copy")
    add_step(steps, ADD_A_TABLE)
    asyncio.run(migrate(address(path), folder, migrations=steps))
    assert sorted(file.name for file in folder.iterdir()) == [f"easel-{CURRENT}-1.db", f"easel-{CURRENT}-2.db"]
    assert (folder / f"easel-{CURRENT}-1.db").read_text() == "an earlier copy"


def test_rebuilding_a_table_keeps_the_rows_that_point_at_it(path: Path, steps: Path) -> None:
    url = address(path)
    asyncio.run(fill(url))
    add_step(steps, REBUILD_JOBS)
    asyncio.run(migrate(url, migrations=steps))
    assert "mood" in schema(path)["jobs"]
    assert rows(path, *FILLED) == [1, 1, 1, 1]


def test_a_table_that_is_rebuilt_gives_no_id_again(path: Path, steps: Path) -> None:
    """Its highest row is not the last that it ever had."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', 4711)")
        connection.commit()
    add_step(steps, REBUILD_JOBS)
    asyncio.run(migrate(address(path), migrations=steps))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchall() == [(4711,)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"{ADD_A_TABLE}\n    {ADD_A_COLUMN}\n    raise RuntimeError('the author was tired')", "the author was tired"),
        (f"{ADD_A_TABLE}\n    op.drop_table('nowhere')", "no such table"),
        (
            f"{ADD_A_TABLE}\n    op.get_bind().execute(sa.delete(sa.table('jobs')))",
            "rows would reference rows that do not exist",
        ),
    ],
    ids=["an error of its own", "a statement that fails", "foreign keys that are broken"],
)
def test_a_step_that_fails_half_way_changes_nothing(path: Path, steps: Path, body: str, reason: str) -> None:
    url = address(path)
    asyncio.run(fill(url))
    before = (schema(path), rows(path, *FILLED))
    add_step(steps, body)
    with fails(Fault.UPGRADE_FAILED, reason):
        asyncio.run(migrate(url, migrations=steps))
    assert (schema(path), rows(path, *FILLED)) == before
    assert version(path) == CURRENT


def test_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with editing(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with fails(Fault.NEWER_VERSION):
        asyncio.run(migrate(address(path)))
    with fails(Fault.NEWER_VERSION):
        asyncio.run(Database.open(address(path)))
    assert path.read_bytes() == before


def test_an_older_version_is_not_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_module, "known_versions", lambda: (*VERSIONS, NEXT))
    with fails(Fault.OUTDATED):
        asyncio.run(Database.open(address(path)))


def test_a_file_that_is_not_a_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    path.write_bytes(b"this is a letter to my aunt, " * 100)
    with fails(Fault.NOT_A_DATABASE):
        asyncio.run(migrate(address(path)))
    assert path.read_bytes() == b"this is a letter to my aunt, " * 100


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    with editing(path) as connection:
        connection.execute("CREATE TABLE cookies (name)")
    with fails(Fault.OTHER_PROGRAM):
        asyncio.run(migrate(address(path)))
    assert schema(path).keys() == {"cookies"}


def test_an_empty_file_counts_as_blank(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    path.touch()
    asyncio.run(migrate(address(path)))
    assert version(path) == known_versions()[-1]


def test_a_full_disk_is_reported_plainly_and_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "easel.db"
    monkeypatch.setattr(sqlite, "MIGRATOR", ("PRAGMA max_page_count = 8", *sqlite.MIGRATOR))
    with fails(Fault.DISK_FULL):
        asyncio.run(migrate(address(path)))
    assert schema(path) == {}


def test_a_locked_database_is_reported_plainly(path: Path, steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)
    add_step(steps, ADD_A_TABLE)
    with editing(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with fails(Fault.LOCKED):
            asyncio.run(migrate(address(path), migrations=steps))
    assert version(path) == CURRENT


def test_a_folder_that_cannot_be_made_is_reported_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with fails(Fault.FOLDER_UNUSABLE):
        asyncio.run(migrate(address(tmp_path / "file" / "easel.db")))
