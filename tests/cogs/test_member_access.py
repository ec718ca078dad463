"""/server test: what one member may do in a channel, found with the checks of /imagine."""

from __future__ import annotations

from dataclasses import replace

import discord
import simcord

from bot.jobs.limits import TOO_MANY_JOBS, LimitKind
from bot.servers.settings import NOT_A_MANAGER
from bot.ui.admin import NOT_HERE
from bot.ui.cards.access import (
    CAN,
    CANNOT,
    CHANNEL_FINE,
    CHANNEL_WRONG,
    ENGINE_WRONG,
    ENGINES,
    I_MAY,
    I_MAY_NOT,
    MAY_NOT_USE,
    MAY_USE,
    NO,
    NO_LIMIT_ON_CREDITS,
    OPERATOR_LIMIT,
    ROLES_FINE,
    ROLES_WRONG,
    YES,
)
from bot.ui.cards.server import UNFINISHED, UNFINISHED_OF
from bot.ui.cards.usage import LEFT
from bot.ui.interactions import COMMAND_PERMISSION_NAMES, PERMISSION_NAMES
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, engine, told
from tests.doubles.texts import shows


async def checked(
    studio: Studio, person: simcord.MemberActor, channel: simcord.ChannelHandle | None = None
) -> dict[str, str]:
    """The lines of the card, by their marks; the other lines under an empty mark."""
    result = await studio.admin.slash(channel or studio.channel, "server test", member=person)
    assert told(result).private
    found = {YES: "", NO: "", "": ""}
    for line in told(result).text.splitlines():
        mark = next((mark for mark in (YES, NO) if line.startswith(mark)), "")
        found[mark] += line + "\n"
    return found


def person(of: simcord.MemberActor) -> str:
    return f"<@{of.id}>"


async def test_a_member_who_can_make_images(studio: Studio) -> None:
    said = await checked(studio, studio.ada)
    assert shows(said[""], CAN(person=person(studio.ada), channel=f"<#{studio.channel.id}>"))
    everything = len(studio.runtime.service.engines)
    for words in (
        MAY_USE(),
        CHANNEL_FINE(),
        ROLES_FINE,
        ENGINES(count=everything, all=everything, engine=engine(studio, CORE).name),
        NO_LIMIT_ON_CREDITS(),
        UNFINISHED(jobs=0),
        I_MAY(),
    ):
        assert shows(said[YES], words)
    assert said[NO] == ""


async def test_the_rules_of_the_server_are_checked(studio: Studio) -> None:
    art = studio.server.create_text_channel("art")
    artists = studio.server.create_role("Artists")
    vincent = studio.server.add_member(studio.env.create_user("vincent"), roles=[artists])
    await studio.admin.slash(
        studio.channel, "server set", channels="#art", roles="Artists", engines=BASIC, refused_words="lighthouse"
    )
    said = await checked(studio, studio.ada)
    assert shows(said[""], CANNOT)
    assert shows(said[NO], CHANNEL_WRONG(channels=f"<#{art.id}>"))
    assert shows(said[NO], ROLES_WRONG(roles=f"<@&{artists.id}>"))
    assert shows(
        said[YES], ENGINES(count=1, all=len(studio.runtime.service.engines), engine=engine(studio, BASIC).name)
    )
    said = await checked(studio, vincent, art)
    assert shows(said[""], CAN(person=person(vincent), channel=f"<#{art.id}>")), "words do not matter"
    assert said[NO] == ""


async def test_limits_and_running_jobs_are_shown(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.admin.slash(studio.channel, "quota set", credits=10, jobs=1)
    await studio.imagine(studio.ada)
    await studio.begun()
    said = await checked(studio, studio.ada)
    assert shows(said[NO], LEFT[LimitKind.SERVER_USER])
    assert "4 of 10 credits" in said[NO]
    assert shows(said[NO], UNFINISHED_OF(jobs=1, most=1))
    said = await checked(studio, studio.ben)
    assert "10 of 10 credits" in said[YES]
    assert shows(said[YES], UNFINISHED_OF(jobs=0, most=1))
    studio.stand_in.finish_all()
    await studio.finish()


async def test_limits_of_the_operator_are_named_without_what_was_spent_elsewhere(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="7")
    elsewhere = studio.env.create_guild("Elsewhere")
    there = elsewhere.create_text_channel("pictures")
    await elsewhere.add_member(studio.ada.user).slash(there, "imagine", prompt="a fox")
    await studio.finish()
    said = await checked(studio, studio.ada)
    assert shows(said[NO], OPERATOR_LIMIT)
    everything = "".join(said.values())
    assert "7 credits" not in everything
    assert "1 credit" not in everything


async def test_too_many_jobs_elsewhere_are_not_counted_out(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, JOBS_PER_USER="1")
    elsewhere = studio.env.create_guild("Elsewhere")
    there = elsewhere.create_text_channel("pictures")
    await elsewhere.add_member(studio.ada.user).slash(there, "imagine", prompt="a fox")
    await studio.begun()
    said = await checked(studio, studio.ada)
    assert shows(said[NO], OPERATOR_LIMIT)
    assert not shows("".join(said.values()), TOO_MANY_JOBS)
    studio.stand_in.finish_all()
    await studio.finish()


async def test_missing_permissions_of_both_are_named(studio: Studio) -> None:
    me = studio.runtime.client.user
    assert me is not None
    half_open = studio.server.create_text_channel(
        "half-open",
        overwrites={
            me: discord.PermissionOverwrite(attach_files=False),
            studio.ada.user: discord.PermissionOverwrite(use_application_commands=False),
        },
    )
    said = await checked(studio, studio.ada, half_open)
    assert shows(said[NO], I_MAY_NOT(permissions=[PERMISSION_NAMES["attach_files"]]))
    wanted = [COMMAND_PERMISSION_NAMES["use_application_commands"]]
    assert shows(said[NO], MAY_NOT_USE(permissions=wanted))


async def test_an_engine_that_is_gone_is_named(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", engines=BASIC)
    rules = studio.runtime.servers._rules  # the engine can only disappear with a new version of the bot
    rules[studio.server.id] = replace(rules[studio.server.id], engines=("easel/gone",))
    said = await checked(studio, studio.ada)
    assert shows(said[NO], ENGINE_WRONG(engine=engine(studio, CORE).name))


async def test_a_person_who_is_no_member_is_refused(studio: Studio) -> None:
    stranger = studio.env.create_user("stranger")
    said = told(await studio.admin.slash(studio.channel, "server test", member=stranger)).text
    assert shows(said, NOT_HERE)


async def test_members_may_not_test(studio: Studio) -> None:
    commands = studio.env.backend.commands[None].values()
    next(each for each in commands if each["name"] == "server")["default_member_permissions"] = None
    said = told(await studio.ben.slash(studio.channel, "server test", member=studio.ada)).text
    assert said == str(NOT_A_MANAGER)
