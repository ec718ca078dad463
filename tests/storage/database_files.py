"""Database files for tests: created at an older version, filled, and read without the code under test."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, MetaData, Text, create_engine

from storage import images, jobs, ledger, settings, sources, submissions, tables, threads
from storage.database import Database
from storage.migrations import known_versions, upgrade
from storage.records import JobStatus
from storage.tables import metadata
from tests.storage.rows import add_image, add_job, add_submission, count

MIGRATION = '''"""A step that a test made up."""
import sqlalchemy as sa
from alembic import op

revision = "{version}"
down_revision = "{before}"


def upgrade():
    {body}
'''
VERSIONS = known_versions()
CURRENT, NEXT = VERSIONS[-1], f"{int(VERSIONS[-1]) + 1:04}"
WORDS = {
    "details": '{"credits": 5}',
    "options": '{"prompt": "a lighthouse"}',
    "settings": '{"engine": "easel/xl"}',
    "request": '{"prompt": "a lighthouse"}',
    "handle": '{"guid": "x"}',
    "result": '{"images": []}',
    "value": "[1]",
    "kind": "grant",
    "file": "1.png",
    "share_state": "posted",
    "problems": "[]",
    "attempting": "token",
    "delivered_by": "token",
    "delivery_reasons": "[]",
    "lapse_reason": "expired",
    "notification": "channel",
    "operation": "inpaint",
}
KINDS = {"sources": "message"}
STATUSES = {"jobs": "delivered", "submissions": "done"}


def add_step(steps: Path, body: str) -> None:
    text = MIGRATION.format(version=NEXT, before=CURRENT, body=body)
    (steps / "versions" / f"{NEXT}_made_up.py").write_text(text)


def made_at(path: Path, wanted: str) -> None:
    """Create a database at that version."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, to=wanted)
    engine.dispose()


def fill_every_table(path: Path) -> dict[str, dict[str, Any]]:
    """Insert one row into each table of that version, with a value in every column."""
    engine = create_engine(f"sqlite:///{path}")
    reflected = MetaData()
    reflected.reflect(engine)
    with engine.begin() as connection:
        for table in reflected.tables.values():
            if table.name != "alembic_version":
                connection.execute(table.insert().values({column.name: made_up(column) for column in table.columns}))
    engine.dispose()
    return contents(path)


def made_up(column: Column[Any]) -> object:
    if column.primary_key or column.foreign_keys:
        return "a name" if isinstance(column.type, Text) else 1
    if not isinstance(column.type, Text):
        return 0 if column.name in {"private", "spoiler", "filtered", "transparent"} else 1
    if column.name == "kind":
        return KINDS.get(column.table.name, WORDS["kind"])
    if column.name.endswith("status"):
        return STATUSES.get(column.table.name, "done")
    return WORDS.get(column.name, f"some {column.name}")


def contents(path: Path) -> dict[str, dict[str, Any]]:
    """The one row of each table."""
    found = {}
    with editing(path) as connection:
        connection.row_factory = sqlite3.Row
        for table in rows_of_tables(connection):
            (row,) = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names of ours
            found[table] = dict(row)
    return found


def rows_of_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables that contain rows, without SQLite's and Alembic's own."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    ours = [name for name in names if name not in {"alembic_version", "sqlite_sequence"}]
    return [name for name in ours if connection.execute(f"SELECT 1 FROM {name}").fetchone()]  # noqa: S608 - names of ours


async def read_everything(url: str) -> None:
    """Check that the program reads such a row as expected."""
    database = await Database.open(url)
    async with database.read() as conn:
        job = await jobs.get_job(conn, 1)
        assert job is not None
        assert job.status is JobStatus.DELIVERED
        assert [submission.status for submission in await submissions.submissions_of(conn, 1)] == ["done"]
        assert len(await submissions.events_of(conn, 1)) == 1
        assert len(await images.images_of(conn, 1)) == 1
        assert await settings.get_state(conn, "a name") == [1]
        assert await threads.get_thread(conn, 1, 1) is not None
        assert (await ledger.totals(conn)).captures == 0
        # Databases of older versions have no such rows.
        assert [source.id for source in await sources.latest(conn, 1, limit=9)] in ([], [1])
        assert job.source_id == job.mask_id
    await database.close()


async def fill(url: str) -> None:
    """Insert a job with a submission, its event and its image."""
    database = await Database.open(url)
    async with database.write() as tx:
        submission_id = await add_submission(tx, await add_job(tx))
        await add_image(tx, submission_id)
        assert await count(tx, tables.events) == 1
    await database.close()


@contextmanager
def editing(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def schema(path: Path) -> dict[str, str]:
    with editing(path) as connection:
        found: list[tuple[str, str]] = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        ).fetchall()
    return {name: sql for name, sql in found if name not in {"alembic_version", "sqlite_sequence"}}


def declared(path: Path) -> dict[str, str]:
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    return schema(path)


def differences(path: Path) -> list[Any]:
    """The differences between the file's tables and the declared ones."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found: list[Any] = compare_metadata(context, metadata)
    engine.dispose()
    return found


def version(path: Path) -> Any:
    with editing(path) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def rows(path: Path, *names: str) -> list[int]:
    with editing(path) as connection:
        return [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names]  # noqa: S608 - names of ours
