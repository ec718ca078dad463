"""Each injectable fault affects the real discord.py as Discord would."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord as library
import pytest

from fakes.discord.constants import Permission
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from tests.wire.smallbot import SmallBot

ORIGINAL = "/webhooks/*/messages/@original"


def has_files(call: Any) -> bool:
    return bool(call.files) or call.content_type.startswith("multipart")


async def failure(bot: SmallBot, discord: Discord) -> Any:
    """The exception of the bot's command. It is removed, so that the fixture does not fail."""
    async with asyncio.timeout(discord.world.changes.patience):
        return await bot.errors.get()


@pytest.mark.parametrize("when", ["headers", "body", "before"])
@pytest.mark.parametrize("scope", ["user", "shared"])
async def test_a_rate_limit_during_an_upload(
    discord: Discord, bot: SmallBot, channel: Channel, when: str, scope: str
) -> None:
    limit = discord.limit("PATCH", ORIGINAL, when=when, scope=scope, match=has_files)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    seen = await asked.until(lambda one: bool(one.pictures))
    assert limit.met == 1
    assert [one.size for one in seen.files] == [60_024, 60_024]
    assert seen.edits == 2
    uploads = [call for call in discord.called("PATCH", "/@original") if has_files(call)]
    assert [call.status for call in uploads] == [429, 200]


async def test_a_global_rate_limit(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada, ben = discord.user("ada"), discord.user("ben")
    discord.limit("POST", "/channels/*/messages", scope="global")
    asked = await ada.slash(channel, "whisper", to=ben)
    assert (await asked.answered()).text == "sent"
    assert [call.status for call in discord.called("POST", "/messages")] == [429, 200]


async def test_a_limit_that_looks_like_a_ban_is_not_retried(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    discord.limit("PATCH", ORIGINAL, via=False)
    await discord.user("ada").slash(channel, "paint", prompt="a fox")
    assert (await failure(bot, discord)).status == 429


async def test_an_edit_that_succeeded_before_the_error_is_repeated(
    discord: Discord, bot: SmallBot, channel: Channel
) -> None:
    discord.fail("PATCH", ORIGINAL, status=502, when="after", match=has_files)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    await discord.until(lambda: len(discord.called("PATCH", "/@original")) == 3, "the edit to be repeated")
    seen = await asked.until(lambda one: one.edits == 3)
    assert len(seen.pictures) == 2
    assert len(discord.user("ada").sees(channel)) == 1


async def test_a_post_that_succeeded_before_the_error_is_duplicated(
    discord: Discord, bot: SmallBot, channel: Channel
) -> None:
    discord.fail("POST", "/webhooks/*", status=503, when="after", match=has_files)
    asked = await discord.user("ada").slash(channel, "later")
    await asked.followup(2)
    assert [one.text for one in discord.user("ada").sees(channel)] == ["first", "second", "second"]


@pytest.mark.parametrize(("when", "edits"), [("headers", 1), ("body", 1), ("before", 1), ("after", 2)])
async def test_a_cut_connection(discord: Discord, bot: SmallBot, channel: Channel, when: str, edits: int) -> None:
    discord.cut("PATCH", ORIGINAL, when=when, match=has_files)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    assert isinstance(await failure(bot, discord), aiohttp.ClientConnectionError | aiohttp.ClientOSError)
    assert (await asked.message()).edits == edits


async def test_a_request_is_held_before_and_after(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    before = discord.hold("PATCH", ORIGINAL, when="before", match=has_files)
    after = discord.hold("PATCH", ORIGINAL, when="after", match=has_files)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    await before.reached()
    assert not (await asked.message()).pictures
    before.release()
    call = await after.reached()
    assert (await asked.message()).pictures
    assert call.status is None
    after.release()
    await discord.until(lambda: call.status == 200, "the answer")


async def test_a_held_request_is_dropped(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    gate = discord.hold("PATCH", ORIGINAL, match=has_files)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    await gate.reached()
    gate.drop()
    await failure(bot, discord)
    assert (await asked.message()).text == "painting a fox"


async def test_a_callback_runs_at_a_request(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    ada = discord.user("ada")
    discord.at("PATCH", ORIGINAL, lambda: discord.delete(ada.sees(channel)[0]), match=has_files)
    await ada.slash(channel, "paint", prompt="a fox")
    error = await failure(bot, discord)
    assert (error.status, error.code) == (404, 10008)
    assert ada.sees(channel) == []


async def test_an_expired_token(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    gate = discord.hold("PATCH", ORIGINAL, match=has_files)
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    await gate.reached()
    asked.expire()
    gate.release()
    error = await failure(bot, discord)
    assert (error.status, error.code) == (401, 50027)


async def test_an_answer_after_three_seconds(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    gate = discord.hold("POST", "/interactions/*")
    asked = await discord.user("ada").slash(channel, "secret")
    await gate.reached()
    asked.miss()
    gate.release()
    assert (await failure(bot, discord)).code == 10062


async def test_an_interaction_that_looks_old(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    heard: list[library.Interaction[Any]] = []

    async def on_interaction(interaction: library.Interaction[Any]) -> None:
        heard.append(interaction)

    bot.add_listener(on_interaction)
    discord.world.age_of_interactions = 15 * 60 + 1
    await (await discord.user("ada").slash(channel, "secret")).message()
    assert heard[0].is_expired()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda discord, channel: discord.delete(channel), 10003),
        (lambda discord, channel: discord.remove_bot(channel.guild), 50001),
        (lambda discord, channel: discord.forbid(channel, Permission.VIEW_CHANNEL), 50001),
        (lambda discord, channel: discord.forbid(channel, Permission.SEND_MESSAGES), 50013),
        (lambda discord, channel: discord.fail("POST", "/channels/*", status=413, code=40005), 40005),
    ],
)
async def test_a_channel_where_the_bot_cannot_write(
    discord: Discord, bot: SmallBot, channel: Channel, spoil: Any, code: int
) -> None:
    spoil(discord, channel)
    place = bot.get_partial_messageable(channel.id)
    with pytest.raises(library.HTTPException) as caught:
        await place.send("hello")
    assert caught.value.code == code


async def test_a_nonce_prevents_a_duplicate_while_stored(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    place = bot.get_partial_messageable(channel.id)
    first = await place.send("hello", nonce=7)
    assert (await place.send("hello", nonce=7)).id == first.id
    discord.forget_nonces()
    assert (await place.send("hello", nonce=7)).id != first.id
    assert [one.content async for one in place.history()] == ["hello", "hello"]


async def test_files_above_the_limit_of_the_server(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    assert channel.guild is not None
    channel.guild.file_limit = 60_023
    await discord.user("ada").slash(channel, "paint", prompt="a fox")
    error = await failure(bot, discord)
    assert (error.status, error.code) == (413, 40005)


async def test_five_followups_with_only_a_user_install(discord: Discord, bot: SmallBot) -> None:
    ada = discord.user("ada", installed_app=True)
    asked = await ada.slash(discord.group(ada), "paint", prompt="a fox", count=1)
    await asked.until(lambda one: bool(one.pictures))
    hook = library.Webhook.partial(discord.world.application_id, asked.interaction.token, client=bot)
    for _ in range(5):
        await hook.send("more")
    with pytest.raises(library.HTTPException) as caught:
        await hook.send("more")
    assert caught.value.code == 40094


async def test_answering_twice(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    asked = await discord.user("ada").slash(channel, "secret")
    await asked.message()
    path = f"/interactions/{asked.interaction.id}/{asked.interaction.token}/callback"
    async with aiohttp.ClientSession() as session, session.post(discord.url + path, json={"type": 5}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 40060)


async def test_a_late_answer(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    gate = discord.hold("POST", "/interactions/*", when="after")
    asked = await discord.user("ada").slash(channel, "paint", prompt="a fox")
    await gate.reached()
    assert (await asked.message()).loading
    assert discord.called("PATCH") == []
    gate.release()
    await asked.until(lambda one: bool(one.pictures))


async def test_requests_of_several_people_are_held_at_once(discord: Discord, bot: SmallBot, channel: Channel) -> None:
    gate = discord.hold("PATCH", ORIGINAL, times=None, match=has_files)
    people = [discord.user(f"user{number}") for number in range(5)]
    asked = [await one.slash(channel, "paint", prompt="x") for one in people]
    await gate.reached(5)
    gate.release()
    await asyncio.gather(*(one.until(lambda seen: bool(seen.pictures)) for one in asked))
