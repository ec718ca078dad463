"""The commands that answer a question, asked by those who may and by those who may not."""

from __future__ import annotations

import re

import pytest

from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, told


async def test_credits_show_what_was_spent_and_what_is_in_flight(studio: Studio) -> None:
    await studio.imagine(engine=CORE)
    await studio.imagine(engine=BASIC)
    await studio.finish()
    studio.stand_in.works.seconds = None
    await studio.imagine(engine=CORE)
    await studio.begun(count=2)
    said = told(await studio.ada.slash(studio.channel, "credits")).text
    assert re.search(r"Today: 6\.\d credits spent, 0\.\d of them estimated", said)
    assert "In flight: 6 credits" in said
    assert "Stable Image Core: 6 credits" in said
    others = told(await studio.ben.slash(studio.channel, "credits")).text
    assert "Today: 0 credits spent" in others


async def test_credits_say_what_is_left(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="20")
    await studio.imagine()
    await studio.finish()
    said = told(await studio.ada.slash(studio.channel, "credits")).text
    assert "Left today: 14 credits of 20 credits" in said


@pytest.mark.parametrize("period", ["today", "this month", "all time"])
async def test_usage_tells_an_admin_who_spent_what(studio: Studio, period: str) -> None:
    await studio.imagine(studio.ada)
    await studio.imagine(studio.ben, images=2)
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage report", period=period)).text
    assert "**What The Studio has spent**" in said
    assert "18 credits spent" in said
    ada, ben = (said.index(f"<@{person.id}>") for person in (studio.ada, studio.ben))
    assert ben < ada, "the most comes first"
    assert f"<@{studio.ben.id}>: 12 credits, 1 job" in said


async def test_usage_is_counted_by_server(studio: Studio) -> None:
    await studio.ada.user.slash("imagine", prompt="in a direct message")
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert "Nobody has made an image" in said


async def test_usage_is_refused_to_others_even_where_discord_shows_it_to_them(studio: Studio) -> None:
    command = studio.runtime.client.tree.get_command("usage")
    assert command is not None
    assert command.default_permissions is not None
    assert command.default_permissions.manage_guild
    commands = studio.env.backend.commands[None]
    registered = next(each for each in commands.values() if each["name"] == "usage")
    registered["default_member_permissions"] = None
    refused = told(await studio.ben.slash(studio.channel, "usage report")).text
    assert "Manage Server" in refused
    assert str(studio.ada.id) not in refused


async def test_engines_are_listed(studio: Studio) -> None:
    said = told(await studio.ada.slash(studio.channel, "engines")).text
    for engine in studio.runtime.actions.engines.values():
        assert f"**{engine.name}**" in said
    assert "Stable Image Core** · used where none is named" in said
    assert "6 credits an image" in said


async def test_help_names_commands_to_click_on(studio: Studio) -> None:
    said = told(await studio.ada.slash(studio.channel, "help")).text
    mentioned = re.findall(r"</([a-z ]+):(\d+)>", said)
    ids = {each["name"]: each["id"] for each in studio.env.backend.commands[None].values()}
    assert {name for name, _ in mentioned} == {"imagine", "engines", "credits", "usage report"}
    assert all(ids[name.split()[0]] == number for name, number in mentioned)


async def test_everything_but_imagine_answers_privately(studio: Studio) -> None:
    for name in ("credits", "engines", "help", "usage report"):
        assert told(await studio.admin.slash(studio.channel, name)).private
