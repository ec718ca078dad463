"""The sync of commands with Discord, for any other commands that Discord has and any errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from discord import Guild

from bot import config
from bot.app import Runtime
from bot.discord_checks import LEFT_OVER, command_names, registered
from bot.findings import Finding, Level
from bot.ui.sync import CommandSync, Synced, Trouble
from fakes.discord.constants import Json
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from tests.wire.house import ADDRESSES, at_discord, house

pytestmark = pytest.mark.slow

EVERYWHERE = "/applications/{application_id}/commands"
IN_A_SERVER = "/applications/{application_id}/guilds/{guild_id}/commands"
LAUNCH: Json = {
    "id": "901",
    "application_id": "7",
    "version": "902",
    "type": 4,
    "name": "launch",
    "name_localizations": {"de": "starten"},
    "description": "",
    "description_localizations": None,
    "default_member_permissions": "8",
    "contexts": [0, 1],
    "integration_types": [0, 1],
    "handler": 2,
    "nsfw": False,
}
OLD: Json = {**LAUNCH, "id": "903", "type": 1, "name": "old", "description": "Left over", "options": []}

Login = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture
async def login(discord: Discord, channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    """Log the bot in with commands in these servers."""
    for owner, name in ADDRESSES:
        monkeypatch.setattr(owner, name, getattr(owner, name))

    @asynccontextmanager
    async def made(*guilds: int, folder: str = "data") -> AsyncIterator[Runtime]:
        more = {"COMMAND_GUILDS": ",".join(map(str, guilds))}
        async with at_discord(discord, tmp_path / folder, more) as runtime:
            yield runtime

    return made


def names(discord: Discord, guild: int | None = None) -> set[str]:
    return {one["name"] for one in discord.world.commands.get(guild, [])}


def sync_of(runtime: Runtime) -> CommandSync:
    return runtime.commands


async def test_an_entry_point_command_is_sent_back_unchanged(discord: Discord, login: Login) -> None:
    discord.world.commands[None] = [dict(LAUNCH)]
    async with login() as runtime:
        assert {"launch", "imagine"} <= names(discord)
        (launch,) = [one for one in discord.world.commands[None] if one["type"] == 4]
        assert {name: launch[name] for name in LAUNCH if name not in {"version", "application_id"}} == {
            name: value for name, value in LAUNCH.items() if name not in {"version", "application_id"}
        }
        assert "launch" not in sync_of(runtime)._ids["everywhere"]
        assert (await sync_of(runtime).sync()).done == ()
        assert len(discord.called("PUT", EVERYWHERE)) == 1


async def test_an_entry_point_stays_with_commands_in_a_server(discord: Discord, channel: Channel, login: Login) -> None:
    assert channel.guild is not None
    discord.world.commands[None] = [dict(LAUNCH), dict(OLD)]
    async with login(channel.guild.id) as runtime:
        assert names(discord) == {"launch"}
        assert "imagine" in names(discord, channel.guild.id)
        # The remaining entry point does not cause another update.
        assert (await sync_of(runtime).sync()).troubles == {}
        assert len(discord.called("PUT", EVERYWHERE)) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
async def test_each_server_is_synced_separately(
    discord: Discord, channel: Channel, login: Login, order: tuple[int, ...]
) -> None:
    good, left, unknown = discord.guild("good").id, discord.guild("left", bot_present=False).id, 4711
    three = (good, left, unknown)
    async with login(*(three[number] for number in order)) as runtime:
        assert "imagine" in names(discord, good)
        last = await sync_of(runtime).sync()
        assert dict(last.troubles) == {str(left): Trouble.NOT_LET_IN, str(unknown): Trouble.NOT_LET_IN}
        # A server that the bot joins later gets the commands then.
        discord.world.guilds[left].bot_present = True
        await sync_of(runtime).on_guild_join(cast("Guild", SimpleNamespace(id=left)))
        assert "imagine" in names(discord, left)


@pytest.mark.parametrize("fault", ["503", "cut", "429", "read"])
async def test_temporary_failures_are_retried_while_the_bot_runs(
    discord: Discord, channel: Channel, tmp_path: Path, login: Login, fault: str
) -> None:
    if fault == "cut":
        placed = discord.cut("PUT", "/applications/*/commands", times=4)
    elif fault == "429":
        placed = discord.limit("PUT", "/applications/*/commands", via=False, times=3)
    else:
        method = "GET" if fault == "read" else "PUT"
        placed = discord.fail(method, "/applications/*/commands", status=503, times=2)
    async with house(discord, channel, tmp_path / "data") as home:
        await discord.until(lambda: "imagine" in names(discord), "the commands")
        assert placed.times == 0
        assert await sync_of(home.runtime).sync() == Synced((), {})
        assert "</imagine:" in home.runtime.commands.mention("imagine")


async def test_a_refusal_is_not_retried_forever(discord: Discord, login: Login) -> None:
    discord.fail("PUT", "/applications/*/commands", status=400, code=50035, times=None)
    async with login() as runtime:
        await sync_of(runtime).run()
        assert dict(sync_of(runtime)._last.troubles) == {"everywhere": Trouble.REFUSED}
        assert len(discord.called("PUT", EVERYWHERE)) == 2


async def test_global_leftovers_of_another_data_folder_are_removed(
    discord: Discord, channel: Channel, login: Login
) -> None:
    assert channel.guild is not None
    async with login(folder="first"):
        assert "imagine" in names(discord)
    async with login(channel.guild.id, folder="second"):
        assert names(discord) == set()
        assert "imagine" in names(discord, channel.guild.id)


async def test_server_leftovers_of_another_data_folder_are_removed(
    discord: Discord, channel: Channel, tmp_path: Path, login: Login
) -> None:
    first, second, foreign = (discord.guild(name).id for name in ("first", "second", "foreign"))
    async with login(first, second, folder="first"):
        assert "imagine" in names(discord, second)
    async with house(discord, channel, tmp_path / "second"):
        await discord.until(lambda: not names(discord, first) | names(discord, second), "no duplicate commands")
        assert "imagine" in names(discord)
        put = [call.number("guild_id") for call in discord.called("PUT", IN_A_SERVER)]
        assert sorted(put) == sorted([first, second] * 2), f"{foreign} had no commands, so none are removed there"


async def test_commands_are_removed_from_a_server_that_left_the_settings(discord: Discord, login: Login) -> None:
    first, second = (discord.guild(name).id for name in ("first", "second"))
    async with login(first, second):
        pass
    async with login(second) as runtime:
        assert names(discord, first) == set()
        assert "imagine" in names(discord, second)
    discord.world.guilds[second].bot_present = False
    async with login() as runtime:
        assert "imagine" in names(discord)
        assert (await sync_of(runtime).sync()).troubles == {}, "a server that the bot has left is not synced"


async def test_foreign_changes_are_corrected(discord: Discord, login: Login) -> None:
    async with login():
        pass
    discord.world.commands[None] = [dict(OLD)]
    async with login():
        assert "imagine" in names(discord)
        assert "old" not in names(discord)


async def test_unchanged_commands_are_only_read(discord: Discord, login: Login) -> None:
    for _ in range(3):
        async with login() as runtime:
            await sync_of(runtime).run()
    assert len(discord.called("PUT")) == 1


async def test_global_commands_stay_while_no_server_accepts_them(discord: Discord, login: Login) -> None:
    async with login():
        pass
    async with login(4711) as runtime:
        assert sync_of(runtime)._last.troubles == {"4711": Trouble.NOT_LET_IN}
        assert "imagine" in names(discord)


# --- the doctor's findings -------------------------------------------------------------------------------------------


async def looked_at(discord: Discord, *guilds: int) -> list[Finding]:
    environ = {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": discord.url,
        "COMMAND_GUILDS": ",".join(map(str, guilds)),
    }
    ours = await command_names()
    id_ = discord.world.application_id
    return [finding async for finding in registered(config.load(environ, None), id_, ours)]


async def test_the_doctor_shows_where_the_commands_are(discord: Discord, login: Login) -> None:
    discord.world.commands[None] = [dict(LAUNCH)]
    (before,) = await looked_at(discord)
    assert before.level is Level.NOTE
    async with login():
        (after,) = await looked_at(discord)
        assert after.level is Level.FINE


async def test_the_doctor_names_a_server_without_permission(discord: Discord, channel: Channel, login: Login) -> None:
    assert channel.guild is not None
    good = channel.guild.id
    async with login(4711, good):
        bad, fine = await looked_at(discord, 4711, good)
        assert (bad.level, fine.level) == (Level.TO_DO, Level.FINE)
        assert "4711" in str(bad)
        assert str(good) in str(fine)


async def test_the_doctor_names_duplicate_commands(discord: Discord, channel: Channel, login: Login) -> None:
    assert channel.guild is not None
    other = discord.guild("other").id
    async with login(other, folder="first"):
        pass
    discord.world.commands[None] = [dict(LAUNCH), dict(OLD)]
    discord.world.commands[channel.guild.id] = []
    told = await looked_at(discord, channel.guild.id)
    assert (told[-1].level, told[-1].text.code) == (Level.TO_DO, LEFT_OVER.code)
    assert str(other) in str(told[-1])
    places = told[-1].text.values["places"]
    assert isinstance(places, list)
    assert len(places) == 2, "global commands, and those of the other server"


async def test_the_doctor_stops_if_discord_does_not_respond(discord: Discord) -> None:
    discord.fail("GET", "/applications/*/commands", status=503)
    (finding,) = await looked_at(discord)
    assert finding.level is Level.TO_DO
    assert "503" in str(finding)
