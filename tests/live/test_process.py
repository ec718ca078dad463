"""A whole ``/imagine`` by the bot process on a real image server, which costs nothing and needs no key."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from fakes.discord.bot_process import BotProcess
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.seen import Seen
from live.server import Server
from tests.doubles.openapi import discord_schema

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord(schema=discord_schema()) as made:
        made.world.changes.patience = 120.0
        yield made
    assert [str(one) for one in made.violations] == []


@pytest.fixture
def channel(discord: Discord) -> Channel:
    return discord.guild("Studio").channel("pictures")


A1111 = {"A1111_URL": "{url}", "A1111_STEPS": "2"}
OPENAI = {"OPENAI_URL": "{url}/v1", "OPENAI_FREE": "1"}
"""The settings for each API of the server that the bot speaks."""


@pytest.fixture
async def easel(
    discord: Discord, server: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[BotProcess]:
    api: dict[str, str] = getattr(request, "param", A1111)
    keys = {"AI_CLIENT_TOKEN": "", "AITHRIVING_KEY": ""}
    keys |= {name: value.replace("{url}", server.url) for name, value in api.items()}
    async with BotProcess(discord, tmp_path / "data", NOWHERE, more=keys) as process:
        await process.ready()
        yield process


def finished(seen: Seen) -> bool:
    return bool(seen.pictures)


def picture(seen: Seen) -> Image.Image:
    """The image of a result, as Discord received it."""
    (file,) = seen.files
    assert file.data is not None
    return Image.open(io.BytesIO(file.data))


@pytest.mark.parametrize("easel", [A1111, OPENAI], indirect=True, ids=["a1111", "openai"])
async def test_from_a_command_to_the_image(discord: Discord, easel: BotProcess, channel: Channel) -> None:
    ada = discord.user("ada")
    (offered,) = await (await ada.autocomplete(channel, "imagine", "engine", "", prompt="a lighthouse")).choices()
    asked = await ada.slash(channel, "imagine", prompt="a lighthouse", engine=offered["value"], size="128x192", seed=7)
    result = await asked.until(finished)
    assert picture(result).size == (128, 192)
    again = await ada.slash(channel, "imagine", prompt="a lighthouse", size="128x192", seed=7)
    assert picture(await again.until(finished)).tobytes() == picture(result).tobytes()


async def test_a_kill_while_the_image_is_made(
    discord: Discord, easel: BotProcess, channel: Channel, server: Server
) -> None:
    asked = await discord.user("ada").slash(channel, "imagine", prompt="a lighthouse --steps 30", size="512x512")
    await server.said("generating image")
    await easel.restart()
    assert picture(await asked.until(finished)).size == (512, 512)


async def test_a_server_that_is_away_comes_back(
    discord: Discord, easel: BotProcess, channel: Channel, server: Server
) -> None:
    await server.stop()
    asked = await discord.user("ada").slash(channel, "imagine", prompt="a lighthouse", size="128x128")
    await easel.said("submit.refused")
    await server.start()
    assert picture(await asked.until(finished)).size == (128, 128)


async def test_a_bot_that_starts_before_its_server(
    discord: Discord, easel: BotProcess, channel: Channel, server: Server
) -> None:
    await server.stop()
    await easel.restart()
    before = len(easel.lines)
    await server.start()
    # It asks again after half a minute.
    await easel.said("engines.learnt", since=before)
    asked = await discord.user("ada").slash(channel, "imagine", prompt="a lighthouse", size="128x128")
    assert picture(await asked.until(finished)).size == (128, 128)
