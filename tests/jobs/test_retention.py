"""Retention: by age and in the right order. Errors are logged and never stop the bot."""

from __future__ import annotations

import asyncio
import logging
import os
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import retention as module
from bot.clock import ReferenceClock
from bot.jobs.image_files import Previews
from bot.retention import AT_ONCE, TRUSTED_WITHIN, Ages, Deleted, apply_retention, run_retention
from storage import images, jobs, reconcile, tables
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.records import JobStatus
from storage.reports import DAY
from tests.jobs.conftest import ADA, Workshop

AGES = Ages(image_days=7, job_days=40)


async def tidied(workshop: Workshop, *, after_days: int, ages: Ages = AGES) -> Deleted:
    await workshop.files.prepare()
    workshop.clock.advance(after_days * 86_400)
    return await apply_retention(
        workshop.database, workshop.files, Previews(workshop.database, workshop.files), workshop.clock, ages
    )


async def made_long_ago(path: Path, milliseconds: int) -> None:
    await asyncio.to_thread(os.utime, path, (milliseconds / 1000,) * 2)


async def test_files_expire_first_and_jobs_later_while_the_ledger_stays(workshop: Workshop) -> None:
    job_id = await workshop.imagine(images=2)
    await workshop.finish()
    file = workshop.files.path((await workshop.view(job_id)).images[0].file or "")
    assert await tidied(workshop, after_days=6) == Deleted(images=0, jobs=0, tokens=0)
    assert await asyncio.to_thread(file.is_file)
    assert await tidied(workshop, after_days=2) == Deleted(images=2, jobs=0, tokens=0)
    assert not await asyncio.to_thread(file.exists)
    assert [image.file for image in (await workshop.view(job_id)).images] == [None, None]
    assert await tidied(workshop, after_days=40) == Deleted(images=0, jobs=1, tokens=0)
    async with workshop.database.read() as connection:
        assert await jobs.get_job(connection, job_id) is None
        books = await reconcile.reconcile(connection)
    assert (books.submissions, books.entries, books.differences) == (0, 3, [])
    assert (await workshop.totals()).spent == 10_000


async def test_a_job_stays_as_long_as_its_files(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await tidied(workshop, after_days=50, ages=Ages(image_days=100, job_days=40))).jobs == 0
    assert (await workshop.view(job_id)).images[0].file is not None
    assert (await tidied(workshop, after_days=51, ages=Ages(image_days=100, job_days=40))).jobs == 1


async def test_jobs_not_yet_shown_stay_whatever_their_age(workshop: Workshop) -> None:
    async def hang(job_id: int) -> None:
        await asyncio.Event().wait()

    workshop.deliver = hang
    ready = await workshop.imagine()
    await workshop.start()
    while (await workshop.view(ready)).job.status is not JobStatus.READY:
        await asyncio.sleep(0)
    await workshop.worker.stop(0)
    queued = await workshop.imagine()
    assert await tidied(workshop, after_days=5000) == Deleted(images=0, jobs=0, tokens=0)
    assert (await workshop.view(ready)).images[0].file is not None
    # The clock may be wrong, and the token the only way to show the result: only Discord knows whether it has expired.
    assert (await workshop.view(queued)).job.interaction_token is not None


async def test_expired_tokens_are_erased(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    async with workshop.database.write() as tx:
        await jobs.move_job(tx, job_id, JobStatus.WORKING, JobStatus.LAPSED, at=1, interaction_token="token")
        await jobs.update_job(tx, job_id, ended_at=workshop.clock.now())
    assert (await tidied(workshop, after_days=0)).tokens == 0
    assert (await workshop.view(job_id)).job.interaction_token == "token"
    workshop.clock.advance(900)
    assert (await tidied(workshop, after_days=0)).tokens == 1
    assert (await workshop.view(job_id)).job.interaction_token is None


async def test_strays_expire_at_the_age_of_images(workshop: Workshop) -> None:
    await workshop.files.prepare()
    now = workshop.clock.now()
    for name, days in (("old.png", 8), ("new.png", 6)):
        path = workshop.files.path(name)
        await asyncio.to_thread(path.write_bytes, b"a picture of nobody")
        await made_long_ago(path, now - days * DAY)
    await tidied(workshop, after_days=0)
    assert [await asyncio.to_thread(workshop.files.path(name).exists) for name in ("old.png", "new.png")] == [
        False,
        True,
    ]


async def test_many_deletions_run_in_small_batches(workshop: Workshop) -> None:
    count = 2 * AT_ONCE + 1
    async with workshop.database.write() as tx:
        for number in range(count):
            job_id = await jobs.add_job(
                tx,
                jobs.NewJob(
                    user_id=ADA.user_id,
                    server_id=None,
                    status=JobStatus.DELIVERED,
                    options={},
                    channel_id=1,
                    file_limit=1,
                    created_at=number,
                ),
            )
            await jobs.update_job(tx, job_id, ended_at=number)
    assert (await tidied(workshop, after_days=0)).jobs == count
    async with workshop.database.read() as connection:
        assert await jobs.jobs_with_status(connection, list(JobStatus)) == []


async def test_a_file_that_cannot_be_deleted_blocks_nothing_and_is_retried_after_an_hour(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn, other = await workshop.imagine(), await workshop.imagine()
    await workshop.finish()
    left = workshop.files.path(f"{stubborn}-0-0.png")
    remove = ImageFiles.remove

    async def refuse(self: ImageFiles, name: str) -> None:
        if name == left.name:
            raise StorageError("The image files cannot be used: Operation not permitted.")
        await remove(self, name)

    ages = Ages(image_days=7, job_days=7)
    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "remove", refuse)
        told = await tidied(workshop, after_days=8, ages=ages)
    assert (told.images, told.jobs) == (2, 2), "all the other chores were done"
    assert not await asyncio.to_thread(workshop.files.path(f"{other}-0-0.png").exists)
    assert await asyncio.to_thread(left.exists)
    await tidied(workshop, after_days=0, ages=ages)
    assert not await asyncio.to_thread(left.exists), "although it is young, since no record refers to it any more"
    async with workshop.database.read() as connection:
        assert await images.pending_removals(connection, limit=10) == []


async def retention(workshop: Workshop, reference: ReferenceClock) -> None:
    previews = Previews(workshop.database, workshop.files)
    await run_retention(workshop.database, workshop.files, previews, workshop.clock, AGES, reference)


# --- an unreliable clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [400 * 86_400.0, TRUSTED_WITHIN + 5, -TRUSTED_WITHIN - 5])
@pytest.mark.parametrize("heard", [True, False], ids=["Discord says otherwise", "nobody confirms it"])
async def test_nothing_expires_by_an_unconfirmed_clock(
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: float,
    heard: bool,
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    stray = workshop.files.path("stray.png")
    await asyncio.to_thread(stray.write_bytes, b"a picture of nobody")
    await made_long_ago(stray, workshop.clock.now() - DAY)
    # It never ends, or its token would be erased with its delivery.
    workshop.provider.enqueue("submit", asyncio.Event())
    other = await workshop.imagine()
    # The clock is set only once it is on its way: it must not look as if it had been queued for years.
    while workshop.provider.calls("submit") < 2:
        await asyncio.sleep(0)
    reference = ReferenceClock(workshop.clock)
    if heard:
        reference.record(workshop.clock.now())
    workshop.clock.set_wall(step)
    slept = 0

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        workshop.clock.advance(seconds)
        if slept >= 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(workshop.clock, "sleep", sleep)
    with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
        await retention(workshop, reference)
    assert (await workshop.view(job_id)).images[0].file is not None
    assert (await workshop.view(other)).job.interaction_token == "token"
    assert await asyncio.to_thread(stray.is_file)
    assert sum("retention.clock_not_confirmed" in record.getMessage() for record in caplog.records) == 1


async def test_a_corrected_clock_is_soon_trusted(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    workshop.clock.advance(8 * 86_400)
    reference = ReferenceClock(workshop.clock)
    reference.record(workshop.clock.now())
    workshop.clock.set_wall(400 * 86_400)
    began, times = workshop.clock.monotonic(), list[float]()

    async def sleep(seconds: float) -> None:
        workshop.clock.advance(seconds)
        times.append(workshop.clock.monotonic() - began)
        if len(times) == 1:
            workshop.clock.set_wall(-400 * 86_400)
        elif len(times) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(workshop.clock, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await retention(workshop, reference)
    view = await workshop.view(job_id)
    assert [image.file for image in view.images] == [None], "it is eight days old"
    assert times == pytest.approx([900, 4500])


@pytest.mark.parametrize("error", [StorageError("The disk is full."), RuntimeError("a bug")])
async def test_an_error_is_logged_and_the_chore_retried_after_an_hour(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    times: list[float] = []
    reference = ReferenceClock(workshop.clock)
    reference.record(workshop.clock.now())

    async def fail(*_: object) -> Deleted:
        times.append(workshop.clock.monotonic())
        if len(times) == 3:
            raise asyncio.CancelledError
        raise error

    monkeypatch.setattr(module, "apply_retention", fail)
    with caplog.at_level(logging.ERROR), pytest.raises(asyncio.CancelledError):
        await retention(workshop, reference)
    assert [after - before for before, after in pairwise(times)] == pytest.approx([3600] * 2)
    failures = [record for record in caplog.records if "retention.failed" in record.getMessage()]
    assert len(failures) == 2
    # Disk trouble is logged as a sentence; only a bug of ours has a traceback.
    assert [record.exc_info is not None for record in failures] == [isinstance(error, RuntimeError)] * 2


async def test_a_preview_is_not_a_stray(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = (await workshop.view(job_id)).images
    preview = workshop.files.path("preview.webp")
    await asyncio.to_thread(preview.write_bytes, b"a small picture")
    await made_long_ago(preview, workshop.clock.now() - 100 * DAY)
    async with workshop.database.write() as tx:
        await tx.execute(update(tables.images).where(tables.images.c.id == image.id).values(preview=preview.name))
    await tidied(workshop, after_days=8)
    assert await asyncio.to_thread(preview.is_file)
    await tidied(workshop, after_days=40)
    assert not await asyncio.to_thread(preview.exists), "its job is gone"
