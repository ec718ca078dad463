"""The commands in the context menu of the bot's messages."""

from __future__ import annotations

import io
from typing import Any

import pytest
import simcord
from PIL import Image

from bot.domain.rules import ONLY_RESULTS
from bot.jobs.results import NO_JOB_IN_MESSAGE
from bot.jobs.view import PRIVATE_JOB
from bot.pictures.normalising import NO_PICTURE
from bot.ui.cards.details import NUMBER
from bot.ui.cards.job import JOB_STATUS, SUBMISSION_STATUS
from bot.ui.cards.picture_buttons import SWITCH_PICTURE, picture_id
from bot.ui.message_pictures import NO_IMAGE_YET, NO_PICTURE_IN_MESSAGE
from storage.records import JobStatus, SourceKind, SubmissionStatus
from tests.cogs.conftest import BASIC, CORE, Studio, card, forge, stand, told
from tests.doubles.forms import filled, send
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

USE, DETAILS, EDIT = "Use this prompt", "Details", "Edit this picture"


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


async def test_the_bots_own_message_without_a_job_has_no_picture(studio: Studio) -> None:
    ours = card(await studio.ada.slash(studio.channel, "help"))
    shown = await click(studio, studio.ada, EDIT, ours.raw)
    assert shows(told(shown).text, NO_PICTURE_IN_MESSAGE)


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


# --- Edit this picture ------------------------------------------------------------------------------------------------


def photo(colour: str = "teal", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(file, kind)
    return file.getvalue()


async def test_the_picture_of_a_result_is_edited(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox", engine=BASIC, images=2)
    await studio.finish()
    shown = told(await click(studio, studio.ben, EDIT, card(result).raw))
    assert "Erase a part" in "".join(shown.labels) or "Extend" in "".join(shown.labels)
    assert shown.selected(picture_id(SWITCH_PICTURE)) == ["Image 1"]
    await studio.press(studio.ben, shown, "Vary a little")
    await studio.finish()
    job = await studio.job(2)
    assert (job.user_id, job.parent_id) == (studio.ben.id, 1)


async def test_a_picture_in_anybodys_message_is_edited(studio: Studio) -> None:
    posted = await studio.ben.send(studio.channel, "look", attachments=[("notes.txt", b"hi"), ("a.png", photo())])
    shown = told(await click(studio, studio.ada, EDIT, posted))
    assert f"<@{studio.ben.id}>" in shown.text
    assert "320x240" in shown.text
    await studio.restart()
    started = await studio.press(studio.ada, shown, "Extend")
    wider = await studio.press(studio.ada, card(started), "Wider")
    await studio.finish()
    assert card(wider).images
    (stored,) = await studio.runtime.sources.recent(studio.ada.id, limit=5)
    assert (stored.kind, stored.author_id) == (SourceKind.MESSAGE, studio.ben.id)


async def test_one_of_several_pictures_is_picked_from_a_menu(studio: Studio) -> None:
    files = [("red.png", photo("red")), ("broken.png", b"not a picture"), ("blue.jpg", photo("blue", "JPEG"))]
    posted = await studio.ben.send(studio.channel, attachments=files)
    asked = told(await click(studio, studio.ada, EDIT, posted))
    assert len(asked.images) == 2
    (menu,) = asked.menus.values()
    assert [option["value"] for option in menu["options"]] == ["p1", "p2"]
    await studio.restart()
    picked = await studio.ada.select(asked.raw, custom_id=menu["custom_id"], values=["p2"])
    assert "320x240" in card(picked).text
    assert "Original file" in card(picked).labels


async def test_the_same_picture_twice_needs_no_menu(studio: Studio) -> None:
    posted = await studio.ben.send(studio.channel, attachments=[("a.png", photo()), ("b.png", photo())])
    assert "Original file" in told(await click(studio, studio.ada, EDIT, posted)).labels


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], NO_PICTURE_IN_MESSAGE),
        ([("notes.txt", b"hi")], NO_PICTURE_IN_MESSAGE),
        ([("broken.png", bytes(range(256)))], NO_PICTURE),
    ],
)
async def test_a_message_without_a_usable_picture_is_refused(
    studio: Studio, files: list[tuple[str, bytes]], said: Any
) -> None:
    posted = await studio.ben.send(studio.channel, "hello", attachments=files)
    assert shows(told(await click(studio, studio.ada, EDIT, posted)).text, said)


async def test_a_result_without_an_image_is_refused(slow_studio: Studio) -> None:
    result = await slow_studio.imagine(prompt="a fox")
    await slow_studio.begun()
    assert shows(told(await click(slow_studio, slow_studio.ben, EDIT, card(result).raw)).text, NO_IMAGE_YET)
    slow_studio.stand_in.finish_all()
    await slow_studio.finish()
    assert told(await click(slow_studio, slow_studio.ben, EDIT, card(result).raw)).labels


async def test_a_private_result_is_edited_by_its_author_only(studio: Studio) -> None:
    await studio.imagine(prompt="a secret", private=True)
    await studio.finish()
    standing = await stand(studio, "again", 1)
    assert shows(told(await click(studio, studio.ben, EDIT, standing)).text, PRIVATE_JOB)
    assert told(await click(studio, studio.ada, EDIT, standing)).labels


async def test_a_picture_that_the_server_forbids_is_not_even_stored(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", pictures="results")
    posted = await studio.ben.send(studio.channel, attachments=[("a.png", photo())])
    assert shows(told(await click(studio, studio.ada, EDIT, posted)).text, ONLY_RESULTS)
    erase = await studio.ada.slash(studio.channel, "edit erase", picture=("a.png", photo()))
    assert shows(told(erase).text, ONLY_RESULTS)
    assert await studio.runtime.sources.recent(studio.ada.id, limit=5) == []
    plain = await studio.ben.send(studio.channel, "hello")
    assert shows(told(await click(studio, studio.ada, EDIT, plain)).text, NO_PICTURE_IN_MESSAGE)
