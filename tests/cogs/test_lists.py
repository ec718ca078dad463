"""The commands that answer a question, asked by those who may and by those who may not."""

from __future__ import annotations

import pytest

from tests.cogs.conftest import Studio, told


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


async def test_everything_but_imagine_answers_privately(studio: Studio) -> None:
    for name in ("credits", "engines", "help", "usage report"):
        assert told(await studio.admin.slash(studio.channel, name)).private
