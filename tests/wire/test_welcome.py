"""The welcome card on the wire: which events lead to it, and that it is posted once."""

from __future__ import annotations

import time

import pytest

from bot.ui.cards.setup import WELCOME
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel, Guild
from fakes.discord.seen import Seen, look_at
from tests.doubles.texts import shows
from tests.wire.house import POST, House

pytestmark = pytest.mark.slow


def welcomes(channel: Channel) -> list[Seen]:
    return [seen for seen in map(look_at, channel.messages.values()) if shows(seen.text, WELCOME)]


def new_server(discord: Discord) -> tuple[Guild, Channel]:
    guild = discord.guild("Gallery", bot_present=False)
    return guild, guild.channel("general")


async def test_a_server_that_adds_the_bot_is_welcomed_without_a_ping(discord: Discord, home: House) -> None:
    guild, channel = new_server(discord)
    discord.invite(guild)
    await discord.until(lambda: welcomes(channel), "a welcome card")
    assert welcomes(channel)[0].message.body.pings == frozenset()
    assert welcomes(home.channel) == [], "the bot joined that server long ago"


async def test_a_server_is_welcomed_once_even_if_the_event_comes_again(discord: Discord, home: House) -> None:
    guild, channel = new_server(discord)
    discord.invite(guild)
    await discord.until(lambda: welcomes(channel), "a welcome card")
    discord.world.say("GUILD_DELETE", guild=guild)
    discord.invite(guild)
    # A server that comes later is welcomed after this one would be.
    other = discord.guild("Atelier", bot_present=False)
    there = other.channel("general")
    discord.invite(other)
    await discord.until(lambda: welcomes(there), "the welcome card of the other server")
    assert len(welcomes(channel)) == 1


@pytest.mark.slow
async def test_a_server_that_added_the_bot_while_it_was_away_is_welcomed(discord: Discord, home: House) -> None:
    guild, channel = new_server(discord)
    guild.bot_present, guild.joined_at = True, int(time.time() * 1000)
    discord.gateway.invalidate()
    await discord.until(lambda: welcomes(channel), "a welcome card")
    assert welcomes(home.channel) == []
    discord.gateway.invalidate()
    await discord.gateway.ready(3)
    assert len(welcomes(channel)) == 1


async def test_a_refused_welcome_is_not_tried_again(discord: Discord, home: House) -> None:
    guild, channel = new_server(discord)
    discord.fail("POST", POST.format(channel_id=channel.id), status=403)
    discord.invite(guild)
    await discord.until(lambda: home.tried("POST", "/messages"), "an attempt to post")
    discord.world.say("GUILD_DELETE", guild=guild)
    discord.invite(guild)
    other = discord.guild("Atelier", bot_present=False)
    there = other.channel("general")
    discord.invite(other)
    await discord.until(lambda: welcomes(there), "the welcome card of the other server")
    assert welcomes(channel) == []
