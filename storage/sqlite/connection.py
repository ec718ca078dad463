"""What is SQLite's own: how its connections are set up, and what its errors mean in plain sentences.

Statements that only SQLite understands stand here and in the modules that handle its files: schema, copies, restore.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from storage.errors import StorageError

VERSION = sqlite3.sqlite_version_info
"""The version of the library that Python uses."""

# How long a connection waits for another program's lock.
PATIENCE_SECONDS = 5.0

# Durable when COMMIT returns, also over a power cut: a paid request must never be forgotten.
# What is deleted is overwritten and not only left out.
WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)
READER = ("PRAGMA query_only = ON",)
# Rebuilding a table deletes the rows that point at it where foreign keys are on, and inside a transaction the switch
# is ignored: so it is off from the start, and the keys are checked before COMMIT.
MIGRATOR = ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = OFF")

_SENTENCES = {
    sqlite3.SQLITE_NOTADB: "{path} is not a database.",
    sqlite3.SQLITE_CORRUPT: "The database {path} is damaged. Put a copy of it back.",
    sqlite3.SQLITE_READONLY: "The database {path} cannot be written: the file or its folder is read-only.",
    sqlite3.SQLITE_FULL: "The disk is full: the database {path} cannot take more.",
    sqlite3.SQLITE_BUSY: "The database {path} is locked by another program.",
    sqlite3.SQLITE_LOCKED: "The database {path} is locked by another program.",
    sqlite3.SQLITE_CANTOPEN: "The database {path} cannot be opened: check that its folder can be read and written.",
    sqlite3.SQLITE_PERM: "The database {path} cannot be opened: this user may not read and write it.",
    sqlite3.SQLITE_IOERR: "The disk reports an error for the database {path}.",
}


def trustworthy(version: tuple[int, ...]) -> bool:
    """Whether this version is without the WAL-reset bug, by which two connections that write or checkpoint at the same
    moment can damage the file; it was mended in 3.51.3, and for those who stay in 3.50.7 and 3.44.6.
    """
    major, minor, patch = version
    mended = {(3, 44): 6, (3, 50): 7}.get((major, minor))
    return version >= (3, 51, 3) or (mended is not None and patch >= mended)


def connect(path: Path, *, make: bool = False) -> sqlite3.Connection:
    """Open a file, making it only if that is wanted. Begins no transaction by itself. Blocks; raises sqlite3.Error."""
    address = f"{path.absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE_SECONDS)


def prepare(engine: Engine, pragmas: tuple[str, ...], begin: str) -> None:
    """Have each connection set up like this, and each transaction begun like this."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def compact(path: Path) -> bool:
    """Write the file anew with nothing in it but what is stored, and empty the log; False if somebody still reads that.

    Overwriting alone is not enough: pages keep copies of rows that were moved to others. Blocks; raises sqlite3.Error.
    """
    with closing(connect(path)) as connection:
        connection.execute("VACUUM")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


def sentence(error: BaseException) -> str | None:
    """What is wrong with the file or the disk, if that is what the error is about; {path} stands for the file."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The low byte is the kind, the rest of the code a detail of it.
    code = getattr(cause, "sqlite_errorcode", None)
    return _SENTENCES.get(code & 0xFF) if isinstance(code, int) else None


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turn what is wrong with the file or the disk into a StorageError; every other error goes on as it is."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        told = sentence(error)
        if told is None:
            raise
        raise StorageError(told.format(path=path)) from error
    except PoolTimeoutError as error:
        raise StorageError(f"The database {path} is too busy.") from error


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Turn the folder's errors into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"The folder {folder} cannot be used: {error.strerror}.") from error
