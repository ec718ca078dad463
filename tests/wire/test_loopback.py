"""The loopback Discord, tested with a small bot on the real discord.py."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fakes.discord.constants import Answer, Permission
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import NotOfferedError
from tests.wire.smallbot import SmallBot, picture


async def test_login_sync_and_ready(discord: Discord, bot: SmallBot) -> None:
    assert [call.template for call in discord.calls] == [
        "/users/@me",
        "/oauth2/applications/@me",
        "/applications/{application_id}/commands",
        "/gateway/bot",
    ]
    assert {one["name"] for one in discord.world.commands[None]} >= {"paint", "ask", "Use this"}
    assert discord.gateway.last_identify["intents"] == 1
    assert bot.user is not None
    assert bot.user.id == discord.world.bot.id


async def test_a_wrong_token_does_not_log_in(discord: Discord) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": "Bot wrong"}
        async with session.get(discord.url + "/users/@me", headers=headers) as answer:
            assert answer.status == 401


async def test_defer_then_edit_with_two_files(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada, ben = discord.user("ada"), discord.user("ben")
    asked = await ada.slash(channel, "paint", prompt="a fox")
    assert await asked.acknowledged() is Answer.DEFERRED
    seen = await asked.until(lambda one: len(one.pictures) == 2)
    assert seen.text == "painted a fox"
    assert seen.labels == ("Again",)
    assert [one.description for one in seen.pictures] == ["picture 0", "picture 1"]
    assert ben.sees(channel) == [seen]
    async with aiohttp.ClientSession() as session, session.get(seen.pictures[1].url) as answer:
        assert await answer.read() == picture(1)
        assert answer.content_type == "image/png"
    edit = discord.called("PATCH", "/@original")[-1]
    assert [upload.filename for upload in edit.files] == ["0.png", "1.png"]
    assert seen.files[0].width == 512


async def test_a_dynamic_button_drops_the_files(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    asked = await ada.slash(channel, "paint", prompt="a fox", count=3)
    result = await asked.until(lambda one: len(one.pictures) == 3)
    pressed = await ada.press(result, "Again")
    assert await pressed.acknowledged() is Answer.DEFERRED_UPDATE
    after = await pressed.until(lambda one: one.text == "again 3")
    assert after.id == result.id
    assert after.files == ()
    with pytest.raises(AssertionError, match="no button"):
        await ada.press(after, "Again")


async def test_a_modal_only_for_permitted_people(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada, eve = discord.user("ada"), discord.user("eve")
    assert channel.guild is not None
    channel.guild.member(ada.user).permissions |= Permission.MANAGE_SERVER
    asked = await ada.slash(channel, "ask")
    assert (await asked.modal())["title"] == "Rename"
    with pytest.raises(NotOfferedError):
        await ada.submit(asked, **{"New name": "x" * 41})
    sent = await ada.submit(asked, **{"New name": "Fox"})
    assert (await sent.message()).text == "now it is Fox"
    with pytest.raises(NotOfferedError):
        await eve.slash(channel, "ask")
    channel.guild.opened_commands.add("ask")
    await (await eve.slash(channel, "ask")).modal()


async def test_autocomplete(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    typing = await ada.autocomplete(channel, "pick", "colour", "r")
    assert await typing.choices() == [{"name": "red", "value": "red"}]
    chosen = await ada.slash(channel, "pick", colour="red")
    assert (await chosen.message()).text == "picked red"


async def test_an_ephemeral_message_is_seen_by_one_person(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada, ben = discord.user("ada"), discord.user("ben")
    seen = await (await ada.slash(channel, "secret")).message()
    assert seen.private
    assert ada.sees(channel) == [seen]
    assert ben.sees(channel) == []
    with pytest.raises(NotOfferedError):
        await ben.context(seen, "Use this")


async def test_message_command(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    painted = await (await ada.slash(channel, "pick", colour="red")).message()
    used = await (await discord.user("ben").context(painted, "Use this")).message()
    assert used.text == f"used {painted.id}"


@pytest.mark.parametrize("private", [True, False])
async def test_the_first_followup_fills_the_deferred_answer(
    discord: Discord, bot: SmallBot, channel: Channel, private: bool
) -> None:
    asked = await discord.user("ada").slash(channel, "later", private=private)
    second = await asked.followup(1)
    first = await asked.message()
    assert (first.text, first.private) == ("first", private)
    assert (second.text, second.private, len(second.files)) == ("second", False, 1)


async def test_direct_messages(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada, ben = discord.user("ada"), discord.user("ben")
    asked = await ada.slash(channel, "whisper", to=ben)
    assert (await asked.answered()).text == "sent"
    got = await ben.sees_in(ben.dm, lambda one: one.text == "psst")
    assert len(got.pictures) == 1
    ben.user.dms_open = False
    asked = await ada.slash(channel, "whisper", to=ben)
    assert (await asked.answered()).text == "refused with 50007"


async def test_an_app_that_only_a_user_has_installed(discord: Discord, bot: SmallBot) -> None:
    ada, ben = discord.user("ada", installed_app=True), discord.user("ben")
    group = discord.group(ada, ben)
    elsewhere = discord.guild("Elsewhere", bot_present=False).channel("general")
    for place in (group, elsewhere, ada.dm):
        asked = await ada.slash(place, "paint", prompt="a fox", count=1)
        await asked.until(lambda one: len(one.pictures) == 1)
        with pytest.raises(NotOfferedError):
            await ada.slash(group, "secret")
        if place is not ada.dm:
            with pytest.raises(NotOfferedError):
                await ben.slash(place, "paint", prompt="a fox")


@pytest.mark.slow
async def test_fifty_users_at_once(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    people = [discord.user(f"user{number}") for number in range(50)]
    asked = [await one.slash(channel, "paint", prompt=one.user.name, count=1) for one in people]
    seen = await asyncio.gather(*(one.until(lambda card: bool(card.pictures)) for one in asked))
    assert [one.text for one in seen] == [f"painted user{number}" for number in range(50)]


async def test_a_forged_button(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    result = await (await ada.slash(channel, "paint", prompt="x")).until(lambda one: bool(one.pictures))
    assert (await bot.get_partial_messageable(channel.id).fetch_message(result.id)).attachments == []
    forged = await ada.forge(result, "Again", "small:again:77")
    await forged.until(lambda one: one.text == "again 77")


async def test_a_message_update_drops_unlisted_files(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    result = await (await ada.slash(channel, "paint", prompt="x")).until(lambda one: bool(one.pictures))
    pressed = await ada.forge(result, "Again", "small:again:0")
    assert await pressed.acknowledged() is Answer.UPDATE
    after = await pressed.message()
    assert (after.text, after.files) == ("again at once", ())


async def test_a_client_sends_only_offered_commands(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    for options in ({}, {"prompt": "x", "count": 11}, {"prompt": "x", "other": 1}, {"prompt": 5}):
        with pytest.raises(AssertionError):
            await ada.slash(channel, "paint", **options)
    with pytest.raises(NotOfferedError):
        await ada.slash(channel, "nothing")
