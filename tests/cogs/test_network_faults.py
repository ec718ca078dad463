"""Network faults after something was stored do not hide that it was done."""

from __future__ import annotations

import aiohttp
import discord
import pytest

from bot.ui.admin import NOT_LOGGED
from bot.ui.buttons import MESSAGE_LEFT
from bot.ui.cards.buttons import SAVE_SETUP
from bot.ui.cards.setup import SAVED
from tests.cogs.conftest import Studio, card, told
from tests.doubles.texts import shows


async def fail(*_: object, **__: object) -> None:
    raise aiohttp.ClientOSError


async def test_a_message_that_could_not_be_deleted_with_its_job_is_reported(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await studio.imagine()
    await studio.finish()
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    monkeypatch.setattr(discord.Interaction, "delete_original_response", fail)
    said = await studio.press(studio.ada, question, "Delete for good")
    assert shows(card(said).text, MESSAGE_LEFT)


async def test_a_job_goes_on_if_the_question_about_its_seed_stays(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await studio.imagine(prompt="a fox", seed=7)
    await studio.finish()
    asked = told(await studio.press(studio.ada, card(result), "Again"))
    monkeypatch.setattr(discord.WebhookMessage, "delete", fail)
    again = await studio.press(studio.ada, asked, "Same seed")
    await studio.finish()
    assert again.followups == []
    assert len(card(again).images) == 1


async def test_what_was_saved_is_shown_if_the_log_channel_cannot_be_reached(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = studio.server.create_text_channel("diary")
    await studio.admin.slash(studio.channel, "server set", log_channel=diary)
    panel = await studio.admin.slash(studio.channel, "setup")
    monkeypatch.setattr(discord.PartialMessageable, "send", fail)
    await studio.press(studio.admin, told(panel), str(SAVE_SETUP.label))
    assert shows(told(panel).text, SAVED)
    assert shows(told(panel).text, NOT_LOGGED)
    assert studio.runtime.servers.quotas(studio.server.id)
