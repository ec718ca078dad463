"""The gateway with the real discord.py: drops, RESUME, invalid sessions, reconnects and refusals."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import aiohttp
import discord as library
import pytest

from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from tests.wire.smallbot import SmallBot


async def works(discord: Discord, channel: Channel) -> None:
    seen = await (await discord.user("ada").slash(channel, "secret")).message()
    assert seen.text == "between us"


async def test_events_during_a_drop_are_replayed(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    await works(discord, channel)
    discord.gateway.shut()
    discord.gateway.drop()
    await discord.gateway.silence()
    asked = await discord.user("ada").slash(channel, "secret")
    assert asked.interaction.answer is None
    discord.gateway.reopen()
    assert (await asked.message()).text == "between us"
    assert discord.gateway.resumed == 1
    assert discord.gateway.identified == 1
    assert len(list(discord.world.everything_said())) == 2


async def test_a_second_drop_replays_nothing_twice(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    for number in (1, 2):
        await works(discord, channel)
        discord.gateway.drop()
        await discord.gateway.resumes(number)
    await works(discord, channel)
    assert bot.heard.count("INTERACTION_CREATE") == 3
    assert bot.heard.count("READY") == 1


@pytest.mark.parametrize("code", [1000, 4000, 4009])
async def test_a_close_is_resumed(discord: Discord, bot: SmallBot, channel: Channel, code: int) -> None:
    await discord.gateway.close(code)
    await discord.gateway.resumes()
    await works(discord, channel)


async def test_discord_asks_to_reconnect(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    discord.gateway.ask_to_reconnect()
    await discord.gateway.resumes()
    await works(discord, channel)


async def test_an_invalid_session_means_a_fresh_identify(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    discord.gateway.invalidate()
    await discord.gateway.ready(2)
    assert discord.gateway.resumed == 0
    await works(discord, channel)


async def test_an_invalid_session_that_can_be_resumed(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    discord.gateway.invalidate(resumable=True)
    await discord.gateway.resumes()
    await works(discord, channel)


async def test_an_expired_session(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    discord.gateway.shut()
    discord.gateway.drop()
    await discord.gateway.silence()
    discord.gateway.forget_sessions()
    discord.gateway.reopen()
    await discord.gateway.ready(2)
    await works(discord, channel)


async def test_temporary_refusals(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    discord.gateway.refusing = True
    discord.gateway.drop()
    await discord.until(lambda: discord.gateway.refused, "a refusal")
    discord.gateway.refusing = False
    await discord.gateway.ready(2)
    await works(discord, channel)


async def test_two_shards(discord: Discord, bot: SmallBot) -> None:
    await bot.close()
    discord.world.shards = 2
    guilds = [discord.guild(f"server {number}") for number in range(4)]
    async with SmallBot() as sharded:
        running = asyncio.create_task(sharded.start(discord.token))
        await discord.gateway.ready(3)
        for guild in guilds:
            await works(discord, guild.channel("general"))
        await works(discord, discord.user("ada").dm)
        assert sharded.heard.count("INTERACTION_CREATE") == 5
        await sharded.close()
        await running


async def test_privileged_intents_are_refused(discord: Discord, bot: SmallBot) -> None:
    await bot.close()
    client = library.Client(intents=library.Intents.all())
    async with client:
        with pytest.raises(library.PrivilegedIntentsRequired):
            await client.start(discord.token)


async def test_a_closed_session_cannot_be_resumed(discord: Discord, bot: SmallBot) -> None:
    assert len(discord.gateway.sessions) == 1
    await bot.close()
    await discord.gateway.silence()
    assert discord.gateway.sessions == {}


@pytest.mark.parametrize("asked", [None, "zlib-stream"])
async def test_hello_heartbeat_and_compression(discord: Discord, asked: str | None) -> None:
    squeezed = zlib.decompressobj()

    async def receive(line: aiohttp.ClientWebSocketResponse) -> Any:
        frame = await line.receive()
        if asked is None:
            return library.utils._from_json(frame.data)
        assert frame.data.endswith(b"\x00\x00\xff\xff")
        return library.utils._from_json(squeezed.decompress(frame.data).decode())

    query = {"v": "10", "encoding": "json"} | ({"compress": asked} if asked else {})
    url = discord.world.gateway_url
    async with aiohttp.ClientSession() as session, session.ws_connect(url, params=query) as line:
        assert (await receive(line))["op"] == 10
        await line.send_json({"op": 1, "d": None})
        assert (await receive(line))["op"] == 11
        await line.send_json({"op": 2, "d": {"token": "wrong", "intents": 0, "properties": {}}})
        await line.receive()
        assert line.close_code == 4004


async def test_an_unsupported_compression(discord: Discord) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(discord.world.gateway_url, params={"compress": "pigeon"})
