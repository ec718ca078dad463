"""A disk or database that fails in the middle of the work: the user gets a message, and nothing paid is lost."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.errors import STORAGE_FAILS, UserError
from bot.jobs.image_files import remove_due_files
from bot.providers.base import FetchedImage, GeneratedImage
from bot.providers.errors import Refused
from storage import images, reconcile, tables
from storage import jobs as rows
from storage.database import AsyncConnection
from storage.errors import Fault, StorageError
from storage.images import ImageFiles
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider, finished
from tests.doubles.texts import codes, fails
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop
from tests.storage.rows import count


class Ailing:
    """Makes the next transactions of a database fail, as a full disk does."""

    def __init__(self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing = {"write": 0, "read": 0}
        self.failed = 0
        for name in self.failing:
            self._spoil(workshop, name, monkeypatch)

    def _spoil(self, workshop: Workshop, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(workshop.database, name)

        @asynccontextmanager
        async def transaction() -> AsyncIterator[AsyncConnection]:
            if self.failing[name]:
                self.failing[name] -= 1
                self.failed += 1
                raise StorageError(Fault.DISK_FULL, path="easel.db")
            async with real() as connection:
                yield connection

        monkeypatch.setattr(workshop.database, name, transaction)


async def agrees(workshop: Workshop) -> bool:
    async with workshop.database.read() as connection:
        return (await reconcile.reconcile(connection)).differences == []


async def test_a_full_disk_gives_a_message_and_leaves_nothing_half_written(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    """To SQLite, the disk is really full."""
    async with workshop.database.write() as tx:
        pages = (await tx.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    async def ask_on() -> None:
        for _ in range(200):
            await workshop.imagine(prompt="a lighthouse " * 100)

    with caplog.at_level(logging.ERROR), pytest.raises(UserError) as told:
        await ask_on()
    assert codes(told.value) == [STORAGE_FAILS.code]
    assert [record.exc_info for record in caplog.records if "disk is full" in record.getMessage()] == [None]
    async with workshop.database.write() as tx:
        jobs, submissions = await count(tx, tables.jobs), await count(tx, tables.submissions)
        assert await count(tx, tables.ledger) == submissions == jobs
        await tx.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert await agrees(workshop)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_a_submission_that_cannot_be_recorded_is_not_sent(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ailing = Ailing(workshop, monkeypatch)
    job_id = await workshop.imagine()
    ailing.failing["write"] = 1
    with fails(Fault.DISK_FULL):
        await workshop.start()
    assert workshop.provider.history == [], "a start that cannot write must fail"
    with caplog.at_level(logging.ERROR):
        await workshop.start()
        ailing.failing["write"] = 6
        await workshop.finish()
    assert ailing.failed == 7
    assert (workshop.provider.calls("prepare"), workshop.provider.calls("submit")) == (1, 1)
    assert workshop.delivered == [job_id]
    assert {record.exc_info for record in caplog.records} == {None}, "the disk error as a sentence, without a traceback"
    assert len(caplog.records) == 6
    assert await agrees(workshop)


async def test_a_response_that_cannot_be_stored_is_kept_in_memory(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ailing = Ailing(workshop, monkeypatch)
    answered = asyncio.Event()
    workshop.provider.enqueue("submit", answered)
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    ailing.failing["write"] = 5
    answered.set()
    await workshop.finish()
    assert ailing.failing["write"] == 0
    assert (workshop.provider.calls("submit"), workshop.provider.calls("find")) == (1, 0)
    assert await workshop.steps(job_id) == ["queued", "submitting", "rendering", "done"]
    assert await agrees(workshop)


async def test_a_refusal_that_cannot_be_stored_is_shown_later(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    ailing = Ailing(workshop, monkeypatch)
    answered = asyncio.Event()
    workshop.provider.enqueue("submit", answered, Refused(said="The words were filtered."))
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    ailing.failing["write"] = 3
    answered.set()
    await workshop.finish()
    (problem,) = (await workshop.submission(job_id)).problems or [{}]
    assert problem["values"]["said"] == "The words were filtered."
    assert workshop.provider.calls("submit") == 1
    assert workshop.delivered == [job_id]


@pytest.mark.parametrize("polled", [True, False])
@pytest.mark.parametrize("step", ["fetch", "keep"])
async def test_an_image_waits_for_disk_space(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch, polled: bool, step: str
) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=polled))
    full = [OSError(28, "No space left on device")] * 9
    if step == "fetch":
        workshop.provider.enqueue("fetch", *full)
    else:
        real = ImageFiles.keep

        async def keep(self: ImageFiles, aside: Path, name: str) -> Path:
            if full:
                raise StorageError(f"The image files cannot be used: {full.pop().strerror}.")
            return await real(self, aside, name)

        monkeypatch.setattr(ImageFiles, "keep", keep)
    began = workshop.clock.now()
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.clock.now() - began > 600_000, "longer than the limit for internal errors"
    view = await workshop.view(job_id)
    assert (view.job.status, len(view.images), view.captured) == (JobStatus.DELIVERED, 1, 5000)
    assert workshop.provider.calls("submit") == 1
    assert await agrees(workshop)


@pytest.mark.parametrize("step", ["write", "sync", "name"])
async def test_no_attempt_on_a_full_disk_leaves_a_partial_file(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await workshop.files.prepare()
    folder = workshop.files.path("any").parent
    left: list[int] = []
    fetch = workshop.provider.fetch

    async def fetch_some(image: GeneratedImage, path: Path) -> FetchedImage:
        left.append(len(await asyncio.to_thread(os.listdir, folder)))
        fetched = await fetch(image, path)
        if step == "write" and len(left) < 6:
            raise OSError(28, "No space left on device")
        return fetched

    def fail(*_: object) -> None:
        if len(left) < 6:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(workshop.provider, "fetch", fetch_some)
    if step == "sync":
        monkeypatch.setattr(os, "fsync", fail)
    elif step == "name":
        replaced = Path.replace

        def replace(self: Path, target: Path) -> Path:
            fail()
            return replaced(self, target)

        monkeypatch.setattr(Path, "replace", replace)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert left == [0] * 6
    assert len((await workshop.view(job_id)).images) == 1
    assert await asyncio.to_thread(os.listdir, folder) == [f"{job_id}-0-0.png"]


async def test_a_stop_waits_for_a_response_that_is_not_stored_yet(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    ailing = Ailing(workshop, monkeypatch)
    answered = asyncio.Event()
    workshop.provider.enqueue("submit", answered, finished(millicredits=4000))
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    ailing.failing["write"] = 2
    answered.set()
    while ailing.failing["write"]:
        await asyncio.sleep(0)
    await workshop.worker.stop(130)
    view = await workshop.view(job_id)
    assert (view.submissions[0].record.status, view.captured) == (SubmissionStatus.DONE, 4000)


async def test_a_ready_result_is_shown_although_the_first_read_failed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ailing = Ailing(workshop, monkeypatch)
    real = workshop.jobs.steps.done

    async def done(*args: object, **named: object) -> bool:
        moved = await real(*args, **named)  # type: ignore[arg-type]  # handed through
        ailing.failing["read"] = 8
        return moved

    monkeypatch.setattr(workshop.jobs.steps, "done", done)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert ailing.failed == 8
    assert workshop.delivered == [job_id]


async def test_a_ready_result_is_shown_as_soon_as_the_database_works_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    async def deliver(job_id: int) -> None:
        nonlocal tries
        tries += 1
        if tries < 12:
            raise StorageError(Fault.DISK_FULL, path="easel.db")
        await workshop._deliver(job_id)

    workshop.deliver = deliver
    job_id = await workshop.imagine()
    with caplog.at_level(logging.ERROR):
        await workshop.finish()
    assert workshop.delivered == [job_id]
    assert {record.exc_info for record in caplog.records} == {None}


async def test_a_job_is_deleted_even_if_its_file_cannot_be(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()

    async def refuse(self: ImageFiles, name: str) -> None:
        raise StorageError("The image files cannot be used: Read-only file system.")

    monkeypatch.setattr(ImageFiles, "remove", refuse)
    with caplog.at_level(logging.WARNING):
        await workshop.results.delete(ADA, job_id)
    async with workshop.database.read() as connection:
        job = await rows.get_job(connection, job_id)
    assert job is not None
    assert job.status is JobStatus.DELETED
    assert "Read-only file system" in caplog.text
    async with workshop.database.read() as connection:
        assert await images.pending_removals(connection, limit=10) == [f"{job_id}-0-0.png"]
    monkeypatch.undo()
    assert await remove_due_files(workshop.database, workshop.files) == 0
    assert not await asyncio.to_thread(workshop.files.path(f"{job_id}-0-0.png").exists)
