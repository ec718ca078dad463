"""Finding the engine by name, and the messages about unsupported options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.engines import (
    ENGINE_AMBIGUOUS,
    ENGINE_MISSPELT,
    IT,
    NAME_MISSPELT,
    NEGATIVE_TOO_LONG,
    NO_ENGINES,
    NOT_TAKEN,
    NOT_TAKEN_BY_ANY,
    OUT_OF_RANGE,
    PROMPT_TOO_LONG,
    SIZE_NOT_LISTED,
    SIZE_OFF_GRID,
    UNKNOWN_ENGINE,
    UNKNOWN_NAME,
    USE_NO_FLAG,
    ImageSpec,
    engines_named_once,
    find_engine,
    request_for,
)
from bot.domain.features import Feature
from bot.domain.options import OPTIONS, SEED, WEIGHTS
from bot.domain.sizes import Ratio, size_text
from bot.errors import UserError
from bot.providers.base import Engine, WeightedText
from bot.providers.operations import Size
from bot.text import Message, Text
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
    assert "Easel X5" in str(problem)
    assert len(str(problem)) < 200
    with pytest.raises(UserError) as caught:
        find_engine("q" * 2000, crowd)
    assert codes(caught.value) == [UNKNOWN_ENGINE.code]
    assert len(str(caught.value)) < 200


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


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        find_engine("zzz", ENGINES)
    assert list(caught.value.problems) == [UNKNOWN_ENGINE(text="zzz")]


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
    ("wanted", "engine", "missing"),
    [
        (spec(CAT, seed=7), XL, [OPTIONS["seed"]]),
        (spec(CAT, seed=0), XL, [OPTIONS["seed"]]),
        (
            spec(CAT, guidance=7.0, sampler="DDIM", seed=7),
            XL,
            [OPTIONS[name] for name in ("seed", "guidance", "sampler")],
        ),
        (spec(CAT, negative="dogs"), BASIC, [OPTIONS["negative"]]),
        (spec(CAT, steps=20), CORE, [OPTIONS["steps"]]),
        (spec((WeightedText("a cat", 2.0),)), CORE, [WEIGHTS]),
        (spec((*CAT, WeightedText("a dog"))), CORE, [WEIGHTS]),
        (spec((*CAT, WeightedText("a dog", -1.0)), seed=7), XL, [SEED]),
        (spec((*CAT, WeightedText("a dog", -1.0))), BASIC, [WEIGHTS]),
    ],
)
def test_unsupported_options_are_refused_by_name_in_one_line(
    wanted: ImageSpec, engine: Engine, missing: list[Feature]
) -> None:
    assert refusal(wanted, engine) == [NOT_TAKEN(engine=engine.name, features=[each.noun for each in missing])]


def test_an_option_that_no_engine_supports_is_refused_as_such() -> None:
    with pytest.raises(UserError) as caught:
        request_for(spec(CAT, seed=7), XL, {XL.id: XL})
    assert list(caught.value.problems) == [NOT_TAKEN_BY_ANY(features=[SEED.noun])]


def test_a_negative_weight_is_referred_to_the_negative_prompt_if_there_is_one() -> None:
    wanted = spec((*CAT, WeightedText("a dog", -1.0)))
    assert USE_NO_FLAG() in refusal(wanted, CORE)
    assert USE_NO_FLAG() not in refusal(wanted, BASIC)


def out_of_range(name: str, low: str, high: str, value: str) -> Text:
    label = WEIGHTS.label if name == "weights" else OPTIONS[name].label
    return OUT_OF_RANGE(label=label, low=low, high=high, value=value)


@pytest.mark.parametrize(
    ("wanted", "engine", "problem"),
    [
        (spec(CAT, steps=9), XL, out_of_range("steps", "10", "50", "9")),
        (spec(CAT, steps=51), XL, out_of_range("steps", "10", "50", "51")),
        (spec(CAT, guidance=35.5), BASIC, out_of_range("guidance", "0", "35", "35.5")),
        (spec(CAT, guidance=float("nan")), BASIC, OUT_OF_RANGE),
        (spec(CAT, guidance=float("inf")), BASIC, OUT_OF_RANGE),
        (
            spec(CAT, seed=4_294_967_295),
            BASIC,
            out_of_range("seed", "0", "4294967294", "4294967295"),
        ),
        (spec(CAT, seed=-1), BASIC, out_of_range("seed", "0", "4294967294", "-1")),
        (spec((WeightedText("a cat", 2.5),)), XL, out_of_range("weights", "-2", "2", "2.5")),
        (
            spec(CAT, style="neon punks"),
            XL,
            NAME_MISSPELT(label=OPTIONS["style"].label, text="neon punks", near="neon-punk"),
        ),
        (spec(CAT, style="zzz"), XL, UNKNOWN_NAME),
        (spec(CAT, sampler="EULER"), BASIC, NAME_MISSPELT),
        (
            spec(CAT, size=Size(512, 512)),
            XL,
            SIZE_NOT_LISTED(engine=XL.name, size="512x512", nearest=size_text(Size(1024, 1024))),
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
        problem.values.get("features") or problem.values.get("label") or problem.values.get("size")
        for problem in refusal(wanted, XL)
    ]
    assert features == [
        [OPTIONS[name].noun for name in ("seed", "guidance", "sampler")],
        "1x1",
        *(OPTIONS[name].label for name in ("style", "steps")),
    ]


def test_the_engine_is_named_once() -> None:
    problems = engines_named_once(refusal(spec(CAT, size=Size(1, 1), steps=1, seed=1), XL))
    assert [problem.values.get("engine") for problem in problems] == [XL.name, IT, None]
    both = engines_named_once([SIZE_OFF_GRID(engine="A"), SIZE_OFF_GRID(engine="B"), SIZE_OFF_GRID(engine="A")])
    assert [problem.values["engine"] for problem in both] == ["A", "B"], "each once"


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
