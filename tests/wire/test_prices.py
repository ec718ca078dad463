"""A price is asked for privately and posted when it is confirmed, on a Discord that checks every request."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.jobs import proposals
from bot.ui.cards.proposal import LAPSED, PROPOSAL
from fakes.discord.bot_process import BotProcess
from fakes.discord.constants import Answer
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from fakes.services import StandIn, flat
from storage.records import DeliveryReason, JobStatus, LapseReason
from tests.doubles.texts import shows
from tests.wire.house import BY_BOT, BY_TOKEN, CORE, CORE_ROUTE, OVER, House, how

pytestmark = pytest.mark.slow

WORDS = "a {red, blue} car"
AI_CLIENT = "ai-client/stable-diffusion-xl-1024-v0-9"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
MESSAGE = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"


async def asked(home: House, person: Person, where: Channel | None = None) -> tuple[Handle, Seen]:
    """The command, and the card that asks for its price."""
    handle = await person.slash(where or home.channel, "imagine", prompt=WORDS, engine=CORE)
    return handle, await handle.until(lambda seen: shows(seen.text, PROPOSAL))


async def rendered(home: House) -> None:
    await home.services.called(CORE_ROUTE, 2)
    await home.done()


async def test_the_card_is_posted_once_and_the_question_deleted(home: House, ada: Person) -> None:
    command, question = await asked(home, ada)
    assert question.private
    pressed = await ada.press(question, question.labels[0])
    assert await pressed.acknowledged() is Answer.DEFERRED
    await rendered(home)
    assert not home.only.private
    assert home.only.id == (await pressed.message()).id
    (removed,) = home.discord.called("DELETE", MESSAGE)
    assert removed.params["webhook_token"] == command.interaction.token
    assert question.message.deleted
    assert how(await home.runtime.jobs.job(1)) == (JobStatus.DELIVERED, BY_TOKEN, ())
    assert [seen.id for seen in home.discord.user("ben").sees(home.channel)] == [home.only.id]


async def test_an_expired_question_is_left_and_answers_a_second_press(home: House, ada: Person) -> None:
    command, question = await asked(home, ada)
    command.expire()
    posted = await ada.press(question, question.labels[0])
    await rendered(home)
    assert home.only.id == (await posted.message()).id
    assert not question.message.deleted
    again = await (await ada.press(question, question.labels[0])).followup()
    assert again.private
    assert shows(again.text, proposals.NOT_WAITING)
    assert len(home.services.bills) == 2


async def test_a_question_that_expired_while_the_bot_was_down_says_so_when_pressed(home: House, ada: Person) -> None:
    command, question = await asked(home, ada)
    command.expire()
    home.later(15 * 60)
    await home.runtime.service.proposals.lapse_due()
    pressed = await ada.press(question, question.labels[0])
    lapsed = await ada.watches(question, lambda seen: "Edit prompt" in seen.labels)
    assert shows(lapsed.text, LAPSED[LapseReason.EXPIRED])
    assert shows((await pressed.followup()).text, proposals.EXPIRED)
    assert home.services.calls_to(CORE_ROUTE) == []


async def test_the_bot_edits_the_posted_card_when_the_token_is_over(home: House, ada: Person) -> None:
    _, question = await asked(home, ada)
    posted = await ada.press(question, question.labels[0])
    await home.services.called(CORE_ROUTE, 2)
    home.discord.expire_tokens()
    await rendered(home)
    assert home.only.id == (await posted.message()).id
    assert how(await home.runtime.jobs.job(1)) == (JobStatus.DELIVERED, BY_BOT, (OVER,))


async def test_a_second_press_meanwhile_posts_nothing(home: House, ada: Person) -> None:
    _, question = await asked(home, ada)
    gate = home.discord.hold("DELETE", "/webhooks/*")
    first = await ada.press(question, question.labels[0])
    await home.discord.until(lambda: home.discord.called("DELETE"), "the deletion of the question")
    second = await ada.press(question, question.labels[0])
    assert await second.acknowledged() is Answer.DEFERRED_UPDATE
    gate.release()
    await rendered(home)
    assert home.only.id == (await first.message()).id
    assert second.interaction.followups == []
    assert len(home.services.bills) == 2


async def test_an_answer_that_discord_did_not_take_confirms_nothing(home: House, ada: Person) -> None:
    _, question = await asked(home, ada)
    home.discord.fail("POST", "/interactions/*", status=404, code=10062)
    pressed = await ada.press(question, question.labels[0])
    await home.discord.until(lambda: home.tried("POST", CALLBACK)[-1] == 404, "the refused answer")
    pressed.miss()
    assert (await home.runtime.jobs.job(1)).status is JobStatus.PROPOSED
    posted = await ada.press(question, question.labels[0])
    await rendered(home)
    assert home.only.id == (await posted.message()).id
    assert len(home.services.bills) == 2


async def test_a_posted_card_that_a_person_deletes_is_not_posted_again(home: House, ada: Person) -> None:
    _, question = await asked(home, ada)
    posted = await ada.press(question, question.labels[0])
    await home.services.called(CORE_ROUTE, 2)
    home.discord.delete(await posted.message())
    await rendered(home)
    assert how(await home.runtime.jobs.job(1)) == (JobStatus.UNDELIVERED, None, (DeliveryReason.MESSAGE_GONE,))
    assert home.shown() == []


@pytest.mark.parametrize("place", ["a group", "a server without the bot"])
async def test_it_works_where_only_the_person_has_installed_the_app(home: House, place: str) -> None:
    ada = home.discord.user("ada", installed_app=True)
    where = (
        home.discord.group(ada, home.discord.user("ben"))
        if place == "a group"
        else home.discord.guild("Elsewhere", bot_present=False).channel("lounge")
    )
    _, question = await asked(home, ada, where)
    assert question.private
    posted = await ada.press(question, question.labels[0])
    await rendered(home)
    assert home.only.id == (await posted.message()).id
    assert not home.only.private


async def test_in_direct_messages_the_job_goes_on_in_the_card_that_asked(home: House, ada: Person) -> None:
    _, question = await asked(home, ada, ada.dm)
    await ada.press(question, question.labels[0])
    await rendered(home)
    assert home.only.id == question.id


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "pattern", "when"),
    [
        ("POST", "/interactions/*", "before"),
        ("POST", "/interactions/*", "after"),
        ("DELETE", "/webhooks/*", "before"),
        ("DELETE", "/webhooks/*", "after"),
        ("PATCH", "/webhooks/*", "after"),
    ],
)
async def test_a_kill_during_a_confirmation_loses_and_repeats_nothing(
    discord: Discord, channel: Channel, tmp_path: Path, method: str, pattern: str, when: str
) -> None:
    ada = discord.user("ada")
    async with (
        StandIn(seconds=(0.0, 0.0), painter=flat) as services,
        BotProcess(discord, tmp_path / "data", services.url, more={"AI_CLIENT_LOST_AFTER": "5"}) as bot,
    ):
        await bot.ready()
        command = await ada.slash(channel, "imagine", prompt=WORDS, engine=AI_CLIENT)
        question = await command.until(lambda seen: shows(seen.text, PROPOSAL))
        discord.at(method, pattern, bot.killed, when=when)
        pressed = await ada.press(question, question.labels[0])
        await discord.until(lambda: not bot.running, "the kill")
        if pressed.interaction.answer is None:
            pressed.miss()
        await bot.ready()
        # A person presses once more if nothing seems to have come of it. This is refused if it was confirmed.
        if not question.message.deleted:
            await (await ada.press(question, question.labels[0])).acknowledged()
        await discord.until(lambda: pictures(ada, channel), "the result")
    assert [len(each) for each in pictures(ada, channel)] == [2]
    assert len(services.bills) == 2


def pictures(person: Person, channel: Channel) -> list[list[object]]:
    """The pictures of each finished result."""
    results = [seen for seen in person.sees(channel) if "Again" in seen.labels]
    return [list(seen.pictures) for seen in results if seen.pictures]
