"""/compare as a person uses it."""

from __future__ import annotations

import io
from typing import Any

import pytest
import simcord
from PIL import Image

from bot.domain.command_line import command_line
from bot.domain.engines import UNKNOWN_ENGINE
from bot.domain.options import NEGATIVE, SIZE, ImagineOptions
from bot.domain.prompt.tokens import FAULT_AT
from bot.domain.requests import (
    NO_CHOICES_IN_COMPARISON,
    NO_ENGINE_FLAG_IN_COMPARISON,
    TOO_FEW_ENGINES,
    TOO_MANY_IMAGES_OF_ENGINES,
)
from bot.jobs.view import PRIVATE_JOB
from bot.providers.base import Engine
from bot.providers.operations import Operation, Size
from bot.text import Message
from bot.ui.cards import job as cards
from bot.ui.cards.wording import IMAGES
from cogs.compare import together
from fakes.services import Fault
from fakes.services.faults import Status
from tests.cogs.conftest import BASIC, CONFIRM, CORE, MakeStudio, Studio, card, told
from tests.doubles.forms import fields, filled, send
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

XL = "ai-client/stable-diffusion-xl-1024-v0-9"
THREE = f"{XL}, {BASIC}, {CORE}"


async def compare(studio: Studio, prompt: str = "a fox", **options: Any) -> simcord.InteractionResult:
    return await studio.ada.slash(studio.channel, "compare", prompt=prompt, **options)


async def test_the_price_of_each_engine_is_shown_first(studio: Studio) -> None:
    result = await compare(studio, seed=7, engines=THREE)
    await studio.finish()
    shown = card(result)
    assert shown.labels[0].startswith("Confirm: ")
    assert str(IMAGES(count=3)) in shown.text
    assert "**Stable Diffusion XL 0.9** · 1024x1024 · about 5 credits" in shown.text
    assert shows(shown.text, cards.IGNORED(options=["a seed"]))
    assert "**Stable Image Core** · 1024x1024 · 6 credits" in shown.text
    assert studio.stand_in.calls == []


async def test_all_engines_are_shown_side_by_side_with_time_and_price(studio: Studio) -> None:
    result = await compare(studio, seed=7, engines=THREE)
    result = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    shown = card(result)
    assert [image["description"] for image in shown.images] == [
        "a fox by Stable Diffusion XL 0.9 (image 1 of 3)",
        "a fox by Stable Diffusion 1.6 (image 2 of 3)",
        "a fox by Stable Image Core (image 3 of 3)",
    ]
    lines = shown.text.splitlines()
    core = next(line for line in lines if "**Stable Image Core**" in line)
    assert "1024x1024 · 6 credits · " in core
    assert "seed" not in core
    assert core.startswith("Image 3 · **Stable Image Core**")
    assert core.endswith("\xa0s")
    basic = next(line for line in lines if "**Stable Diffusion 1.6**" in line)
    assert " · about " in basic
    assert "(estimate)" in shown.text
    bodies = [call.body for call in studio.stand_in.calls if call.route.startswith("aithriving")]
    assert [body["seed"] for body in bodies if isinstance(body, dict)] == [7, 7]


async def test_unsupported_options_are_not_sent_and_are_listed(studio: Studio) -> None:
    result = await compare(studio, "a fox::2 snow::-1 --no people --steps 20", size="1000x500", engines=THREE)
    result = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 3
    missing = [line for line in shown.text.splitlines() if shows(line, cards.IGNORED)]
    assert len(missing) == 3
    assert str(NEGATIVE.noun) in "".join(missing)
    assert str(SIZE.text(Size(1000, 500))) in missing[0]
    (core,) = studio.stand_in.calls_to("aithriving.core")
    assert isinstance(core.body, dict)
    assert core.body["prompt"] == "a fox"
    assert "snow" not in str(core.body)


async def test_engines_can_be_chosen(studio: Studio) -> None:
    result = await compare(studio, engines=f"core, {BASIC}", private=True)
    shown = card(result)
    assert shown.private
    assert str(IMAGES(count=2)) in shown.text
    await studio.press(studio.ada, shown, CONFIRM)
    await studio.finish()
    assert len(card(result).images) == 2
    assert "Stable Diffusion XL" not in card(result).text


async def test_without_engines_it_makes_nothing_dearer_than_needed(studio: Studio) -> None:
    """The four cheapest, with one of those that are alike; the most expensive engine only if it is named."""
    await compare(studio)
    assert (await studio.job()).options["engines"] == [BASIC, XL, CORE, "aithriving/sd3-large"]
    assert studio.stand_in.calls == []


async def test_without_engines_only_allowed_ones_are_compared(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", engines=f"{CORE} aithriving/ultra")
    await compare(studio)
    assert (await studio.job()).options["engines"] == [CORE, "aithriving/ultra"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engines": "core"}, TOO_FEW_ENGINES),
        ({"engines": "core, nobody"}, UNKNOWN_ENGINE),
        ({"prompt": "a {red, blue} fox"}, NO_CHOICES_IN_COMPARISON),
        ({"prompt": "a fox --engine core"}, NO_ENGINE_FLAG_IN_COMPARISON),
        ({"prompt": "a fox --images 4"}, TOO_MANY_IMAGES_OF_ENGINES),
        ({"prompt": "a fox --stepps 4"}, FAULT_AT),
    ],
)
async def test_an_invalid_comparison_is_refused_at_once(studio: Studio, options: dict[str, Any], said: Message) -> None:
    assert shows(told(await compare(studio, **options)).text, said)
    assert studio.stand_in.calls == []


async def test_a_failed_engine_is_named_and_free(studio: Studio) -> None:
    studio.stand_in.misbehave(Fault("aithriving.core", Status(200, {"code": -1, "message": "Not these words"})))
    result = await compare(studio, engines=THREE)
    result = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 2
    assert "Image 2 · **Stable Diffusion 1.6**" in shown.text
    assert shows(shown.text, cards.FREE_FAILURE)


async def test_images_appear_as_engines_finish(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, AITHRIVING_JOBS="1")
    result = await compare(studio, engines=f"{CORE}, {BASIC}")
    result = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.begun()
    studio.stand_in.finish_all()
    await studio.until(lambda: len(card(result).images) == 1)
    lines = card(result).text
    assert "**Stable Image Core** · 1024x1024 · " in lines
    assert "**Stable Diffusion 1.6** · " in lines
    await studio.begun("aithriving.basic")
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(result).images) == 2


async def test_again_edit_and_details_work_on_a_comparison(studio: Studio) -> None:
    result = await compare(studio, seed=7, engines=f"{CORE}, {BASIC}")
    result = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    again = await studio.press(studio.ben, card(result), "Again")
    assert str(IMAGES(count=2)) in card(again).text
    details = told(await studio.press(studio.ben, card(result), "Details"))
    assert f"```/compare prompt:a fox seed:7 engines:{CORE}, {BASIC}```" in details.text
    form = await studio.press(studio.ada, card(result), "Edit prompt")
    assert set(filled(form)["Engines to compare"]) == {CORE, BASIC}
    assert fields(form)["Engines to compare"]["min_values"] == 2
    edited = await send(studio.ada, form, Prompt="a bear", Engines_to_compare=[CORE, XL])
    assert "**Stable Diffusion XL 0.9**" in card(edited).text


async def test_it_works_in_direct_messages(studio: Studio) -> None:
    result = await studio.ada.user.slash("compare", prompt="a fox", engines=f"{CORE}, {BASIC}")
    await studio.ada.user.click(card(result).raw, label=card(result).labels[0])
    await studio.finish()
    assert len(card(result).images) == 2


def for_words(studio: Studio) -> list[Engine]:
    return [each for each in studio.runtime.service.engines.values() if each.doing(Operation.TEXT_TO_IMAGE)]


async def suggested(studio: Studio, option: str, typed: str) -> dict[str, str]:
    choices = await studio.ada.autocomplete(studio.channel, "compare", option, typed, prompt="a fox")
    return {choice["value"]: choice["name"] for choice in choices}


async def test_engines_are_suggested_one_after_the_other(studio: Studio) -> None:
    names = {each.id: each.name for each in for_words(studio)}
    assert list(await suggested(studio, "engines", "")) == list(names)
    further = await suggested(studio, "engines", f"{CORE}, ")
    others = [each for each in names if each != CORE]
    assert further == {f"{CORE}, {other}": f"{names[CORE]} + {names[other]}" for other in others}
    third = await suggested(studio, "engines", f"{CORE}, {BASIC}, xl")
    assert third == {f"{CORE}, {BASIC}, {XL}": f"{names[CORE]} + {names[BASIC]} + {names[XL]}"}


async def test_the_label_of_a_suggestion_can_be_continued(studio: Studio) -> None:
    """An app may put the label of the chosen suggestion into the field when a person types on."""
    first = (await suggested(studio, "engines", "core"))[CORE]
    others = [each.id for each in for_words(studio) if each.id != CORE]
    assert set(await suggested(studio, "engines", f"{first}, ")) == {f"{CORE}, {other}" for other in others}
    second = (await suggested(studio, "engines", f"{CORE}, "))[f"{CORE}, {XL}"]
    assert f"{CORE}, {XL}, {BASIC}" in await suggested(studio, "engines", second)
    result = await compare(studio, engines=second)
    assert (await studio.job()).options["engines"] == [CORE, XL]
    assert card(result).labels


def test_many_engines_are_shortened_to_fit() -> None:
    names = [f"A rather long name of an engine, number {number}" for number in range(4)]
    shown = together(names)
    assert len(shown) <= 100
    assert shown.count(" + ") == 3
    assert together(names[:2]) == " + ".join(names[:2])


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("1344", "1344x768"),
        ("wide", "1344x768"),
        ("landscape", "1152x768"),
        ("portrait", "768x1152"),
        ("phone", "768x1344"),
    ],
)
async def test_sizes_are_found_by_numbers_and_words(studio: Studio, typed: str, first: str) -> None:
    assert next(iter(await suggested(studio, "size", typed))) == first


# --- from a picture -----------------------------------------------------------------------------------------------


async def test_a_picture_is_varied_by_several_engines_and_the_repeat_line_does_the_same(studio: Studio) -> None:
    file = io.BytesIO()
    Image.new("RGB", (768, 768), "teal").save(file, "PNG")
    able = studio.runtime.service.engines_doing(Operation.IMAGE_TO_IMAGE)
    result = await compare(studio, picture=("photo.png", file.getvalue()), strength=30, engines=", ".join(able))
    assert studio.stand_in.calls == []
    pressed = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(pressed).images) == len(able)
    assert not shows(card(pressed).text, cards.IGNORED)
    options = ImagineOptions.from_json((await studio.job()).options)
    assert (options.engines, options.strength) == (tuple(able), 30)
    assert all("imageToImage" in call.path and call.files for call in studio.stand_in.calls)
    line = command_line(options)
    assert line == f"/compare image:p1 prompt:a fox engines:{', '.join(able)} strength:30"
    await compare(studio, image="p1", engines=", ".join(able), strength=30)
    assert ImagineOptions.from_json((await studio.job(2)).options) == options


async def test_an_image_of_a_private_result_is_compared_privately(studio: Studio) -> None:
    await studio.imagine(prompt="a secret", private=True)
    await studio.finish()
    await compare(studio, image="1-1")
    await compare(studio, image="1-1", private=False)
    assert ((await studio.job(2)).private, (await studio.job(3)).private) == (True, False)
    refused = await studio.ben.slash(studio.channel, "compare", prompt="a fox", image="1-1")
    assert shows(told(refused).text, PRIVATE_JOB)


async def test_a_strength_without_a_picture_is_named_as_left_out(studio: Studio) -> None:
    shown = card(await compare(studio, strength=30, engines=f"{CORE}, {BASIC}"))
    assert shows(shown.text, cards.IGNORED(options=["a strength"]))


async def test_a_comparison_of_a_picture_that_names_no_engine_takes_those_that_vary(studio: Studio) -> None:
    await studio.imagine(prompt="a fox", engine=BASIC)
    await studio.finish()
    await compare(studio, image="1-1")
    engines = ImagineOptions.from_json((await studio.job(2)).options).engines or ()
    assert len(engines) >= 2
    assert set(engines) <= set(studio.runtime.service.engines_doing(Operation.IMAGE_TO_IMAGE))
