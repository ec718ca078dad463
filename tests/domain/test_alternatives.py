"""Changes to a refused command that make it acceptable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.alternatives import Alternative, Changes, alternatives
from bot.domain.options import IMAGES_PER_JOB, OPTIONS, SEED, SIZE, STRENGTH, WEIGHTS, ImagineOptions
from bot.domain.requests import Plan, plan, read_command
from bot.errors import UserError
from bot.providers.base import Engine
from bot.providers.operations import Size
from tests.doubles.engines import BASIC, CORE, ENGINES, PAINTER, XL

STYLE, STEPS, GUIDANCE = OPTIONS["style"], OPTIONS["steps"], OPTIONS["guidance"]


def candidates(
    prompt: str = "a fox",
    *,
    default: Engine = XL,
    offered: Sequence[Engine] = (XL, BASIC, CORE),
    most: int = IMAGES_PER_JOB,
    private_only: bool | None = None,
    **typed: Any,
) -> list[Alternative]:
    return list(
        alternatives(
            ImagineOptions(prompt, **typed),
            engines=ENGINES,
            default_engine=default.id,
            offered=offered,
            most=most,
            private=private_only,
        )
    )


MORE = {**ENGINES, PAINTER.id: PAINTER}


def planned(alternative: Alternative, default: Engine = XL) -> Plan | None:
    try:
        return plan(read_command(alternative.options), MORE, default.id)
    except UserError:
        return None


def accepted(*args: Any, **typed: Any) -> list[Changes]:
    """The changes of the candidates that make a plan, in order."""
    return [alternative.changes for alternative in candidates(*args, **typed) if planned(alternative) is not None]


def test_the_closest_size_comes_before_another_engine() -> None:
    found = accepted(size="500x500", engine=XL.id)
    assert found[0] == Changes(values=((SIZE, Size(1024, 1024)),))
    assert Changes(engines=(BASIC,), values=((SIZE, Size(512, 512)),)) in found
    assert accepted(size="512x512", engine=XL.id)[:2] == [
        Changes(values=((SIZE, Size(1024, 1024)),)),
        Changes(engines=(BASIC,)),
    ]
    assert accepted("a fox --ar 9:1")[0] == Changes(values=((SIZE, Size(1536, 640)),))
    assert accepted(size="0x0")[0] == Changes(values=((SIZE, XL.default_size),))
    assert accepted(size="huge")[0] == Changes(dropped=(SIZE,))


def test_an_engine_that_takes_everything_comes_before_leaving_something_out() -> None:
    found = accepted(seed=7, engine=XL.id)
    assert found == [Changes(engines=(BASIC,)), Changes(dropped=(SEED,)), Changes(engines=(CORE,))]


def test_an_unknown_name_is_left_out_where_no_similar_one_exists() -> None:
    assert accepted("a fox --style zzz", offered=(CORE,)) == [
        Changes(dropped=(STYLE,)),
        Changes(engines=(CORE,), dropped=(STYLE,)),
    ]
    assert accepted("a fox --style zzz", offered=(BASIC,))[0] == Changes(engines=(BASIC,)), "it takes any style"


def test_only_if_something_is_wrong_for_the_engine_would_another_one_help() -> None:
    assert candidates(size="huge")[0].engines_fit
    assert candidates(images=30)[0].engines_fit
    assert not candidates(size="3x3")[0].engines_fit


def test_a_strength_without_a_picture_is_left_out_for_every_engine() -> None:
    (first, *_) = candidates(strength=40)
    assert first.changes == Changes(dropped=(STRENGTH,))
    assert first.engines_fit


def test_offered_engines_are_tried_in_their_order_and_no_others() -> None:
    assert accepted(seed=7, engine=XL.id, offered=(CORE, BASIC))[0] == Changes(engines=(CORE,))
    assert accepted(seed=7, engine=XL.id, offered=()) == [Changes(dropped=(SEED,))]


def test_a_similar_engine_comes_first() -> None:
    found = accepted(engine="corr", offered=(BASIC, XL, CORE))
    assert found[0] == Changes(engines=(CORE,))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("prompt", "typed", "changes", "options"),
    [
        ("a fox --steps 500", {}, {"values": ((STEPS, 50),)}, ImagineOptions("a fox", steps=50)),
        ("a fox", {"steps": 5}, {"values": ((STEPS, 10),)}, ImagineOptions("a fox", steps=10)),
        (
            "a fox",
            {"style": "neon punks"},
            {"values": ((STYLE, "neon-punk"),)},
            ImagineOptions("a fox", style="neon-punk"),
        ),
        (
            "a fox --style anime",
            {"style": "pixel-art"},
            {"values": ((STYLE, "pixel-art"),)},
            ImagineOptions("a fox", style="pixel-art"),
        ),
        ("a fox", {"images": 12}, {"images": 10}, ImagineOptions("a fox", images=10)),
        ("a fox", {"images": 0}, {"images": 1}, ImagineOptions("a fox", images=1)),
        ("a {red, blue} fox --images 6", {}, {"images": 10}, ImagineOptions("{a red fox, a blue fox}", images=5)),
        ("a::5 fox", {}, {"values": ((WEIGHTS, 2.0),)}, ImagineOptions("a::2 fox")),
        (
            "a fox --steps {5, 20}",
            {},
            {"values": ((STEPS, 10),)},
            ImagineOptions("{a fox --steps 10, a fox --steps 20}"),
        ),
    ],
)
def test_what_was_typed_changes_as_little_as_possible(
    prompt: str, typed: dict[str, Any], changes: dict[str, Any], options: ImagineOptions
) -> None:
    alternative = next(alternative for alternative in candidates(prompt, **typed) if planned(alternative) is not None)
    assert alternative.changes == Changes(**changes)
    assert alternative.options == options


def test_without_weights_what_was_to_be_avoided_becomes_the_negative_prompt() -> None:
    alternative = next(
        alternative
        for alternative in candidates("a fox::2 people::-1 --seed 7", engine=CORE.id, negative="rain", offered=())
    )
    assert alternative.changes == Changes(dropped=(WEIGHTS,))
    found = planned(alternative)
    assert found is not None
    (request,) = found.requests
    assert ([part.text for part in request.prompts], request.negative, request.seed) == (["a fox"], "rain, people", 7)


def test_several_changes_at_once() -> None:
    found = accepted("a fox --ar 9:1", seed=7, images=30, guidance=99.0, engine=XL.id)
    assert found[0] == Changes(values=((SIZE, Size(1536, 640)),), dropped=(SEED, GUIDANCE), images=10)
    assert Changes(engines=(BASIC,), values=((SIZE, Size(1536, 320)), (GUIDANCE, 35)), images=10) in found


def test_the_number_of_images_that_a_limit_allows() -> None:
    assert accepted(images=4, most=2)[0] == Changes(images=2)
    assert accepted("a {red, blue} fox", images=2, most=3)[0] == Changes(images=2)
    assert accepted("a {red, blue, green} fox", most=2) == []
    (unchanged, *_) = candidates(images=4)
    assert unchanged.changes == Changes()
    fewer = unchanged.with_images(3)
    assert fewer is not None
    assert (fewer.changes.images, fewer.options.images) == (3, 3)
    assert unchanged.with_images(4) is None
    assert unchanged.with_images(0) is None


def test_privacy() -> None:
    (alternative, *_) = candidates(private_only=True)
    assert (alternative.changes, alternative.options.private) == (Changes(private=True), True)
    (alternative, *_) = candidates(private_only=False, private=True)
    assert (alternative.changes, alternative.options.private) == (Changes(private=False), False)


def test_a_prompt_that_cannot_be_read_has_no_alternatives() -> None:
    assert candidates("a fox --nonsense", size="3x3") == []
    assert candidates("a fox --sed 7 --no") == []
    assert candidates("a {red, blue} fox --sed 7") == []


def test_misspelt_flags() -> None:
    alternative = candidates("a fox --stepps=20 --ar16:9  --neagtive rain", engine=XL.id)[0]
    assert alternative.changes == Changes(flags=("--steps", "--ar", "--negative"))
    found = planned(alternative)
    assert found is not None
    (request,) = found.requests
    assert (request.steps, request.size, request.negative) == (20, Size(1344, 768), "rain")
    assert accepted("a fox --sed 7", engine=XL.id)[0] == Changes(engines=(BASIC,), flags=("--seed",))


def test_added_words_and_a_new_seed_are_kept() -> None:
    alternative = candidates("a fox --seed 3", engine=CORE.id, size="3x3", added="in oil", new_seed=9)[0]
    found = planned(alternative)
    assert found is not None
    assert (found.requests[0].prompts[0].text, found.requests[0].seed) == ("a fox, in oil", 9)


def test_a_comparison_keeps_the_engines_that_may_be_used() -> None:
    every = tuple(ENGINES)
    assert accepted(engines=every, offered=(XL, CORE)) == [Changes(engines=(XL, CORE))]
    assert accepted(engines=(*every, "nobody")) == [Changes(engines=(XL, BASIC, CORE))]
    assert accepted(engines=(XL.id, "nobody")) == []
    assert accepted("a fox --images 4", engines=every) == [Changes(images=9)]
    assert accepted("a fox --images 4", engines=every, most=2) == [Changes(engines=(XL, BASIC), images=2)]
    (alternative,) = candidates("a fox --engine core", engines=(XL.id, CORE.id), seed=7)
    assert alternative.options == ImagineOptions("a fox", engines=(XL.id, CORE.id), seed=7)


typed_options = st.builds(
    ImagineOptions,
    prompt=st.lists(
        st.sampled_from(
            [
                "a fox",
                "::2 snow",
                "::-1",
                " --no b",
                " --seed 7",
                " --ar 16:9",
                " {c, d}",
                " --images 30",
                " --steps {5, 200}",
                " --engine {core, xl}",
                " --style {anime, x}",
            ]
        ),
        min_size=1,
        max_size=5,
    ).map("".join),
    engine=st.sampled_from([None, "", "x", *ENGINES]),
    size=st.sampled_from([None, "1024x1024", "16:9", "9:1", "0x0", "x"]),
    images=st.none() | st.integers(-1, 12),
    negative=st.none() | st.text(max_size=5),
    style=st.sampled_from([None, "anime", "x"]),
    steps=st.none() | st.integers(-5, 200),
    seed=st.none() | st.integers(-1, 2**40),
    guidance=st.none() | st.floats(),
    sampler=st.sampled_from([None, "DDIM", "x"]),
    scheduler=st.sampled_from([None, "karras", "x"]),
    lora=st.sampled_from([None, "ink:0.5", "inc, x", "ink:9", ","]),
    high_res=st.none() | st.floats(),
    added=st.sampled_from([None, "in oil"]),
    new_seed=st.sampled_from([None, 5]),
    engines=st.sampled_from([None, None, (), tuple(ENGINES), ("core", "x", "xl")]),
)


@given(typed_options, st.sampled_from(list(MORE.values())), st.integers(1, 10))
def test_any_command_has_alternatives_that_are_within_the_limit_and_can_be_read(
    options: ImagineOptions, default: Engine, most: int
) -> None:
    found = alternatives(options, engines=MORE, default_engine=default.id, offered=tuple(MORE.values()), most=most)
    for alternative in found:
        changed = alternative.options
        assert read_command(changed).error is None
        made = planned(alternative, default)
        if made is None:
            continue
        assert made.images <= most
        if alternative.changes.engines and options.engines is None:
            assert made.engines == (alternative.changes.engines[0].id,)
        if alternative.changes.images is not None:
            assert made.images == alternative.changes.images
        for feature in alternative.changes.dropped:
            assert feature is SIZE or all(getattr(request, feature.name, None) is None for request in made.requests)
