"""Autocomplete of the commands that start from a picture."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from bot.domain.edits import EXTENSIONS
from bot.providers.operations import Operation
from tests.cogs.conftest import BASIC, CORE, Studio, card

pytestmark = pytest.mark.slow

EDIT, CONTROL = "aithriving/edit", "aithriving/control"
DAY = 24 * 60 * 60


def png(colour: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 640), colour).save(file, "PNG")
    return file.getvalue()


async def suggested(studio: Studio, command: str, option: str, typed: str = "", **filled: Any) -> dict[str, str]:
    choices = await studio.ada.autocomplete(studio.channel, command, option, typed, **filled)
    assert len(choices) <= 25
    assert all(0 < len(choice["name"]) <= 100 for choice in choices)
    return {choice["value"]: choice["name"] for choice in choices}


async def test_recent_images_and_pictures_are_suggested_with_their_words_and_age(studio: Studio) -> None:
    await studio.imagine(prompt="a red fox", engine=BASIC, images=2)
    await studio.imagine(studio.ben, prompt="a bear")
    await studio.finish()
    studio.clock.advance(DAY)
    await studio.ada.slash(studio.channel, "edit erase", picture=("photo.png", png()), area="1")
    await studio.finish()
    found = await suggested(studio, "edit vary", "image")
    assert list(found) == ["3-1", "p1", "1-1", "1-2"]
    assert found["1-2"] == "1-2 · a red fox · yesterday"
    assert found["p1"] == "p1 · a picture you attached · today"
    assert found["3-1"] == "3-1 · Erase a part · today"


async def test_images_are_found_by_their_words_and_by_their_number(studio: Studio) -> None:
    await studio.imagine(prompt="a red fox " + "in the snow " * 20)
    await studio.imagine(prompt="a bear")
    await studio.imagine(studio.ben, prompt="a boat of Ben's")
    await studio.imagine(studio.ben, prompt="a secret of Ben's", private=True)
    await studio.finish()
    assert list(await suggested(studio, "edit vary", "image", "FOX")) == ["1-1"]
    assert next(iter(await suggested(studio, "edit vary", "image", "1"))) == "1-1"
    assert list(await suggested(studio, "edit vary", "image", "2-1")) == ["2-1"]
    assert list(await suggested(studio, "edit vary", "image", "3")) == ["3-1"]
    assert await suggested(studio, "edit vary", "image", "4") == {}
    assert await suggested(studio, "edit vary", "image", "no such thing") == {}


async def test_only_the_latest_are_suggested(studio: Studio) -> None:
    for number in range(6):
        await studio.imagine(prompt=f"a fox {number}", engine=BASIC, images=5)
        await studio.finish()
    found = await suggested(studio, "edit erase", "image")
    assert len(found) == 25
    assert list(found)[:6] == ["6-1", "6-2", "6-3", "6-4", "6-5", "5-1"]


async def test_engines_are_suggested_by_operation_with_their_price(studio: Studio) -> None:
    service = studio.runtime.service
    vary = await suggested(studio, "edit vary", "engine")
    assert set(vary) == set(service.engines_doing(Operation.IMAGE_TO_IMAGE))
    assert CORE not in vary
    assert list(await suggested(studio, "edit erase", "engine")) == [EDIT]
    assert (await suggested(studio, "edit erase", "engine"))[EDIT].endswith("6 credits an image")
    extend = await suggested(studio, "edit extend", "engine", by="wider")
    assert extend[EDIT].endswith("8 credits an image")
    assert list(await suggested(studio, "edit sketch", "engine", prompt="a castle")) == [CONTROL]
    styles = await suggested(studio, "edit vary", "style", "", engine=BASIC)
    assert "anime" in styles
    assert await suggested(studio, "edit vary", "size", "1024", engine=BASIC)


async def test_ways_to_extend_are_suggested_and_others_can_be_typed(studio: Studio) -> None:
    found = await suggested(studio, "edit extend", "by")
    assert list(found)[:-1] == list(EXTENSIONS)
    for value in (*EXTENSIONS, "left 64 up 32"):
        answer = await studio.ada.slash(
            studio.channel, "edit extend", picture=("photo.png", _wide()), by=value, private=True
        )
        await studio.finish()
        assert card(answer).images
    assert len(studio.stand_in.calls) == len(EXTENSIONS) + 1


async def test_a_comparison_suggests_what_its_picture_needs(studio: Studio) -> None:
    await studio.imagine(prompt="a red fox")
    await studio.finish()
    assert CORE in await suggested(studio, "compare", "engines", "", prompt="a fox")
    with_picture = await suggested(studio, "compare", "engines", "", prompt="a fox", image="1-1")
    assert set(with_picture) == set(studio.runtime.service.engines_doing(Operation.IMAGE_TO_IMAGE))
    assert list(await suggested(studio, "compare", "image", "", prompt="a fox")) == ["1-1"]


def _wide() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 480)).save(file, "PNG")
    return file.getvalue()
