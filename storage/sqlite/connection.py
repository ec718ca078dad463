"""Sets up SQLite connections, and interprets SQLite's errors.

Statements that only SQLite understands are in this package.
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

from storage.errors import Fault, StorageError

VERSION = sqlite3.sqlite_version_info
"""The version of the SQLite library that Python uses."""

# Seconds for which a connection waits for another program's lock.
PATIENCE_SECONDS = 5.0

# Durable when COMMIT returns, even after a power cut: a paid request must never be lost. Deleted content is
# overwritten.
WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)
READER = ("PRAGMA query_only = ON",)
# With foreign keys enabled, rebuilding a table deletes the rows that reference it, and they cannot be disabled inside a
# transaction. So they are disabled from the start and checked before COMMIT.
MIGRATOR = ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = OFF")

_FAULTS = {
    sqlite3.SQLITE_NOTADB: Fault.NOT_A_DATABASE,
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
    sqlite3.SQLITE_FULL: Fault.DISK_FULL,
    sqlite3.SQLITE_BUSY: Fault.LOCKED,
    sqlite3.SQLITE_LOCKED: Fault.LOCKED,
    sqlite3.SQLITE_CANTOPEN: Fault.CANNOT_OPEN,
    sqlite3.SQLITE_PERM: Fault.NO_RIGHTS,
    sqlite3.SQLITE_IOERR: Fault.DISK_ERROR,
}


def trustworthy(version: tuple[int, ...]) -> bool:
    """Return whether this version is free of the WAL-reset bug.

    With the bug, two connections that write or checkpoint at the same time can damage the file. It was fixed in 3.51.3,
    3.50.7 and 3.44.6.
    """
    major, minor, patch = version
    fixed = {(3, 44): 6, (3, 50): 7}.get((major, minor))
    return version >= (3, 51, 3) or (fixed is not None and patch >= fixed)


def connect(path: Path, *, make: bool = False) -> sqlite3.Connection:
    """Open a file, and create it only if ``make`` is true. Begins no transaction. Blocks; raises sqlite3.Error."""
    address = f"{path.absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE_SECONDS)


def prepare(engine: Engine, pragmas: tuple[str, ...], begin: str) -> None:
    """Run these pragmas on each new connection, and this statement at the start of each transaction."""

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
    """VACUUM the file and truncate the WAL. Returns False if a reader prevented the truncation.

    Overwriting deleted rows is not enough, because pages contain copies of moved rows. Blocks; raises sqlite3.Error.
    """
    with closing(connect(path)) as connection:
        connection.execute("VACUUM")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


def fault_of(error: BaseException) -> Fault | None:
    """Return the fault of the file or the disk that caused the error, or None for another error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The low byte is the kind of the error. The rest of the code is a detail.
    code = getattr(cause, "sqlite_errorcode", None)
    return _FAULTS.get(code & 0xFF) if isinstance(code, int) else None


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file or the disk into StorageError. Other errors pass through."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise StorageError(fault, path=path) from error
    except PoolTimeoutError as error:
        raise StorageError(Fault.TOO_BUSY, path=path) from error


@contextmanager
def translated_os_errors(folder: Path) -> Iterator[None]:
    """Turn OSError into StorageError, for files in this folder."""
    try:
        yield
    except OSError as error:
        raise StorageError(Fault.FOLDER_UNUSABLE, path=folder, reason=error.strerror) from error
