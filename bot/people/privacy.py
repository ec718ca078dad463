"""What is stored on a person: handed to them as a file, or deleted. It knows no Discord."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.clock import Clock
from bot.domain.periods import Period, current, milliseconds
from bot.errors import UserError
from bot.jobs.file_removal import remove
from bot.people.user_settings import UserSettingsStore
from storage import privacy, removals
from storage.database import Database
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.pools import apart
from storage.privacy import Belongings

log = structlog.get_logger(__name__)

COMPACT_AT_ONCE = 32 * 2**20
"""Bytes of a database that is quick to write anew; a larger one is left to the hourly chores."""

ABOUT = (
    "Everything that Easel has stored on you. Times are UTC. Amounts are thousandths of a credit. In the ledger a hold "
    "is set aside, a capture was spent, and a release gives a hold back. A file is a picture that is still stored; "
    "you can save it from its card in Discord."
)


@dataclass(frozen=True, slots=True)
class Export:
    """A file for its person: what to call it, and its content."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted of a person. ``left`` is the number of files that could not be removed yet."""

    belongings: Belongings
    left: int


class Privacy:
    """The verbs of /privacy."""

    def __init__(self, database: Database, files: ImageFiles, personal: UserSettingsStore, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._personal = personal
        self._clock = clock
        self._exporting = asyncio.Lock()

    async def export(self, user_id: int, *, file_limit: int) -> Export:
        """All that is stored on this person, packed if it has more than ``file_limit`` bytes.

        Raises UserError where even that is too large.
        """
        # One at a time: each takes a thread, and memory for all that there is.
        async with self._exporting:
            async with self._database.read() as connection:
                rows = await privacy.everything(connection, user_id)
            return await apart(_export, rows, self._clock.now(), user_id, file_limit)

    async def deletable(self, user_id: int) -> Belongings:
        """What would be deleted. Raises UserError where nothing is stored or a job is running."""
        async with self._database.read() as connection:
            theirs = await privacy.belongings(connection, user_id)
        _refuse_running(theirs)
        if not theirs.anything:
            raise UserError("Nothing of yours is stored but what you have spent, if you have.")
        return theirs

    async def delete(self, user_id: int) -> Deleted:
        """Delete all of it but the amounts. Raises UserError where a job is running.

        Files that cannot be removed now are tried again every hour.
        """
        due_at = latest_end_of_a_period(self._clock.now())
        async with self._database.write() as tx:
            theirs = await privacy.belongings(tx, user_id)
            _refuse_running(theirs)
            files = await privacy.delete_all(tx, user_id, due_at=due_at)
            await removals.add(tx, files)
        self._personal.forget(user_id)
        left = await remove(self._database, self._files, files)
        log.info("privacy.deleted", user=user_id, jobs=theirs.jobs, files=len(files), left=left)
        try:
            if await self._database.size() <= COMPACT_AT_ONCE:
                await compact_if_due(self._database)
        except StorageError as error:
            # The rows are gone and overwritten; what may be left of them goes within the hour.
            log.warning("privacy.not_compacted", reason=str(error))
        return Deleted(theirs, left)


async def say_farewell(database: Database, now: int) -> None:
    """The hourly part of it: whose time in the ledger is over becomes nobody there. Raises StorageError."""
    async with database.write() as tx:
        gone = await privacy.make_anonymous(tx, now)
    if gone:
        log.info("privacy.made_anonymous", people=gone)
    await compact_if_due(database)


async def compact_if_due(database: Database) -> None:
    """Leave no remains of what was deleted in the database's files. Raises StorageError."""
    async with database.read() as connection:
        due = await privacy.compact_due(connection)
    if due is None:
        return
    if await database.compact():
        async with database.write() as tx:
            await privacy.compacted(tx, due)


def latest_end_of_a_period(now: int) -> int:
    """When the day, the week and the month of ``now`` are all over: no limit reaches further. Unix milliseconds."""
    return max(milliseconds(current(period, now)[1]) for period in Period)


def _refuse_running(theirs: Belongings) -> None:
    if theirs.running:
        raise UserError(
            f"Unfinished jobs of yours: {theirs.running}. Wait for them or cancel them first. Nothing was deleted."
        )


def _export(rows: Mapping[str, list[dict[str, Any]]], now: int, user_id: int, file_limit: int) -> Export:
    told = {
        "about": ABOUT,
        "made_at": _moment(now),
        "user_id": user_id,
        **{table: [_plain(row) for row in found] for table, found in rows.items()},
    }
    data = json.dumps(told, ensure_ascii=False, indent=1).encode()
    if len(data) <= file_limit:
        return Export("easel-my-data.json", data)
    packed = gzip.compress(data)
    if len(packed) <= file_limit:
        return Export("easel-my-data.json.gz", packed)
    raise UserError(
        f"There is more stored on you than one file may hold here ({len(packed):,} bytes packed). "
        "Ask whoever runs this bot for it."
    )


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _moment(value) if (name == "at" or name.endswith("_at")) and value is not None else value
        for name, value in row.items()
    }


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
