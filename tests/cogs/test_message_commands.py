"""The commands in the context menu of the bot's messages."""

from __future__ import annotations

from typing import Any

import simcord

from bot.jobs.results import NO_JOB_IN_MESSAGE
from bot.jobs.view import PRIVATE_JOB
from bot.ui.cards.details import NUMBER
from bot.ui.cards.job import JOB_STATUS, SUBMISSION_STATUS
from storage.records import JobStatus, SubmissionStatus
from tests.cogs.conftest import CORE, Studio, card, forge, stand, told
from tests.doubles.forms import filled, send
from tests.doubles.texts import shows

USE, DETAILS = "Use this prompt", "Details"


async def click(studio: Studio, person: simcord.MemberActor, name: str, target: Any) -> simcord.InteractionResult:
    return await person.context_menu(studio.channel, name, target)


async def test_details_of_a_visible_result(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox")
    await studio.finish()
    for person in (studio.ada, studio.ben, studio.admin):
        shown = told(await click(studio, person, DETAILS, card(result).raw))
        assert shows(shown.text, NUMBER(job=1))


async def test_details_of_an_unfinished_job(slow_studio: Studio) -> None:
    result = await slow_studio.imagine(prompt="a fox")
    await slow_studio.begun()
    await slow_studio.until(lambda: shows(card(result).text, SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]))
    assert card(result).labels == []
    shown = told(await click(slow_studio, slow_studio.ben, DETAILS, card(result).raw))
    assert f"-# <@{slow_studio.ada.id}> · {JOB_STATUS[JobStatus.WORKING]} · " in shown.text


async def test_using_a_prompt_copies_only_its_words(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox --no snow", seed=7, size="16:9", style="anime")
    await studio.finish()
    shown = await click(studio, studio.ben, USE, card(result).raw)
    assert filled(shown) == {
        "Prompt": "a fox",
        "Engine": [CORE],
        "Size": "",
        "Leave out": "snow",
        "More settings": "",
    }
    made = await send(studio.ben, shown, Prompt="a fox in a boat")
    await studio.finish()
    assert len(card(made).images) == 1
    job = await studio.job(2)
    assert (job.user_id, job.parent_id) == (studio.ben.id, 1)


async def test_messages_without_a_job_are_refused(studio: Studio) -> None:
    theirs = await studio.ada.send(studio.channel, "hello")
    for name in (USE, DETAILS):
        assert shows(told(await click(studio, studio.ada, name, theirs)).text, NO_JOB_IN_MESSAGE)


async def test_a_shared_result_is_found_by_its_message(studio: Studio) -> None:
    result = await studio.imagine(prompt="a surprise", private=True)
    await studio.finish()
    shared = card(await studio.press(studio.ada, card(result), "Share"))
    assert shows(told(await click(studio, studio.ben, DETAILS, shared.raw)).text, NUMBER(job=1))


async def test_jobs_that_the_person_may_not_see_are_refused(studio: Studio) -> None:
    await studio.imagine(prompt="a secret", private=True)
    await studio.finish()
    standing = await stand(studio, "again", 1)
    for name in (USE, DETAILS):
        assert shows(told(await click(studio, studio.ben, name, standing)).text, PRIVATE_JOB)
    assert "a secret" in told(await click(studio, studio.ada, DETAILS, standing)).text
    assert "a secret" in told(await forge(studio, studio.ada, "details", 1)).text


async def test_a_message_with_several_jobs_is_refused(studio: Studio) -> None:
    for prompt in ("one", "two"):
        await studio.imagine(prompt=prompt)
    await studio.finish()
    both = await stand(studio, "again", 1, 2)
    assert "shows several jobs" in told(await click(studio, studio.ada, DETAILS, both)).text
