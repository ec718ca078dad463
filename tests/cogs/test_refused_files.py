"""If Discord accepts an answer but not its files, the answer is sent without them and says why."""

from __future__ import annotations

import pytest
import simcord

from bot.ui.attached_files import FILES_EXPLICIT, FILES_REFUSED, FILES_TOO_LARGE
from bot.ui.cards.delivery_text import NOT_SHOWN, REASONS
from storage.records import DeliveryReason, JobStatus
from tests.cogs.conftest import Studio, told
from tests.cogs.test_history import looked
from tests.cogs.test_undelivered import keep
from tests.doubles.texts import shows

ANSWER = "/webhooks/*/*/messages/@original"
REFUSALS = [(400, 20009), (413, 40005), (403, 50013), (400, 50035)]


def ask(studio: Studio, command: str) -> simcord.MemberActor:
    return studio.admin if command.startswith("usage") else studio.ada


@pytest.mark.parametrize(("status", "code"), REFUSALS)
@pytest.mark.parametrize("command", ["history", "thread show", "credits", "usage report"])
@pytest.mark.slow
async def test_the_answer_is_sent_again_without_images(studio: Studio, command: str, status: int, code: int) -> None:
    await studio.imagine(prompt="a fox")
    await studio.finish()
    whole = told(await ask(studio, command).slash(studio.channel, command))
    assert whole.raw.attachments
    studio.env.inject_error("PATCH", ANSWER, status=status, code=code)
    plain = told(await ask(studio, command).slash(studio.channel, command))
    assert not plain.raw.attachments
    assert not plain.images
    *words, why = plain.text.splitlines()
    assert words == whole.text.splitlines()
    assert any(shows(why, reason) for reason in (FILES_REFUSED, FILES_TOO_LARGE, FILES_EXPLICIT))
    assert plain.labels == whole.labels


@pytest.mark.parametrize("command", ["usage export", "privacy export"])
async def test_a_missing_file_is_explained_if_it_is_the_answer(studio: Studio, command: str) -> None:
    await studio.imagine(prompt="a fox")
    await studio.finish()
    studio.env.inject_error("PATCH", ANSWER, status=403, code=50013)
    plain = told(await ask(studio, command).slash(studio.channel, command))
    assert not plain.raw.attachments
    assert shows(plain.text, FILES_REFUSED)


async def test_the_same_applies_to_turning_a_page(studio: Studio) -> None:
    for number in range(5):
        await studio.imagine(prompt=f"a fox {number}")
        await studio.finish()
    first = await looked(studio)
    studio.env.inject_error("PATCH", ANSWER, status=400, code=20009)
    older = told(await studio.press(studio.ada, first, "Next"))
    assert "a fox 0" in older.text
    assert "explicit" in older.text
    assert not older.raw.attachments


@pytest.mark.parametrize(("status", "code"), [(400, 20009), (403, 50013)])
async def test_an_undelivered_result_stays_so_and_says_why(slow_studio: Studio, status: int, code: int) -> None:
    studio = slow_studio
    await keep(studio)
    shown = await looked(studio)
    studio.env.inject_error("PATCH", ANSWER, status=status, code=code)
    said = told(await studio.press(studio.ada, shown, "Show"))
    assert shows(said.text, NOT_SHOWN(count=1, reason=REASONS[DeliveryReason.NO_FILES]))
    assert not said.images
    assert (await studio.job(1)).status is JobStatus.UNDELIVERED
