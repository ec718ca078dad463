"""Share and Delete over the wire: each happens once, in spite of crashes and pending responses."""

from __future__ import annotations

from functools import partialmethod
from pathlib import Path

import pytest

from bot.ui.delivery.progress import JobCards
from fakes.discord.bot_process import BotProcess
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from fakes.services import StandIn, flat
from storage.records import JobStatus
from tests.wire.house import House, has_files

pytestmark = pytest.mark.slow


def public(person: Person, channel: Channel) -> list[Seen]:
    return [seen for seen in person.sees(channel) if not seen.private]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.slow
async def test_killed_between_posting_and_recording_it(
    discord: Discord, channel: Channel, ada: Person, tmp_path: Path, when: str
) -> None:
    async with (
        StandIn(seconds=(0, 0), painter=flat) as services,
        BotProcess(discord, tmp_path, services.url, more={"DEFAULT_ENGINE": "aithriving/core"}) as bot,
    ):
        await bot.ready()
        asked = await ada.slash(channel, "imagine", prompt="a fox", private=True)
        card = await asked.until(lambda seen: bool(seen.pictures))
        await bot.said("delivery.done")
        discord.at("PATCH", "/webhooks/*", bot.killed, when=when, match=has_files)
        await ada.press(card, "Share")
        await discord.until(lambda: not bot.running, "the kill")
        await bot.ready()
        again = await ada.press(card, "Share")
        told = await again.followup()
        assert told.private
        shown = [seen for seen in public(ada, channel) if seen.pictures]
        assert len(shown) == 1
        assert f"/{shown[0].id}" in told.text
        assert [seen for seen in public(ada, channel) if seen.loading] == []


async def test_share_waits_for_discords_response_to_the_delivery(home: House, ada: Person) -> None:
    gate = home.discord.hold("PATCH", "/webhooks/*", when="after", match=has_files)
    asked = await home.begun(ada, private=True)
    home.services.finish_all()
    await gate.reached()
    card = await asked.message()
    pressed = await ada.press(card, "Share")
    await pressed.acknowledged()
    gate.release()
    await pressed.until(lambda seen: bool(seen.pictures))
    assert len([seen for seen in public(ada, home.channel) if seen.pictures]) == 1


async def test_delete_waits_for_discords_response_to_the_delivery(home: House, ada: Person) -> None:
    gate = home.discord.hold("PATCH", "/webhooks/*", when="after", match=has_files)
    asked = await home.begun(ada)
    home.services.finish_all()
    await gate.reached()
    card = await asked.message()
    question = await (await ada.press(card, "Delete")).followup()
    pressed = await ada.press(question, "Delete for good")
    await pressed.acknowledged()
    assert card.pictures
    gate.release()
    await pressed.until(lambda seen: seen.text == "Deleted.")
    assert home.shown() == []


async def test_a_wait_that_takes_too_long_is_reported(
    home: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobCards, "settled", partialmethod(JobCards.settled, patience=0))
    gate = home.discord.hold("PATCH", "/webhooks/*", when="after", match=has_files)
    asked = await home.begun(ada, private=True)
    home.services.finish_all()
    await gate.reached()
    card = await asked.message()
    shared = await (await ada.press(card, "Share")).followup()
    assert shared.private
    assert "not finished" not in shared.text
    await home.discord.until(lambda: public(ada, home.channel) == [], "nothing to stay in the channel")
    question = await (await ada.press(card, "Delete")).followup()
    refused = await (await ada.press(question, "Delete for good")).followup()
    assert "not finished" not in refused.text
    gate.release()
    assert (await home.done()).status is JobStatus.DELIVERED
    pressed = await ada.press(card, "Share")
    await pressed.until(lambda seen: bool(seen.pictures))


async def test_a_share_with_a_lost_response_is_not_duplicated(home: House, ada: Person) -> None:
    asked = await home.begun(ada, private=True)
    await home.done()
    home.discord.fail("PATCH", "/webhooks/*", status=503, when="after", match=has_files)
    pressed = await ada.press(await asked.message(), "Share")
    told = await pressed.followup()
    shown = [seen for seen in public(ada, home.channel) if seen.pictures]
    assert [seen.id for seen in shown] == [(await pressed.message()).id]
    assert f"/{shown[0].id}" in told.text
