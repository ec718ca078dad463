"""The panel of a picture: what it offers, what its buttons start, and who may use it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import simcord

from bot.domain.edits import NOT_OFFERED
from bot.domain.pictures import ImageReference, Reference
from bot.domain.requests import decode_request
from bot.domain.rules import PRIVATE_OFF
from bot.errors import UserError
from bot.jobs.sources import IMAGE_GONE, NO_SUCH_PICTURE
from bot.jobs.store import GONE
from bot.jobs.view import OTHER_CHANNEL, PRIVATE_JOB
from bot.providers.base import ImageRequest
from bot.providers.operations import Margins, Operation, Size
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.picture_buttons import OPEN_PICTURE, PICTURE_ACTIONS, SWITCH_PICTURE, picture_id
from bot.ui.cards.picture_panel import FINISHING, HOW_TO_EXTEND, NO_TOOLS
from bot.ui.picture_forms import NOT_A_STRENGTH
from bot.ui.picture_panel import TOO_LARGE_HERE
from storage import submissions
from storage.records import JobStatus
from tests.cogs.conftest import CONFIRM, MakeStudio, Shown, Studio, attached, card, forge_id, told
from tests.doubles.forms import filled, offered, send
from tests.doubles.provider import EDITS, TINY, ScriptedProvider, png
from tests.doubles.texts import codes, shows

pytestmark = pytest.mark.slow

BRUSH, XL = "cheap/brush", "ai-client/stable-diffusion-xl-1024-v0-9"
TOOLS = [
    "Vary a little · 2",
    "Vary a lot · 2",
    "Change by words · 2",
    "Extend · 2",
    "Change a part · 2",
    "Erase a part · 2",
    "From a sketch · 2",
    "Use as start · 2",
    "Keep the structure · 2",
    "Upscale · 2",
    "Restore faces · 2",
    "Remove background · 2",
    "Original file",
]


def provider(edits: Collection[Operation] = EDITS, *, name: str = "cheap", price: int = 2000) -> ScriptedProvider:
    return ScriptedProvider(polled=False, name=name, edits=edits, price=price)


@pytest.fixture
async def make_atelier(make_studio: MakeStudio) -> MakeStudio:
    """Makes studios in which only these providers' engines start from pictures."""

    async def make(*providers: ScriptedProvider) -> Studio:
        return await make_studio(providers=providers, AITHRIVING_KEY="", DEFAULT_ENGINE="")

    return make


@pytest.fixture
async def atelier(make_atelier: MakeStudio) -> Studio:
    """A studio with an engine that can do everything."""
    return await make_atelier(provider())


async def result(studio: Studio, person: simcord.MemberActor | None = None, /, **options: Any) -> Shown:
    made = await studio.imagine(person, **{"prompt": "a fox", "engine": BRUSH, **options})
    await studio.finish()
    return card(made)


async def panel(studio: Studio, shown: Shown, person: simcord.MemberActor | None = None) -> Shown:
    """Open the panel of the only image of a result."""
    return told(await studio.press(person or studio.ada, shown, "Edit picture"))


async def press(studio: Studio, shown: Shown, label: str, person: simcord.MemberActor | None = None) -> Shown:
    """Press a button that starts a job, and return the job's card when it is finished."""
    pressed = await studio.press(person or studio.ada, shown, label)
    await studio.finish()
    return card(pressed)


async def request_of(studio: Studio, job_id: int) -> ImageRequest:
    async with studio.runtime.database.read() as connection:
        (stored,) = await submissions.submissions_of(connection, job_id)
    return decode_request(stored.request)


async def file_of(studio: Studio, job_id: int) -> Path:
    """The file of the job's first image."""
    file = (await studio.runtime.jobs.view(job_id)).images[0].file
    assert file is not None
    return studio.runtime.files.path(file)


async def forged(
    studio: Studio, person: simcord.MemberActor, action: str, reference: Reference | None, price: int | None = None
) -> Shown:
    """Press a button of a picture that the bot did not offer."""
    return await forge_id(studio, person, picture_id(action, reference, price))


# --- what it shows --------------------------------------------------------------------------------------------------


async def test_the_panel_shows_the_picture_and_every_tool_with_its_price(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier), atelier.ben)
    assert shown.labels == TOOLS
    for words in ("a fox", f"<@{atelier.ada.id}>", "Brush", "8x8"):
        assert words in shown.text
    assert len(shown.raw.attachments) == 1
    assert [part["type"] for part in shown.parts].count(11) == 1


async def test_only_what_an_engine_can_do_now_is_offered(make_atelier: MakeStudio) -> None:
    studio = await make_atelier(provider({Operation.OUTPAINT}))
    made = await result(studio)
    assert (await panel(studio, made)).labels == ["Extend · 2", "Original file"]
    await studio.admin.slash(studio.channel, "server set", engines=XL)
    shown = await panel(studio, made)
    assert shows(shown.text, NO_TOOLS)
    assert shown.labels == ["Original file"]


async def test_a_result_of_several_images_has_a_menu_and_the_panel_shows_another_image_in_its_place(
    atelier: Studio,
) -> None:
    made = await result(atelier, images=3)
    assert "Edit picture" not in made.labels
    menu = made.menus[picture_id(OPEN_PICTURE)]
    assert [option["value"] for option in menu["options"]] == ["1-1", "1-2", "1-3"]
    opened = await atelier.ben.select(made.raw, ["1-2"], custom_id=picture_id(OPEN_PICTURE))
    shown = told(opened)
    assert shown.selected(picture_id(SWITCH_PICTURE)) == [menu["options"][1]["label"]]
    switched = card(await atelier.ben.select(shown.raw, ["1-3"], custom_id=picture_id(SWITCH_PICTURE)))
    assert switched.raw.id == shown.raw.id
    assert switched.selected(picture_id(SWITCH_PICTURE)) == [menu["options"][2]["label"]]
    varied = await press(atelier, switched, "Vary a little", atelier.ben)
    assert len(varied.images) == 1
    source = (await request_of(atelier, 2)).source
    assert source is not None
    stored = await atelier.runtime.sources.own(atelier.ben.id, source)
    async with atelier.runtime.database.read() as connection:
        third = (await submissions.submissions_of(connection, 1))[0].id
    view = await atelier.runtime.jobs.view(1)
    assert (view.submissions[0].record.id, stored.image_id) == (third, view.images[2].id)


# --- what it starts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "strength"), [("Vary a little", 35), ("Vary a lot", 70)])
async def test_vary_starts_from_the_image_with_its_words(make_atelier: MakeStudio, label: str, strength: int) -> None:
    brush = provider()
    studio = await make_atelier(brush)
    made = await result(studio, negative="snow", style="plain")
    await studio.ben.slash(studio.channel, "settings set", text="in oil", images=2)
    varied = await press(studio, await panel(studio, made, studio.ben), label, studio.ben)
    assert not varied.private
    assert len(varied.images) == 1
    request = brush.requests[-1]
    assert (request.operation, request.strength, request.size) == (Operation.IMAGE_TO_IMAGE, strength, Size(512, 512))
    assert ([part.text for part in request.prompts], request.negative, request.style) == (["a fox"], "snow", "plain")
    sent = brush.pictures[-1]
    assert sent is not None
    assert sent.source.size == Size(512, 512)
    job = await studio.job(2)
    assert (job.user_id, job.parent_id, job.private) == (studio.ben.id, 1, False)


async def test_extend_offers_its_choices_in_the_place_of_the_panel(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier))
    choices = card(await atelier.press(atelier.ada, shown, "Extend"))
    assert choices.raw.id == shown.raw.id
    assert shows(choices.text, HOW_TO_EXTEND)
    assert choices.labels == ["Wider · 2", "Taller · 2", "Zoom out 1.5x · 2", "Zoom out 2x · 2", "Back"], "it is square"
    back = card(await atelier.press(atelier.ada, choices, "Back"))
    assert (back.raw.id, back.labels) == (shown.raw.id, TOOLS)
    choices = card(await atelier.press(atelier.ada, back, "Extend"))
    wider = await press(atelier, choices, "Wider")
    assert len(wider.images) == 1
    request = await request_of(atelier, 2)
    assert (request.operation, request.prompts, request.margins) == (Operation.OUTPAINT, (), Margins(16, 16))


async def test_change_by_words_asks_what_to_find_and_what_to_put_there(atelier: Studio) -> None:
    form = await atelier.press(atelier.ada, await panel(atelier, await result(atelier)), "Change by words")
    assert filled(form) == {"Find": "", "Put there": ""}
    sent = await send(atelier.ada, form, Find="the fox", Put_there="a hen")
    await atelier.finish()
    assert len(card(sent).images) == 1
    request = await request_of(atelier, 2)
    assert (request.operation, request.search) == (Operation.SEARCH_AND_REPLACE, "the fox")
    assert [part.text for part in request.prompts] == ["a hen"]
    assert (await atelier.job(2)).parent_id == 1


@pytest.mark.parametrize(
    ("label", "operation"), [("Keep the structure", Operation.STRUCTURE), ("From a sketch", Operation.SKETCH)]
)
async def test_structure_and_sketch_ask_for_words(atelier: Studio, label: str, operation: Operation) -> None:
    form = await atelier.press(atelier.ada, await panel(atelier, await result(atelier)), label)
    sent = await send(atelier.ada, form, What_it_should_become="a castle")
    await atelier.finish()
    assert len(card(sent).images) == 1
    request = await request_of(atelier, 2)
    assert (request.operation, [part.text for part in request.prompts]) == (operation, ["a castle"])


async def test_use_as_start_is_a_form_with_prompt_strength_and_engine(make_atelier: MakeStudio) -> None:
    dear = provider(name="dear", price=8000)
    studio = await make_atelier(provider(), dear)
    shown = await panel(studio, await result(studio), studio.ben)
    form = await studio.press(studio.ben, shown, "Use as start")
    assert filled(form) == {"Prompt": "a fox", "Strength": "50", "Engine": [BRUSH]}
    assert offered(form)["Engine"] == [BRUSH, "dear/brush"]
    refused = told(await send(studio.ben, form, Strength="lots"))
    assert shows(refused.text, NOT_A_STRENGTH(text="lots"))
    form = await studio.press(studio.ben, shown, "Use as start")
    sent = await send(studio.ben, form, Prompt="a hen --style plain", Strength="20 %", Engine=["dear/brush"])
    await studio.finish()
    assert len(card(sent).images) == 1
    (request,) = dear.requests
    assert (request.strength, request.style, [part.text for part in request.prompts]) == (20, "plain", ["a hen"])
    form = await studio.press(studio.ben, shown, "Use as start")
    question = card(await send(studio.ben, form, Prompt="a hen --images 2"))
    assert question.private, "the form named the price of one image"
    assert any(label.startswith(CONFIRM) for label in question.labels)


async def test_finish_is_offered_for_one_of_several_images_on_a_dearer_engine(make_atelier: MakeStudio) -> None:
    dear = provider(name="dear", price=8000)
    studio = await make_atelier(provider(), provider(name="middling", price=4000), dear)
    single = await panel(studio, await result(studio))
    assert not any(label.startswith("Finish") for label in single.labels)
    made = await result(studio, images=2, seed=7)
    shown = told(await studio.ada.select(made.raw, ["2-2"], custom_id=picture_id(OPEN_PICTURE)))
    assert shown.labels[-1] == "Finish with Brush · 8"
    assert shows(shown.text, FINISHING(cost=2000))
    done = await press(studio, shown, "Finish")
    assert len(done.images) == 1
    (request,) = dear.requests
    assert (request.operation, request.strength, request.images) == (Operation.IMAGE_TO_IMAGE, 40, 1)
    assert [part.text for part in request.prompts] == ["a fox"]
    dearest = await result(studio, engine="dear/brush", images=2)
    shown = told(await studio.ada.select(dearest.raw, ["4-1"], custom_id=picture_id(OPEN_PICTURE)))
    assert not any(label.startswith("Finish") for label in shown.labels)


async def test_the_original_file_is_sent_privately(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier), atelier.ben)
    sent = told(await atelier.press(atelier.ben, shown, "Original file"))
    (attachment,) = sent.raw.attachments
    assert attachment.filename == "easel-1-1.png"
    assert atelier.env.backend.cdn.get(attachment.url) == png(0, TINY)
    stored = await file_of(atelier, 1)
    await asyncio.to_thread(os.truncate, stored, 40 << 20)
    refused = told(await atelier.press(atelier.ben, shown, "Original file"))
    assert shows(refused.text, TOO_LARGE_HERE(mib=40, most=25))


# --- words ----------------------------------------------------------------------------------------------------------


async def test_an_edit_without_words_is_varied_with_those_of_its_origin(atelier: Studio) -> None:
    choices = card(await atelier.press(atelier.ada, await panel(atelier, await result(atelier)), "Extend"))
    extended = await press(atelier, choices, "Taller")
    shown = await panel(atelier, extended)
    assert "a fox" in shown.text
    await press(atelier, shown, "Vary a lot")
    assert [part.text for part in (await request_of(atelier, 3)).prompts] == ["a fox"]


async def test_the_words_of_a_private_origin_stay_private(atelier: Studio) -> None:
    secret = await panel(atelier, await result(atelier, prompt="a secret", private=True))
    choices = card(await atelier.press(atelier.ada, secret, "Extend"))
    extended = await press(atelier, choices, "Taller")
    assert extended.private
    shared = told(await atelier.press(atelier.ada, extended, "Share"))
    shown = await panel(atelier, shared if shared.images else extended)
    assert "a secret" in shown.text, "its author sees them"
    theirs = await forged(atelier, atelier.ben, "back", ImageReference(2, 1))
    assert "a secret" not in theirs.text


async def test_a_picture_without_words_is_varied_with_words_that_a_form_asks_for(atelier: Studio) -> None:
    picture = await attached(atelier, atelier.ada)
    shown = await forged(atelier, atelier.ada, "back", picture)
    assert shown.private
    assert "96x64" in shown.text
    form = await atelier.press(atelier.ada, shown, "Vary a lot")
    assert filled(form) == {"What it shows": ""}
    sent = await send(atelier.ada, form, What_it_shows="a hen")
    await atelier.finish()
    refused = told(sent)
    crop = next(label for label in refused.labels if label != "Edit")
    cropped = await press(atelier, refused, crop)
    assert len(cropped.images) == 1, "the engine makes squares only"
    request = await request_of(atelier, 1)
    assert (request.strength, request.source, request.fit is not None) == (70, picture.source_id, True)
    assert (await atelier.job(1)).parent_id is None


async def test_an_image_that_has_to_be_cropped_is_stored_when_the_offer_is_accepted(
    make_atelier: MakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.doubles.provider.TINY", Size(96, 64))
    brush = provider()
    studio = await make_atelier(brush)
    shown = await panel(studio, await result(studio))
    refused = told(await studio.press(studio.ada, shown, "Vary a lot"))
    crop = next(label for label in refused.labels if label != "Edit")
    assert len((await press(studio, refused, crop)).images) == 1
    edited = await send(studio.ada, await studio.press(studio.ada, refused, "Edit"), More_settings="--strength 20")
    assert told(edited).labels[-1] == "Edit", "it is still too wide, and still known"


# --- who may use it, and when ---------------------------------------------------------------------------------------


async def test_edits_of_a_private_result_are_private(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier, private=True))
    assert (await press(atelier, shown, "Vary a little")).private
    assert shows((await forged(atelier, atelier.ben, "vary-lot", ImageReference(1, 1))).text, PRIVATE_JOB)
    assert shows((await forged(atelier, atelier.ben, "original", ImageReference(1, 1))).text, PRIVATE_JOB)
    await atelier.admin.slash(atelier.channel, "server set", private="forbidden")
    refused = told(await atelier.press(atelier.ada, shown, "Vary a little"))
    assert shows(refused.text, PRIVATE_OFF)


async def test_edits_of_a_hidden_image_are_hidden(atelier: Studio) -> None:
    varied = await press(atelier, await panel(atelier, await result(atelier, spoiler=True)), "Vary a little")
    assert [image["spoiler"] for image in varied.images] == [True]


@pytest.mark.parametrize("private", [True, False])
async def test_edits_of_a_public_result_follow_ones_own_setting(atelier: Studio, private: bool) -> None:
    made = await result(atelier)
    await atelier.ben.slash(atelier.channel, "settings set", private=private)
    varied = await press(atelier, await panel(atelier, made, atelier.ben), "Vary a little", atelier.ben)
    assert varied.private is private


async def test_it_works_in_direct_messages_and_after_a_restart(atelier: Studio) -> None:
    made = await atelier.ada.user.slash("imagine", prompt="a fox", engine=BRUSH)
    await atelier.finish()
    await atelier.restart()
    shown = told(await atelier.ada.user.click(card(made).raw, label="Edit picture"))
    await atelier.restart()
    varied = await atelier.ada.user.click(shown.raw, label=TOOLS[0])
    await atelier.finish()
    assert len(card(varied).images) == 1
    assert (await atelier.job(2)).status is JobStatus.DELIVERED


async def test_a_higher_price_than_the_button_named_must_be_confirmed(atelier: Studio) -> None:
    await result(atelier)
    question = await forged(atelier, atelier.ada, "vary-little", ImageReference(1, 1), 1999)
    assert question.private
    assert any(label.startswith(CONFIRM) for label in question.labels)
    posted = await atelier.press(atelier.ada, question, CONFIRM)
    await atelier.finish()
    assert len(card(posted).images) == 1


async def test_a_limit_refuses_an_edit(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier))
    await atelier.admin.slash(atelier.channel, "quota set", credits=3.0, period="day", **{"for": "server"})
    refused = told(await atelier.press(atelier.ada, shown, "Vary a little"))
    await atelier.finish()
    assert "Edit" in refused.labels
    with pytest.raises(UserError) as error:
        await atelier.job(2)
    assert codes(error.value) == [GONE.code]


async def test_a_tool_that_is_no_longer_offered_is_refused(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier))
    await atelier.admin.slash(atelier.channel, "server set", engines=XL)
    for label in ("Vary a little", "Change by words", "Extend"):
        refused = told(await atelier.press(atelier.ada, shown, label))
        assert shows(refused.text, NOT_OFFERED), label


async def test_an_image_that_is_gone_is_refused(atelier: Studio) -> None:
    made = await result(atelier)
    shown = await panel(atelier, made)
    await atelier.runtime.files.remove((await file_of(atelier, 1)).name)
    assert shows(told(await atelier.press(atelier.ada, shown, "Original file")).text, IMAGE_GONE)
    pressed = await atelier.press(atelier.ada, shown, "Vary a little")
    await atelier.finish()
    assert shows(told(pressed).text, IMAGE_GONE)
    for reference in (ImageReference(1, 2), ImageReference(1, 0)):
        assert shows((await forged(atelier, atelier.ada, "back", reference)).text, IMAGE_GONE)


async def test_forged_presses_are_refused(atelier: Studio) -> None:
    picture = await attached(atelier, atelier.ada)
    for action in PICTURE_ACTIONS:
        assert shows((await forged(atelier, atelier.ben, action, picture)).text, NO_SUCH_PICTURE), action
        assert shows((await forged(atelier, atelier.ben, action, ImageReference(999, 1))).text, GONE), action
        assert shows((await forged(atelier, atelier.ben, action, None)).text, OLD_BUTTON), action
    assert shows((await forged(atelier, atelier.ben, "repaint", picture)).text, OLD_BUTTON)
    made = await result(atelier)
    elsewhere = atelier.server.create_text_channel("elsewhere")
    other = await atelier.ada.slash(elsewhere, "imagine", prompt="mine", engine=BRUSH)
    await atelier.finish()
    assert card(other).images
    assert made.images
    assert shows((await forged(atelier, atelier.ben, "back", ImageReference(2, 1))).text, OTHER_CHANNEL)
