"""Small previews: made beside the work, never in its way, and gone with what they show."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.generation import previews as module
from bot.generation.jobs import Jobs
from bot.generation.previews import BYTES_AT_MOST, SIDE_AT_MOST, Previews, small
from bot.generation.tidy import Ages, tidy
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.jobs import JobStatus, StoredImage
from tests.generation.conftest import ADA, Workshop


def picture(path: Path, size: tuple[int, int], *, mode: str = "RGB", kind: str = "PNG", noise: bool = False) -> Path:
    image = Image.effect_noise(size, 90).convert(mode) if noise else Image.new(mode, size, "teal")
    image.save(path, kind)
    return path


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image


# --- one picture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"), [((1024, 1024), (320, 320)), ((1536, 640), (320, 133)), ((640, 1536), (133, 320))]
)
def test_the_longer_side_is_bounded(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert opened(small(picture(tmp_path / "x.png", size))).size == expected


def test_a_small_picture_stays_as_large_as_it_is(tmp_path: Path) -> None:
    assert opened(small(picture(tmp_path / "x.png", (64, 32)))).size == (64, 32)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_even_noise_becomes_few_bytes(tmp_path: Path, kind: str) -> None:
    data = small(picture(tmp_path / "x", (1024, 1024), kind=kind, noise=True))
    assert max(opened(data).size) == SIDE_AT_MOST
    assert len(data or b"") <= BYTES_AT_MOST


def test_what_can_be_seen_through_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGBA", (600, 600), (0, 128, 128, 40)).save(path)
    assert opened(small(path)).mode == "RGBA"


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_has_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    assert small(path) is None


# --- beside the work ----------------------------------------------------------------------------------------------


@pytest.fixture
async def previews(workshop: Workshop) -> Previews:
    """Those of a workshop whose provider makes pictures that can be decoded."""
    await workshop.files.prepare()
    made = Previews(workshop.database, workshop.files)
    workshop.jobs = Jobs(workshop.database, workshop.providers, workshop.limits, workshop.clock, made=made.wanted)
    workshop.worker._jobs = workshop.actions._jobs = workshop.jobs
    real_keep = workshop.files.keep

    async def keep(aside: Path, name: str) -> Path:
        if name.endswith(".png"):
            await asyncio.to_thread(picture, aside, (512, 512))
        return await real_keep(aside, name)

    workshop.files.keep = keep  # type: ignore[method-assign]  # what the provider sends is no real picture
    return made


async def images(workshop: Workshop, job_id: int) -> tuple[StoredImage, ...]:
    return (await workshop.view(job_id)).images


async def until(says: Callable[[], Any]) -> None:
    while not await says():
        await asyncio.sleep(0)


async def all_made(workshop: Workshop, job_id: int) -> bool:
    return all(image.preview for image in await images(workshop, job_id))


async def running(previews: Previews, workshop: Workshop, job_id: int) -> None:
    """Let it work until it has made all of this job's."""
    task = asyncio.create_task(previews.run())
    try:
        async with asyncio.timeout(30):
            await until(lambda: all_made(workshop, job_id))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_finished_job_gets_its_previews_beside(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine(images=2)
    await workshop.finish()
    assert [image.preview for image in await images(workshop, job_id)] == [None, None], "it is not waited for"
    await running(previews, workshop, job_id)
    first, second = await images(workshop, job_id)
    assert first.preview == f"{job_id}-0-0-small.webp"
    for image in (first, second):
        data = await previews.of(image)
        assert max(opened(data).size) == SIDE_AT_MOST


async def test_what_an_earlier_run_did_not_get_to_is_made_at_the_start(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    await running(Previews(workshop.database, workshop.files), workshop, job_id)


async def test_the_delivery_does_not_wait_for_it(
    workshop: Workshop, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(file: Path) -> bytes | None:
        begun.set()
        assert go_on.wait(30)
        return small(file)

    monkeypatch.setattr(module, "small", slow)
    task = asyncio.create_task(previews.run())
    job_id = await workshop.imagine()
    await workshop.finish()
    assert await asyncio.to_thread(begun.wait, 30)
    second = await workshop.imagine()
    await workshop.finish()
    assert workshop.delivered == [job_id, second]
    go_on.set()
    async with asyncio.timeout(30):
        await until(lambda: all_made(workshop, second))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("error", [StorageError("The disk is full."), MemoryError(), ZeroDivisionError("a bug")])
async def test_what_goes_wrong_ends_neither_the_job_nor_the_previews(
    workshop: Workshop,
    previews: Previews,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    failed = asyncio.Event()

    def fail(file: Path, aside: Path) -> bytes:
        loop.call_soon_threadsafe(failed.set)
        raise error

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_made", fail)
        task = asyncio.create_task(previews.run())
        job_id = await workshop.imagine()
        await workshop.finish()
        await failed.wait()
        assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED
        assert await previews.of((await images(workshop, job_id))[0]) is None
    second = await workshop.imagine()
    await workshop.finish()
    async with asyncio.timeout(30):
        await until(lambda: all_made(workshop, second))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "preview.not_made" in caplog.text
    assert (await previews.of((await images(workshop, job_id))[0])) is not None, "it is made when it is looked for"


async def test_a_picture_that_cannot_be_decoded_has_none(
    workshop: Workshop, previews: Previews, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    await asyncio.to_thread(workshop.files.path(image.file or "").write_bytes, b"no picture")
    assert await previews.of(image) is None
    assert "preview.undecodable" in caplog.text


async def test_two_who_look_at_once_make_one_file(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    first, second = await asyncio.gather(previews.of(image), previews.of(image))
    assert first == second is not None
    folder = workshop.files.path("x").parent
    names = await asyncio.to_thread(lambda: sorted(path.name for path in folder.iterdir()))
    assert names == [f"{job_id}-0-0-small.webp", f"{job_id}-0-0.png"]


# --- gone with what they show -------------------------------------------------------------------------------------


async def test_nothing_stays_of_what_was_deleted_meanwhile(
    workshop: Workshop, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    keep = workshop.files.keep

    async def too_late(aside: Path, name: str) -> Path:
        await workshop.actions.delete(ADA, job_id)
        return await keep(aside, name)

    monkeypatch.setattr(workshop.files, "keep", too_late)
    await previews.of(image)
    folder = workshop.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_delete_takes_the_preview_too(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    await running(previews, workshop, job_id)
    await workshop.actions.delete(ADA, job_id)
    folder = workshop.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_a_preview_outlives_its_file_and_goes_by_its_own_age(workshop: Workshop, previews: Previews) -> None:
    ages = Ages(image_days=7, job_days=365, preview_days=90)
    job_id = await workshop.imagine()
    await workshop.finish()
    await running(previews, workshop, job_id)
    workshop.clock.advance(8 * 86_400)
    await tidy(workshop.database, workshop.files, workshop.clock, ages)
    (image,) = await images(workshop, job_id)
    assert image.file is None
    assert await previews.of(image) is not None
    workshop.clock.advance(83 * 86_400)
    await tidy(workshop.database, workshop.files, workshop.clock, ages)
    (image,) = await images(workshop, job_id)
    assert image.preview is None
    assert await previews.of(image) is None
    folder = workshop.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_a_preview_is_not_forgotten_before_its_file(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    await running(previews, workshop, job_id)
    workshop.clock.advance(5 * 86_400)
    await tidy(workshop.database, workshop.files, workshop.clock, Ages(image_days=7, job_days=365, preview_days=1))
    (image,) = await images(workshop, job_id)
    assert image.preview is not None


def test_the_files_of_previews_have_names_that_the_folder_takes() -> None:
    assert ImageFiles(Path("/x")).path("1-0-0-small.webp").name == "1-0-0-small.webp"
