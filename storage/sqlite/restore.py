"""Restores a backup of the database without paying for anything twice.

The bot kept running after the backup. So it is unknown whether the unfinished requests in the backup were sent,
finished or shown, and none of them is continued. All work is done on a second file, which replaces the database by one
rename at the end. If anything fails before that, the current database is unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.database import Database, database_url
from storage.endings import end_free, finish_reopened
from storage.errors import Fault, StorageError
from storage.files import make_folder, put_in_place
from storage.migrations import known_versions
from storage.notifications import drop_due
from storage.pools import apart
from storage.records import UNFINISHED, DeliveryReason, EventReason, JobStatus, SubmissionStatus
from storage.sqlite import backups, id_sequences
from storage.sqlite import connection as sqlite
from storage.sqlite.upgrade import upgrade, version_of

_JOBS = tables.jobs.c


@dataclass(frozen=True, slots=True)
class Restored:
    """The outcome for unfinished work in a backup.

    `unknown` submissions are not charged. The authors of `told` jobs get a message at the next start. `kept` jobs had
    finished, and were probably shown after the backup was made.
    """

    unknown: int
    told: int
    kept: int


async def restore(path: Path, copy: Path, *, aside: Path, problems: Sequence[dict[str, Any]], at: int) -> Restored:
    """Replace the database at `path` by a copy, and keep the current one as `aside`.

    `problems` are the stored texts for the cards of unfinished jobs, `at` is in Unix milliseconds (UTC). Only the
    holder of the InstanceLock may call it. If it fails, raises StorageError and leaves the current database unchanged.
    """
    half = path.with_name(f"{path.name}{backups.RESTORING}")
    try:
        await apart(_prepare, path, copy, half)
        given = await apart(id_sequences.last_ids, path)
        restored = await _settle(half, given, problems, at)
        await apart(_take_its_place, path, half, aside)
    finally:
        await apart(_clear, half)
    return restored


def _prepare(path: Path, copy: Path, half: Path) -> None:
    """Make the second file: the checked and migrated copy."""
    with sqlite.translated_os_errors(copy.parent):
        if not copy.is_file():
            raise StorageError(Fault.FILE_MISSING, path=copy)
        if path.exists() and copy.samefile(path):
            raise StorageError(Fault.COPY_IS_THE_DATABASE, path=copy)
    known = known_versions()
    version = version_of(copy, known)
    if version is None:
        raise StorageError(Fault.COPY_EMPTY, path=copy)
    with sqlite.translated_os_errors(path.parent):
        make_folder(path.parent)
        backups.remove(half)
    backups.duplicate(copy, half)
    try:
        backups.check(half)
    except StorageError as error:
        raise StorageError(Fault.COPY_DAMAGED, path=copy) from error
    if version != known[-1]:
        upgrade(half)


async def _settle(half: Path, given: Mapping[str, int], problems: Sequence[dict[str, Any]], at: int) -> Restored:
    database = await Database.open(database_url(half))
    try:
        async with database.write() as tx:
            restored = await _end_what_is_open(tx, problems, at)
            # Ids that were assigned after the backup are on cards with buttons that people still press.
            await tx.run_sync(id_sequences.skip_past, given, at)
            return restored
    finally:
        await database.close()


async def _end_what_is_open(tx: AsyncConnection, problems: Sequence[dict[str, Any]], at: int) -> Restored:
    jobs = update(tables.jobs)
    ready, proposed = _JOBS.status == JobStatus.READY.value, _JOBS.status == JobStatus.PROPOSED.value
    undelivered = await tx.execute(
        jobs.where(ready).values(
            status=JobStatus.UNDELIVERED.value, delivery_reasons=[DeliveryReason.RESTORED], updated_at=at
        )
    )
    await tx.execute(jobs.where(proposed).values(status=JobStatus.LAPSED.value, ended_at=at, updated_at=at))
    await finish_reopened(tx, at=at, why=EventReason.RESTORED)
    unknown = await end_free(
        tx, UNFINISHED, SubmissionStatus.UNKNOWN, at=at, why=EventReason.RESTORED, problems=problems
    )
    # The card of such a job may already show its images, so it is left alone. A new message informs the author.
    await tx.execute(jobs.where(ready).values(message_id=None, attempting=None))
    await tx.execute(jobs.values(interaction_token=None, token_expires_at=None))
    # The authors may have been notified since.
    await drop_due(tx)
    told_jobs = (await tx.execute(select(func.count()).select_from(tables.jobs).where(ready))).scalar_one()
    return Restored(unknown=unknown, told=int(told_jobs), kept=int(undelivered.rowcount))


def _take_its_place(path: Path, half: Path, aside: Path) -> None:
    with sqlite.translated_errors(half), closing(sqlite.connect(half)) as connection:
        # Checkpoint the log into the file, because only the file is renamed.
        connection.execute("PRAGMA journal_mode = DELETE")
    with sqlite.translated_os_errors(path.parent):
        if path.exists():
            backups.set_aside(path, aside)
        put_in_place(half, path)


def _clear(half: Path) -> None:
    with sqlite.translated_os_errors(half.parent):
        backups.remove(half)
