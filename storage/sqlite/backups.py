"""Copies of a database: whole at one moment although the bot writes meanwhile, checked, and never overwritten."""

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

# So many of the copies that are made before the database is brought up to date are kept.
KEPT_BEFORE_MIGRATIONS = 5

# What SQLite may put beside a file.
_BESIDE = ("-wal", "-shm", "-journal")
# What is behind the name of a copy that is still being made.
_HALF = ".part"
RESTORING = ".restoring"
"""What is behind the database's own name while a copy is put back; only the holder of the InstanceLock does that."""


def backup(path: Path, to: Path) -> None:
    """Copy the database, which may be in use, into the new file `to`, check the copy, and put it onto the disk.

    The copy holds no interaction tokens. Raises StorageError: no file is left then. Blocks.
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
    """Copy the database before it is migrated, under a name that no earlier copy has. Raises StorageError. Blocks."""
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
    """Delete copies that were never finished, since whoever made them was killed. Raises StorageError. Blocks.

    Those that were last written after `before` (Unix seconds) may still be written.
    """
    with sqlite.translated_os_errors(folder):
        for half in folder.glob(f"*{_HALF}*") if folder.is_dir() else ():
            if half.stat().st_mtime < before:
                half.unlink(missing_ok=True)


def keep_latest(path: Path, folder: Path, count: int = KEPT_BEFORE_MIGRATIONS) -> None:
    """Delete all but the latest of the copies that were made before migrations. Raises StorageError. Blocks."""
    with sqlite.translated_os_errors(folder):
        for _, copy in sorted(_made_before_migrations(path, folder))[:-count]:
            copy.unlink()


def set_aside(path: Path, to: Path) -> None:
    """Keep the present file under another name, as it is, also if it is damaged; then `path` may be replaced.

    Nobody else may have it open. Raises StorageError: nothing is changed then. Blocks.
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
        # Another file that takes this one's place must not find a log that is not its own.
        for suffix in _BESIDE:
            _beside(path, suffix).unlink(missing_ok=True)


def _without_log(path: Path) -> bool:
    """Take over into the file what stands in its log. False if it is no database, or a damaged one."""
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
    """Copy all that the database holds at one moment, its log included, into one file. Raises StorageError. Blocks."""
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as source:
        # From here on the copy is of one state, whoever writes meanwhile; and a lock is waited for here, not in backup,
        # which would wait for ever.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with sqlite.translated_os_errors(to.parent):
            make_file(to)
        with sqlite.translated_errors(to), closing(sqlite3.connect(to)) as target:
            source.backup(target)
            # So that it can be read where nothing can be written beside it.
            target.execute("PRAGMA journal_mode = DELETE")


def check(path: Path) -> None:
    """Raise StorageError unless all in the file is whole and every row that is pointed at is there. Blocks."""
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as connection:
        whole = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        if not whole or connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise StorageError(Fault.DAMAGED, path=path)


def remove(path: Path) -> None:
    """Delete a database file with what may be beside it; raises OSError. Blocks."""
    for suffix in ("", *_BESIDE):
        _beside(path, suffix).unlink(missing_ok=True)


def dated(path: Path, folder: Path, at: datetime, word: str = "") -> Path:
    """A name in the folder for a copy of the database that is made at this moment (UTC)."""
    return folder / f"{path.stem}{word}-{at:%Y-%m-%dT%H%M%SZ}{path.suffix}"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _made_before_migrations(path: Path, folder: Path) -> list[tuple[int, Path]]:
    """The copies with their numbers, which rise from one to the next whatever the version."""
    wanted = re.compile(rf"{re.escape(path.stem)}-\d{{4}}-(\d+){re.escape(path.suffix)}")
    return [(int(match[1]), file) for file in folder.iterdir() if (match := wanted.fullmatch(file.name))]


def _erase_tokens(path: Path) -> None:
    with sqlite.translated_errors(path), closing(sqlite.connect(path)) as connection:
        # Otherwise the bytes would stay in the file.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("UPDATE jobs SET interaction_token = NULL WHERE interaction_token IS NOT NULL")
