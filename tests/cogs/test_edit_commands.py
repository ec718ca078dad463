"""``/edit``: each way to go on from a picture as a person types it, and the command that repeats it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import simcord
from PIL import Image

from bot.domain.command_line import EDIT_COMMANDS, command_line
from bot.domain.edits import (
    CANNOT_DO,
    FIT_NEEDED,
    NOT_AN_AREA,
    NOT_AN_EXTENSION,
    NOT_OFFERED,
    SOURCE_NEEDED,
)
from bot.domain.options import OPTIONS, ImagineOptions
from bot.domain.prompt.parser import EMPTY_PROMPT
from bot.jobs.sources import NO_SUCH_PICTURE
from bot.jobs.view import PRIVATE_JOB
from bot.providers.operations import Operation
from bot.ui.cards.part_picker import PICK_TO_ERASE
from bot.ui.picked_pictures import PICTURE_AND_IMAGE
from cogs.edit import AREA_AND_MASK, ENGINE_OPTIONS
from storage.records import JobStatus, SourceKind
from tests.cogs.conftest import BASIC, MakeStudio, Shown, Studio, card, told
from tests.doubles.forms import filled, send
from tests.doubles.provider import ScriptedProvider
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

PATHS = {
    Operation.IMAGE_TO_IMAGE: "/api/generate/basic/imageToImage",
    Operation.SEARCH_AND_REPLACE: "/api/edit/search-and-replace",
    Operation.INPAINT: "/api/edit/inpaint",
    Operation.ERASE: "/api/edit/erase",
    Operation.OUTPAINT: "/api/edit/outpaint",
    Operation.SKETCH: "/api/control/sketch",
    Operation.STRUCTURE: "/api/control/structure",
}
TYPED: dict[Operation, dict[str, Any]] = {
    Operation.IMAGE_TO_IMAGE: {"prompt": "a fox", "engine": BASIC, "strength": 35, "seed": 7, "style": "anime"},
    Operation.SEARCH_AND_REPLACE: {"find": "the red car", "prompt": "a bus", "negative": "people", "seed": 7},
    Operation.INPAINT: {"prompt": "a hat", "area": "4x4:1,2,5", "images": 2},
    Operation.ERASE: {"area": "8x8:9,10", "seed": 3},
    Operation.OUTPAINT: {"by": "left 64 down 32", "prompt": "more sky", "private": True},
    Operation.SKETCH: {"prompt": "a castle", "strength": 40, "negative": "frames", "spoiler": True},
    Operation.STRUCTURE: {"prompt": "a room in winter", "strength": 60, "seed": 9},
}
"""A command of each kind, with its options as a person types them."""


def png(width: int = 640, height: int = 640, colour: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


async def edit(
    studio: Studio, operation: Operation, person: simcord.MemberActor | None = None, /, **options: Any
) -> simcord.InteractionResult:
    chosen = {} if "picture" in options or "image" in options else {"picture": ("photo.png", png())}
    name = f"edit {EDIT_COMMANDS[operation]}"
    return await (person or studio.ada).slash(studio.channel, name, **chosen, **options)


async def options_of(studio: Studio, job_id: int) -> ImagineOptions:
    return ImagineOptions.from_json((await studio.job(job_id)).options)


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """A command line as Discord reads it when it is pasted: the name, and the options with their types."""
    names = "image|prompt|find|by|area|fit|scale|engine|size|images|negative|style|steps|seed|guidance|sampler|strength"
    names += "|scheduler|lora|high_res"
    parts = re.split(rf" (?=(?:{names}|private|spoiler):)", line.removeprefix("/"))
    options: dict[str, Any] = dict(part.split(":", 1) for part in parts[1:])
    for name, value in options.items():
        if name in OPTIONS and OPTIONS[name].kind is not str:
            options[name] = OPTIONS[name].kind(value)
        elif name in {"private", "spoiler"}:
            options[name] = value == "True"
    return parts[0], options


# --- each command, and the command that repeats it ---------------------------------------------------------------


@pytest.mark.parametrize("operation", TYPED)
async def test_an_attached_picture_is_edited_and_pasting_the_repeat_line_does_the_same(
    studio: Studio, operation: Operation
) -> None:
    result = await edit(studio, operation, **TYPED[operation])
    await studio.finish()
    assert len(card(result).images) == TYPED[operation].get("images", 1)
    assert card(result).private == TYPED[operation].get("private", False)
    job, call = await studio.job(), studio.stand_in.calls[-1]
    assert (job.status, job.spoiler) == (JobStatus.DELIVERED, TYPED[operation].get("spoiler", False))
    assert call.path == PATHS[operation]
    first = await options_of(studio, 1)
    assert first.operation is operation

    name, pasted = parsed(command_line(first))
    assert name == f"edit {EDIT_COMMANDS[operation]}"
    again = await studio.ada.slash(studio.channel, name, **pasted)
    if "seed" in pasted:  # It makes the same image again, which is asked about.
        await studio.press(studio.ada, told(again), "Same seed")
    await studio.finish()
    assert await options_of(studio, 2) == first
    assert studio.stand_in.calls[-1].path == PATHS[operation]


@pytest.mark.parametrize("operation", ENGINE_OPTIONS)
async def test_a_command_has_the_options_that_its_engines_take(studio: Studio, operation: Operation) -> None:
    engines = studio.runtime.service.engines_doing(operation).values()
    taken = {option.name for option in OPTIONS.values() if any(option.taken_by(engine) for engine in engines)}
    if operation is not Operation.IMAGE_TO_IMAGE:
        taken.discard("size")  # The shape of the picture decides.
    # Only the servers of owners have these two, and some operations.
    assert set(ENGINE_OPTIONS[operation]) - {"scheduler", "lora"} == taken | {"engine"}


async def test_the_commands_are_short_enough_for_discord(studio: Studio) -> None:
    command = studio.runtime.client.tree.get_command("edit")
    assert command is not None
    payload = command.to_dict(studio.runtime.client.tree)

    def length(part: Any) -> int:
        if isinstance(part, dict):
            texts = (part.get(key) for key in ("name", "description", "value"))
            return (
                sum(len(each) for each in texts if isinstance(each, str))
                + length(part.get("options", []))
                + length(part.get("choices", []))
            )
        return sum(map(length, part))

    assert length(payload) <= 8000
    assert all(len(each["options"]) <= 25 for each in payload["options"])


# --- images by reference -----------------------------------------------------------------------------------------


async def test_an_image_of_a_result_is_varied_with_its_own_words(studio: Studio) -> None:
    made = await studio.imagine(studio.ben, prompt="a red fox", engine=BASIC, images=2, style="anime")
    await studio.finish()
    assert len(card(made).images) == 2
    result = await edit(studio, Operation.IMAGE_TO_IMAGE, image="1-2", engine=BASIC)
    await studio.finish()
    assert card(result).images
    job = await studio.job(2)
    assert (job.user_id, job.parent_id) == (studio.ada.id, 1)
    options = await options_of(studio, 2)
    assert (options.prompt, options.style) == ("a red fox", "anime")
    assert options.source is not None
    assert options.source.job_id == 1
    second = (await studio.runtime.jobs.view(1)).images[1]
    assert options.source.image_id == second.id


async def test_what_is_typed_goes_before_the_words_of_the_image(studio: Studio) -> None:
    await studio.imagine(prompt="a red fox", engine=BASIC, style="anime")
    await studio.finish()
    await edit(studio, Operation.IMAGE_TO_IMAGE, image="1-1", engine=BASIC, style="photographic")
    await edit(studio, Operation.IMAGE_TO_IMAGE, image=" 1-1 ", engine=BASIC, prompt="a bear")
    await studio.finish()
    assert (await options_of(studio, 2)).style == "photographic"
    third = await options_of(studio, 3)
    assert (third.prompt, third.style) == ("a bear", None)


async def test_edits_of_a_private_result_are_private_unless_the_person_says_otherwise(studio: Studio) -> None:
    await studio.imagine(prompt="a secret", engine=BASIC, private=True)
    await studio.finish()
    hidden = await edit(studio, Operation.ERASE, image="1-1", area="1")
    shown = await edit(studio, Operation.ERASE, image="1-1", area="1", private=False)
    refused = await edit(studio, Operation.ERASE, studio.ben, image="1-1", area="1")
    await studio.finish()
    assert card(hidden).private
    assert not card(shown).private
    assert shows(told(refused).text, PRIVATE_JOB)


async def test_a_stored_picture_belongs_to_its_person(studio: Studio) -> None:
    await edit(studio, Operation.ERASE, area="1")
    await studio.finish()
    mine = await edit(studio, Operation.ERASE, image="p1", area="2")
    theirs = await edit(studio, Operation.ERASE, studio.ben, image="p1", area="2")
    await studio.finish()
    assert card(mine).images
    assert shows(told(theirs).text, NO_SUCH_PICTURE)


async def test_it_works_in_direct_messages_and_after_a_restart(studio: Studio) -> None:
    await studio.ada.user.slash("edit erase", picture=("photo.png", png()), area="1")
    await studio.finish()
    await studio.restart()
    again = await studio.ada.user.slash("edit erase", image="p1", area="2")
    await studio.finish()
    assert card(again).images
    assert (await studio.job(2)).source_id == (await studio.job(1)).source_id


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "typed", "said"),
    [
        (Operation.ERASE, {"image": "9-1", "picture": ("photo.png", png())}, PICTURE_AND_IMAGE),
        (Operation.ERASE, {"area": "1", "mask": ("mask.png", png(colour="white"))}, AREA_AND_MASK),
        (Operation.ERASE, {"image": "the fox", "area": "1"}, NO_SUCH_PICTURE),
        (Operation.ERASE, {"image": "9-1", "area": "1"}, NO_SUCH_PICTURE),
        (Operation.IMAGE_TO_IMAGE, {"prompt": "a fox", "engine": "core"}, CANNOT_DO),
        (Operation.ERASE, {"area": "17"}, NOT_AN_AREA),
        (Operation.INPAINT, {"prompt": "a hat", "area": "here"}, NOT_AN_AREA),
        (Operation.OUTPAINT, {"by": "a bit"}, NOT_AN_EXTENSION),
        (Operation.SKETCH, {"prompt": "a castle", "picture": ("long.png", png(1200, 200))}, FIT_NEEDED),
    ],
)
async def test_a_refusal_is_private_and_free(
    studio: Studio, operation: Operation, typed: dict[str, Any], said: Any
) -> None:
    answer = told(await edit(studio, operation, **typed))
    assert shows(answer.text, said)
    assert studio.stand_in.calls == []


@pytest.mark.parametrize("operation", TYPED)
async def test_without_a_picture_the_command_says_how_to_start(studio: Studio, operation: Operation) -> None:
    answer = await studio.ada.slash(studio.channel, f"edit {EDIT_COMMANDS[operation]}", **TYPED[operation])
    assert shows(told(answer).text, SOURCE_NEEDED)
    assert studio.stand_in.calls == []


@pytest.mark.parametrize("operation", TYPED)
async def test_the_commands_exist_even_if_no_engine_does_them(make_studio: MakeStudio, operation: Operation) -> None:
    studio = await make_studio(providers=[ScriptedProvider(polled=False)], AITHRIVING_KEY="", DEFAULT_ENGINE="")
    typed = {name: value for name, value in TYPED[operation].items() if name != "engine"}
    assert shows(told(await edit(studio, operation, **typed)).text, NOT_OFFERED)


async def test_cropping_is_a_choice_of_the_command_too(studio: Studio) -> None:
    long = ("long.png", png(1200, 300))
    result = await edit(studio, Operation.SKETCH, prompt="a castle", picture=long, fit="crop")
    await studio.finish()
    assert card(result).images
    first = await options_of(studio, 1)
    name, pasted = parsed(command_line(first))
    await studio.ada.slash(studio.channel, name, **pasted)
    await studio.finish()
    assert await options_of(studio, 2) == first


# --- the part of a picture ---------------------------------------------------------------------------------------


async def mark(studio: Studio, shown: Shown, *cells: int) -> Shown:
    return card(await studio.ada.select(shown.raw, [str(cell) for cell in cells]))


async def test_without_an_area_the_person_marks_the_part(studio: Studio) -> None:
    await studio.imagine(prompt="a red fox")
    await studio.finish()
    shown = told(await edit(studio, Operation.ERASE, image="1-1", private=True, seed=7))
    assert shows(shown.text, PICK_TO_ERASE)
    marked = await mark(studio, shown, 6)
    erased = await studio.press(studio.ada, marked, "Erase")
    await studio.finish()
    assert card(erased).private
    options = await options_of(studio, 2)
    assert (options.operation, options.area, options.seed) == (Operation.ERASE, "4x4:6", 7)
    assert (await studio.job(2)).parent_id == 1


async def test_the_form_of_a_marked_part_has_the_prompt_of_the_command(studio: Studio) -> None:
    picture = ("photo.png", png(640, 640))
    shown = told(await edit(studio, Operation.INPAINT, picture=picture, prompt="a hat", negative="feathers"))
    marked = await mark(studio, shown, 1, 2)
    form = await studio.press(studio.ada, marked, "Change…")
    assert filled(form)["What should be there"] == "a hat"
    changed = await send(studio.ada, form, What_should_be_there="a crown")
    await studio.finish()
    assert card(changed).images
    options = await options_of(studio, 1)
    assert (options.prompt, options.negative, options.area) == ("a crown", "feathers", "4x4:1,2")


async def test_what_must_be_hidden_stays_hidden_after_a_restart(studio: Studio) -> None:
    picture = ("photo.png", png(640, 640))
    shown = told(await edit(studio, Operation.ERASE, picture=picture, private=True, spoiler=True))
    await studio.restart()
    erased = await studio.press(studio.ada, await mark(studio, shown, 16), "Erase")
    await studio.finish()
    assert card(erased).private
    assert all(image["spoiler"] for image in card(erased).images)


async def test_an_engine_that_does_not_exist_is_refused_before_the_part_is_marked(studio: Studio) -> None:
    refused = told(await edit(studio, Operation.ERASE, engine="nobody"))
    assert not refused.menus
    assert studio.stand_in.calls == []


async def test_a_mask_can_be_attached(studio: Studio) -> None:
    mask = Image.new("L", (640, 640), 0)
    mask.paste(255, (0, 0, 320, 320))
    file = io.BytesIO()
    mask.save(file, "PNG")
    result = await edit(studio, Operation.INPAINT, prompt="a hat", mask=("mask.png", file.getvalue()))
    await studio.finish()
    assert card(result).images
    sent = Image.open(io.BytesIO(studio.stand_in.calls[-1].files["mask"].data)).convert("L")
    assert (sent.getpixel((100, 100)), sent.getpixel((600, 600))) == (255, 0)
    options = await options_of(studio, 1)
    assert options.mask is not None
    assert options.mask.kind is SourceKind.MASK


async def test_a_picture_without_words_needs_some_and_a_form_asks_for_them(studio: Studio) -> None:
    refused = told(await edit(studio, Operation.IMAGE_TO_IMAGE, engine=BASIC, strength=30))
    assert shows(refused.text, EMPTY_PROMPT)
    form = await studio.press(studio.ada, refused, "Edit")
    made = await send(studio.ada, form, Prompt="a lighthouse")
    await studio.finish()
    assert card(made).images
    options = await options_of(studio, 1)
    assert (options.prompt, options.operation) == ("a lighthouse --strength 30", Operation.IMAGE_TO_IMAGE)
    assert studio.stand_in.calls[-1].path == PATHS[Operation.IMAGE_TO_IMAGE]
