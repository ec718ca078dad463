"""Which engine is meant, and what is said of everything that an engine does not take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.engines import ABILITY_WORDS, Wanted, find_engine, request_for
from bot.domain.sizes import Ratio
from bot.errors import UserError
from bot.providers.base import Ability, Engine, Size, WeightedText
from tests.doubles.engines import BASIC, CORE, ENGINES, XL

CAT = (WeightedText("a cat"),)


def refusal(wanted: Wanted, engine: Engine) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        request_for(wanted, engine, ENGINES)
    return tuple(map(str, caught.value.problems))


def test_many_engines_are_not_listed_in_a_sentence() -> None:
    crowd = {f"easel/x{number}": replace(XL, id=f"easel/x{number}", name=f"Easel X{number}") for number in range(60)}
    with pytest.raises(UserError) as caught:
        find_engine("easel/x5q", crowd)
    assert "easel/x5 (Easel X5)" in str(caught.value)
    assert "/engines lists all 60" in str(caught.value)
    assert len(str(caught.value)) < 300
    with pytest.raises(UserError) as caught:
        find_engine("q" * 2000, crowd)
    assert len(str(caught.value)) < 300
    crowd[BASIC.id] = BASIC
    with pytest.raises(UserError) as caught:
        request_for(Wanted((WeightedText("a"),), negative="b"), BASIC, crowd)
    assert "and 52 more" in str(caught.value)


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
def test_an_engine_goes_by_its_id_its_model_or_its_name(text: str, engine: Engine) -> None:
    assert find_engine(text, ENGINES) is engine


def test_an_unknown_engine_is_answered_with_the_ones_there_are() -> None:
    with pytest.raises(UserError) as caught:
        find_engine("pencil/xl", ENGINES)
    assert all(engine.id in str(caught.value) and engine.name in str(caught.value) for engine in ENGINES.values())
    assert "pencil/xl" in str(caught.value)


def test_a_model_that_two_providers_have_is_answered_with_both() -> None:
    other = replace(CORE, id="brush/core", name="Brush Core")
    engines = {**ENGINES, other.id: other}
    with pytest.raises(UserError) as caught:
        find_engine("core", engines)
    assert "pencil/core" in str(caught.value)
    assert "brush/core" in str(caught.value)
    assert "easel" not in str(caught.value)
    assert find_engine("brush/core", engines) is other
    assert find_engine("Brush Core", engines) is other


def test_no_engine_at_all() -> None:
    with pytest.raises(UserError):
        find_engine("core", {})


@pytest.mark.parametrize(
    ("wanted", "engine", "ability", "able"),
    [
        (Wanted(CAT, seed=7), XL, Ability.SEED, [BASIC, CORE]),
        (Wanted(CAT, seed=0), XL, Ability.SEED, [BASIC, CORE]),
        (Wanted(CAT, guidance=7.0), XL, Ability.GUIDANCE, [BASIC]),
        (Wanted(CAT, sampler="DDIM"), XL, Ability.SAMPLER, [BASIC]),
        (Wanted(CAT, negative="dogs"), BASIC, Ability.NEGATIVE, [XL, CORE]),
        (Wanted(CAT, steps=20), CORE, Ability.STEPS, [XL, BASIC]),
        (Wanted((WeightedText("a cat", 2.0),)), CORE, Ability.WEIGHTS, [XL]),
        (Wanted((*CAT, WeightedText("a dog"))), CORE, Ability.WEIGHTS, [XL]),
        (Wanted((*CAT, WeightedText("a dog", -1.0))), BASIC, Ability.WEIGHTS, [XL]),
    ],
)
def test_an_option_that_is_not_taken_is_refused_by_name(
    wanted: Wanted, engine: Engine, ability: Ability, able: list[Engine]
) -> None:
    problems = refusal(wanted, engine)
    refused, takes = problems[0], problems[-1]
    assert engine.name in refused
    assert ABILITY_WORDS[ability] in refused
    assert [other for other in ENGINES.values() if other is not engine and other.name in refused] == able
    assert [ability for ability in Ability if ABILITY_WORDS[ability] in takes] == [
        ability for ability in Ability if ability in engine.abilities
    ]


def test_what_nobody_takes_is_said_so() -> None:
    with pytest.raises(UserError) as caught:
        request_for(Wanted(CAT, seed=7), XL, {XL.id: XL})
    assert "No engine" in str(caught.value.problems[0])


def test_a_weight_below_0_is_led_to_the_negative_prompt_where_there_is_one() -> None:
    wanted = Wanted((*CAT, WeightedText("a dog", -1.0)))
    assert any("--no" in problem for problem in refusal(wanted, CORE))
    assert not any("--no" in problem for problem in refusal(wanted, BASIC))


@pytest.mark.parametrize(
    ("wanted", "engine", "says"),
    [
        (Wanted(CAT, steps=9), XL, ["10 to 50", "9"]),
        (Wanted(CAT, steps=51), XL, ["10 to 50", "51"]),
        (Wanted(CAT, guidance=35.5), BASIC, ["0 to 35", "35.5"]),
        (Wanted(CAT, guidance=float("nan")), BASIC, ["0 to 35"]),
        (Wanted(CAT, guidance=float("inf")), BASIC, ["0 to 35"]),
        (Wanted(CAT, seed=4_294_967_295), BASIC, ["0 to 4294967294", "4294967295"]),
        (Wanted(CAT, seed=-1), BASIC, ["0 to 4294967294", "-1"]),
        (Wanted((WeightedText("a cat", 2.5),)), XL, ["-2 to 2", "2.5"]),
        (Wanted(CAT, style="neon punks"), XL, ["neon punks", "Did you mean neon-punk", "anime", "pixel-art"]),
        (Wanted(CAT, style="cinematic"), XL, ["cinematic", "anime"]),
        (Wanted(CAT, sampler="EULER"), BASIC, ["EULER", "K_EULER", "DDIM"]),
        (Wanted(CAT, shape=Size(512, 512)), XL, ["512x512", "1024x1024 (square)", "640x1536 (9:21)"]),
        (Wanted(CAT, shape=Ratio(10, 1)), XL, ["10:1", "1536x640 (21:9)"]),
        (Wanted(CAT, shape=Size(1000, 1000)), BASIC, ["1000x1000", "320", "1536", "64"]),
        (Wanted(CAT, shape=Size(0, 0)), BASIC, ["0x0", "320"]),
        (Wanted(CAT, shape=Ratio(9, 1)), BASIC, ["9:1", "320"]),
        (Wanted((WeightedText("x" * 101),)), CORE, ["100", "101"]),
        (Wanted(CAT, negative="x" * 101), CORE, ["negative", "100", "101"]),
        (Wanted((WeightedText("x" * 2001),)), XL, ["2,000", "2,001"]),
    ],
)
def test_a_value_that_is_not_taken_is_answered_with_those_that_are(
    wanted: Wanted, engine: Engine, says: list[str]
) -> None:
    problems = refusal(wanted, engine)
    assert len(problems) == 1
    assert engine.name in problems[0]
    assert [words for words in says if words not in problems[0]] == []


def test_everything_is_named_at_once() -> None:
    wanted = Wanted(CAT, shape=Size(1, 1), style="x", steps=1, seed=1, guidance=1.0, sampler="x")
    problems = refusal(wanted, XL)
    for words in ("seed", "guidance", "sampler", "steps", "style", "1x1"):
        assert any(words in problem for problem in problems)


def test_names_are_turned_into_the_engines_own() -> None:
    assert request_for(Wanted(CAT, style="Neon Punk"), XL, ENGINES).style == "neon-punk"
    assert request_for(Wanted(CAT, sampler="k-euler"), BASIC, ENGINES).sampler == "K_EULER"


def test_an_engine_without_a_list_of_styles_takes_any() -> None:
    assert request_for(Wanted(CAT, style="Whatever"), BASIC, ENGINES).style == "Whatever"


def test_what_is_taken_becomes_the_request() -> None:
    wanted = Wanted(CAT, images=3, shape=Ratio(16, 9), steps=20, seed=4, guidance=0.0, sampler="DDIM", style="plain")
    request = request_for(wanted, BASIC, ENGINES)
    assert (request.engine, request.prompts, request.size, request.images) == (BASIC.id, CAT, Size(1344, 768), 3)
    assert (request.steps, request.seed, request.guidance, request.sampler) == (20, 4, 0.0, "DDIM")


def test_seed_0_means_any_seed() -> None:
    assert request_for(Wanted(CAT, seed=0), BASIC, ENGINES).seed is None
