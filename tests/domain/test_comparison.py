"""One prompt on several engines: each gets what it takes, and what it does not take is named."""

from __future__ import annotations

import pytest

from bot.domain.comparison import comparison, engines_named, left_out
from bot.domain.requests import ImagineOptions, command_line
from bot.errors import UserError
from bot.providers.base import ImageRequest, Size
from tests.doubles.engines import BASIC, CORE, ENGINES, XL

ALL = tuple(ENGINES)


def compared(prompt: str = "a fox", **options: object) -> dict[str, ImageRequest]:
    plan = comparison(ImagineOptions(prompt, engines=ALL, **options), ENGINES)  # type: ignore[arg-type]  # as a person would type them
    return {request.engine: request for request in plan.requests}


def missing(prompt: str = "a fox", **options: object) -> dict[str, tuple[str, ...]]:
    wanted = ImagineOptions(prompt, engines=ALL, **options)  # type: ignore[arg-type]  # as a person would type them
    return {engine.id: left_out(wanted, engine) for engine in ENGINES.values()}


def test_a_seed_goes_to_those_that_take_one() -> None:
    found = compared(seed=7)
    assert {engine: request.seed for engine, request in found.items()} == {XL.id: None, BASIC.id: 7, CORE.id: 7}
    assert missing(seed=7) == {XL.id: ("a seed",), BASIC.id: (), CORE.id: ()}


def test_weights_become_words_and_what_is_unwanted_is_not_asked_for() -> None:
    found = compared("a fox::2 deep snow people::-1")
    assert [part.text for part in found[XL.id].prompts] == ["a fox", "deep snow people"]
    assert len(found[CORE.id].prompts) == 1
    assert found[CORE.id].prompts[0].weight == 1
    found = compared("a fox::2 snow::0.5 people::-1")
    assert [part.text for part in found[CORE.id].prompts] == ["a fox, snow"]
    assert missing("a fox::2 people::-1")[CORE.id] == ("weighted parts",)


def test_a_size_that_an_engine_does_not_make_is_the_nearest_of_its_shape() -> None:
    found = compared(size="512x512")
    assert {engine: request.size for engine, request in found.items()} == {
        XL.id: Size(1024, 1024),
        BASIC.id: Size(512, 512),
        CORE.id: Size(512, 512),
    }
    assert missing(size="512x512")[XL.id] == ("the size 512x512",)
    assert compared(size="16:9")[XL.id].size == Size(1344, 768)
    assert missing(size="9:1")[XL.id] == ("the shape 9:1",)
    assert compared(size="0x0")[XL.id].size == XL.default_size


def test_values_out_of_bounds_and_unknown_names_are_left_out_by_engine() -> None:
    found = compared("a fox --style cinematic --steps 60 --guidance 50")
    assert found[CORE.id].style == "cinematic"
    assert found[XL.id].style is None
    assert found[BASIC.id].guidance is None
    assert missing("a fox --style cinematic --steps 60")[XL.id] == ("60 steps", "the style cinematic")
    assert missing("a fox --sampler made-up")[BASIC.id] == ("the sampler made-up",)
    assert compared("a fox --sampler ddim")[BASIC.id].sampler == "DDIM"


def test_engines_are_named_in_any_way_and_once() -> None:
    plan = comparison(ImagineOptions("a fox", engines=("core", "Easel XL", "pencil/core")), ENGINES)
    assert plan.options.engines == (CORE.id, XL.id)
    assert engines_named(" core ,, xl ", ENGINES) == ("core", "xl")
    assert engines_named(None, ENGINES) == engines_named(" , ", ENGINES) == ALL


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UserError) as caught:
        comparison(ImagineOptions("a fox --images 0 --engine core", engines=("core", "nobody"), size="big"), ENGINES)
    assert len(caught.value.problems) == 4
    with pytest.raises(UserError, match="at least two engines"):
        comparison(ImagineOptions("a fox", engines=()), ENGINES)
    with pytest.raises(UserError, match="12 images of 3 engines"):
        comparison(ImagineOptions("a fox --images 4", engines=ALL), ENGINES)


def test_it_survives_being_stored_and_makes_its_own_line() -> None:
    options = ImagineOptions("a fox", seed=7, engines=(CORE.id, XL.id))
    assert ImagineOptions.from_json(options.to_json()) == options
    assert command_line(options) == f"/compare prompt:a fox seed:7 engines:{CORE.id}, {XL.id}"


def test_several_images_of_each() -> None:
    plan = comparison(ImagineOptions("a fox --images 2", engines=(XL.id, CORE.id)), ENGINES)
    assert [(request.engine, request.images) for request in plan.requests] == [(XL.id, 2), (CORE.id, 1), (CORE.id, 1)]
