"""Reads the version of a database file and brings it up to date with Alembic."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from storage.errors import Fault, StorageError
from storage.migrations import FOLDER, known_versions
from storage.migrations import upgrade as run_migrations
from storage.sqlite import connection as sqlite
from storage.sqlite import id_sequences


def version_of(path: Path, known: tuple[str, ...]) -> str | None:
    """Return the version recorded in the file, or None if the file is missing or empty.

    Raises StorageError for a newer version, and for the database of another program. Blocks.
    """
    if not path.exists():
        return None
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise StorageError(Fault.OTHER_PROGRAM, path=path)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    version = None if row is None else str(row[0])
    if version not in known:
        raise StorageError(Fault.NEWER_VERSION, path=path)
    return version


def check_current(path: Path) -> None:
    """Raise StorageError unless the file is a database of this program's version. Blocks."""
    with sqlite.translated_os_errors(path.parent):
        known = known_versions()
        version = version_of(path, known)
    if version != known[-1]:
        raise StorageError(Fault.OUTDATED, path=path)


def upgrade(path: Path, folder: Path = FOLDER) -> None:
    """Run and record the missing migrations in one transaction. Creates the file if it is missing.

    If it fails, raises StorageError and changes nothing. Blocks.
    """
    engine = create_engine("sqlite://", creator=lambda: sqlite.connect(path, make=True), poolclass=NullPool)
    sqlite.prepare(engine, sqlite.MIGRATOR, "BEGIN IMMEDIATE")
    try:
        with sqlite.translated_errors(path), engine.begin() as connection:
            given = id_sequences.recorded(connection)
            run_migrations(connection, folder)
            # A rebuilt table would continue from its highest existing id, which may be lower than the highest assigned
            # one.
            id_sequences.raise_to(connection, given)
            if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                raise ValueError("rows would reference rows that do not exist")
    except StorageError:
        raise
    except Exception as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise StorageError(Fault.UPGRADE_FAILED, path=path, reason=reason) from error
