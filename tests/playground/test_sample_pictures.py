"""The pictures to start from, the photo in the channel, and uploads, without a browser."""

from __future__ import annotations

import asyncio
import io
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from PIL import Image
from simcord.preview._media import MediaError

from bot.config import Settings
from fakes.services import StandIn, flat
from playground.live_page import FILE_LIMIT, MOST_FILES, LivePreview, Media, open_page
from playground.page_server import Controls
from playground.sample_pictures import DRAWING, HARBOUR, MASK, PHOTO, SAMPLES, SamplePictures, painted, post_photo
from playground.service_faults import Switch
from playground.studio import Studio, open_studio
from playground.world import LONGEST_NAME
from tests.playground.conftest import HastyClock, png
from tests.playground.test_live_page import TOKEN, Client

pytestmark = pytest.mark.slow

GPS, ORIENTATION = 0x8825, 0x0112


def plain(_prompt: str, style: str, size: tuple[int, int]) -> Image.Image:
    """A painter that takes no time."""
    return Image.new("RGB", size, "#808080" if style else "#3060a0")


def image(data: bytes) -> Image.Image:
    loaded = Image.open(io.BytesIO(data))
    loaded.load()
    return loaded


@pytest.fixture
async def studio(settings: Settings, hasty: HastyClock) -> AsyncIterator[Studio]:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        yield studio


@pytest.fixture
async def preview(studio: Studio) -> AsyncIterator[LivePreview]:
    controls = Controls(studio.restart, Switch(studio.services), SamplePictures(plain))
    async with open_page(studio.world, port=0, token=TOKEN, controls=controls) as preview:
        yield preview


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(preview: LivePreview, session: aiohttp.ClientSession) -> Client:
    return Client(session, preview.url.partition("/#")[0])


class Poster:
    """A page that posts messages with files."""

    def __init__(self, client: Client, session: aiohttp.ClientSession, address: str) -> None:
        self._client, self._session, self._address = client, session, address

    async def post(self, text: str, *files: tuple[str, bytes], **more: Any) -> tuple[int, Any]:
        """Post a message in a new page. Returns the status, and the receipt or the answer's text."""
        state = await self._client.open()
        payload = {
            "protocol_version": 3,
            "sequence": 1,
            "request_id": "1",
            "generation": state["context"]["generation"],
            "bot_generation": state["botGeneration"],
            "published_revision": state["publishedRevision"],
            "kind": "send_message",
            "content": text,
            "values": {"files": []},
            **more,
        }
        form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
        form.add_field("payload", json.dumps(payload))
        for name, data in files:
            form.add_field("file:files", io.BytesIO(data), filename=name)
        headers = {"X-Simcord-Capability": TOKEN, "X-Simcord-Context": state["context"]["id"]}
        async with self._session.post(f"{self._address}/api/action", data=form, headers=headers) as answer:
            body = await answer.json() if answer.content_type == "application/json" else await answer.text()
            return answer.status, body


@pytest.fixture
def poster(client: Client, session: aiohttp.ClientSession, preview: LivePreview) -> Poster:
    return Poster(client, session, preview.url.partition("/#")[0])


async def test_the_samples_are_a_scene_a_photo_a_drawing_and_a_mask() -> None:
    pictures = SamplePictures(plain)
    scene, photo, drawing, mask = [image(await pictures.picture(name)) for name in (HARBOUR, PHOTO, DRAWING, MASK)]

    assert (scene.format, photo.format, drawing.format, mask.format) == ("PNG", "JPEG", "PNG", "PNG")
    assert photo.width * photo.height > 12_000_000
    assert photo.width > photo.height, "it lies on its side"
    assert photo.getexif()[ORIENTATION] == 6
    assert photo.getexif().get_ifd(GPS)
    assert drawing.mode == "L"
    assert mask.size == scene.size
    assert mask.getextrema() == (0, 255)


async def test_a_thumbnail_is_small_and_upright() -> None:
    pictures = SamplePictures(plain)

    thumbnail = image(await pictures.thumbnail(PHOTO))

    assert thumbnail.width < thumbnail.height <= 192
    assert len(await pictures.thumbnail(PHOTO)) < 20_000


async def test_a_picture_is_painted_once() -> None:
    sizes: list[tuple[int, int]] = []

    def counted(prompt: str, style: str, size: tuple[int, int]) -> Image.Image:
        sizes.append(size)
        return plain(prompt, style, size)

    pictures = SamplePictures(counted)
    await asyncio.gather(*(pictures.picture(HARBOUR) for _ in range(3)), pictures.thumbnail(HARBOUR))

    assert len(sizes) == 1
    with pytest.raises(KeyError):
        await pictures.picture("another")


@pytest.mark.slow
async def test_the_real_painter_paints_all_samples_alike_each_time() -> None:
    first, second = SamplePictures(painted), SamplePictures(painted)
    for sample in SAMPLES:
        data = await first.picture(sample.name)
        assert len(data) < FILE_LIMIT
        assert await second.picture(sample.name) == data


async def test_the_page_is_offered_the_samples(client: Client, session: aiohttp.ClientSession) -> None:
    _, controls = await client.ask("GET", "/api/playground")
    assert [each["name"] for each in controls["pictures"]] == [sample.name for sample in SAMPLES]

    for path in ("photo", "photo/thumbnail"):
        address = f"{client._address}/api/playground/pictures/{path}"
        async with session.get(address) as answer:
            assert answer.status == 401
        async with session.get(address, headers={"X-Simcord-Capability": TOKEN}) as answer:
            assert answer.status == 200
            assert Image.MIME[str(image(await answer.read()).format)] == answer.content_type
    assert (await client.ask("GET", "/api/playground/pictures/another"))[0] == 404


async def test_a_page_without_controls_offers_none(studio: Studio, session: aiohttp.ClientSession) -> None:
    async with open_page(studio.world, port=0, token=TOKEN) as preview:
        client = Client(session, preview.url.partition("/#")[0])
        assert (await client.ask("GET", "/api/playground"))[1]["pictures"] == []
        assert (await client.ask("GET", "/api/playground/pictures/photo"))[0] == 404


async def test_a_member_posts_a_photo_once(studio: Studio) -> None:
    pictures = SamplePictures(plain)

    for _ in range(2):
        await post_photo(studio.world, pictures, asyncio.Lock())

    (message,) = studio.world.channel.history()
    (attachment,) = message.attachments
    assert message.author.id == studio.world.members[1].id
    assert attachment.content_type == "image/jpeg"
    assert (attachment.width, attachment.height) == image(await pictures.picture(PHOTO)).size
    assert await attachment.read() == await pictures.picture(PHOTO)


async def test_a_message_with_files_is_posted(studio: Studio, poster: Poster) -> None:
    status, receipt = await poster.post("look", ("my cat.png", png()), ("notes.txt", b"words"))

    assert (status, receipt["rejected"]) == (200, False)
    (message,) = studio.world.channel.history()
    assert message.content == "look"
    picture, notes = message.attachments
    assert (picture.filename, picture.width, picture.height) == ("my_cat.png", 40, 30)
    assert await picture.read() == png()
    assert (notes.filename, notes.width) == ("notes.txt", None)


async def test_a_message_can_have_files_and_no_text_and_be_a_reply(studio: Studio, poster: Poster) -> None:
    await poster.post("", ("first.png", png()))
    (first,) = studio.world.channel.history()

    _, receipt = await poster.post("", ("second.png", png()), reply_to_id=str(first.id))

    assert not receipt["rejected"]
    second = studio.world.channel.history()[-1]
    assert second.reference is not None
    assert second.reference.message_id == first.id


@pytest.mark.parametrize(
    ("content", "files", "more"),
    [
        ("no file", 0, {}),
        ("too long" * 300, 1, {}),
        ("a reply to nothing", 1, {"reply_to_id": "7"}),
        ("other values", 1, {"values": {"other": []}}),
        ("no form", 0, {"values": {"files": [["a.png", "text"]]}}),
        ("no text", 1, {"content": None}),
    ],
)
async def test_a_wrong_message_is_rejected(
    studio: Studio, poster: Poster, content: str, files: int, more: dict[str, Any]
) -> None:
    status, receipt = await poster.post(content, *[("a.png", png())] * files, **more)

    assert (status, receipt["rejected"]) == (200, True)
    assert studio.world.channel.history() == []


async def test_uploads_are_bounded(studio: Studio, poster: Poster) -> None:
    assert (await poster.post("", ("exact.bin", bytes(FILE_LIMIT))))[0] == 200
    assert len(studio.world.channel.history()) == 1

    assert (await poster.post("", ("large.bin", bytes(FILE_LIMIT + 1))))[0] == 413
    assert (await poster.post("", *[("large.bin", bytes(FILE_LIMIT - 1))] * 3))[0] == 413
    assert (await poster.post("", *[("a.png", png())] * (MOST_FILES + 1)))[0] == 413
    assert len(studio.world.channel.history()) == 1


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd.png", "etc_passwd.png"),
        ("a b#c?d.png", "a_b_c_d.png"),
        ("été.png", "t_.png"),
        ("***", "file"),
        (f"{'x' * 300}.png", f"{'x' * (LONGEST_NAME - 4)}.png"),
    ],
)
async def test_names_of_files_are_safe_in_addresses(studio: Studio, name: str, stored: str) -> None:
    await studio.world.members[0].send(studio.world.channel, attachments=[(name, png())])

    (attachment,) = studio.world.channel.history()[0].attachments
    assert attachment.filename == stored
    assert attachment.url.endswith(f"/{stored}")


@pytest.mark.parametrize("data", [b"", b"no picture", png()[:40], b"\x89PNG\r\n\x1a\n" + bytes(40)])
async def test_a_damaged_picture_has_no_size(studio: Studio, data: bytes) -> None:
    await studio.world.members[0].send(studio.world.channel, attachments=[("a.png", data)])

    assert studio.world.channel.history()[0].attachments[0].width in {None, 40}


async def test_a_picture_with_too_many_pixels_is_left_to_simcord(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    async def refuse(_media: Media, _key: str, blob: bytes, **_options: Any) -> Any:
        left.append(len(blob))
        raise MediaError("too large")

    monkeypatch.setattr(Media.__mro__[1], "validate", refuse)
    bomb = _huge(30_000, 30_000)

    with pytest.raises(MediaError):
        await Media().validate("a", bomb)
    with pytest.raises(MediaError):
        await Media().validate("b", _huge(9_000, 9_000))

    assert len(left) == 2
    assert (await Media().validate("c", png())).width == 40


def _huge(width: int, height: int) -> bytes:
    """The header of a large PNG."""
    out = io.BytesIO()
    Image.new("1", (1, 1)).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


async def test_posted_pictures_are_there_after_a_restart_of_the_program(
    settings: Settings, hasty: HastyClock, tmp_path: Path
) -> None:
    services = StandIn(seconds=None, painter=flat)
    async with open_studio(settings, services, clock=hasty, folder=tmp_path) as studio:
        await post_photo(studio.world, SamplePictures(plain), asyncio.Lock())

    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty, folder=tmp_path) as studio:
        message = studio.world.channel.history()[0]
        assert await message.attachments[0].read() == await SamplePictures(plain).picture(PHOTO)
        assert isinstance(message.attachments[0], discord.Attachment)
