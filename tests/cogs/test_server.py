"""/server as an admin uses it, its effect on people, and the refusals for members."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.engines import NO_ENGINE_MAKES, few
from bot.domain.options import NOT_A_SIZE
from bot.domain.place import Origin
from bot.domain.rules import (
    ALLOWED_ENGINES_GONE,
    ALWAYS_PRIVATE,
    CHANNELS_GONE,
    DEFAULT_NOT_ALLOWED,
    ENGINE_NOT_ALLOWED,
    NO_RULES,
    NOT_THIS_CHANNEL,
    NOT_YOUR_ROLE,
    OTHER_CHANNELS,
    PRIVATE_OFF,
    ROLES_GONE,
    WORD_REFUSED,
    WORD_RESTRICTED,
    Privacy,
)
from bot.domain.word_filter import WORD_TOO_LONG, WORD_TOO_SHORT
from bot.servers.settings import NOT_A_MANAGER
from bot.text import Message, Text
from bot.ui import interactions
from bot.ui.admin import (
    CHANGED_BY,
    LACKING,
    NO_SUCH_CHANNEL,
    NO_SUCH_ROLE,
    NOT_AGE_RESTRICTED,
    NOT_LOGGED,
    NOTHING_TO_SET,
    SET_AND_CLEARED,
)
from bot.ui.cards.server import CHANGE, NO_CHANGES, NOTHING_MISSING, RULE, TITLES, subject_text
from bot.ui.interactions import PERMISSION_NAMES
from storage.settings import Quota, Subject
from tests.cogs.conftest import BASIC, CORE, Studio, card, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


async def server(studio: Studio, name: str, **options: Any) -> str:
    return told(await studio.admin.slash(studio.channel, f"server {name}", **options)).text


async def refusal(studio: Studio, **options: Any) -> str:
    """The immediate answer to /imagine."""
    result = await studio.imagine(studio.ada, **options)
    assert not result.deferred
    return told(result).text


async def test_only_allowed_channels_and_their_threads_can_be_used(studio: Studio) -> None:
    art = studio.server.create_text_channel("art")
    assert f"Channels: <#{art.id}>" in await server(studio, "set", channels="#art")
    assert shows(await refusal(studio), OTHER_CHANNELS(channels=["#art"]))
    result = await studio.ada.slash(art, "imagine", prompt="a fox")
    await studio.finish()
    assert len(card(result).images) == 1
    await server(studio, "set", clear="channels")
    await studio.imagine(studio.ada)
    await studio.finish()


async def test_only_allowed_roles_can_make_images(studio: Studio) -> None:
    artists = studio.server.create_role("Artists")
    artist = studio.server.add_member(studio.env.create_user("vincent"), roles=[artists])
    assert f"Roles: <@&{artists.id}>" in await server(studio, "set", roles=f"<@&{artists.id}>")
    assert shows(await refusal(studio), NOT_YOUR_ROLE)
    result = await studio.imagine(artist)
    await studio.finish()
    assert len(card(result).images) == 1


async def test_only_allowed_engines_can_be_used_and_one_is_the_default(studio: Studio) -> None:
    await server(studio, "set", engines=f"{BASIC}, {XL}", default_engine=BASIC, default_size="512x512")
    allowed = few([BASIC, XL])
    assert shows(await refusal(studio, engine=CORE), ENGINE_NOT_ALLOWED(wrong=few([CORE]), allowed=allowed))
    for name, option in (("imagine", "engine"), ("compare", "engines")):
        offered = await studio.ada.autocomplete(studio.channel, name, option, "", prompt="a fox")
        assert {choice["value"] for choice in offered} == {BASIC, XL}
    result = await studio.imagine(studio.ada)
    await studio.finish()
    assert "512x512" in card(result).text
    assert (await studio.runtime.jobs.view(1)).submissions[0].record.engine == BASIC
    await server(studio, "set", clear="engine")
    await studio.imagine(studio.ada)
    await studio.finish()
    assert (await studio.runtime.jobs.view(2)).submissions[0].record.engine in {BASIC, XL}, (
        "the bot's own default is not allowed"
    )


async def test_private_answers_can_be_forced_or_forbidden(studio: Studio) -> None:
    await server(studio, "set", private=Privacy.FORCED.value)
    result = await studio.imagine(studio.ada)
    assert card(result).private
    await studio.finish()
    assert card(result).private
    await server(studio, "set", private=Privacy.FORBIDDEN.value)
    assert shows(await refusal(studio, private=True), PRIVATE_OFF)
    result = await studio.imagine(studio.ada)
    await studio.finish()
    assert not card(result).private


async def test_words_can_be_refused_or_limited_to_age_restricted_channels(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server(studio, "set", refused_words="ugly, bl*d", restricted_words="nude*")
    said = await refusal(studio, prompt="an UGLY blood nudes scene")
    assert shows(said, WORD_REFUSED(word="UGLY"))
    assert shows(said, WORD_REFUSED(word="blood"))
    assert shows(said, WORD_RESTRICTED(word="nudes"))
    adults = studio.server.create_text_channel("adults")
    # SimCord has no age-restricted channels.
    monkeypatch.setattr(interactions, "_age_restricted", lambda interaction: interaction.channel_id == adults.id)
    result = await studio.ada.slash(adults, "imagine", prompt="a nude study")
    await studio.finish()
    assert len(card(result).images) == 1


async def test_all_problems_are_reported_at_once(studio: Studio) -> None:
    await server(
        studio,
        "set",
        engines=BASIC,
        refused_words="ugly",
        channels=_elsewhere(studio),
        private=Privacy.FORBIDDEN.value,
    )
    said = await refusal(studio, prompt="an ugly fox --steps 500", engine=BASIC, private=True)
    assert "500" in said
    for problem in (OTHER_CHANNELS(channels=["#elsewhere"]), PRIVATE_OFF(), WORD_REFUSED(word="ugly")):
        assert shows(said, problem)
    assert studio.stand_in.calls == []


async def test_the_rules_apply_to_again(studio: Studio) -> None:
    result = await studio.imagine(studio.ada, prompt="an ugly fox")
    await studio.finish()
    await server(studio, "set", refused_words="ugly")
    said = told(await studio.press(studio.ben, card(result), "Again")).text
    assert shows(said, WORD_REFUSED(word="ugly"))


async def test_the_rules_apply_to_sharing(studio: Studio) -> None:
    result = await studio.imagine(studio.ada, prompt="an ugly fox", private=True)
    await studio.finish()
    await server(studio, "set", refused_words="ugly", private=Privacy.FORCED.value)
    said = told(await studio.press(studio.ada, card(result), "Share")).text
    assert shows(said, WORD_REFUSED(word="ugly"))
    assert shows(said, ALWAYS_PRIVATE)


async def test_show_lists_the_problems_of_the_setup(studio: Studio) -> None:
    assert shows(await server(studio, "show"), NOTHING_MISSING)
    client = studio.runtime.client
    assert client.user is not None
    lacks = discord.PermissionOverwrite(attach_files=False, send_messages=False)
    closed = studio.server.create_text_channel("closed", overwrites={client.user: lacks})
    problem = LACKING(
        channel=closed.id, permissions=[PERMISSION_NAMES["send_messages"], PERMISSION_NAMES["attach_files"]]
    )
    assert shows(await server(studio, "show"), problem)
    role = studio.server.create_role("Artists")
    await server(
        studio,
        "set",
        channels=f"#closed {studio.channel.id}",
        roles="Artists",
        log_channel=closed,
        restricted_words="gore",
    )
    said = await server(studio, "show")
    for each in (
        problem,
        LACKING(channel=closed.id, permissions=[PERMISSION_NAMES["send_messages"]]),
        NOT_AGE_RESTRICTED(),
    ):
        assert f"⚠ {each}" in said
    assert f"<#{studio.channel.id}> I" not in said
    assert str(RULE(rule=TITLES["roles"], value=f"<@&{role.id}>")) in said


async def test_an_unwritable_log_channel_is_reported(studio: Studio) -> None:
    client = studio.runtime.client
    assert client.user is not None
    closed = studio.server.create_text_channel(
        "closed", overwrites={client.user: discord.PermissionOverwrite(send_messages=False)}
    )
    assert shows(await server(studio, "set", log_channel=closed), NOT_LOGGED)


async def test_every_change_is_in_the_log_and_the_log_channel(studio: Studio) -> None:
    diary = studio.server.create_text_channel("diary")
    await server(studio, "set", log_channel=diary)
    await server(studio, "set", refused_words="ugly, @everyone")
    await studio.admin.slash(studio.channel, "quota set", credits=10)
    said = await server(studio, "log")
    lines = said.splitlines()[1:]
    assert f"**/quota set** {subject_text(Quota(Subject.DEFAULT))}, 10 credits" in lines[0]
    set_before = ((TITLES["refused"], "ugly, \\@everyone"), (TITLES["log_channel"], "<#"))
    for line, (rule, value) in zip(lines[1:], set_before, strict=False):
        assert f"**/server set** {CHANGE(rule=rule, value=value)}" in line
    assert all(f"<@{studio.admin.id}>" in line for line in lines[:3])
    posted = diary.last_message
    assert posted is not None
    assert shows(str([component.to_dict() for component in posted.components]), CHANGED_BY)


@pytest.mark.parametrize("nothing", ["none", " None. ", "-", "——", "clear", "no", "“none”"])
async def test_the_word_none_clears_a_rule(studio: Studio, nothing: str) -> None:
    role = studio.server.create_role("Artists")
    options = {
        "channels": f"<#{studio.channel.id}>",
        "roles": f"<@&{role.id}>",
        "engines": BASIC,
        "default_engine": BASIC,
        "default_size": "512x512",
        "refused_words": "ugly",
        "restricted_words": "gore",
    }
    await server(studio, "set", **options)
    rules = studio.runtime.servers.rules
    assert rules(studio.server.id) != NO_RULES
    await server(studio, "set", **dict.fromkeys(options, nothing))
    assert rules(studio.server.id) == NO_RULES


async def test_the_value_all_removes_a_restriction(studio: Studio) -> None:
    await server(studio, "set", engines=BASIC, channels="#pictures")
    await server(studio, "set", engines="all", channels="All")
    assert studio.runtime.servers.rules(studio.server.id) == NO_RULES
    await server(studio, "set", refused_words="all")
    assert studio.runtime.servers.rules(studio.server.id).refused == ("all",)


async def test_a_list_of_invisible_characters_changes_nothing(studio: Studio) -> None:
    await server(studio, "set", refused_words="ugly")
    await server(studio, "set", refused_words="\u3164, \u2800")
    assert studio.runtime.servers.rules(studio.server.id).refused == ("ugly",)


async def test_more_engines_are_suggested_after_the_typed_ones(studio: Studio) -> None:
    offered = await studio.admin.autocomplete(studio.channel, "server set", "engines", f"{BASIC} core")
    assert [choice["value"] for choice in offered] == [f"{BASIC} {CORE}"]
    offered = await studio.admin.autocomplete(studio.channel, "server set", "engines", f"{BASIC}, ")
    others = [engine for engine in studio.runtime.service.engines if engine != BASIC]
    assert {choice["value"] for choice in offered} == {f"{BASIC} {other}" for other in others}


async def test_deleted_channels_and_roles_are_marked(studio: Studio) -> None:
    admin = Origin(
        user_id=studio.admin.id,
        user_name="grace",
        server_id=studio.server.id,
        channel_id=studio.channel.id,
        file_limit=2**20,
        manage_server=True,
    )
    gone = {"channels": (1300000000000000009,), "roles": (1300000000000000010,), "engines": ("easel/gone",)}
    await studio.runtime.servers.set_rules(admin, gone)
    said = await refusal(studio)
    allowed = few(["easel/gone"])
    for problem in (CHANNELS_GONE(count=1), ROLES_GONE(), ALLOWED_ENGINES_GONE(allowed=allowed)):
        assert shows(said, problem)
    assert "130000000000000" not in said


async def test_rules_survive_a_restart(studio: Studio) -> None:
    await server(studio, "set", refused_words="ugly")
    await studio.restart()
    assert shows(await refusal(studio, prompt="an ugly fox"), WORD_REFUSED(word="ugly"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, NOTHING_TO_SET),
        ({"channels": "#nowhere"}, NO_SUCH_CHANNEL(names="#nowhere")),
        ({"channels": "123456789012345678"}, NO_SUCH_CHANNEL),
        ({"roles": "<@&123456789012345678>"}, NO_SUCH_ROLE),
        ({"engines": "nobody/nothing"}, "nobody/nothing"),
        ({"engines": BASIC, "default_engine": CORE}, DEFAULT_NOT_ALLOWED(engine=CORE)),
        ({"default_size": "3x3"}, str(NO_ENGINE_MAKES(size="3x3", sizes="")).removesuffix(".")),
        ({"default_size": "big"}, NOT_A_SIZE(text="big")),
        ({"refused_words": "*"}, WORD_TOO_SHORT),
        ({"refused_words": "x" * 50}, WORD_TOO_LONG),
        ({"refused_words": "ugly", "clear": "refused"}, SET_AND_CLEARED(rule=TITLES["refused"])),
    ],
)
async def test_invalid_options_are_explained_and_change_nothing(
    studio: Studio, options: dict[str, Any], said: Message | Text | str
) -> None:
    shown = await server(studio, "set", **options)
    assert said in shown if isinstance(said, str) else shows(shown, said)
    assert shows(await server(studio, "log"), NO_CHANGES)


async def test_a_channel_of_another_server_is_refused(studio: Studio) -> None:
    elsewhere = studio.env.create_guild("Elsewhere").create_text_channel("secret")
    assert shows(await server(studio, "set", channels=f"<#{elsewhere.id}>"), NO_SUCH_CHANNEL)


async def test_rules_apply_only_in_their_server(studio: Studio) -> None:
    await server(studio, "set", refused_words="ugly")
    elsewhere = studio.env.create_guild("Elsewhere")
    there = elsewhere.create_text_channel("pictures")
    ada = elsewhere.add_member(studio.ada.user)
    result = await ada.slash(there, "imagine", prompt="an ugly fox")
    await studio.finish()
    assert len(card(result).images) == 1


@pytest.mark.parametrize(("name", "options"), [("set", {"refused_words": "ugly"}), ("show", {}), ("log", {})])
async def test_members_are_refused_even_if_discord_shows_the_commands(
    studio: Studio, name: str, options: dict[str, Any]
) -> None:
    commands = studio.env.backend.commands[None].values()
    next(each for each in commands if each["name"] == "server")["default_member_permissions"] = None
    refused = told(await studio.ben.slash(studio.channel, f"server {name}", **options)).text
    assert refused == str(NOT_A_MANAGER)
    assert await server(studio, name, **options) != refused


def _elsewhere(studio: Studio) -> str:
    return f"<#{studio.server.create_text_channel('elsewhere').id}>"


# --- channels that a member may not see ---------------------------------------------------------------------------


async def test_a_refusal_names_no_channel_that_the_member_may_not_see(studio: Studio) -> None:
    everybody, friend = studio.server.default_role, studio.server.create_role("Friend")
    nobody = discord.PermissionOverwrite(view_channel=False)
    studio.server.create_text_channel("open")
    studio.server.create_text_channel("hidden", overwrites={everybody: nobody})
    studio.server.create_text_channel(
        "club", overwrites={everybody: nobody, friend: discord.PermissionOverwrite(view_channel=True)}
    )
    guest = studio.server.add_member(studio.env.create_user("guest"), roles=[friend])
    await studio.admin.slash(studio.channel, "server set", channels="#hidden, #open, #club")
    refused = told(await studio.imagine()).text
    assert [name for name in ("hidden", "open", "club") if name in refused] == ["open"]
    refused = told(await studio.imagine(guest)).text
    assert [name for name in ("hidden", "open", "club") if name in refused] == ["open", "club"]
    await studio.admin.slash(studio.channel, "server set", channels="#hidden")
    refused = told(await studio.imagine()).text
    assert "hidden" not in refused
    assert shows(refused, NOT_THIS_CHANNEL)


async def test_a_chart_names_no_channel_that_the_admin_may_not_see(studio: Studio) -> None:
    hidden = studio.server.create_text_channel(
        "hidden", overwrites={studio.server.default_role: discord.PermissionOverwrite(view_channel=False)}
    )
    client = studio.runtime.client
    manager = Origin(studio.admin.id, "grace", studio.server.id, studio.channel.id, 1, manage_server=True)
    assert studio.runtime.servers.place(manager).channel(hidden.id) is None
    assert studio.runtime.servers.place(manager).channel(studio.channel.id) == "#pictures"
    guild = client.get_guild(studio.server.id)
    assert guild is not None
    assert guild.owner_id is not None
    owner = Origin(guild.owner_id, "owner", studio.server.id, 1, 1)
    assert studio.runtime.servers.place(owner).channel(hidden.id) == "#hidden"
