"""Finding the engine by name, and the messages about unsupported options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.engines import (
    AND_MORE,
    ENGINE_AMBIGUOUS,
    ENGINE_MISSPELT,
    NAME_MISSPELT,
    NEGATIVE_TOO_LONG,
    NO_ENGINES,
    NOT_TAKEN,
    NOT_TAKEN_BY_ANY,
    OUT_OF_RANGE,
    PROMPT_TOO_LONG,
    SIZE_NOT_LISTED,
    SIZE_OFF_GRID,
    TAKES,
    UNKNOWN_ENGINE,
    UNKNOWN_NAME,
    USE_NO_FLAG,
    ImageSpec,
    find_engine,
    request_for,
)
from bot.domain.options import OPTIONS, SEED, SIZE, WEIGHTS, Feature
from bot.domain.sizes import Ratio, size_text
from bot.errors import UserError
from bot.providers.base import Engine, Size, WeightedText
from bot.text import Message, Text, t
from tests.doubles.engines import BASIC, CORE, ENGINES, XL
from tests.doubles.texts import codes

CAT = (WeightedText("a cat"),)


def spec(parts: tuple[WeightedText, ...], **values: Any) -> ImageSpec:
    return ImageSpec(parts, values)


def refusal(wanted: ImageSpec, engine: Engine) -> list[Text]:
    with pytest.raises(UserError) as caught:
        request_for(wanted, engine, ENGINES)
    return list(caught.value.problems)


def named(*engines: Engine) -> str:
    return ", ".join(f"{engine.id} ({engine.name})" for engine in engines)


def test_many_engines_are_not_listed_in_a_sentence() -> None:
    crowd = {f"easel/x{number}": replace(XL, id=f"easel/x{number}", name=f"Easel X{number}") for number in range(60)}
    with pytest.raises(UserError) as caught:
        find_engine("easel/x5q", crowd)
    (problem,) = caught.value.problems
    assert problem.code == ENGINE_MISSPELT.code
    assert "easel/x5 (Easel X5)" in str(problem.values["near"])
    assert len(str(problem)) < 300
    with pytest.raises(UserError) as caught:
        find_engine("q" * 2000, crowd)
    assert codes(caught.value) == [UNKNOWN_ENGINE.code]
    assert len(str(caught.value)) < 400
    crowd[BASIC.id] = BASIC
    with pytest.raises(UserError) as caught:
        request_for(spec((WeightedText("a"),), negative="b"), BASIC, crowd)
    others = caught.value.problems[0].values["others"]
    assert isinstance(others, Text)
    assert others.code == AND_MORE.code
    assert others.values["count"] == 52


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("easel/xl", XL),
        ("EASEL/XL", XL),
        ("xl", XL),
        ("Easel XL", XL),
        ("easel-xl", XL),
        ("easel_xl", XL),
        ("basic-1.6", BASIC),
        ("core", CORE),
    ],
)
def test_an_engine_is_found_by_its_id_its_model_or_its_name(text: str, engine: Engine) -> None:
    assert find_engine(text, ENGINES) is engine


def test_an_unknown_engine_is_answered_with_the_available_ones() -> None:
    with pytest.raises(UserError) as caught:
        find_engine("zzz", ENGINES)
    assert list(caught.value.problems) == [UNKNOWN_ENGINE(text="zzz", engines=named(*ENGINES.values()))]


def test_a_model_of_two_providers_is_answered_with_both() -> None:
    other = replace(CORE, id="brush/core", name="Brush Core")
    engines = {**ENGINES, other.id: other}
    with pytest.raises(UserError) as caught:
        find_engine("core", engines)
    assert list(caught.value.problems) == [ENGINE_AMBIGUOUS(text="core", engines=named(CORE, other))]
    assert find_engine("brush/core", engines) is other
    assert find_engine("Brush Core", engines) is other


def test_no_engine_at_all() -> None:
    with pytest.raises(UserError) as caught:
        find_engine("core", {})
    assert codes(caught.value) == [NO_ENGINES.code]


@pytest.mark.parametrize(
    ("wanted", "engine", "feature", "able"),
    [
        (spec(CAT, seed=7), XL, OPTIONS["seed"], [BASIC, CORE]),
        (spec(CAT, seed=0), XL, OPTIONS["seed"], [BASIC, CORE]),
        (spec(CAT, guidance=7.0), XL, OPTIONS["guidance"], [BASIC]),
        (spec(CAT, sampler="DDIM"), XL, OPTIONS["sampler"], [BASIC]),
        (spec(CAT, negative="dogs"), BASIC, OPTIONS["negative"], [XL, CORE]),
        (spec(CAT, steps=20), CORE, OPTIONS["steps"], [XL, BASIC]),
        (spec((WeightedText("a cat", 2.0),)), CORE, WEIGHTS, [XL]),
        (spec((*CAT, WeightedText("a dog"))), CORE, WEIGHTS, [XL]),
        (spec((*CAT, WeightedText("a dog", -1.0))), BASIC, WEIGHTS, [XL]),
    ],
)
def test_an_unsupported_option_is_refused_by_name(
    wanted: ImageSpec, engine: Engine, feature: Feature, able: list[Engine]
) -> None:
    problems = refusal(wanted, engine)
    assert problems[0] == NOT_TAKEN(engine=engine.name, feature=feature.noun, others=named(*able))
    every = (WEIGHTS, *OPTIONS.values())
    takes = [each.noun for each in every if each.ability is not None and each.ability in engine.abilities]
    assert problems[-1] == TAKES(engine=engine.name, features=[t("a prompt"), SIZE.noun, *takes])


def test_an_option_that_no_engine_supports_is_refused_as_such() -> None:
    with pytest.raises(UserError) as caught:
        request_for(spec(CAT, seed=7), XL, {XL.id: XL})
    assert caught.value.problems[0] == NOT_TAKEN_BY_ANY(engine=XL.name, feature=SEED.noun)


def test_a_negative_weight_is_referred_to_the_negative_prompt_if_there_is_one() -> None:
    wanted = spec((*CAT, WeightedText("a dog", -1.0)))
    assert USE_NO_FLAG(engine=CORE.name) in refusal(wanted, CORE)
    assert USE_NO_FLAG(engine=BASIC.name) not in refusal(wanted, BASIC)


def out_of_range(name: str, engine: Engine, low: str, high: str, value: str) -> Text:
    label = WEIGHTS.label if name == "weights" else OPTIONS[name].label
    return OUT_OF_RANGE(engine=engine.name, label=label, low=low, high=high, value=value)


@pytest.mark.parametrize(
    ("wanted", "engine", "problem"),
    [
        (spec(CAT, steps=9), XL, out_of_range("steps", XL, "10", "50", "9")),
        (spec(CAT, steps=51), XL, out_of_range("steps", XL, "10", "50", "51")),
        (spec(CAT, guidance=35.5), BASIC, out_of_range("guidance", BASIC, "0", "35", "35.5")),
        (spec(CAT, guidance=float("nan")), BASIC, OUT_OF_RANGE),
        (spec(CAT, guidance=float("inf")), BASIC, OUT_OF_RANGE),
        (
            spec(CAT, seed=4_294_967_295),
            BASIC,
            out_of_range("seed", BASIC, "0", "4294967294", "4294967295"),
        ),
        (spec(CAT, seed=-1), BASIC, out_of_range("seed", BASIC, "0", "4294967294", "-1")),
        (spec((WeightedText("a cat", 2.5),)), XL, out_of_range("weights", XL, "-2", "2", "2.5")),
        (
            spec(CAT, style="neon punks"),
            XL,
            NAME_MISSPELT(
                engine=XL.name,
                label=OPTIONS["style"].label,
                text="neon punks",
                near="neon-punk",
                names="anime, neon-punk, pixel-art",
            ),
        ),
        (spec(CAT, style="zzz"), XL, UNKNOWN_NAME),
        (spec(CAT, sampler="EULER"), BASIC, NAME_MISSPELT),
        (
            spec(CAT, size=Size(512, 512)),
            XL,
            SIZE_NOT_LISTED(engine=XL.name, size="512x512", sizes=[size_text(size) for size in XL.sizes]),
        ),
        (spec(CAT, size=Ratio(10, 1)), XL, SIZE_NOT_LISTED),
        (
            spec(CAT, size=Size(1000, 1000)),
            BASIC,
            SIZE_OFF_GRID(engine=BASIC.name, size="1000x1000", low=320, high=1536, step=64),
        ),
        (spec(CAT, size=Size(0, 0)), BASIC, SIZE_OFF_GRID),
        (spec(CAT, size=Ratio(9, 1)), BASIC, SIZE_OFF_GRID),
        (spec((WeightedText("x" * 101),)), CORE, PROMPT_TOO_LONG(engine=CORE.name, limit=100, length=101)),
        (spec(CAT, negative="x" * 101), CORE, NEGATIVE_TOO_LONG(engine=CORE.name, limit=100, length=101)),
        (spec((WeightedText("x" * 2001),)), XL, PROMPT_TOO_LONG(engine=XL.name, limit=2000, length=2001)),
    ],
)
def test_an_unsupported_value_is_answered_with_the_supported_ones(
    wanted: ImageSpec, engine: Engine, problem: Message | Text
) -> None:
    (found,) = refusal(wanted, engine)
    assert problem == (found if isinstance(problem, Text) else found.message)


def test_all_problems_are_reported_at_once() -> None:
    wanted = spec(CAT, size=Size(1, 1), style="x", steps=1, seed=1, guidance=1.0, sampler="x")
    features = [
        problem.values.get("feature") or problem.values.get("label") or problem.values.get("size")
        for problem in refusal(wanted, XL)
        if problem.code != TAKES.code
    ]
    assert features == [
        *(OPTIONS[name].noun for name in ("seed", "guidance", "sampler")),
        "1x1",
        *(OPTIONS[name].label for name in ("style", "steps")),
    ]


def test_names_are_mapped_to_the_engines_own() -> None:
    assert request_for(spec(CAT, style="Neon Punk"), XL, ENGINES).style == "neon-punk"
    assert request_for(spec(CAT, sampler="k-euler"), BASIC, ENGINES).sampler == "K_EULER"


def test_an_engine_without_a_list_of_styles_takes_any() -> None:
    assert request_for(spec(CAT, style="Whatever"), BASIC, ENGINES).style == "Whatever"


def test_supported_options_become_the_request() -> None:
    wanted = spec(CAT, images=3, size=Ratio(16, 9), steps=20, seed=4, guidance=0.0, sampler="DDIM", style="plain")
    request = request_for(wanted, BASIC, ENGINES)
    assert (request.engine, request.prompts, request.size, request.images) == (BASIC.id, CAT, Size(1344, 768), 3)
    assert (request.steps, request.seed, request.guidance, request.sampler) == (20, 4, 0.0, "DDIM")


def test_seed_0_means_any_seed() -> None:
    assert request_for(spec(CAT, seed=0), BASIC, ENGINES).seed is None
