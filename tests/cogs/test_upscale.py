"""``/edit upscale``, ``faces`` and ``background``: operations without words, on an engine that has all of them."""

from __future__ import annotations

import pytest
import simcord

from bot.domain.command_line import EDIT_COMMANDS, command_line
from bot.domain.edits import NOT_A_SCALE, NOT_OFFERED, UPSCALED_TOO_LARGE
from bot.domain.options import ImagineOptions
from bot.providers.operations import Operation, Size
from bot.ui.cards.edit_text import TIMES
from bot.ui.cards.picture_buttons import RESTORE_FACES, UPSCALE
from storage.records import JobStatus
from tests.cogs.conftest import MakeStudio, Studio, card, told
from tests.cogs.test_edit_commands import edit, parsed, png
from tests.doubles.forms import send
from tests.doubles.provider import EDITS, ScriptedProvider
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

WORDLESS = (Operation.UPSCALE, Operation.RESTORE_FACES, Operation.REMOVE_BACKGROUND)


@pytest.fixture
def scripted() -> ScriptedProvider:
    return ScriptedProvider(polled=False, edits=EDITS)


@pytest.fixture
async def studio(make_studio: MakeStudio, scripted: ScriptedProvider) -> Studio:
    return await make_studio(providers=[scripted], AITHRIVING_KEY="", DEFAULT_ENGINE="")


async def delivered(studio: Studio, result: simcord.InteractionResult) -> None:
    await studio.finish()
    assert len(card(result).images) == 1
    assert (await studio.job()).status is JobStatus.DELIVERED


@pytest.mark.parametrize("operation", WORDLESS)
async def test_a_picture_goes_to_the_engine_without_words(
    studio: Studio, scripted: ScriptedProvider, operation: Operation
) -> None:
    await delivered(studio, await edit(studio, operation))
    (request,) = scripted.requests
    assert (request.operation, request.prompts, request.images) == (operation, (), 1)
    factor = 2 if operation is Operation.UPSCALE else 1
    assert request.size == Size(640 * factor, 640 * factor)
    assert request.scale == (factor if operation is Operation.UPSCALE else None)


async def test_the_scale_is_chosen_and_kept_by_the_repeat_line(studio: Studio, scripted: ScriptedProvider) -> None:
    result = await edit(studio, Operation.UPSCALE, scale=4)
    await delivered(studio, result)
    assert scripted.requests[0].size == Size(2560, 2560)
    pictures = scripted.pictures[0]
    assert pictures is not None
    assert pictures.source.size == Size(640, 640)
    assert shows(card(result).text, TIMES(scale=4))
    options = ImagineOptions.from_json((await studio.job()).options)
    name, pasted = parsed(command_line(options))
    assert name == f"edit {EDIT_COMMANDS[Operation.UPSCALE]}"
    assert pasted["scale"] == "4"


async def test_a_default_number_of_images_is_not_for_them(studio: Studio, scripted: ScriptedProvider) -> None:
    await studio.ada.slash(studio.channel, "settings set", images=4)
    await delivered(studio, await edit(studio, Operation.REMOVE_BACKGROUND))
    assert scripted.requests[0].images == 1


async def test_a_scale_that_the_engine_lacks_is_refused(studio: Studio, scripted: ScriptedProvider) -> None:
    refused = await edit(studio, Operation.UPSCALE, scale=3)
    assert shows(told(refused).text, NOT_A_SCALE)
    assert not scripted.requests


async def test_a_picture_that_would_be_too_large_is_refused(studio: Studio, scripted: ScriptedProvider) -> None:
    refused = await edit(studio, Operation.UPSCALE, scale=4, picture=("photo.png", png(1200, 1200)))
    assert shows(told(refused).text, UPSCALED_TOO_LARGE)
    assert not scripted.requests


async def test_the_form_of_a_refusal_changes_the_scale(studio: Studio, scripted: ScriptedProvider) -> None:
    refused = await edit(studio, Operation.UPSCALE, scale=3)
    form = await studio.press(studio.ada, told(refused), "Edit")
    await send(studio.ada, form, Scale=["4"])
    await studio.finish()
    assert scripted.requests[0].scale == 4


async def test_the_panel_starts_them_with_one_press(studio: Studio, scripted: ScriptedProvider) -> None:
    result = await studio.imagine(prompt="a fox")
    await studio.finish()
    for button, operation in ((UPSCALE, Operation.UPSCALE), (RESTORE_FACES, Operation.RESTORE_FACES)):
        panel = told(await studio.press(studio.ada, card(result), "Edit picture"))
        await studio.press(studio.ada, panel, str(button.label()))
        await studio.finish()
        assert scripted.requests[-1].operation is operation


async def test_again_makes_the_same_for_another_person(studio: Studio, scripted: ScriptedProvider) -> None:
    await studio.imagine(prompt="a fox")
    await studio.finish()
    result = await studio.ada.slash(studio.channel, "edit upscale", image="1-1", scale=4)
    await studio.finish()
    await studio.press(studio.ben, card(result), "Again")
    await studio.finish()
    assert [request.scale for request in scripted.requests] == [4, 4]
    assert (await studio.job(3)).user_id == studio.ben.id


async def test_no_engine_can_do_it(make_studio: MakeStudio) -> None:
    studio = await make_studio(providers=[ScriptedProvider(polled=False)], AITHRIVING_KEY="", DEFAULT_ENGINE="")
    assert shows(told(await edit(studio, Operation.UPSCALE)).text, NOT_OFFERED)
