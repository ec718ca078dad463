"""The results of edits: what their cards say, and every button of them, for each operation."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import simcord
from PIL import Image

from bot.domain.command_line import EDIT_COMMANDS
from bot.domain.edits import NAMES
from bot.domain.options import ImagineOptions
from bot.domain.requests import decode_request
from bot.errors import UserError
from bot.jobs.sources import NOT_YOURS
from bot.jobs.store import GONE
from bot.providers.base import ImageRequest
from bot.providers.operations import Operation
from bot.ui.cards import edit_text
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.details import HIDDEN, ONLY_FOR_AUTHOR
from bot.ui.cards.refusal import EDIT_THE_RESULT
from bot.ui.job_starter import JobStarter
from storage import submissions
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CONFIRM, MakeStudio, Shown, Studio, card, forge, told
from tests.doubles.forms import fields, filled, send
from tests.doubles.provider import EDITS, ScriptedProvider
from tests.doubles.texts import codes, shows

pytestmark = pytest.mark.slow

BRUSH = "cheap/brush"
ASKED: Mapping[Operation, Mapping[str, Any]] = {
    Operation.IMAGE_TO_IMAGE: {"prompt": "a hen", "strength": 35},
    Operation.INPAINT: {"prompt": "a hen", "area": "4x4:5,6"},
    Operation.ERASE: {"prompt": "", "area": "8x8:1,2,3"},
    Operation.OUTPAINT: {"prompt": "", "extend": "wider"},
    Operation.SEARCH_AND_REPLACE: {"prompt": "a hen", "search": "the fox"},
    Operation.SKETCH: {"prompt": "a hen", "strength": 60},
    Operation.STRUCTURE: {"prompt": "a hen", "strength": 60},
    Operation.UPSCALE: {"prompt": "", "images": None, "scale": 2},
    Operation.RESTORE_FACES: {"prompt": "", "images": None},
    Operation.REMOVE_BACKGROUND: {"prompt": "", "images": None},
}
EVERY = pytest.mark.parametrize("operation", EDITS)
WORDED = pytest.mark.parametrize("operation", [each for each in EDITS if each.takes_prompt])


@pytest.fixture
async def atelier(make_studio: MakeStudio) -> Studio:
    """A studio with one engine, which has every operation."""
    brush = ScriptedProvider(polled=False, name="cheap", edits=EDITS, price=2000)
    return await make_studio(providers=[brush], AITHRIVING_KEY="", DEFAULT_ENGINE="")


async def result(studio: Studio, **options: Any) -> simcord.InteractionResult:
    made = await studio.imagine(**{"prompt": "a fox", "engine": BRUSH, **options})
    await studio.finish()
    return made


async def edited(
    studio: Studio, operation: Operation, person: simcord.MemberActor | None = None, *, job_id: int = 1, **asked: Any
) -> Shown:
    """Press a tool in the panel of a job's only image, with these options. Returns the finished card."""
    panel = told(await forge(studio, person or studio.ada, "picture", job_id))
    run = JobStarter.run

    async def with_options(self: JobStarter, interaction: Any, options: ImagineOptions, **known: Any) -> int | None:
        wanted = {"strength": None, **ASKED[operation], "operation": operation, **asked}
        return await run(self, interaction, replace(options, **wanted), **known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobStarter, "run", with_options)
        pressed = await studio.press(person or studio.ada, panel, "Vary a little")
    await studio.finish()
    return card(pressed)


async def request_of(studio: Studio, job_id: int) -> ImageRequest:
    async with studio.runtime.database.read() as connection:
        stored = await submissions.submissions_of(connection, job_id)
    return decode_request(stored[0].request)


# --- what is shown --------------------------------------------------------------------------------------------------


@EVERY
async def test_the_result_says_what_was_done_and_links_to_the_image_that_it_was_made_from(
    atelier: Studio, operation: Operation
) -> None:
    await result(atelier)
    shown = await edited(atelier, operation, atelier.ben)
    assert shows(shown.text, edit_text.DONE[operation])
    assert "(no words)" not in shown.text
    image = f"[{edit_text.ONLY_IMAGE(job=1)}]({jump_url(await atelier.job(1))})"
    assert image in shown.text
    assert f"<@{atelier.ada.id}>" in shown.text
    assert shown.images[0]["description"]
    if operation is Operation.SEARCH_AND_REPLACE:
        assert shown.text.startswith("the fox → a hen\n")
        assert shown.images[0]["description"] == str(edit_text.ALT_IN_PLACE(words="a hen", search="the fox"))


@EVERY
async def test_details_say_what_was_done_and_lead_to_the_image_that_it_was_made_from(
    atelier: Studio, operation: Operation
) -> None:
    await result(atelier)
    shown = await edited(atelier, operation, atelier.ben)
    details = told(await atelier.press(atelier.ben, shown, "Details"))
    assert shows(details.text, edit_text.DONE[operation])
    facts = {
        Operation.INPAINT: edit_text.CELLS(count=2, all=16),
        Operation.ERASE: edit_text.CELLS(count=3, all=64),
        Operation.OUTPAINT: edit_text.SIDES["left"](pixels="16"),
        Operation.UPSCALE: edit_text.TIMES(scale=2),
    }
    if operation in facts:
        assert shows(details.text, facts[operation])
    assert f"/edit {EDIT_COMMANDS[operation]} image:1-1 " in details.text
    assert details.labels == ["Log", "Tree", "Made from job 1"]
    parent = card(await atelier.press(atelier.ben, details, "Made from job 1"))
    assert parent.labels == ["Log", "Tree", "Led to job 2"]
    tree = card(await atelier.press(atelier.ben, parent, "Tree"))
    assert len(tree.images) == 1


@pytest.mark.parametrize("operation", [Operation.ERASE, Operation.OUTPAINT])
async def test_jobs_without_words_are_called_by_what_was_done_in_lists(atelier: Studio, operation: Operation) -> None:
    await result(atelier)
    await edited(atelier, operation)
    for command in ("history", "thread list"):
        listed = told(await atelier.ada.slash(atelier.channel, command))
        if command == "thread list":
            listed = card(await atelier.press(atelier.ada, listed, "Open"))
        assert shows(listed.text, edit_text.DONE[operation])
        assert "(no words)" not in listed.text


async def test_history_finds_an_edit_by_what_was_replaced(atelier: Studio) -> None:
    await result(atelier, prompt="a wall")
    await edited(atelier, Operation.SEARCH_AND_REPLACE)
    listed = told(await atelier.ada.slash(atelier.channel, "history", search="fox"))
    assert "the fox → a hen" in listed.text
    assert "a wall" not in listed.text


async def test_a_waiting_edit_says_what_will_be_done(make_studio: MakeStudio) -> None:
    brush = ScriptedProvider(name="cheap", edits=EDITS, price=2000)
    studio = await make_studio(providers=[brush], AITHRIVING_KEY="", DEFAULT_ENGINE="")
    await result(studio)
    await studio.ada.slash(studio.channel, "settings set", ask_above=1.0)
    shown = await edited(studio, Operation.ERASE)
    assert shown.text.startswith(f"{NAMES[Operation.ERASE]}\n")
    assert shows(shown.text, edit_text.CELLS(count=3, all=64))
    assert shown.labels[0].startswith(CONFIRM)


async def test_nothing_links_to_a_private_image(atelier: Studio) -> None:
    made = await result(atelier, private=True)
    private = await edited(atelier, Operation.ERASE)
    assert shows(private.text, edit_text.FROM_IMAGE(image=edit_text.ONLY_IMAGE(job=1)))
    public = await edited(atelier, Operation.ERASE, private=False)
    assert shows(public.text, edit_text.FROM_EARLIER_IMAGE)
    assert "channels/" not in public.text
    theirs = told(await forge(atelier, atelier.ben, "details", 3))
    assert shows(theirs.text, edit_text.FROM_EARLIER_IMAGE)
    assert "Tree" in theirs.labels
    assert [label for label in theirs.labels if label.startswith("Made from")] == []
    await atelier.press(atelier.ada, card(made), "Share")
    shared = told(await forge(atelier, atelier.ben, "details", 3))
    assert "Made from job 1" in shared.labels
    assert "channels/" in shared.text


async def test_an_image_in_another_channel_is_not_linked(atelier: Studio) -> None:
    elsewhere = atelier.server.create_text_channel("elsewhere")
    await atelier.ada.slash(elsewhere, "imagine", prompt="a fox", engine=BRUSH)
    await atelier.finish()
    shown = await edited(atelier, Operation.OUTPAINT)
    assert shows(shown.text, edit_text.FROM_EARLIER_IMAGE)


async def test_an_image_that_was_deleted_is_named_without_a_link(atelier: Studio) -> None:
    await result(atelier)
    shown = await edited(atelier, Operation.ERASE, atelier.ben)
    await atelier.runtime.jobs.delete(1)
    details = told(await atelier.press(atelier.ben, shown, "Details"))
    assert shows(details.text, edit_text.FROM_SOMEBODYS_IMAGE(author=f"<@{atelier.ada.id}>"))
    assert not shows(details.text, HIDDEN)


# --- buttons --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [each for each in EDITS if each.has_variants])
async def test_everybody_can_repeat_an_edit_of_an_image_that_they_may_see(
    atelier: Studio, operation: Operation
) -> None:
    await result(atelier)
    shown = await edited(atelier, operation, seed=7)
    again = card(await atelier.press(atelier.ben, shown, "New seed"))
    await atelier.finish()
    same = await atelier.again(atelier.ben, again)
    await atelier.finish()
    assert len(card(same).images) == 1
    first, second, third = [await request_of(atelier, number) for number in (2, 3, 4)]
    assert first.seed == 7
    assert second.seed not in (None, 7)
    assert replace(second, seed=7, source=first.source) == first
    assert third == second
    job = await atelier.job(3)
    assert (job.user_id, job.parent_id, job.status) == (atelier.ben.id, 2, JobStatus.DELIVERED)
    details = told(await forge(atelier, atelier.ben, "details", 3))
    assert details.labels == ["Log", "Tree", "Made from job 2", "Picture from job 1", "Led to job 4"]


@EVERY
async def test_the_form_of_an_edit_has_the_fields_of_its_operation(atelier: Studio, operation: Operation) -> None:
    await result(atelier)
    shown = await edited(atelier, operation)
    form = await atelier.press(atelier.ada, shown, "Edit prompt" if operation.takes_prompt else "Edit settings")
    words = {
        Operation.ERASE: set[str](),
        Operation.OUTPAINT: {"Prompt", "Extend"},
        Operation.SEARCH_AND_REPLACE: {"Put there", "Find", "Leave out"},
        Operation.IMAGE_TO_IMAGE: {"Prompt", "Size", "Leave out"},
    }.get(operation, {"Prompt", "Leave out"})
    if not operation.has_variants:
        assert set(fields(form)) == {"Engine", *(["Scale"] if operation is Operation.UPSCALE else [])}
        await send(atelier.ada, form, **({"Scale": ["4"]} if operation is Operation.UPSCALE else {}))
        await atelier.finish()
        after = await request_of(atelier, 3)
        assert (after.operation, after.scale) == (operation, 4 if operation is Operation.UPSCALE else None)
        return
    assert set(fields(form)) == {*words, "Engine", "More settings"}
    strength = ASKED[operation].get("strength")
    settings = "--images 1" if strength is None else f"--images 1 --strength {strength}"
    assert filled(form)["More settings"] == settings
    changes: Mapping[str, Any] = {
        Operation.ERASE: {"More_settings": "--seed 9"},
        Operation.OUTPAINT: {"Extend": "left 32", "More_settings": "--seed 9"},
        Operation.SEARCH_AND_REPLACE: {"Find": "the wall", "Put_there": "a gate"},
    }.get(operation, {"Prompt": "a goose"})
    sent = await send(atelier.ada, form, **changes)
    await atelier.finish()
    assert len(card(sent).images) == 1
    before, after = await request_of(atelier, 2), await request_of(atelier, 3)
    assert (after.operation, after.source, after.area) == (operation, before.source, before.area)
    if operation is Operation.SEARCH_AND_REPLACE:
        assert (after.search, [part.text for part in after.prompts]) == ("the wall", ["a gate"])
    elif operation is Operation.OUTPAINT:
        assert after.margins is not None
        assert (after.margins.left, after.margins.right, after.seed) == (32, 0, 9)
    elif operation is Operation.ERASE:
        assert after.seed == 9
    else:
        assert [part.text for part in after.prompts] == ["a goose"]
    assert (await atelier.job(3)).parent_id == 2


@WORDED
async def test_choices_in_the_words_of_an_edit_are_confirmed_and_made(atelier: Studio, operation: Operation) -> None:
    await result(atelier)
    question = await edited(atelier, operation, prompt="a {red, blue} hen")
    assert question.private
    assert "2 images" in question.text
    assert "4 credits" in question.text
    await atelier.restart()
    posted = card(await atelier.press(atelier.ada, question, CONFIRM))
    await atelier.finish()
    assert len(posted.images) == 2
    assert {image["description"] for image in posted.images} != {posted.images[0]["description"]}
    assert "{red, blue}" in posted.text


@EVERY
async def test_a_moderator_can_delete_an_edit(atelier: Studio, operation: Operation) -> None:
    await result(atelier)
    await edited(atelier, operation, atelier.ben)
    question = told(await forge(atelier, atelier.admin, "delete", 2))
    await atelier.press(atelier.admin, question, "Delete for good")
    with pytest.raises(UserError) as error:
        await atelier.job(2)
    assert codes(error.value) == [GONE.code]
    async with atelier.runtime.database.read() as connection:
        assert await submissions.submissions_of(connection, 1), "the image that it was made from is still there"


async def test_an_edit_in_direct_messages_links_to_its_image_there(atelier: Studio) -> None:
    made = await atelier.ada.user.slash("imagine", prompt="a fox", engine=BRUSH)
    await atelier.finish()
    panel = told(await atelier.ada.user.click(card(made).raw, label="Edit picture"))
    varied = await atelier.ada.user.click(panel.raw, label="Vary a little · 2")
    await atelier.finish()
    assert f"[{edit_text.ONLY_IMAGE(job=1)}](https://discord.com/channels/@me/" in card(varied).text
    again = await atelier.ada.user.click(card(varied).raw, label="Again")
    await atelier.finish()
    assert len(card(again).images) == 1


# --- somebody else's picture ----------------------------------------------------------------------------------------


def photo() -> tuple[str, bytes]:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((800, 600)).save(file, "JPEG")
    return "photo.jpg", file.getvalue()


@pytest.mark.parametrize("label", ["Again", "New seed", "Edit prompt"])
async def test_an_edit_of_an_attached_picture_is_repeated_by_its_author_alone_and_others_go_on_from_the_result(
    studio: Studio, label: str
) -> None:
    made = card(await studio.imagine(prompt="a fox", engine=BASIC, picture=photo(), seed=7))
    await studio.finish()
    pressed = await studio.press(studio.ben, made, label)
    refused = told(pressed)
    assert pressed.modal is None
    assert shows(refused.text, NOT_YOURS)
    assert shows(refused.text, EDIT_THE_RESULT)
    assert refused.labels == ["Edit picture"]
    panel = told(await studio.press(studio.ben, refused, "Edit picture"))
    assert any(each.startswith("Vary a little") for each in panel.labels)
    mine = await studio.press(studio.ada, made, label)
    assert mine.modal is not None or not shows(card(mine).text, NOT_YOURS)


async def test_of_several_images_others_choose_one_to_go_on_from(studio: Studio) -> None:
    made = await studio.imagine(prompt="a fox", engine=BASIC, picture=photo(), images=2)
    await studio.finish()
    refused = told(await studio.press(studio.ben, card(made), "Again"))
    ((menu, found),) = refused.menus.items()
    assert [option["value"] for option in found["options"]] == ["1-1", "1-2"]
    panel = told(await studio.ben.select(refused.raw, ["1-2"], custom_id=menu))
    assert any(each.startswith("Vary a little") for each in panel.labels)


async def test_a_public_edit_of_a_private_image_is_repeated_by_its_author_alone(atelier: Studio) -> None:
    await result(atelier, private=True)
    shown = await edited(atelier, Operation.ERASE, private=False)
    refused = told(await atelier.press(atelier.ben, shown, "Again"))
    assert shows(refused.text, NOT_YOURS)
    mine = await atelier.press(atelier.ada, shown, "Again")
    await atelier.finish()
    assert len(card(mine).images) == 1


async def test_cards_name_an_attached_picture_to_its_author_and_to_others(studio: Studio) -> None:
    public = await studio.imagine(prompt="a fox", engine=BASIC, picture=photo(), strength=30)
    private = await studio.imagine(prompt="a fox", engine=BASIC, picture=photo(), private=True)
    await studio.finish()
    assert shows(card(public).text, edit_text.FROM_ATTACHMENT)
    assert "strength 30" in card(public).text
    assert shows(card(private).text, edit_text.FROM_YOUR_ATTACHMENT)
    for person, words in (
        (studio.ada, edit_text.FROM_YOUR_ATTACHMENT),
        (studio.ben, edit_text.FROM_ATTACHMENT),
    ):
        text = told(await studio.press(person, card(public), "Details")).text
        assert shows(text, words)
        assert "image:p1 " in text
        assert shows(text, ONLY_FOR_AUTHOR) == (person is studio.ben)
