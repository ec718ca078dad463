"""The loopback Discord as a fixture. A test fails if it causes violations."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import discord as library
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from fakes.discord.constants import Permission
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel, Member
from fakes.discord.people import Person
from tests.doubles.openapi import discord_schema
from tests.wire.house import ADDRESSES, House, house
from tests.wire.smallbot import SmallBot


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with Discord(schema=discord_schema()) as made:
        made.server.strict = True
        yield made
    assert [str(one) for one in made.violations] == []


@pytest.fixture
def channel(discord: Discord) -> Channel:
    return discord.guild("Studio").channel("pictures")


@pytest.fixture
async def bot(discord: Discord, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SmallBot]:
    """The small bot, connected to the loopback Discord. Only its two addresses of Discord are changed."""
    monkeypatch.setattr(Route, "BASE", discord.url)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(discord.world.gateway_url))
    library.utils.setup_logging(level=30, root=False)
    discord.server.judge_answers = True
    async with SmallBot() as made:
        running = asyncio.create_task(made.start(discord.token))

        def ended(task: asyncio.Task[None]) -> None:
            if not made.is_closed():
                discord.world.changes.give_up(f"the bot ended: {task}")

        running.add_done_callback(ended)
        await discord.gateway.ready()
        yield made
        await made.close()
        await running
    assert made.errors.empty(), made.errors.get_nowait()


@pytest.fixture
async def home(
    discord: Discord,
    channel: Channel,
    migrated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[House]:
    """The running bot. It must log no ERROR of its own, whatever Discord does."""
    for owner, name in ADDRESSES:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    shutil.copy(migrated, tmp_path / "easel.db")
    async with house(discord, channel, tmp_path) as made:
        yield made
    ours = [line for line in caplog.get_records("call") if line.levelname in {"ERROR", "CRITICAL"}]
    assert [line.getMessage() for line in ours] == []


@pytest.fixture
def ada(discord: Discord) -> Person:
    return discord.user("ada")


@pytest.fixture
def admin(home: House, ada: Person) -> Person:
    assert home.channel.guild is not None
    home.channel.guild.members[ada.user.id] = Member(ada.user, Permission.ADMINISTRATOR)
    return ada
