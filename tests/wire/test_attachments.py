"""Attachments at the loopback Discord: the data that the bot receives about them, and their download."""

from __future__ import annotations

import io

import aiohttp
import pytest
from PIL import Image

from fakes.discord.command_input import option_values
from fakes.discord.constants import Json
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel, Upload
from tests.wire.smallbot import SmallBot

PATH = "/attachments/*"


def file_of(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64)).save(out, kind, progressive=True, exif=Image.Exif())
    return out.getvalue()


def attached(discord: Discord, channel: Channel, upload: Upload) -> Json:
    """The data that the bot receives about a file that a person attaches to a command."""
    values, resolved = option_values(discord.world, channel, {"picture": upload})
    data: Json = resolved["attachments"][values["picture"]]
    return data


async def downloaded(url: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_bot_receives_the_size_of_a_picture(discord: Discord, channel: Channel, kind: str) -> None:
    data = attached(discord, channel, Upload(0, "x.png", file_of(kind)))
    assert (data["width"], data["height"]) == (96, 64)


def test_other_files_have_no_size(discord: Discord, channel: Channel) -> None:
    for data in (b"text", b"\xff\xd8", file_of("JPEG")[:40]):
        assert "width" not in attached(discord, channel, Upload(0, "x.jpg", data))


async def test_an_attachment_can_be_downloaded_even_if_no_files_are_kept(discord: Discord, channel: Channel) -> None:
    discord.world.keep_files = False
    upload = Upload(0, "x.png", file_of("PNG"))
    assert await downloaded(attached(discord, channel, upload)["url"]) == (200, upload.data)


async def test_faults_of_downloads(discord: Discord, channel: Channel) -> None:
    upload = Upload(0, "x.png", file_of("PNG"))
    url = attached(discord, channel, upload)["url"]
    discord.fail("GET", PATH, status=503)
    assert (await downloaded(url))[0] == 503
    # The client repeats a download itself once.
    discord.cut("GET", PATH, when="after", times=2)
    with pytest.raises(aiohttp.ClientError):
        await downloaded(url)
    assert await downloaded(url) == (200, upload.data)
    assert [call.status for call in discord.called("GET")] == [503, None, None, 200]


async def test_each_file_that_the_bot_uploads_is_inspected(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    seen: list[str] = []
    discord.server.inspect = lambda upload: seen.append(upload.filename)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    await asked.until(lambda one: len(one.pictures) == 2)
    assert seen == ["0.png", "1.png"]
