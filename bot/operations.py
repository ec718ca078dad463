"""The operator's commands for the data: backup, restore, retry and reconcile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.config import BACKUPS, Settings
from bot.jobs.provider_text import as_stored
from bot.text import credits_text, message
from storage import reconcile, submissions
from storage.database import Database, InstanceLock, database_path
from storage.jobs import SubmissionStatus
from storage.pools import apart
from storage.sqlite import backups
from storage.sqlite.restore import Restored, restore

PUT_BACK = message(
    "submission.restored",
    "The bot's database was restored from a backup made before your images were finished, so we can't tell what became "
    "of them. Press Again to retry.",
)


async def back_up(settings: Settings, to: Path | None, now: datetime) -> Path:
    """Copy the database, which may be in use, and return the new file: ``to``, or one in ``to`` if that is a folder.

    Without ``to`` it is put into the data folder's ``backups``. Raises StorageError.
    """
    path = database_path(settings.database_url)

    def copy() -> Path:
        folder = settings.data_dir / BACKUPS if to is None else to
        target = backups.dated(path, folder, now) if to is None or to.is_dir() else to
        backups.backup(path, target)
        return target

    return await apart(copy)


async def put_back(settings: Settings, copy: Path, now: datetime) -> list[str]:
    """Make a copy the database; a few sentences on what that meant. Raises StorageError, also while the bot runs."""
    path = database_path(settings.database_url)
    aside = backups.dated(path, settings.data_dir / BACKUPS, now, "-replaced")
    async with InstanceLock(settings.database_url):
        replaced = await apart(path.exists)
        # Where the file really is, so that a link to it stays one.
        real = await apart(path.resolve)
        restored = await restore(
            real, copy, aside=aside, problems=as_stored(PUT_BACK()), at=int(now.timestamp() * 1000)
        )
    return list(_told(restored, path, copy, aside if replaced else None))


def _told(restored: Restored, path: Path, copy: Path, aside: Path | None) -> Iterator[str]:
    yield f"{copy} was put back as {path}."
    if aside is not None:
        yield f"What was there before is kept as {aside}."
    if restored.unknown:
        yield (
            f"Unfinished requests in it: {restored.unknown}. Their outcome is unknown, they cost nothing and are not "
            f"sent again. Jobs whose people are told so at the next start: {restored.told}."
        )
    if restored.kept:
        yield (
            f"Finished jobs that had not been shown yet: {restored.kept}. They are kept, and not shown by themselves, "
            "since that was probably done after the copy was made."
        )


async def ask_again(settings: Settings, providers: Collection[str], now: datetime) -> list[str]:
    """Take back the end of what became unknown, as far as these providers can still be asked for it.

    It is asked for at the next start, never sent again. Returns a few sentences on what that meant. Raises
    StorageError, also while the bot runs.
    """
    async with InstanceLock(settings.database_url):
        database = await Database.open(settings.database_url)
        try:
            async with database.write() as tx:
                at = int(now.timestamp() * 1000)
                reopened = await submissions.reopen(tx, providers, at=at)
        finally:
            await database.close()
    told = (
        f"Requests that are asked for again at the next start: {reopened.submissions}, of {reopened.jobs} jobs. "
        "None of them is sent a second time."
    )
    left = (
        f"Requests that stay unknown: {reopened.left}. Their service is not set up or cannot be asked for them, or "
        "somebody cancelled or deleted them."
    )
    return [told, left] if reopened.left else [told]


async def books(settings: Settings) -> tuple[list[str], bool]:
    """What the ledger says, a line each, and whether it agrees with the submissions. Raises StorageError."""
    database = await Database.open(settings.database_url)
    try:
        async with database.read() as connection:
            found = await reconcile.reconcile(connection)
    finally:
        await database.close()
    return list(_lines(found)), not found.differences


def _lines(found: reconcile.Books) -> Iterator[str]:
    for one in found.standing:
        subject = f"submission {one.submission_id} of job {one.job_id} ({one.engine})"
        since = f"{datetime.fromtimestamp(one.since / 1000, UTC):%Y-%m-%d %H:%M} UTC"
        if one.status is SubmissionStatus.UNKNOWN:
            yield f"unknown  {subject}: since {since}, {credits_text(one.held)} given back"
        else:
            yield f"open     {subject}: {one.status} since {since}, {credits_text(one.held)} held"
    for more in found.beyond:
        told = f"{credits_text(more.charged)} charged by the service, {credits_text(more.captured)} of them captured"
        if more.charged <= more.captured:
            told = "sent twice: the service may bill it twice"
        yield f"beyond   submission {more.submission_id} of job {more.job_id} ({more.engine}, {more.status}): {told}"
    for difference in found.differences:
        yield f"differs  {difference.subject}: {difference.wrong}"
    totals = found.totals
    agree = f"differ in {len(found.differences)} places" if found.differences else "agree"
    yield (
        f"Submissions: {found.submissions}, ledger entries: {found.entries}. "
        f"Spent: {credits_text(totals.spent)}, held: {credits_text(totals.in_flight)}. The books {agree}."
    )
