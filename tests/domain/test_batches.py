"""Engines that always make several images together: their number of images is a multiple of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.alternatives import Changes, alternatives
from bot.domain.comparison import engines_named, engines_to_compare, left_out
from bot.domain.engines import IMAGES_TOGETHER, ImageSpec, accepts
from bot.domain.options import IMAGES, IMAGES_PER_JOB, Defaults, ImagineOptions
from bot.domain.requests import (
    TOO_MANY_IMAGES,
    TOO_MANY_IMAGES_OF_ENGINES,
    TOO_MANY_IMAGES_OF_PROMPTS,
    WRONG_NUMBER_OF_IMAGES,
    Plan,
    completed,
    plan,
    read_command,
)
from bot.errors import UserError
from bot.providers.base import Engine
from tests.doubles.engines import BASIC, CORE, XL
from tests.doubles.texts import codes

FOURS = replace(CORE, id="grid/fours", name="Fours", images_per_submission=4, batch=4, seed=None)
ENGINES = {engine.id: engine for engine in (XL, BASIC, FOURS)}


def made(prompt: str = "a fox", default: Engine = FOURS, **typed: Any) -> Plan:
    return plan(read_command(ImagineOptions(prompt, **typed)), ENGINES, default.id)


def refused(prompt: str = "a fox", **typed: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        made(prompt, **typed)
    return codes(caught.value)


def test_it_makes_a_whole_batch_if_no_number_is_set() -> None:
    found = made()
    assert ([request.images for request in found.requests], found.images) == ([4], 4)
    assert made(default=XL).images == 1


def test_several_batches_are_several_requests() -> None:
    assert [request.images for request in made(images=8).requests] == [4, 4]
    assert [request.images for request in made("a {red, blue} fox").requests] == [4, 4]


@pytest.mark.parametrize("images", [1, 2, 3, 5, 7, 9, 10])
def test_any_other_number_is_refused_before_anything_is_charged(images: int) -> None:
    """Nobody pays for images that they did not ask for, or gets fewer than they pay for."""
    assert refused(images=images) == [IMAGES_TOGETHER.code]
    assert refused(f"a fox --images {images}") == [IMAGES_TOGETHER.code]


def test_the_refusal_names_the_numbers_that_are_possible() -> None:
    with pytest.raises(UserError) as caught:
        made(images=2)
    (problem,) = caught.value.problems
    assert problem.values["numbers"] == ["4", "8"]


def test_a_number_that_is_wrong_for_every_engine_is_one_problem() -> None:
    assert refused(images=0) == [WRONG_NUMBER_OF_IMAGES.code]
    assert refused(images=12) == [TOO_MANY_IMAGES.code]


def test_whole_batches_count_against_the_limit_of_a_job() -> None:
    assert refused("a {red, blue, green} fox") == [TOO_MANY_IMAGES_OF_PROMPTS.code]
    with pytest.raises(UserError) as caught:
        made("a {red, blue, green} fox")
    assert caught.value.problems[0].values["images"] == 12


def test_prompts_of_different_engines_have_their_own_numbers() -> None:
    found = made("a fox --engine {grid/fours, easel/xl}")
    assert [(request.engine, request.images) for request in found.requests] == [(FOURS.id, 4), (XL.id, 1)]


def test_a_default_that_it_does_not_make_is_skipped() -> None:
    def images(*layers: Defaults) -> int | None:
        command = read_command(ImagineOptions("a fox"))
        return completed(command, layers, engines=ENGINES, default_engine=FOURS.id).options.images

    assert images(Defaults(images=2)) is None
    assert images(Defaults(images=2), Defaults(images=8)) == 8


def test_in_a_comparison_it_makes_a_whole_batch() -> None:
    both = (XL.id, FOURS.id)
    assert [request.images for request in made(engines=both).requests] == [1, 4]
    assert [request.images for request in made(engines=both, images=2).requests] == [2, 4]
    assert [request.images for request in made(engines=both, images=4).requests] == [4, 4]
    assert refused(engines=both, images=8) == [TOO_MANY_IMAGES_OF_ENGINES.code]
    options = ImagineOptions("a fox", engines=both, images=2)
    assert left_out(options, (XL, FOURS)) == {XL.id: (), FOURS.id: (IMAGES.text(2),)}


def test_a_comparison_of_all_engines_stays_within_a_job() -> None:
    many = {f"grid/{number}": replace(FOURS, id=f"grid/{number}") for number in range(5)}
    assert engines_to_compare([XL, *many.values()], lambda _: 1) == (XL.id, "grid/0", "grid/1")
    assert engines_named("grid/0, grid/4") == ("grid/0", "grid/4")


def offered(*, default: Engine = FOURS, **typed: Any) -> list[Changes]:
    found = alternatives(
        ImagineOptions("a fox", **typed),
        engines=ENGINES,
        default_engine=default.id,
        offered=tuple(ENGINES.values()),
        most=IMAGES_PER_JOB,
    )
    return [each.changes for each in found]


@pytest.mark.parametrize(("images", "nearest"), [(1, 4), (3, 4), (5, 8), (10, 8)])
def test_the_next_whole_batch_is_offered(images: int, nearest: int) -> None:
    assert offered(images=images)[0] == Changes(values=((IMAGES, nearest),))


@given(images=st.integers(1, IMAGES_PER_JOB), batch=st.integers(1, 5))
def test_every_number_is_accepted_or_leads_to_one_that_is(images: int, batch: int) -> None:
    engine = replace(FOURS, batch=batch)
    spec = ImageSpec((), {IMAGES.name: images})
    assert accepts(spec, engine) is (images % batch == 0)
    found = next(
        alternatives(
            ImagineOptions("a fox", images=images),
            engines={engine.id: engine},
            default_engine=engine.id,
            offered=[engine],
            most=IMAGES_PER_JOB,
        )
    )
    assert accepts(found.specs[0], engine)
