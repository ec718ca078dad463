"""Deletes what is old: image files, previews, pictures that jobs started from, jobs, expired interaction tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import structlog

from bot.clock import Clock, ReferenceClock
from bot.jobs.image_files import Previews, remove_due_files, remove_files
from bot.people.privacy import anonymise_due, compact_if_due
from storage import images, retention, sources
from storage.database import Database
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.reports import DAY

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
TRUSTED_WITHIN = 300.0
"""Seconds by which the clock may differ from Discord's. With a larger difference, ages cannot be trusted."""
DOUBTED_SECONDS = 900.0
"""Seconds until an unconfirmed clock is checked again."""
UNUSED_DAYS = 1
"""Days for which a picture is kept that no job has started from."""
# Rows in one transaction: few, so that other writers need not wait.
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Ages:
    """Retention in days: image files and previews from when they were made, jobs from when they ended.

    A picture that jobs start from is kept as long as an image, from when a job last started from it. A job is kept at
    least as long as its files. Previews are kept no longer than the job. The files of an undelivered result are kept
    as long as its job. Ledger entries are kept forever.
    """

    image_days: int
    job_days: int
    preview_days: int = 90

    @property
    def undelivered_days(self) -> int:
        """Retention of an undelivered job and its files, from when it ended."""
        return max(self.image_days, self.job_days)


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much was deleted."""

    images: int
    jobs: int
    tokens: int
    pictures: int = 0


async def apply_retention(
    database: Database, files: ImageFiles, previews: Previews, clock: Clock, ages: Ages
) -> Deleted:
    """Delete everything that is old enough, except results that are still to be shown. Raises StorageError."""
    now = clock.now()
    async with database.write() as tx:
        tokens = await retention.erase_tokens(tx, now)
    old = now - ages.image_days * DAY
    await remove_due_files(database, files)
    try:
        await previews.make_all(old)
    except StorageError as error:
        # On a full disk, freeing the files' space matters more than keeping their previews.
        log.warning("retention.previews_not_made", reason=str(error))
    gone = await _forget_images(database, files, old, now - ages.undelivered_days * DAY)
    pictures = await _forget_pictures(database, files, used_before=old, added_before=now - UNUSED_DAYS * DAY)
    # A preview is never deleted before its file, because it would be made again.
    await _forget_previews(database, files, now - max(ages.preview_days, ages.image_days) * DAY)
    while await _forget_lapsed(database, now - DAY):
        pass
    jobs = 0
    while count := await _forget_jobs(database, now - ages.job_days * DAY):
        jobs += count
    await anonymise_due(database, now)
    # This comes last: by now the database lists every file that is kept.
    async with database.read() as connection:
        known = await images.image_files(connection)
    await remove_files(database, files, await files.strays(known, old))
    return Deleted(images=gone, jobs=jobs, tokens=tokens, pictures=pictures)


async def run_retention(
    database: Database, files: ImageFiles, previews: Previews, clock: Clock, ages: Ages, reference: ReferenceClock
) -> None:
    """Apply retention now and every hour, forever. Errors are logged, and the next run tries again.

    Nothing is deleted by age unless the ``reference`` confirms the clock.
    """
    doubted = False
    while True:
        wait = EVERY_SECONDS
        try:
            ahead = reference.ahead()
            if ahead is not None and abs(ahead) <= TRUSTED_WITHIN:
                doubted = False
                deleted = await apply_retention(database, files, previews, clock, ages)
                log.info("retention.done", **asdict(deleted))
            else:
                wait = DOUBTED_SECONDS
                if not doubted:
                    log.warning(
                        "retention.clock_not_confirmed", ahead_of_discord=None if ahead is None else round(ahead)
                    )
                doubted = True
                # Deletions that people requested do not depend on the clock.
                await remove_due_files(database, files)
                await compact_if_due(database)
        except StorageError as error:
            log.error("retention.failed", reason=str(error))  # noqa: TRY400 - the reason says it all
        except Exception:
            # This loop must survive a bug, or nothing would be deleted any more.
            log.exception("retention.failed")
        await clock.sleep(wait)


async def _forget_images(database: Database, files: ImageFiles, before: int, kept_before: int) -> int:
    """Delete the files of images made before ``before`` (Unix milliseconds). Returns the number of images.

    The files of an undelivered result are deleted if its job ended before ``kept_before``.
    """
    count = 0
    while True:
        # Delete the record first: a file without a record is removed later, but a record without a file would be wrong.
        async with database.write() as tx:
            old = await images.old_images(tx, before, kept_before=kept_before, limit=AT_ONCE)
            await images.forget_files(tx, [image.id for image in old])
            names = [image.file for image in old if image.file is not None]
            await images.add_removals(tx, names)
        await remove_files(database, files, names)
        count += len(old)
        if not old:
            return count


async def _forget_pictures(database: Database, files: ImageFiles, *, used_before: int, added_before: int) -> int:
    """Delete the files of pictures that jobs last started from before ``used_before``, or never (Unix milliseconds).

    The latter must have been added before ``added_before``. Returns the number of pictures.
    """
    count = 0
    while True:
        async with database.write() as tx:
            old = await sources.due(tx, used_before=used_before, added_before=added_before, limit=AT_ONCE)
            names = await sources.forget_files(tx, [source.id for source in old])
        await remove_files(database, files, names)
        count += len(old)
        if not old:
            return count


async def _forget_previews(database: Database, files: ImageFiles, before: int) -> None:
    """Delete the previews of images made before ``before`` (Unix milliseconds)."""
    while True:
        async with database.write() as tx:
            old = await images.old_previews(tx, before, limit=AT_ONCE)
            await images.forget_previews(tx, [image.id for image in old])
            names = [image.preview for image in old if image.preview is not None]
            await images.add_removals(tx, names)
        await remove_files(database, files, names)
        if not old:
            return


async def _forget_lapsed(database: Database, before: int) -> int:
    async with database.write() as tx:
        return await retention.delete_lapsed(tx, before, limit=AT_ONCE)


async def _forget_jobs(database: Database, before: int) -> int:
    async with database.write() as tx:
        return await retention.delete_jobs(tx, before, limit=AT_ONCE)
