"""From the command's fields to paid requests: merging, refusals, splitting, and loading from storage."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.command_line import command_line
from bot.domain.engines import NAME_MISSPELT, NOT_TAKEN, OUT_OF_RANGE, SIZE_NOT_LISTED, UNKNOWN_ENGINE, UNKNOWN_NAME
from bot.domain.options import NOT_A_SIZE, OPTIONS, ImagineOptions, Unreadable
from bot.domain.prompt.choices import UNCLOSED_BRACE
from bot.domain.prompt.parser import MISSPELT_FLAG
from bot.domain.prompt.tokens import FAULT_AT, PromptError
from bot.domain.requests import (
    GIVEN_TWICE,
    TOO_MANY_IMAGES,
    TOO_MANY_IMAGES_OF_PROMPTS,
    WRONG_NUMBER_OF_IMAGES,
    Plan,
    as_typed,
    decode_request,
    encode_request,
    for_another_person,
    plan,
    read_command,
)
from bot.domain.rules import Rules
from bot.errors import UserError
from bot.providers.base import ImageRequest, WeightedText
from bot.providers.operations import Size
from bot.text import Message, Text
from tests.doubles.engines import CORE, ENGINES, XL
from tests.doubles.texts import codes

FULL = ImagineOptions(
    prompt="a cat::2 snow --no dogs",
    engine="easel/xl",
    size="16:9",
    images=2,
    negative="x",
    style="anime",
    steps=20,
    seed=5,
    guidance=7.5,
    sampler="DDIM",
    thread="12",
    private=True,
    spoiler=True,
)


def made(prompt: str = "a cat", *, default: str = XL.id, **typed: Any) -> Plan:
    return plan(read_command(ImagineOptions(prompt, **typed)), ENGINES, default)


def refusal(prompt: str = "a cat", *, default: str = XL.id, **typed: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        made(prompt, default=default, **typed)
    return caught.value


def test_a_prompt_alone_is_one_request_of_the_default_engine() -> None:
    found = made()
    assert found.requests == (ImageRequest(XL.id, (WeightedText("a cat"),), Size(1024, 1024)),)
    assert (found.images, found.engines, found.prompts, found.title) == (1, (XL.id,), 1, "a cat")
    assert found.options == ImagineOptions("a cat")


@pytest.mark.parametrize(
    ("typed", "flags"),
    [
        ({"engine": "core"}, "--engine core"),
        ({"engine": "Pencil Core"}, "--engine pencil-core"),
        ({"size": "1344x768"}, "--size 1344x768"),
        ({"size": "16:9"}, "--ar 16:9"),
        ({"size": "square"}, "--ar 1:1"),
        ({"images": 3}, "--images 3"),
        ({"negative": "dogs,  frames\n"}, "--no dogs, frames"),
        ({"style": "anime"}, "--style anime"),
        ({"style": "Neon Punk"}, "--style neon-punk"),
        ({"steps": 20}, "--steps 20"),
        ({"engine": "core", "seed": 7}, "--engine core --seed 7"),
        (
            {"engine": "basic-1.6", "guidance": 7.5, "sampler": "DDIM"},
            "--engine=basic-1.6 --guidance=7.5 --sampler=ddim",
        ),
    ],
)
def test_a_field_and_its_flag_are_equivalent(typed: dict[str, Any], flags: str) -> None:
    assert made(**typed).requests == made(f"a cat {flags}").requests


def test_empty_fields_count_as_missing() -> None:
    assert made(engine=" ", size="", negative="\n", style="", sampler=" ").requests == made().requests


@pytest.mark.parametrize(
    ("flag", "typed"),
    [
        ("--engine core", {"engine": "core"}),
        ("--size 1024x1024", {"size": "1024x1024"}),
        ("--ar 1:1", {"size": "1024x1024"}),
        ("--images 2", {"images": 2}),
        ("--no dogs", {"negative": "dogs"}),
        ("--style anime", {"style": "anime"}),
        ("--steps 20", {"steps": 20}),
        ("--seed 7", {"seed": 8}),
        ("--guidance 7", {"guidance": 8.0}),
        ("--sampler DDIM", {"sampler": "DDIM"}),
    ],
)
def test_an_option_given_as_flag_and_field_is_refused(flag: str, typed: dict[str, Any]) -> None:
    problems = refusal(f"a cat {flag}", **typed).problems
    twice = [problem for problem in problems if problem.code == GIVEN_TWICE.code]
    assert twice == [GIVEN_TWICE(label=OPTIONS[next(iter(typed))].label)]


@pytest.mark.parametrize(
    ("prompt", "typed", "wanted"),
    [
        ("a cat", {"engine": "nonsense"}, UNKNOWN_ENGINE),
        ("a cat --engine nonsense", {}, UNKNOWN_ENGINE),
        ("a cat", {"size": "big"}, NOT_A_SIZE(text="big")),
        ("a cat", {"size": "10:0"}, NOT_A_SIZE(text="10:0")),
        ("a cat", {"images": 11}, TOO_MANY_IMAGES(images=11, prompts=1, most=10)),
        ("a cat", {"images": 0}, WRONG_NUMBER_OF_IMAGES(images=0, most=10)),
        ("a cat", {"images": -3}, WRONG_NUMBER_OF_IMAGES(images=-3, most=10)),
        ("a cat --images 999999999999", {}, TOO_MANY_IMAGES(images=999_999_999_999, prompts=1, most=10)),
        ("a {b, c, d}", {"images": 4}, TOO_MANY_IMAGES_OF_PROMPTS(images=12, prompts=3, most=10)),
        ("a --images {6, 5}", {}, TOO_MANY_IMAGES_OF_PROMPTS(images=11, prompts=2, most=10)),
    ],
)
def test_options_that_no_engine_takes(prompt: str, typed: dict[str, Any], wanted: Message | Text) -> None:
    (problem,) = refusal(prompt, **typed).problems
    assert wanted == (problem if isinstance(wanted, Text) else problem.message)


def test_all_problems_are_reported_at_once_and_each_once() -> None:
    error = refusal("a {b, c} --seed 7", size="1x1", steps=5, style="nope", images=6, seed=8)
    for wanted in (GIVEN_TWICE, NOT_TAKEN, SIZE_NOT_LISTED, OUT_OF_RANGE, UNKNOWN_NAME, TOO_MANY_IMAGES_OF_PROMPTS):
        assert codes(error).count(wanted.code) == 1
    assert NAME_MISSPELT.code not in codes(error)


def test_an_invalid_prompt_is_reported_with_its_position() -> None:
    with pytest.raises(PromptError) as caught:
        made("a cat --sed 7")
    assert caught.value.position == 6
    with pytest.raises(PromptError) as caught:
        made("a cat --sed 7", engine="core")
    assert caught.value.position == 6


def test_checks_that_need_no_engine_always_run() -> None:
    error = refusal("a cat --sed 7", size="huge", images=0)
    assert codes(error) == [FAULT_AT.code, NOT_A_SIZE.code, WRONG_NUMBER_OF_IMAGES.code]


def test_with_an_engine_field_the_other_fields_are_checked_too() -> None:
    error = refusal("a cat --sed 7", engine="easel/xl", seed=5, images=11)
    assert {FAULT_AT.code, NOT_TAKEN.code, TOO_MANY_IMAGES.code} <= set(codes(error))


def test_a_prompt_error_does_not_hide_what_the_engine_does_not_take() -> None:
    error = refusal("a cat --sed 7 --seed 8 --steps 500 --images 11", size="3x3")
    assert codes(error) == [
        FAULT_AT.code,
        NOT_TAKEN.code,
        SIZE_NOT_LISTED.code,
        OUT_OF_RANGE.code,
        TOO_MANY_IMAGES.code,
    ]
    error = refusal("a {red, blue} cat --sed 7 --images 6 --seed 3")
    assert codes(error) == [FAULT_AT.code, NOT_TAKEN.code, TOO_MANY_IMAGES_OF_PROMPTS.code]


def test_an_engine_flag_with_a_fault_is_not_replaced_by_the_default_engine() -> None:
    for flag in ("--engin core", "--engine"):
        assert codes(refusal(f"a cat --seed 7 --images 11 {flag}")) == [FAULT_AT.code, TOO_MANY_IMAGES.code]
    assert codes(refusal("a cat --engine core --steps 5 --sed 7")) == [FAULT_AT.code, NOT_TAKEN.code]


def test_wrong_braces_do_not_hide_unknown_flags() -> None:
    error = refusal("a {red, blue cat --sed 7 --steps")
    assert isinstance(error, PromptError)
    assert [fault.problem.code for fault in error.faults] == [UNCLOSED_BRACE.code, MISSPELT_FLAG.code]


def test_choices_may_change_any_option() -> None:
    found = made("a {red, blue} cat --engine {core, xl} --ar 1:1")
    assert [(request.engine, request.prompts[0].text, request.size) for request in found.requests] == [
        (CORE.id, "a red cat", Size(512, 512)),
        (XL.id, "a red cat", Size(1024, 1024)),
        (CORE.id, "a blue cat", Size(512, 512)),
        (XL.id, "a blue cat", Size(1024, 1024)),
    ]
    assert (found.prompts, found.images, found.engines) == (4, 4, (CORE.id, XL.id))


@pytest.mark.parametrize(
    ("typed", "images", "seeds"),
    [
        ({"engine": "xl", "images": 4}, [4], [None]),
        ({"engine": "xl", "images": 10}, [4, 4, 2], [None, None, None]),
        ({"engine": "basic-1.6", "images": 3}, [1, 1, 1], [None, None, None]),
        ({"engine": "core", "images": 3, "seed": 7}, [1, 1, 1], [7, 8, 9]),
        ({"engine": "core", "images": 3, "seed": 4_294_967_293}, [1, 1, 1], [4_294_967_293, 4_294_967_294, 1]),
        ({"engine": "core", "images": 2, "seed": 0}, [1, 1], [None, None]),
    ],
)
def test_images_are_split_into_requests_with_increasing_seeds(
    typed: dict[str, Any], images: list[int], seeds: list[int | None]
) -> None:
    found = made(**typed)
    assert [request.images for request in found.requests] == images
    assert [request.seed for request in found.requests] == seeds
    assert found.images == sum(images)


def test_seeds_increase_by_the_images_of_each_request() -> None:
    many = replace(CORE, images_per_submission=4)
    found = plan(read_command(ImagineOptions("a cat", images=6, seed=10)), {many.id: many}, many.id)
    assert [(request.images, request.seed) for request in found.requests] == [(4, 10), (2, 14)]


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("a cat", "a cat"),
        ("a\ncat::2 snow dogs::-1 --ar 16:9", "a cat"),
        ("a cat::2 snow", "a cat, snow"),
        ("{red, blue} car", "red car"),
        ("dogs::-1 a cat", "a cat"),
        (" ".join(["lighthouse"] * 9), "lighthouse lighthouse lighthouse lighthouse lighthouse…"),
        ("x" * 100, "x" * 59 + "…"),
        ("x" * 60, "x" * 60),
        ("a " + "x" * 100, "a…"),
    ],
)
def test_titles(prompt: str, title: str) -> None:
    engine = replace(XL, weights=None)
    assert plan(read_command(ImagineOptions(prompt)), {engine.id: engine}, engine.id).title == title
    assert len(title) <= 60


@pytest.mark.parametrize(
    ("options", "seeds", "typed"),
    [
        (ImagineOptions("a", seed=1), [9], ImagineOptions("a", seed=9)),
        (ImagineOptions("a"), [9], ImagineOptions("a", seed=9)),
        (ImagineOptions("a --seed 1 --ar 1:1"), [9], ImagineOptions("a --size 1:1 --seed 9")),
        (ImagineOptions("a --seed {1, 2}"), [9, 10], ImagineOptions("{a --seed 9, a --seed 10}")),
        (ImagineOptions("a {b, c} --seed 1"), [9, 9], ImagineOptions("{a b --seed 9, a c --seed 9}")),
        (ImagineOptions("a {b, c}", seed=1), [9, 9], ImagineOptions("a {b, c}", seed=9)),
        (ImagineOptions("{a --seed 1, b}"), [9, None], ImagineOptions("{a --seed 9, b}")),
    ],
)
def test_a_new_seed_replaces_the_old_ones(
    options: ImagineOptions, seeds: list[int | None], typed: ImagineOptions
) -> None:
    again = replace(options, new_seed=9)
    requests = plan(read_command(again), ENGINES, CORE.id).requests
    assert [request.seed for request in requests] == seeds
    assert as_typed(again) == typed
    assert plan(read_command(typed), ENGINES, CORE.id).requests == requests


@pytest.mark.parametrize(
    "options",
    [
        ImagineOptions("a fox"),
        ImagineOptions("a fox::2 snow::0.5 --no frames, text --ar 16:9", engine=XL.id),
        ImagineOptions(r"a {red, blue} fox\, sleeping --no {text, a\, b} --seed {1, 2}", engine=CORE.id),
        ImagineOptions(r"a \{fox\} \--no", engine=CORE.id, new_seed=4),
        ImagineOptions("a fox {--seed 1, --seed 2}", engine=CORE.id, new_seed=4),
    ],
)
def test_the_command_that_repeats_a_job_includes_the_added_words(options: ImagineOptions) -> None:
    with_words = replace(options, added="in {oil}, on canvas")
    requests = plan(read_command(with_words), ENGINES, XL.id).requests
    assert all(request.prompts[-1].text.endswith("in {oil}, on canvas") for request in requests)
    typed = as_typed(with_words)
    assert (typed.added, typed.new_seed) == (None, None)
    assert plan(read_command(typed), ENGINES, XL.id).requests == requests
    assert plan(read_command(as_typed(typed)), ENGINES, XL.id).requests == requests
    assert f"prompt:{typed.prompt}" in command_line(with_words)


def test_an_older_job_with_added_words_in_its_prompt_gets_them_once() -> None:
    stored: dict[str, Any] = {"prompt": "a fox, in oil --seed 4", "engine": CORE.id, "private": False}
    options = ImagineOptions.from_json(stored)
    assert plan(read_command(options), ENGINES, XL.id).requests[0].prompts == (WeightedText("a fox, in oil"),)
    assert plan(read_command(replace(options, added="in oil")), ENGINES, XL.id).requests[0].prompts == (
        WeightedText("a fox, in oil"),
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (ImagineOptions("a cat"), "/imagine prompt:a cat"),
        (ImagineOptions("a\n{b, c}\0 --no d"), "/imagine prompt:a {b, c} --no d"),
        (
            FULL,
            (
                "/imagine prompt:a cat::2 snow --no dogs engine:easel/xl size:16:9 images:2 negative:x style:anime "
                "steps:20 seed:5 guidance:7.5 sampler:DDIM private:True spoiler:True"
            ),
        ),
        (ImagineOptions("a", guidance=7.0, seed=0), "/imagine prompt:a seed:0 guidance:7"),
    ],
)
def test_the_command_line_of_a_job(options: ImagineOptions, line: str) -> None:
    assert command_line(options) == line


def test_another_persons_job_copies_everything_except_thread_and_privacy() -> None:
    assert FULL.private
    assert for_another_person(FULL, private=False) == replace(FULL, thread=None, private=False)
    assert for_another_person(FULL, private=True) == replace(FULL, thread=None, private=True)
    theirs = ImagineOptions("a fox", added="in oil", new_seed=3)
    assert for_another_person(theirs, private=False) == ImagineOptions("a fox, in oil", seed=3)


# --- storage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [ImagineOptions("a cat"), FULL, ImagineOptions("a", added="b", new_seed=4, engines=("x", "y"))]
)
def test_options_are_read_back_from_json(options: ImagineOptions) -> None:
    assert ImagineOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_unknown_options_of_another_version_are_ignored() -> None:
    assert ImagineOptions.from_json({"prompt": "a cat", "mood": "grim"}) == ImagineOptions("a cat")


@pytest.mark.parametrize(
    "data", [{}, {"prompt": None}, {"prompt": "a", "images": "many"}, {"prompt": "a", "size": [1]}]
)
def test_invalid_options_are_rejected(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ImagineOptions.from_json(data)


requests = st.builds(
    ImageRequest,
    engine=st.text(),
    prompts=st.lists(st.builds(WeightedText, st.text(), st.floats(-10, 10)), min_size=1, max_size=4).map(tuple),
    size=st.builds(Size, st.integers(1, 9999), st.integers(1, 9999)),
    images=st.integers(1, 10),
    negative=st.none() | st.text(),
    style=st.none() | st.text(),
    steps=st.none() | st.integers(0, 100),
    seed=st.none() | st.integers(0, 2**32),
    guidance=st.none() | st.floats(0, 35),
    sampler=st.none() | st.text(),
)


@given(requests)
def test_requests_are_read_back_from_json(request: ImageRequest) -> None:
    assert decode_request(json.loads(json.dumps(encode_request(request)))) == request


@pytest.mark.parametrize("data", [{}, {"engine": "a", "prompts": [], "size": "big"}, {"engine": 1}])
def test_invalid_requests_are_rejected(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        decode_request(data)


# --- properties ---------------------------------------------------------------------------------------------------

typed_options = st.builds(
    ImagineOptions,
    prompt=st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                ["a", " ", "::2", " --no b", " --seed 7", " --ar 16:9", "{c, d}", " --images 3", " --steps 20"]
            ),
            max_size=6,
        ).map("".join),
    ),
    engine=st.sampled_from([None, "", "x", *ENGINES]),
    size=st.sampled_from([None, "1024x1024", "16:9", "square", "9:1", "0x0", "0:0", "x"]),
    images=st.none() | st.integers(-1, 12),
    negative=st.none() | st.text(max_size=5),
    style=st.sampled_from([None, "anime", "cinematic", "x"]),
    steps=st.none() | st.integers(),
    seed=st.none() | st.integers(),
    guidance=st.none() | st.floats(),
    sampler=st.sampled_from([None, "DDIM", "x"]),
    added=st.sampled_from([None, "in oil", "in {oil}"]),
    new_seed=st.sampled_from([None, 1, 4_294_967_294]),
)


@given(typed_options, st.sampled_from(list(ENGINES)))
def test_any_input_is_a_valid_plan_or_a_refusal(options: ImagineOptions, default: str) -> None:
    try:
        found = plan(read_command(options), ENGINES, default)
    except UserError:
        return
    assert 1 <= found.images <= 10
    assert 0 < len(found.title) <= 60
    for request in found.requests:
        engine = ENGINES[request.engine]
        assert engine.takes_size(request.size)
        assert 1 <= request.images <= engine.images_per_submission
        assert request.seed is None or (engine.seed is not None and request.seed in engine.seed)
        assert request.steps is None or (engine.steps is not None and request.steps in engine.steps)
        assert request.guidance is None or (engine.guidance is not None and request.guidance in engine.guidance)
    seeds = [request.seed for request in found.requests if request.seed is not None]
    assert found.prompts > 1 or len(set(seeds)) == len(seeds)
    assert plan(read_command(ImagineOptions.from_json(found.options.to_json())), ENGINES, default) == found
    assert plan(read_command(as_typed(found.options)), ENGINES, default).requests == found.requests


SECRET = "helio" + "trope"


@pytest.mark.parametrize(
    ("read", "stored"),
    [
        (ImagineOptions.from_json, {"prompt": SECRET, "steps": SECRET}),
        (ImagineOptions.from_json, {"prompt": [SECRET]}),
        (decode_request, {"engine": "core", "prompts": [SECRET], "size": SECRET}),
        (Rules.from_json, {"refused": SECRET}),
    ],
)
def test_an_error_about_unreadable_data_does_not_quote_it(
    read: Callable[[dict[str, Any]], object], stored: dict[str, Any]
) -> None:
    with pytest.raises(Unreadable) as caught:
        read(stored)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
