"""Exports or deletes everything stored about a person."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bot.clock import Clock
from bot.domain.periods import Period, current, milliseconds, moment_of
from bot.errors import UserError
from bot.jobs.image_files import remove_files
from bot.people.user_settings import UserSettingsStore
from bot.text import message
from storage import images, privacy
from storage.database import Database
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.pools import apart
from storage.privacy import Summary

log = structlog.get_logger(__name__)

COMPACT_AT_ONCE = 32 * 2**20
"""The size in bytes up to which a database is compacted immediately. A larger one is left to the hourly run."""

ABOUT_EXPORT = message(
    "privacy.about_export",
    "Everything that Easel has stored about you. Times are UTC. Amounts are thousandths of a credit. In the ledger, a "
    "hold is set aside, a capture was spent, and a release returns a hold. A file is an image that is still stored; "
    "you can save it from its message in Discord. Sources are the pictures that you started from; their files are in "
    "the folder pictures beside this file.",
)
NOTHING_STORED = message(
    "privacy.nothing_stored", "Nothing about you is stored, except what you have spent, if anything."
)
JOBS_UNFINISHED = message(
    "privacy.jobs_unfinished",
    "You have {count} unfinished job. Wait for it or cancel it first. Nothing was deleted.",
    "You have {count} unfinished jobs. Wait for them or cancel them first. Nothing was deleted.",
)
TOO_LARGE = message(
    "privacy.too_large",
    "Your data is too large for a file here ({bytes} bytes compressed). Ask the bot's operator for it.",
)


EXPORT_AT_MOST = 32 * 2**20
"""The size limit of an export in bytes, because it is made in memory."""
PICTURES = "pictures"
"""The folder in an export with the pictures that a person started from."""
_ENTRY_BYTES = 256
"""More than an archive needs for an entry besides its content and twice its name."""


@dataclass(frozen=True, slots=True)
class Export:
    """The file that a person gets: its name and its content.

    If they started from pictures, it is a ZIP archive. ``pictures`` are how many are in it, and ``left_out`` how many
    are stored but were too large for it.
    """

    name: str
    data: bytes = field(repr=False)
    pictures: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Deleted:
    """The result of a deletion. ``not_removed`` is the number of files that could not be removed yet."""

    summary: Summary
    not_removed: int


class Privacy:
    """The work behind ``/privacy``."""

    def __init__(self, database: Database, files: ImageFiles, personal: UserSettingsStore, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._personal = personal
        self._clock = clock
        self._exporting = asyncio.Lock()

    async def export(self, user_id: int, *, file_limit: int) -> Export:
        """Export everything stored about this person, compressed if it is larger than ``file_limit`` bytes.

        The pictures that they started from are added, latest first, as far as they fit. Raises UserError if the data
        alone is too large.
        """
        # One export at a time: each needs a thread, and memory for all of the data.
        async with self._exporting:
            async with self._database.read() as connection:
                rows = await privacy.everything(connection, user_id)
            stored = [self._files.path(row["file"]) for row in reversed(rows["sources"]) if row.get("file")]
            return await apart(_export, rows, stored, self._clock.now(), user_id, min(file_limit, EXPORT_AT_MOST))

    async def deletable(self, user_id: int) -> Summary:
        """Summarise what would be deleted. Raises UserError if nothing is stored or a job is unfinished."""
        async with self._database.read() as connection:
            stored = await privacy.summary(connection, user_id)
        _refuse_unfinished(stored)
        if not stored.anything:
            raise UserError(NOTHING_STORED)
        return stored

    async def delete(self, user_id: int) -> Deleted:
        """Delete everything but the amounts. Raises UserError if a job is unfinished.

        Files that cannot be removed now are retried every hour.
        """
        due_at = end_of_every_period(self._clock.now())
        async with self._database.write() as tx:
            stored = await privacy.summary(tx, user_id)
            _refuse_unfinished(stored)
            files = await privacy.delete_all(tx, user_id, due_at=due_at)
            await images.add_removals(tx, files)
        self._personal.forget(user_id)
        not_removed = await remove_files(self._database, self._files, files)
        log.info("privacy.deleted", user=user_id, jobs=stored.jobs, files=len(files), not_removed=not_removed)
        try:
            if await self._database.size() <= COMPACT_AT_ONCE:
                await compact_if_due(self._database)
        except StorageError as error:
            # The rows are deleted and overwritten. The hourly run removes copies of them in other pages.
            log.warning("privacy.not_compacted", reason=str(error))
        return Deleted(stored, not_removed)


async def anonymise_due(database: Database, now: int) -> None:
    """Anonymise the ledger entries of people who deleted their data, after their periods. Raises StorageError."""
    async with database.write() as tx:
        people = await privacy.anonymise(tx, now)
    if people:
        log.info("privacy.anonymised", people=people)
    await compact_if_due(database)


async def compact_if_due(database: Database) -> None:
    """Remove the remains of deleted rows from the database's files, if there are any. Raises StorageError."""
    async with database.read() as connection:
        due = await privacy.compact_due(connection)
    if due is None:
        return
    if await database.compact():
        async with database.write() as tx:
            await privacy.compacted(tx, due)


def end_of_every_period(now: int) -> int:
    """The end of the current day, week and month, whichever is last. No limit counts them then. Unix milliseconds."""
    return max(milliseconds(current(period, now)[1]) for period in Period)


def _refuse_unfinished(stored: Summary) -> None:
    if stored.unfinished:
        raise UserError(JOBS_UNFINISHED(count=stored.unfinished))


def _export(
    rows: Mapping[str, list[dict[str, Any]]], stored: Sequence[Path], now: int, user_id: int, file_limit: int
) -> Export:
    export = {
        "about": str(ABOUT_EXPORT),
        "made_at": _moment(now),
        "user_id": user_id,
        **{table: [_plain(row) for row in found] for table, found in rows.items()},
    }
    data = json.dumps(export, ensure_ascii=False, indent=1).encode()
    if sizes := {path: path.stat().st_size for path in stored if path.is_file()}:
        return _archive(data, sizes, file_limit)
    if len(data) <= file_limit:
        return Export("easel-my-data.json", data)
    packed = gzip.compress(data)
    if len(packed) <= file_limit:
        return Export("easel-my-data.json.gz", packed)
    raise UserError(TOO_LARGE(bytes=len(packed)))


def _archive(data: bytes, sizes: Mapping[Path, int], file_limit: int) -> Export:
    """Make a ZIP archive of the data and as many of these files as fit, in their order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("easel-my-data.json", data)
        size, added = stream.tell() + _ENTRY_BYTES, 0
        for path, length in sizes.items():
            name = f"{PICTURES}/{path.name}"
            more = length + _ENTRY_BYTES + 2 * len(name)
            if size + more <= file_limit:
                # Pictures are compressed already.
                archive.write(path, name, zipfile.ZIP_STORED)
                size, added = size + more, added + 1
    packed = stream.getvalue()
    if len(packed) > file_limit:
        raise UserError(TOO_LARGE(bytes=len(packed)))
    return Export("easel-my-data.zip", packed, pictures=added, left_out=len(sizes) - added)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _moment(value) if (name == "at" or name.endswith("_at")) and value is not None else value
        for name, value in row.items()
    }


def _moment(at: int) -> str:
    return moment_of(at).isoformat(timespec="milliseconds")
