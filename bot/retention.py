"""Forgetting by age: image files, jobs with all their records, and interaction tokens that are over."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.clock import Clock, Witness
from bot.jobs.file_removal import remove, remove_due
from bot.jobs.previews import Previews
from bot.people.privacy import compact_if_due, say_farewell
from storage import images, tidying
from storage.database import Database
from storage.errors import StorageError
from storage.images import ImageFiles

log = structlog.get_logger(__name__)

DAY = 86_400_000
EVERY_SECONDS = 3600.0
TRUSTED_WITHIN = 300.0
"""Seconds by which the clock may differ from Discord's; beyond that nobody knows how old anything is."""
DOUBTED_SECONDS = 900.0
"""Seconds after which a clock that was not confirmed is looked at again."""
# Rows of one transaction: short enough that nobody who writes meanwhile has to wait.
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Ages:
    """For how many days things are kept: image files and their previews after they were made, jobs after they ended.

    A job stays at least as long as its files, and its previews no longer than the job. What could not be shown keeps
    its files as long as its job. Entries in the ledger stay for ever.
    """

    image_days: int
    job_days: int
    preview_days: int = 90

    @property
    def kept_days(self) -> int:
        """For how many days after it ended a job is kept that could not be shown, with its files."""
        return max(self.image_days, self.job_days)


@dataclass(frozen=True, slots=True)
class Tidied:
    """How much was forgotten."""

    images: int
    jobs: int
    tokens: int


async def tidy(database: Database, files: ImageFiles, previews: Previews, clock: Clock, ages: Ages) -> Tidied:
    """Forget what is old enough; what still waits to be shown stays, however old. Raises StorageError."""
    now = clock.now()
    async with database.write() as tx:
        tokens = await tidying.forget_tokens(tx, now)
    old = now - ages.image_days * DAY
    await remove_due(database, files)
    try:
        await previews.make_all(old)
    except StorageError as error:
        # On a full disk the room that the files take is worth more than what would be kept of them.
        log.warning("tidy.previews_not_made", reason=str(error))
    gone = await _forget_images(database, files, old, now - ages.kept_days * DAY)
    # A preview is never forgotten before its file, or it would be made again.
    await _forget_previews(database, files, now - max(ages.preview_days, ages.image_days) * DAY)
    while await _forget_lapsed(database, now - DAY):
        pass
    jobs = 0
    while count := await _forget_jobs(database, now - ages.job_days * DAY):
        jobs += count
    await say_farewell(database, now)
    # Whatever nobody knows of any more, which is why they come last.
    async with database.read() as connection:
        known = await images.image_files(connection)
    await remove(database, files, await files.strays(known, old))
    return Tidied(images=gone, jobs=jobs, tokens=tokens)


async def keep_tidy(
    database: Database, files: ImageFiles, previews: Previews, clock: Clock, ages: Ages, witness: Witness
) -> None:
    """Tidy now and every hour, for ever; what goes wrong is logged and tried again an hour later.

    Nothing is forgotten by a clock that the ``witness`` does not confirm.
    """
    doubted = False
    while True:
        wait = EVERY_SECONDS
        try:
            ahead = witness.ahead()
            if ahead is not None and abs(ahead) <= TRUSTED_WITHIN:
                doubted = False
                tidied = await tidy(database, files, previews, clock, ages)
                log.info("tidied", images=tidied.images, jobs=tidied.jobs, tokens=tidied.tokens)
            else:
                wait = DOUBTED_SECONDS
                if not doubted:
                    log.warning("tidy.clock_not_confirmed", ahead_of_discord=None if ahead is None else round(ahead))
                doubted = True
                # What was deleted on request goes by no clock.
                await remove_due(database, files)
                await compact_if_due(database)
        except StorageError as error:
            log.error("tidy.failed", reason=str(error))  # noqa: TRY400 - the sentence says it all
        except Exception:
            log.exception("tidy.failed")
        await clock.sleep(wait)


async def _forget_images(database: Database, files: ImageFiles, before: int, kept_before: int) -> int:
    """Delete the files of images made before ``before`` (Unix milliseconds); how many images that were.

    What could not be shown goes if its job ended before ``kept_before``.
    """
    count = 0
    while True:
        # The record first: a file without a record has to go, a record without its file would be a lie.
        async with database.write() as tx:
            old = await images.old_images(tx, before, kept_before=kept_before, limit=AT_ONCE)
            await images.forget_files(tx, [image.id for image in old])
            names = [image.file for image in old if image.file is not None]
            await images.add_removals(tx, names)
        await remove(database, files, names)
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
        await remove(database, files, names)
        if not old:
            return


async def _forget_lapsed(database: Database, before: int) -> int:
    async with database.write() as tx:
        return await tidying.forget_lapsed(tx, before, limit=AT_ONCE)


async def _forget_jobs(database: Database, before: int) -> int:
    async with database.write() as tx:
        return await tidying.forget_jobs(tx, before, limit=AT_ONCE)
