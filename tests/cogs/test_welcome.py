"""The welcome card of a server, and its buttons."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.rules import OTHER_CHANNELS
from bot.ui.admin import LACKING
from bot.ui.cards.setup import FOR_MANAGERS, HOW, PANEL, WELCOME
from bot.ui.interactions import PERMISSION_NAMES
from bot.ui.setup_panel import FOR_MANAGERS_ONLY
from bot.ui.welcome import NO_LIMIT, ONLY_DEMO
from tests.cogs.conftest import MakeStudio, Studio, card, told
from tests.doubles.texts import shows

SETTLED = 30 * 24 * 3600


async def joins(studio: Studio, server: simcord.GuildHandle | None = None) -> None:
    """Let the bot join a server that exists already."""
    server = server or studio.server
    guild = studio.runtime.client.get_guild(server.id)
    assert guild is not None
    with studio.env.time_context():
        # Awaited, unlike dispatched events, so that a missing card is no card that comes later.
        for listener in studio.runtime.client.extra_events["on_guild_join"]:
            await listener(guild)


def words(message: discord.Message) -> str:
    """The texts of a card."""
    return "\n".join(part.content for part in parts_of(message) if isinstance(part, discord.TextDisplay))


def parts_of(message: discord.Message) -> list[Any]:
    return [part for each in message.components for part in getattr(each, "children", [])]


def cards(channel: simcord.ChannelHandle) -> list[discord.Message]:
    return [each for each in channel.history() if shows(words(each), WELCOME)]


async def test_it_says_what_the_bot_does_and_what_is_missing(studio: Studio) -> None:
    await joins(studio)
    (welcome,) = cards(studio.channel)
    said = words(welcome)
    assert shows(said, HOW(imagine=studio.runtime.commands.mention("imagine")))
    assert "</imagine:" in said
    assert shows(said, FOR_MANAGERS)
    assert shows(said, NO_LIMIT)
    assert not shows(said, ONLY_DEMO)


async def test_nothing_is_missing_once_spending_is_limited(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="50")
    await joins(studio)
    assert not shows(words(cards(studio.channel)[0]), FOR_MANAGERS)


async def test_demo_images_and_missing_permissions_are_named(make_studio: MakeStudio) -> None:
    studio = await make_studio(DEMO_PROVIDER="1")
    me = studio.runtime.client.user
    assert me is not None
    closed = studio.server.create_text_channel(
        "closed", overwrites={me: discord.PermissionOverwrite(attach_files=False)}
    )
    await joins(studio)
    said = words(cards(studio.channel)[0])
    assert shows(said, ONLY_DEMO)
    assert shows(said, LACKING(channel=closed.id, permissions=[PERMISSION_NAMES["attach_files"]]))


async def test_a_server_is_welcomed_once_even_after_a_restart(studio: Studio) -> None:
    await joins(studio)
    await joins(studio)
    await studio.restart()
    await joins(studio)
    assert len(cards(studio.channel)) == 1
    studio.clock.advance(SETTLED + 1)
    await joins(studio)
    assert len(cards(studio.channel)) == 2, "it added the bot again after a month"


async def test_the_first_channel_where_the_bot_can_write_is_used(studio: Studio) -> None:
    server = studio.env.create_guild("Elsewhere")
    me = studio.runtime.client.user
    assert me is not None
    server.create_text_channel("rules", overwrites={me: discord.PermissionOverwrite(send_messages=False)})
    open_one = server.create_text_channel("talk")
    await studio.env.settle()
    await joins(studio, server)
    assert len(cards(open_one)) == 1


async def test_a_server_without_such_a_channel_gets_nothing(studio: Studio) -> None:
    server = studio.env.create_guild("Silent")
    me = studio.runtime.client.user
    assert me is not None
    closed = server.create_text_channel("rules", overwrites={me: discord.PermissionOverwrite(send_messages=False)})
    await studio.env.settle()
    await joins(studio, server)
    assert cards(closed) == []


@pytest.mark.parametrize("setting", ["ALLOWED_GUILDS", "COMMAND_GUILDS"])
async def test_servers_that_the_operator_does_not_serve_get_nothing(make_studio: MakeStudio, setting: str) -> None:
    studio = await make_studio(**{setting: "1300000000000000009"})
    await joins(studio)
    assert cards(studio.channel) == []


async def test_try_it_makes_an_image_for_the_person_who_presses(studio: Studio) -> None:
    await joins(studio)
    await studio.restart()
    result = await studio.ben.click(cards(studio.channel)[0], label="Try it")
    await studio.finish()
    assert len(card(result).images) == 1
    assert f"<@{studio.ben.id}>" in card(result).text
    assert (await studio.job()).user_id == studio.ben.id


async def test_try_it_follows_the_rules_of_the_server(studio: Studio) -> None:
    await joins(studio)
    studio.server.create_text_channel("art")
    await studio.admin.slash(studio.channel, "server set", channels="#art")
    result = await studio.ben.click(cards(studio.channel)[0], label="Try it")
    assert shows(told(result).text, OTHER_CHANNELS(channels=["#art"]))
    assert studio.stand_in.calls == []


async def test_set_up_opens_the_panel_for_managers_only(studio: Studio) -> None:
    await joins(studio)
    await studio.restart()
    (welcome,) = cards(studio.channel)
    refused = told(await studio.ben.click(welcome, label="Set up"))
    assert shows(refused.text, FOR_MANAGERS_ONLY)
    opened = told(await studio.admin.click(welcome, label="Set up"))
    assert shows(opened.text, PANEL)
