"""The question before the same images are made again: by Again, or by the same command."""

from __future__ import annotations

from typing import Any

import simcord

from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.proposal import SAME_IMAGE, SAME_IMAGES
from fakes.services import Fault
from fakes.services.faults import Status
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CONFIRM, CORE, Studio, card, stand, told
from tests.doubles.texts import shows

QUESTION = ["New seed: 6 credits", "Same seed: 6 credits", "Keep"]


async def made(studio: Studio, **options: Any) -> simcord.InteractionResult:
    result = await studio.imagine(**{"prompt": "a fox", "seed": 7, **options})
    await studio.finish()
    assert card(result).images
    return result


def seeds(studio: Studio) -> list[int]:
    bodies = [call.body for call in studio.stand_in.calls_to("aithriving.core")]
    return [int(str(body["seed"])) for body in bodies if isinstance(body, dict)]


async def test_again_asks_before_it_makes_the_same_image(studio: Studio) -> None:
    result = await made(studio)
    for person in (studio.ada, studio.ben):
        question = told(await studio.press(person, card(result), "Again"))
        assert shows(question.text, SAME_IMAGE(count=1))
        assert str(card(result).raw.id) in question.text
        assert question.labels == QUESTION
    await studio.finish()
    assert seeds(studio) == [7]


async def test_a_new_seed_makes_another_image_and_the_question_goes(studio: Studio) -> None:
    result = await made(studio, images=2)
    asked = await studio.press(studio.ben, card(result), "Again")
    assert shows(told(asked).text, SAME_IMAGE(count=2))
    again = await studio.press(studio.ben, told(asked), "New seed")
    await studio.finish()
    shown = card(again)
    assert not shown.private
    assert len(shown.images) == 2
    assert len(set(seeds(studio))) == 4
    assert asked.response is None
    job = await studio.job(2)
    assert (job.user_id, job.parent_id) == (studio.ben.id, 1)


async def test_the_same_seed_can_be_chosen(studio: Studio) -> None:
    result = await made(studio)
    asked = told(await studio.press(studio.ada, card(result), "Again"))
    again = await studio.press(studio.ada, asked, "Same seed")
    await studio.finish()
    assert len(card(again).images) == 1
    assert seeds(studio) == [7, 7]


async def test_two_presses_on_the_question_make_the_image_once(studio: Studio) -> None:
    result = await made(studio)
    asked = told(await studio.press(studio.ada, card(result), "Again"))
    # The question stays for the later presses, as it does for those that are on their way when it is deleted.
    studio.env.inject_error("DELETE", "/webhooks/*/*/messages/*", status=404, times=None)
    for label in ("Same seed", "Same seed", "New seed"):
        await studio.press(studio.ada, asked, label)
    await studio.finish()
    assert seeds(studio) == [7, 7]


async def test_keeping_the_image_charges_nothing(studio: Studio) -> None:
    result = await made(studio)
    asked = await studio.press(studio.ada, card(result), "Again")
    await studio.press(studio.ada, told(asked), "Keep")
    assert asked.response is None
    await studio.finish()
    assert seeds(studio) == [7]


async def test_a_forged_keep_deletes_nothing(studio: Studio) -> None:
    await made(studio)
    message = await stand(studio, "keep", 1)
    assert shows(told(await studio.ben.click(message, label="Forged")).text, OLD_BUTTON)
    assert told(await studio.ben.click(message, label="Forged")).private


async def test_the_answers_work_after_a_restart(studio: Studio) -> None:
    result = await made(studio)
    asked = told(await studio.press(studio.ada, card(result), "Again"))
    await studio.restart()
    again = await studio.press(studio.ada, asked, "New seed")
    await studio.finish()
    assert len(card(again).images) == 1
    assert seeds(studio)[0] == 7 != seeds(studio)[1]


async def test_the_same_command_asks_too(studio: Studio) -> None:
    first = await made(studio)
    second = await studio.imagine(prompt="a fox", seed=7)
    asked = told(second)
    assert shows(asked.text, SAME_IMAGE(count=1))
    assert str(card(first).raw.id) in asked.text
    again = await studio.press(studio.ada, asked, "Same seed")
    await studio.finish()
    assert not card(again).private
    assert seeds(studio) == [7, 7]


async def test_other_commands_do_not_ask(studio: Studio) -> None:
    await made(studio)
    others = [
        await studio.imagine(studio.ben, "a fox", seed=7),
        await studio.imagine(prompt="a fox", seed=8),
        await studio.imagine(prompt="a fox", seed=7, style="anime"),
        await studio.imagine(prompt="a fox", seed=7, private=True),
        await studio.imagine(prompt="a fox"),
    ]
    await studio.finish()
    assert [len(card(each).images) for each in others] == [1] * 5
    assert [card(each).private for each in others] == [False, False, False, True, False]


async def test_an_image_that_is_gone_is_made_again(studio: Studio) -> None:
    """The answer is private by then, so the price is asked for instead."""
    first = await made(studio)
    question = told(await studio.press(studio.ada, card(first), "Delete"))
    await studio.press(studio.ada, question, "Delete for good")
    second = await studio.imagine(prompt="a fox", seed=7)
    posted = await studio.press(studio.ada, card(second), CONFIRM)
    await studio.finish()
    assert not card(posted).private
    assert len(card(posted).images) == 1


async def test_again_after_a_failure_does_not_ask(studio: Studio) -> None:
    studio.stand_in.misbehave(Fault("aithriving.core", Status(200, {"code": -1, "message": "Not these words"})))
    result = await studio.imagine(prompt="a fox", seed=7)
    await studio.finish()
    assert card(result).images == []
    again = await studio.press(studio.ada, card(result), "Again")
    await studio.finish()
    assert len(card(again).images) == 1


async def test_a_price_that_is_asked_for_anyway_says_it_instead(studio: Studio) -> None:
    result = await studio.confirmed(prompt=f"a fox --engine {{{CORE}, {BASIC}}}", seed=7)
    await studio.finish()
    again = card(await studio.press(studio.ada, card(result), "Again"))
    assert again.private
    assert shows(again.text, SAME_IMAGES)
    assert again.labels[1:] == ["New seed", "Cancel"]
    other = card(await studio.press(studio.ada, again, "New seed"))
    assert other.private
    assert not shows(other.text, SAME_IMAGES)
    posted = await studio.press(studio.ada, other, CONFIRM)
    await studio.finish()
    assert len(card(posted).images) == 2
    assert (await studio.job(2)).status is JobStatus.PROPOSED
