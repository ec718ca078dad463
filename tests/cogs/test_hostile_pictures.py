"""Attachments that are broken, huge, disguised, secret, slow or gone: nothing is paid for, and nothing leaks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from PIL import Image

from bot.jobs.new_jobs import SOURCE_GONE
from bot.pictures.normalising import BROKEN, EMPTY, NO_PICTURE, OTHER_KIND, PDF, SVG, TEXT, TOO_MANY_PIXELS
from bot.text import Message, Text
from bot.ui import pictures
from bot.ui.cards.job import NOT_CHARGED
from bot.ui.pictures import NOT_DOWNLOADED, PICTURE_TOO_LARGE
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, Studio, card, told
from tests.doubles import photos
from tests.doubles.photos import encoded, photo, scene
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


async def vary(studio: Studio, data: bytes, name: str = "photo.png", **options: Any) -> simcord.InteractionResult:
    return await studio.imagine(engine=BASIC, picture=(name, data), **options)


async def never(_: object, **__: object) -> bytes:
    raise AssertionError("it was downloaded")


def images_of(studio: Studio) -> Path:
    return Path(studio.environ["DATA_DIR"]) / "images"


async def refused(studio: Studio, data: bytes, why: Message | Text, name: str = "photo.png") -> None:
    result = await vary(studio, data, name)
    await studio.finish()
    assert shows(told(result).text, why), told(result).text
    assert studio.stand_in.calls == []
    assert await studio.runtime.sources.recent(studio.ada.id, limit=5) == []
    assert list(images_of(studio).iterdir()) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", EMPTY),
        (photos.png_claiming(10_000, 10_000), TOO_MANY_PIXELS(width=10_000, height=10_000, most=40)),
        (photos.png_claiming(640, 480), BROKEN),
        (photos.gif_claiming(65_535, 65_535), TOO_MANY_PIXELS),
        (photos.webp_claiming(16_000, 16_000), TOO_MANY_PIXELS),
        (photos.jpeg_of_scans(2_000), BROKEN),
        (encoded(scene((300, 200)), "JPEG")[:2_000], BROKEN),
        (b"Dear all, this is text.", OTHER_KIND(kind=TEXT)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", OTHER_KIND(kind=SVG)),
        (b"%PDF-1.7\n%\xe2\xe3", OTHER_KIND(kind=PDF)),
        (bytes(range(256)) * 20, NO_PICTURE),
    ],
    ids=["empty", "100 MP", "bomb", "gif", "webp", "scans", "half a jpeg", "text", "svg", "pdf", "noise"],
)
async def test_a_file_that_is_no_usable_picture_is_refused(studio: Studio, data: bytes, why: Message | Text) -> None:
    await refused(studio, data, why)


@pytest.mark.parametrize("name", ["photo.txt", "photo.zip", "photo.pdf"])
async def test_a_file_that_discord_does_not_call_a_picture_is_not_downloaded(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(discord.Attachment, "read", never)
    await refused(studio, photo("PNG"), NO_PICTURE, name)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded(scene((200, 150)), "GIF", save_all=True, append_images=[Image.new("RGB", (200, 150))] * 3), "a.gif"),
        (encoded(scene((200, 150)), "WEBP", save_all=True, append_images=[Image.new("RGB", (200, 150))] * 3), "a.webp"),
        (encoded(scene((200, 150), "CMYK"), "JPEG"), "a.jpg"),
        (encoded(Image.new("I;16", (200, 150), 40_000), "PNG"), "a.png"),
        (encoded(scene((200, 150), "P"), "PNG"), "a.png"),
        (encoded(scene((200, 150), "1"), "PNG"), "a.png"),
        (encoded(scene((200, 150), "RGBA"), "PNG"), "wrong.jpg"),
    ],
    ids=["animated gif", "animated webp", "cmyk", "16 bit", "palette", "black and white", "png named jpg"],
)
async def test_unusual_pictures_are_used(studio: Studio, data: bytes, name: str) -> None:
    result = await vary(studio, data, name)
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert len(card(result).images) == 1
    (sent,) = [call.files["init_image"] for call in studio.stand_in.calls if call.files]
    with Image.open(io.BytesIO(sent.data)) as picture:
        picture.load()
        assert (picture.mode, getattr(picture, "n_frames", 1)) == ("RGB", 1)
        assert picture.format in {"PNG", "JPEG"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_nobody_receives_the_place_where_a_photo_was_taken(studio: Studio, kind: str) -> None:
    before = set(studio.env.backend.cdn._blobs)
    data = photo(kind, scene((320, 256)), orientation=6)
    assert photos.PLACE in data
    result = await vary(studio, data, f"photo.{kind.lower()}")
    await studio.finish()
    assert told(await studio.press(studio.ben, card(result), "Edit picture")).private
    await studio.ada.slash(studio.channel, "privacy export")
    received = [file.data for call in studio.stand_in.calls for file in call.files.values()]
    stored = [path.read_bytes() for path in images_of(studio).iterdir()]
    cdn = studio.env.backend.cdn
    shown = [blob for key in set(cdn._blobs) - before if (blob := cdn._blobs[key]) != data]
    assert received
    assert stored
    assert shown
    for each in [*received, *stored, *shown]:
        assert photos.PLACE not in each
        assert b"GPS" not in each


async def test_an_attachment_that_is_gone_is_free(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        status, reason = 404, "Not Found"

    async def read(_: object, **__: object) -> bytes:
        raise discord.NotFound(Gone(), "asset not found")

    monkeypatch.setattr(discord.Attachment, "read", read)
    await refused(studio, photo("PNG"), NOT_DOWNLOADED)


async def test_a_file_that_is_too_large_is_refused_without_a_download(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.Attachment, "read", never)
    monkeypatch.setattr(pictures, "BYTES_AT_MOST", 1_000)
    await refused(studio, encoded(scene((300, 200)), "PNG"), PICTURE_TOO_LARGE)


async def test_a_picture_that_is_deleted_while_its_job_waits_is_free(make_studio: Any) -> None:
    studio: Studio = await make_studio(AITHRIVING_JOBS="1", seconds=None)
    await studio.imagine(engine=BASIC)
    await studio.begun("aithriving.basic")
    result = await vary(studio, photo("PNG", scene((320, 256))))
    for path in images_of(studio).glob("s*"):
        path.unlink()
    studio.stand_in.finish_all()
    await studio.finish()
    assert shows(card(result).text, SOURCE_GONE)
    assert shows(card(result).text, NOT_CHARGED)
    assert not [call for call in studio.stand_in.calls if call.files]
