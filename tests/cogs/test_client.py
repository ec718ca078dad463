"""The client: its requests to Discord at the start, its allowed places, and its apologies."""

from __future__ import annotations

import re

import discord
import pytest

from bot.ui.client import NOT_THIS_SERVER
from bot.ui.interactions import APOLOGY
from storage import settings
from tests.cogs.conftest import MakeStudio, Studio, card, told
from tests.doubles.texts import shows


def syncs(studio: Studio) -> list[str]:
    return [each.path for each in studio.env.http_requests if each.method == "PUT" and "/commands" in each.path]


async def test_the_bot_requests_no_privileged_intent(studio: Studio) -> None:
    assert studio.runtime.client.intents == discord.Intents(guilds=True)


async def test_commands_are_synced_only_when_their_definition_changed(studio: Studio) -> None:
    assert len(syncs(studio)) == 1
    await studio.restart()
    assert len(syncs(studio)) == 1
    assert "</imagine:" in studio.runtime.commands.mention("imagine")
    studio.runtime.client.tree.get_commands()[0].description = "Something else"  # type: ignore[union-attr]  # a slash command
    with studio.env.time_context():
        assert (await studio.runtime.commands.sync()).done == ("everywhere",)
        assert (await studio.runtime.commands.sync()).done == ()
        assert (await studio.runtime.commands.sync(force=True)).done == ("everywhere",)
    assert len(syncs(studio)) == 3


async def test_commands_can_be_limited_to_some_servers(studio: Studio) -> None:
    client, commands = studio.runtime.client, studio.env.backend.commands
    studio.runtime.commands._guilds = (studio.server.id,)
    with studio.env.time_context():
        assert (await studio.runtime.commands.sync()).done == (str(studio.server.id),)
    # The global commands are removed, or each command would be shown twice.
    assert commands[None] == {}
    ours = {command.name for command in client.tree.get_commands()}
    assert {each["name"] for each in commands[studio.server.id].values()} == ours
    studio.runtime.commands._guilds = ()
    with studio.env.time_context():
        assert (await studio.runtime.commands.sync()).done == ("everywhere",)
    assert not commands[studio.server.id]
    assert len(commands[None]) == len(ours)


async def test_only_commands_for_admins_are_limited_to_servers(studio: Studio) -> None:
    everywhere, in_servers = ([0, 1, 2], [0, 1]), ([0], [0])
    for command in studio.env.backend.commands[None].values():
        where = everywhere if command["default_member_permissions"] is None else in_servers
        assert (command["contexts"], command["integration_types"]) == where, command["name"]


async def test_a_sync_that_discord_refuses_does_not_stop_the_bot(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    async with studio.runtime.database.write() as tx:
        await settings.set_state(tx, "commands", {})
    studio.env.inject_error("PUT", "/applications/*/commands", status=400, code=50035, times=None)
    await studio.restart()
    assert "commands.not_synced" in caplog.text
    result = await studio.imagine()
    await studio.finish()
    assert len(card(result).images) == 1
    assert studio.runtime.commands.mention("imagine") == "`/imagine`"


async def test_the_bot_works_only_in_allowed_servers(make_studio: MakeStudio) -> None:
    studio = await make_studio(ALLOWED_GUILDS="123")
    refused = told(await studio.imagine())
    assert shows(refused.text, NOT_THIS_SERVER)
    assert not card(await studio.ada.user.slash("imagine", prompt="a fox")).images
    assert await studio.ada.autocomplete(studio.channel, "imagine", "engine", "") == []
    assert studio.stand_in.calls == []
    studio.runtime.client._allowed_guilds = frozenset({studio.server.id})
    result = await studio.imagine()
    await studio.finish()
    assert len(card(result).images) == 1
    studio.runtime.client._allowed_guilds = frozenset({123})
    pressed = await studio.press(studio.ada, card(result), "Again")
    assert shows(told(pressed).text, NOT_THIS_SERVER)


async def test_a_bug_is_answered_with_an_apology_and_an_error_id_from_the_log(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a made-up fault")

    monkeypatch.setattr(type(studio.runtime.reports), "credits", broken)
    said = told(await studio.ada.slash(studio.channel, "credits")).text
    assert shows(said, APOLOGY)
    (number,) = re.findall(r"\b[0-9a-f]{8}\b", said)
    (record,) = [
        record for record in caplog.records if record.levelname == "ERROR" and record.name.startswith("bot.ui")
    ]
    assert number in record.getMessage()
    assert "a made-up fault" in caplog.text
    assert any("a made-up fault" in str(error) for error in studio.env.errors)
    studio.env._errors.clear()


async def test_an_apology_replaces_a_deferred_card(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a made-up fault")

    monkeypatch.setattr(type(studio.runtime.service), "imagine", broken)
    result = await studio.imagine(prompt="a secret prompt")
    assert shows(card(result).text, APOLOGY)
    assert "secret prompt" not in caplog.text
    assert len(studio.env.errors) == 1
    studio.env._errors.clear()


@pytest.mark.parametrize(("status", "code"), [(404, 10062), (400, 40060), (400, 50083)])
async def test_an_answer_after_the_deadline_is_not_logged_as_a_bug(
    studio: Studio, caplog: pytest.LogCaptureFixture, status: int, code: int
) -> None:
    studio.env.inject_error("POST", "/interactions/*/callback", status=status, code=code)
    result = await studio.imagine()
    # A second attempt would succeed, so there was none.
    assert not result.acknowledged
    assert "interaction.answer_not_taken" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR" and record.name.startswith("bot.ui")]
    assert studio.stand_in.calls == []
    assert len(studio.env.errors) == 1
    studio.env._errors.clear()
