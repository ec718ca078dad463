"""The names in a family tree, which are requested from Discord."""

from __future__ import annotations

import pytest

from bot.ui.cards.family import SOMEBODY
from fakes.discord.model import Member
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from tests.doubles.texts import shows
from tests.wire.house import CORE_ROUTE, House

MEMBERS, USERS = "/guilds/{guild_id}/members/{user_id}", "/users/{user_id}"


async def tree(home: House, ada: Person) -> Seen:
    """The tree of a job of Ada from which Ben made another, as Ada sees it."""
    asked = await home.begun(ada)
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    ben = home.discord.user("ben")
    again = await ben.press(result, "Again")
    await home.services.called(CORE_ROUTE, 2)
    await home.done(2)
    await again.until(lambda seen: bool(seen.pictures))
    details = await (await ada.press(result, "Details")).answered()
    await ada.press(details, "Tree")
    return await ada.watches(details, lambda seen: bool(seen.pictures))


def _leave(home: House, name: str) -> None:
    assert home.channel.guild is not None
    home.channel.guild.members.pop(home.discord.user(name).id, None)


def alt(seen: Seen) -> str:
    (picture,) = seen.pictures
    assert picture.description is not None
    return picture.description


async def test_a_member_has_the_name_of_this_server(home: House, ada: Person) -> None:
    ben = home.discord.user("ben")
    assert home.channel.guild is not None
    home.channel.guild.members[ben.id] = Member(ben.user, nick="Benny")
    seen = await tree(home, ada)
    assert "Benny: " in alt(seen)
    assert "Ada: " in alt(seen)
    assert [call.path.rpartition("/")[2] for call in home.discord.called("GET", MEMBERS)] == [str(ben.id)]
    assert home.discord.called("GET", USERS) == []


async def test_somebody_who_left_has_their_own_name(home: House, ada: Person) -> None:
    home.discord.at("GET", "/guilds/*/members/*", lambda: _leave(home, "ben"))
    assert "Ben: " in alt(await tree(home, ada))


@pytest.mark.parametrize("status", [403, 404])
async def test_without_a_name_the_tree_is_still_shown(home: House, ada: Person, status: int) -> None:
    home.discord.fail("GET", "/guilds/*/members/*", status=status)
    home.discord.fail("GET", "/users/*", status=status)
    seen = await tree(home, ada)
    assert shows(alt(seen), SOMEBODY)
    assert "Ada: " in alt(seen)
