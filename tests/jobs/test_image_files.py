"""Previews: created on demand or when the image file goes, and deleted with their job."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from bot.jobs import image_files as module
from bot.jobs.image_files import BYTES_AT_MOST, SIDE_AT_MOST, Previews, small
from bot.pictures.decoding import Undecodable
from bot.retention import Ages, apply_retention
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.pools import Pools
from storage.records import StoredImage
from tests.jobs.conftest import ADA, Workshop

AGES = Ages(image_days=7, job_days=365, preview_days=90)


def picture(path: Path, size: tuple[int, int], *, mode: str = "RGB", kind: str = "PNG", noise: bool = False) -> Path:
    image = Image.effect_noise(size, 90).convert(mode) if noise else Image.new(mode, size, "teal")
    image.save(path, kind)
    return path


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image


# --- one image ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"), [((1024, 1024), (320, 320)), ((1536, 640), (320, 133)), ((640, 1536), (133, 320))]
)
def test_the_longer_side_is_bounded(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert opened(small(picture(tmp_path / "x.png", size))).size == expected


def test_a_small_image_keeps_its_size(tmp_path: Path) -> None:
    assert opened(small(picture(tmp_path / "x.png", (64, 32)))).size == (64, 32)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_even_noise_gives_a_small_file(tmp_path: Path, kind: str) -> None:
    data = small(picture(tmp_path / "x", (1024, 1024), kind=kind, noise=True))
    assert max(opened(data).size) == SIDE_AT_MOST
    assert len(data or b"") <= BYTES_AT_MOST


def test_transparency_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGBA", (600, 600), (0, 128, 128, 40)).save(path)
    assert opened(small(path)).mode == "RGBA"


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image_has_no_preview(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(Undecodable):
        small(path)


@pytest.fixture
async def previews(workshop: Workshop) -> Previews:
    """The previews of a workshop whose provider returns decodable images."""
    await workshop.files.prepare()
    made = Previews(workshop.database, workshop.files)
    real_keep = workshop.files.keep

    async def keep(aside: Path, name: str) -> Path:
        if name.endswith(".png"):
            await asyncio.to_thread(picture, aside, (512, 512))
        return await real_keep(aside, name)

    workshop.files.keep = keep  # type: ignore[method-assign]  # what the provider sends is no real picture
    return made


async def images(workshop: Workshop, job_id: int) -> tuple[StoredImage, ...]:
    return (await workshop.view(job_id)).images


async def tidied(workshop: Workshop, previews: Previews, ages: Ages, *, after_days: float = 0) -> None:
    workshop.clock.advance(after_days * 86_400)
    await apply_retention(workshop.database, workshop.files, previews, workshop.clock, ages)


# --- creation -----------------------------------------------------------------------------------------------------


async def test_a_finished_job_has_no_preview_until_somebody_looks(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine(images=2)
    await workshop.finish()
    before = await images(workshop, job_id)
    assert [image.preview for image in before] == [None, None]
    for image in before:
        assert max(opened(await previews.of(image)).size) == SIDE_AT_MOST
    assert [image.preview for image in await images(workshop, job_id)] == [
        f"{job_id}-0-0-small.webp",
        f"{job_id}-0-1-small.webp",
    ]


async def test_an_image_without_a_preview_gets_one_before_its_file_is_deleted(
    workshop: Workshop, previews: Previews
) -> None:
    job_id = await workshop.imagine(images=2)
    await workshop.finish()
    await tidied(workshop, previews, AGES, after_days=6)
    assert [image.preview for image in await images(workshop, job_id)] == [None, None], "its file must still exist"
    await tidied(workshop, previews, AGES, after_days=2)
    for image in await images(workshop, job_id):
        assert image.file is None
        assert max(opened(await previews.of(image)).size) == SIDE_AT_MOST


async def test_a_failing_preview_does_not_block_the_others(
    workshop: Workshop, previews: Previews, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await workshop.imagine(images=3)
    await workshop.finish()

    def fail(file: Path) -> bytes | None:
        if file.name.endswith("0-1.png"):
            raise MemoryError
        return small(file)

    monkeypatch.setattr(module, "small", fail)
    await tidied(workshop, previews, AGES, after_days=8)
    made = await images(workshop, job_id)
    assert [image.preview is not None for image in made] == [True, False, True]
    assert all(image.file is None for image in made)
    assert "preview.not_made" in caplog.text


async def test_files_are_deleted_even_if_the_disk_is_too_full_for_previews(
    workshop: Workshop, previews: Previews, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()

    def full(aside: Path, data: bytes) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(module, "_write", full)
    await tidied(workshop, previews, AGES, after_days=8)
    (image,) = await images(workshop, job_id)
    assert image.file is image.preview is None
    assert "The disk is full." in caplog.text


@pytest.mark.parametrize("error", [StorageError("The disk is full."), MemoryError(), ZeroDivisionError("a bug")])
async def test_a_preview_that_failed_is_retried_at_the_next_look(
    workshop: Workshop,
    previews: Previews,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(aside: Path, data: bytes) -> None:
        raise error

    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", fail)
        assert await previews.of(image) is None
    assert "preview.not_made" in caplog.text
    assert await previews.of(image) is not None


async def test_an_undecodable_image_has_no_preview(
    workshop: Workshop, previews: Previews, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    await asyncio.to_thread(workshop.files.path(image.file or "").write_bytes, b"no picture")
    assert await previews.of(image) is None
    assert "preview.undecodable" in caplog.text


async def test_two_concurrent_looks_create_one_file(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    first, second = await asyncio.gather(previews.of(image), previews.of(image))
    assert first == second is not None
    folder = workshop.files.path("x").parent
    names = await asyncio.to_thread(lambda: sorted(path.name for path in folder.iterdir()))
    assert names == [f"{job_id}-0-0-small.webp", f"{job_id}-0-0.png"]


# --- deletion -----------------------------------------------------------------------------------------------------


async def test_a_preview_of_a_job_deleted_meanwhile_leaves_nothing(
    workshop: Workshop, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = await images(workshop, job_id)
    keep = workshop.files.keep

    async def too_late(aside: Path, name: str) -> Path:
        await workshop.results.delete(ADA, job_id)
        return await keep(aside, name)

    monkeypatch.setattr(workshop.files, "keep", too_late)
    await previews.of(image)
    folder = workshop.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_delete_removes_the_preview_too(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    assert await previews.of((await images(workshop, job_id))[0]) is not None
    await workshop.results.delete(ADA, job_id)
    folder = workshop.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_a_preview_outlives_its_file_and_expires_by_its_own_age(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    await tidied(workshop, previews, AGES, after_days=8)
    (image,) = await images(workshop, job_id)
    assert image.file is None
    assert await previews.of(image) is not None
    await tidied(workshop, previews, AGES, after_days=83)
    (image,) = await images(workshop, job_id)
    assert image.preview is None
    assert await previews.of(image) is None
    folder = workshop.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_a_preview_is_not_deleted_before_its_file(workshop: Workshop, previews: Previews) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    await previews.of((await images(workshop, job_id))[0])
    await tidied(workshop, previews, Ages(image_days=7, job_days=365, preview_days=1), after_days=5)
    (image,) = await images(workshop, job_id)
    assert image.preview is not None


def test_preview_names_are_valid_file_names_in_the_folder(pools: Pools) -> None:
    assert ImageFiles(Path("/x"), pools).path("1-0-0-small.webp").name == "1-0-0-small.webp"
