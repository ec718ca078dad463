"""One prompt on several engines: each gets the options that it supports, and the others are listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.command_line import command_line
from bot.domain.comparison import COMPARED_AT_MOST, engines_named, engines_to_compare, left_out
from bot.domain.engines import UNKNOWN_ENGINE
from bot.domain.options import NOT_A_SIZE, OPTIONS, SEED, SIZE, STYLE, WEIGHTS, ImagineOptions
from bot.domain.requests import (
    NO_CHOICES_IN_COMPARISON,
    NO_ENGINE_FLAG_IN_COMPARISON,
    TOO_FEW_ENGINES,
    TOO_MANY_IMAGES_OF_ENGINES,
    WRONG_NUMBER_OF_IMAGES,
    Plan,
    plan,
    read_command,
)
from bot.domain.sizes import Ratio
from bot.errors import UserError
from bot.providers.base import ImageRequest
from bot.providers.operations import Size
from bot.text import Text
from tests.doubles.engines import BASIC, CORE, ENGINES, XL
from tests.doubles.texts import codes

ALL = tuple(ENGINES)


def comparison(options: ImagineOptions) -> Plan:
    return plan(read_command(options), ENGINES, XL.id)


def compared(prompt: str = "a fox", **options: object) -> dict[str, ImageRequest]:
    found = comparison(ImagineOptions(prompt, engines=ALL, **options))  # type: ignore[arg-type]  # as a person would type them
    return {request.engine: request for request in found.requests}


def missing(prompt: str = "a fox", **options: object) -> dict[str, tuple[Text, ...]]:
    wanted = ImagineOptions(prompt, engines=ALL, **options)  # type: ignore[arg-type]  # as a person would type them
    return left_out(wanted, ENGINES.values())


def test_a_seed_goes_to_the_engines_that_take_one() -> None:
    found = compared(seed=7)
    assert {engine: request.seed for engine, request in found.items()} == {XL.id: None, BASIC.id: 7, CORE.id: 7}
    assert missing(seed=7) == {XL.id: (SEED.noun,), BASIC.id: (), CORE.id: ()}


def test_weights_become_words_and_negative_parts_are_dropped() -> None:
    found = compared("a fox::2 deep snow people::-1")
    assert [part.text for part in found[XL.id].prompts] == ["a fox", "deep snow people"]
    assert len(found[CORE.id].prompts) == 1
    assert found[CORE.id].prompts[0].weight == 1
    found = compared("a fox::2 snow::0.5 people::-1")
    assert [part.text for part in found[CORE.id].prompts] == ["a fox, snow"]
    assert missing("a fox::2 people::-1")[CORE.id] == (WEIGHTS.noun,)


def test_an_unsupported_size_becomes_the_nearest_of_its_shape() -> None:
    found = compared(size="512x512")
    assert {engine: request.size for engine, request in found.items()} == {
        XL.id: Size(1024, 1024),
        BASIC.id: Size(512, 512),
        CORE.id: Size(512, 512),
    }
    assert missing(size="512x512")[XL.id] == (SIZE.text(Size(512, 512)),)
    assert compared(size="16:9")[XL.id].size == Size(1344, 768)
    assert missing(size="9:1")[XL.id] == (SIZE.text(Ratio(9, 1)),)
    assert compared(size="0x0")[XL.id].size == XL.default_size


def test_values_out_of_range_and_unknown_names_are_left_out_by_engine() -> None:
    found = compared("a fox --style cinematic --steps 60 --guidance 50")
    assert found[CORE.id].style == "cinematic"
    assert found[XL.id].style is None
    assert found[BASIC.id].guidance is None
    assert missing("a fox --style cinematic --steps 60")[XL.id] == (STYLE.text("cinematic"), OPTIONS["steps"].text(60))
    assert missing("a fox --sampler made-up")[BASIC.id] == (OPTIONS["sampler"].text("made-up"),)
    assert compared("a fox --sampler ddim")[BASIC.id].sampler == "DDIM"


def test_engines_may_be_named_in_any_way_and_count_once() -> None:
    found = comparison(ImagineOptions("a fox", engines=("core", "Easel XL", "pencil/core")))
    assert found.options.engines == (CORE.id, XL.id)
    assert engines_named(" core ,, xl ") == ("core", "xl")
    assert engines_named(None) == engines_named(" , ") == ()


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_a_comparison_that_names_no_engine_makes_nothing_dearer_than_needed(count: int) -> None:
    crowd = [replace(CORE, id=f"crowd/{number}") for number in range(count)]
    prices = {engine.id: 1000 * (count - number) for number, engine in enumerate(crowd)}
    found = engines_to_compare(crowd, lambda engine: prices[engine.id])
    assert [prices[engine_id] for engine_id in found] == sorted(prices.values())[:COMPARED_AT_MOST]


def test_it_takes_one_engine_of_a_family() -> None:
    family = [replace(CORE, id=f"family/{number}", family="alike") for number in range(3)]
    prices = {"family/0": 8, "family/1": 7, "family/2": 8, XL.id: 5, BASIC.id: 9}
    found = engines_to_compare([*family, XL, BASIC], lambda engine: prices[engine.id])
    assert found == (XL.id, "family/1", BASIC.id)


def refusal(options: ImagineOptions) -> list[str]:
    with pytest.raises(UserError) as caught:
        comparison(options)
    return codes(caught.value)


def test_all_problems_are_reported_at_once() -> None:
    wrong = ImagineOptions("a fox --images 0 --engine core", engines=("core", "nobody"), size="big")
    assert set(refusal(wrong)) == {
        WRONG_NUMBER_OF_IMAGES.code,
        NO_ENGINE_FLAG_IN_COMPARISON.code,
        UNKNOWN_ENGINE.code,
        NOT_A_SIZE.code,
    }
    assert refusal(ImagineOptions("a fox", engines=())) == [TOO_FEW_ENGINES.code]
    assert refusal(ImagineOptions("a fox --images 4", engines=ALL)) == [TOO_MANY_IMAGES_OF_ENGINES.code]
    assert refusal(ImagineOptions("a {red, blue} fox", engines=ALL)) == [NO_CHOICES_IN_COMPARISON.code]


def test_a_stored_comparison_gives_its_command_line() -> None:
    options = ImagineOptions("a fox", seed=7, engines=(CORE.id, XL.id))
    assert ImagineOptions.from_json(options.to_json()) == options
    assert command_line(options) == f"/compare prompt:a fox seed:7 engines:{CORE.id}, {XL.id}"


def test_several_images_of_each() -> None:
    found = comparison(ImagineOptions("a fox --images 2", engines=(XL.id, CORE.id)))
    assert [(request.engine, request.images) for request in found.requests] == [(XL.id, 2), (CORE.id, 1), (CORE.id, 1)]


def test_among_engines_of_one_price_the_services_take_turns() -> None:
    engines = [replace(XL, id=f"{service}/{model}") for service in ("own", "other") for model in "abc"]
    dear = replace(XL, id="dear/a")
    found = engines_to_compare([dear, *engines], lambda engine: int(engine is dear))
    assert found == ("own/a", "other/a", "own/b", "other/b")
