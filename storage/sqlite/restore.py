"""Putting a copy of the database back, so that nothing is paid for twice on its word.

The bot went on after the copy was made: what is unfinished in it was sent, finished and shown meanwhile, or was not.
Nobody can tell, so none of it is taken up. All is done on a file aside, and one renaming at the end makes it the
database: whatever happens before, the present one stays.
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
from storage.errors import StorageError
from storage.files import make_folder, put_in_place
from storage.migrations import known_versions
from storage.pools import apart
from storage.records import UNFINISHED, EventReason, JobStatus, SubmissionStatus
from storage.sqlite import backups, id_sequences
from storage.sqlite import connection as sqlite
from storage.sqlite.upgrade import upgrade, version_of
from storage.submissions import end_free

WHY = "put back from a copy"

_JOBS = tables.jobs.c


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of what was unfinished in a copy.

    `unknown` submissions cost nothing any more; the authors of `told` jobs are told so at the next start; `kept` jobs
    had finished, and were probably shown after the copy was made.
    """

    unknown: int
    told: int
    kept: int


async def restore(path: Path, copy: Path, *, aside: Path, problems: Sequence[dict[str, Any]], at: int) -> Restored:
    """Make a copy the database at `path`, keeping the present one as `aside`.

    `problems` are the stored texts for the cards of what was unfinished, `at` is Unix milliseconds (UTC). Only the
    holder of the InstanceLock may call it. Raises StorageError: then the present database is as it was.
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
    """Make the file aside: the copy, found to be whole, of the version of today."""
    with sqlite.usable(copy.parent):
        if not copy.is_file():
            raise StorageError(f"There is no file {copy}.")
        if path.exists() and copy.samefile(path):
            raise StorageError(f"{copy} is the present database itself: name a copy of it.")
    known = known_versions()
    version = version_of(copy, known)
    if version is None:
        raise StorageError(f"{copy} is empty: there is nothing in it to put back.")
    with sqlite.usable(path.parent):
        make_folder(path.parent)
        backups.remove(half)
    backups.duplicate(copy, half)
    try:
        backups.check(half)
    except StorageError as error:
        raise StorageError(f"{copy} is damaged: it was not put back.") from error
    if version != known[-1]:
        upgrade(half)


async def _settle(half: Path, given: Mapping[str, int], problems: Sequence[dict[str, Any]], at: int) -> Restored:
    database = await Database.open(database_url(half))
    try:
        async with database.write() as tx:
            restored = await _end_what_is_open(tx, problems, at)
            # Ids that were given after the copy was made stand on cards that people still press.
            await tx.run_sync(id_sequences.pass_over, given, at)
            return restored
    finally:
        await database.close()


async def _end_what_is_open(tx: AsyncConnection, problems: Sequence[dict[str, Any]], at: int) -> Restored:
    jobs = update(tables.jobs)
    ready, proposed = _JOBS.status == JobStatus.READY.value, _JOBS.status == JobStatus.PROPOSED.value
    note = f"kept: {WHY}, and may have been shown before"
    kept = await tx.execute(jobs.where(ready).values(status=JobStatus.KEPT.value, delivery_note=note, updated_at=at))
    await tx.execute(jobs.where(proposed).values(status=JobStatus.LAPSED.value, ended_at=at, updated_at=at))
    unknown = await end_free(
        tx, UNFINISHED, SubmissionStatus.UNKNOWN, at=at, why=EventReason.RESTORED, problems=problems
    )
    # The card of such a job may show its images by now, so it is left alone and the news comes in a message of its own.
    await tx.execute(jobs.where(ready).values(message_id=None, delivery_nonce=None))
    await tx.execute(jobs.values(interaction_token=None, token_expires_at=None))
    told_jobs = (await tx.execute(select(func.count()).select_from(tables.jobs).where(ready))).scalar_one()
    return Restored(unknown=unknown, told=int(told_jobs), kept=int(kept.rowcount))


def _take_its_place(path: Path, half: Path, aside: Path) -> None:
    with sqlite.plainly(half), closing(sqlite.connect(half)) as connection:
        # Everything into the one file, since its log would not go with it.
        connection.execute("PRAGMA journal_mode = DELETE")
    with sqlite.usable(path.parent):
        if path.exists():
            backups.set_aside(path, aside)
        put_in_place(half, path)


def _clear(half: Path) -> None:
    with sqlite.usable(half.parent):
        backups.remove(half)
