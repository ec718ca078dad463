"""Backs up a database while the bot writes. Copies are consistent, checked, and never overwritten."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from storage.errors import Fault, StorageError
from storage.files import make_file, make_folder, put_in_place
from storage.migrations import known_versions
from storage.sqlite import connection as sqlite
from storage.sqlite.upgrade import version_of

KEPT_BEFORE_MIGRATIONS = 5
"""The number of kept copies from before migrations."""

# The suffixes of files that SQLite may create next to a database.
_BESIDE = ("-wal", "-shm", "-journal")
# The suffix of an unfinished copy.
_HALF = ".part"
RESTORING = ".restoring"
"""The suffix of the new database during a restore, which only the holder of the InstanceLock may do."""


def backup(path: Path, to: Path) -> None:
    """Copy the database, which may be in use, to the new file `to`. Checks the copy and syncs it to the disk.

    The copy contains no interaction tokens. If it fails, raises StorageError and leaves no file. Blocks.
    """
    with sqlite.translated_os_errors(path.parent):
        if version_of(path, known_versions()) is None:
            raise StorageError(Fault.NOTHING_TO_COPY, path=path)
    with sqlite.translated_os_errors(to.parent):
        make_folder(to.parent)
        if to.exists():
            raise StorageError(Fault.FILE_EXISTS, path=to)
        half = _beside(to, _HALF)
        remove(half)
        try:
            duplicate(path, half)
            _erase_tokens(half)
            check(half)
            put_in_place(half, to)
        except BaseException:
            remove(half)
            raise


def before_migration(path: Path, folder: Path, version: str) -> Path:
    """Copy the database before it is migrated, under a new name. Raises StorageError. Blocks."""
    with sqlite.translated_os_errors(folder):
        make_folder(folder)
        number = 1 + max((number for number, _ in _made_before_migrations(path, folder)), default=0)
        copy = folder / f"{path.stem}-{version}-{number}{path.suffix}"
        half = _beside(copy, _HALF)
        remove(half)
        try:
            duplicate(path, half)
            put_in_place(half, copy)
        except BaseException:
            remove(half)
            raise
    return copy


def clear_halves(folder: Path, before: float) -> None:
    """Delete unfinished copies whose process was killed. Raises StorageError. Blocks.

    Copies that were last written after `before` (Unix seconds) are kept, because they may be in progress.
    """
    with sqlite.translated_os_errors(folder):
        for half in folder.glob(f"*{_HALF}*") if folder.is_dir() else ():
            if half.stat().st_mtime < before:
                half.unlink(missing_ok=True)


def keep_latest(path: Path, folder: Path, count: int = KEPT_BEFORE_MIGRATIONS) -> None:
    """Delete all copies from before migrations except the latest. Raises StorageError. Blocks."""
    with sqlite.translated_os_errors(folder):
        for _, copy in sorted(_made_before_migrations(path, folder))[:-count]:
            copy.unlink()


def set_aside(path: Path, to: Path) -> None:
    """Move the current file, even a damaged one, to another name, so that `path` can be replaced.

    No other process may have it open. If it fails, raises StorageError and changes nothing. Blocks.
    """
    with sqlite.translated_os_errors(to.parent):
        make_folder(to.parent)
        if to.exists():
            raise StorageError(Fault.FILE_EXISTS, path=to)
        half, log, kept_log = _beside(to, _HALF), _beside(path, "-wal"), _beside(to, "-wal")
        try:
            if log.exists():
                make_file(kept_log)
                shutil.copyfile(log, kept_log)
            if _without_log(path):
                kept_log.unlink(missing_ok=True)
            make_file(half)
            shutil.copyfile(path, half)
            put_in_place(half, to)
        except BaseException:
            remove(half)
            remove(to)
            raise
        # The new file must not be combined with the log of the old one.
        for suffix in _BESIDE:
            _beside(path, suffix).unlink(missing_ok=True)


def _without_log(path: Path) -> bool:
    """Checkpoint the log into the file. Returns False if it is not a database, or is damaged."""
    try:
        with closing(sqlite.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        raise StorageError(sqlite.fault_of(error) or str(error), path=path) from error
    except sqlite3.DatabaseError:
        return False
    return True


def duplicate(path: Path, to: Path) -> None:
    """Copy a consistent state of the database, including its log, to one file. Raises StorageError. Blocks."""
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as source:
        # From here on the copy sees one state, even during writes. This statement waits for a lock with a timeout;
        # backup() would wait forever.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with sqlite.translated_os_errors(to.parent):
            make_file(to)
        with sqlite.translated_errors(to), closing(sqlite3.connect(to)) as target:
            source.backup(target)
            # Without WAL the copy can be read in a read-only folder.
            target.execute("PRAGMA journal_mode = DELETE")


def check(path: Path) -> None:
    """Raise StorageError if the file is damaged or a foreign key is invalid. Blocks."""
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as connection:
        whole = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        if not whole or connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise StorageError(Fault.DAMAGED, path=path)


def remove(path: Path) -> None:
    """Delete a database file and the files next to it. Raises OSError. Blocks."""
    for suffix in ("", *_BESIDE):
        _beside(path, suffix).unlink(missing_ok=True)


def dated(path: Path, folder: Path, at: datetime, word: str = "") -> Path:
    """Return a path in the folder for a copy made at this time (UTC)."""
    return folder / f"{path.stem}{word}-{at:%Y-%m-%dT%H%M%SZ}{path.suffix}"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _made_before_migrations(path: Path, folder: Path) -> list[tuple[int, Path]]:
    """Return the copies with their numbers, which increase across versions."""
    wanted = re.compile(rf"{re.escape(path.stem)}-\d{{4}}-(\d+){re.escape(path.suffix)}")
    return [(int(match[1]), file) for file in folder.iterdir() if (match := wanted.fullmatch(file.name))]


def _erase_tokens(path: Path) -> None:
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as connection:
        # Without it, the deleted bytes would stay in the file.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("UPDATE jobs SET interaction_token = NULL WHERE interaction_token IS NOT NULL")
