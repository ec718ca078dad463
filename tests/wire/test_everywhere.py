"""The places and people of the commands: servers, direct messages, groups, and apps installed by a user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.domain.place import Origin
from bot.domain.rules import NOT_YOUR_ROLE, ROLES_GONE
from bot.jobs.limits import TOO_MANY_IMAGES
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import NotOfferedError, Person
from fakes.discord.seen import Seen
from storage.records import JobStatus
from storage.settings import Subject
from tests.doubles.texts import shows
from tests.wire.house import ADDRESSES, House, house

pytestmark = pytest.mark.slow

FOR_ADMINS = ("usage report", "quota show", "server show")
FOR_EVERYBODY = ("help", "engines", "credits", "history", "settings show", "privacy export", "thread list")


@pytest.fixture
async def home(
    discord: Discord, channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    for owner, name in ADDRESSES:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    async with house(discord, channel, tmp_path) as made:
        yield made


@pytest.fixture
def ada(discord: Discord) -> Person:
    """A person who has installed the app for herself."""
    return discord.user("ada", installed_app=True)


def server(home: House, ada: Person) -> Channel:
    return home.channel


def direct(home: House, ada: Person) -> Channel:
    return ada.dm


def group(home: House, ada: Person) -> Channel:
    return home.discord.group(ada, home.discord.user("ben"))


def elsewhere(home: House, ada: Person) -> Channel:
    return home.discord.guild("Elsewhere", bot_present=False).channel("lounge")


PLACES = [server, direct, group, elsewhere]


def finished(seen: Seen) -> bool:
    return bool(seen.pictures)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("private", [False, True])
async def test_images_can_be_made_everywhere(
    home: House, ada: Person, place: Callable[[House, Person], Channel], private: bool
) -> None:
    where = place(home, ada)
    asked = await home.begun(ada, where, private=private)
    assert (await home.done()).status is JobStatus.DELIVERED
    result = await asked.until(finished)
    assert result.private is private
    assert len(result.files) == 1
    again = await ada.press(result, "Again")
    await again.until(lambda seen: "Sent" in seen.text)
    assert (await home.done(2)).status is JobStatus.DELIVERED
    details = await (await ada.press(result, "Details")).answered()
    assert details.private


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.slow
async def test_every_command_works_everywhere(
    home: House, ada: Person, place: Callable[[House, Person], Channel]
) -> None:
    where = place(home, ada)
    await home.begun(ada, where)
    await home.done()
    for command in FOR_EVERYBODY:
        said = await (await ada.slash(where, command)).answered()
        assert said.private, command
        assert "went wrong" not in said.text, command
    chart = await (await ada.slash(where, "credits")).answered()
    assert len(chart.files) == 1


@pytest.mark.parametrize("place", [direct, group, elsewhere])
@pytest.mark.parametrize("command", FOR_ADMINS)
async def test_commands_for_admins_are_offered_only_in_the_bots_servers(
    home: House, ada: Person, place: Callable[[House, Person], Channel], command: str
) -> None:
    with pytest.raises(NotOfferedError):
        await ada.slash(place(home, ada), command)


@pytest.mark.parametrize("place", [group, elsewhere])
async def test_without_an_install_commands_are_not_available(
    home: House, ada: Person, place: Callable[[House, Person], Channel]
) -> None:
    ben = home.discord.user("ben")
    with pytest.raises(NotOfferedError, match="not installed"):
        await ben.slash(place(home, ada), "help")


async def test_others_can_press_visible_buttons(home: House, ada: Person) -> None:
    ben = home.discord.user("ben")
    where = elsewhere(home, ada)
    asked = await home.begun(ada, where)
    await home.done()
    again = await ben.press(await asked.until(finished), "Again")
    await again.until(lambda seen: "Sent" in seen.text)
    assert (await home.done(2)).user_id == ben.id
    assert finished(await again.until(finished))


# --- a server that is not in the cache ----------------------------------------------------------------------------


def not_cached(home: House) -> None:
    """Remove the server from the cache, as at a start, after a lost session, or after the bot was removed."""
    guild = home.channel.guild
    assert guild is not None
    home.runtime.client._connection._guilds.pop(guild.id)


@pytest.mark.parametrize("cached", [True, False])
async def test_roles_count_with_and_without_a_cached_server(home: House, ada: Person, cached: bool) -> None:
    guild = home.channel.guild
    assert guild is not None
    painters = guild.role("painters")
    guild.member(ada.user).roles.append(painters)
    ben = home.discord.user("ben")
    guild.member(ben.user)
    manager = Origin(1, "a manager", server_id=guild.id, channel_id=1, file_limit=1, manage_server=True)
    servers = home.runtime.servers
    await servers.set_rules(manager, {"roles": (painters.id,)})
    await servers.set_quota(manager, Subject.ROLE, painters.id, images=1)
    if not cached:
        not_cached(home)
    # The role gives her access, and its limit applies.
    refused = await (await ada.slash(home.channel, "imagine", prompt="a fox", images=2)).answered()
    assert shows(refused.text, TOO_MANY_IMAGES(images=2, count=1))
    await home.begun(ada)
    # The role was created after the connection, so the cache does not know it. He does not have it in either case.
    told = (await (await ben.slash(home.channel, "imagine", prompt="a fox")).answered()).text
    assert shows(told, ROLES_GONE if cached else NOT_YOUR_ROLE)


@pytest.mark.parametrize("cached", [True, False])
async def test_the_everyone_role_counts(home: House, ada: Person, cached: bool) -> None:
    guild = home.channel.guild
    assert guild is not None
    manager = Origin(1, "a manager", server_id=guild.id, channel_id=1, file_limit=1, manage_server=True)
    await home.runtime.servers.set_rules(manager, {"roles": (guild.id,)})
    if not cached:
        not_cached(home)
    await home.begun(ada)
