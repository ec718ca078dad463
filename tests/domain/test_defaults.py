"""Defaults of a command: typed options override the user's, which override the place's; others are dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.options import Defaults, ImagineOptions
from bot.domain.requests import completed, plan, private_by_default, read_command
from bot.errors import UserError
from tests.doubles.engines import BASIC, CORE, ENGINES, XL

NOTHING = Defaults()
FOX = ImagineOptions(prompt="a fox")


def complete(options: ImagineOptions, *layers: Defaults, default: str = XL.id) -> ImagineOptions:
    return completed(read_command(options), layers, engines=ENGINES, default_engine=default).options


MINE = Defaults(engine=BASIC.id, size="512x512", style="anime", images=3, text="in oil")
PLACE = Defaults(engine=XL.id, size="1344x768", style="pixel-art", images=2, text="on canvas")


def test_the_users_defaults_override_those_of_the_place() -> None:
    assert complete(FOX, MINE, PLACE) == ImagineOptions(
        prompt="a fox", engine=BASIC.id, size="512x512", style="anime", images=3, added="in oil"
    )
    assert complete(FOX, NOTHING, PLACE) == ImagineOptions(
        prompt="a fox", engine=XL.id, size="1344x768", style="pixel-art", images=2, added="on canvas"
    )
    assert complete(FOX, NOTHING, NOTHING) == FOX


@pytest.mark.parametrize(
    "typed",
    [
        ImagineOptions("a fox", engine="Easel XL", size="1024x1024", style="neon-punk", images=1),
        ImagineOptions("a fox --engine easel/xl --size 1024x1024 --style neon-punk --images 1"),
        ImagineOptions("a fox {--ar 1:1, --ar 1:1} --engine easel/xl --style neon-punk --images 1"),
    ],
)
def test_typed_options_override_defaults_as_field_or_flag(typed: ImagineOptions) -> None:
    whole = complete(typed, replace(MINE, text=None), PLACE)
    requests = plan(read_command(replace(whole, added=None)), ENGINES, BASIC.id).requests
    assert {(each.engine, str(each.size), each.style, each.images) for each in requests} == {
        (XL.id, "1024x1024", "neon-punk", 1)
    }
    assert replace(whole, added=None) == typed


def test_if_the_users_default_does_not_fit_that_of_the_place_is_tried() -> None:
    mine = Defaults(engine="gone/away", size="320x320", style="cinematic", images=10)
    whole = complete(ImagineOptions(prompt="a {red, blue} fox"), mine, PLACE)
    assert whole == ImagineOptions(
        prompt="a {red, blue} fox",
        engine=XL.id,
        size="1344x768",
        style="pixel-art",
        images=2,
        added="on canvas",
    )


def test_every_one_of_several_engines_must_take_a_default() -> None:
    both = ImagineOptions(prompt="a fox --engine {easel/xl, pencil/core}")
    assert complete(both, Defaults(style="pixel-art", size="16:9")).style is None
    assert complete(both, Defaults(style="anime", size="16:9")).style == "anime"
    assert complete(both, Defaults(size="16:9")).size == "16:9"
    assert complete(both, Defaults(size="320x320")).size is None


def test_a_comparison_keeps_its_engines_and_has_one_image_of_each() -> None:
    both = ImagineOptions(prompt="a fox", engines=("easel/xl", "Pencil Core"))
    whole = complete(both, Defaults(engine=BASIC.id, size="16:9", style="anime", images=8, text="in oil"))
    assert whole == replace(both, added="in oil", size="16:9", style="anime")
    assert len(plan(read_command(whole), ENGINES, XL.id).requests) == 2
    assert complete(both, Defaults(size="320x320", style="pixel-art")) == both


@pytest.mark.parametrize(
    ("prompt", "engine"),
    [
        ("x" * 96, CORE.id),  # The engine takes 100 characters.
        ("x" * 1995, XL.id),
        ("a fox, In Oil", XL.id),
        ("a fox, {in oil, made in oil}", XL.id),
    ],
)
def test_added_words_are_dropped_if_too_long_or_already_there(prompt: str, engine: str) -> None:
    assert complete(ImagineOptions(prompt=prompt, engine=engine), Defaults(text="in oil")).added is None


@pytest.mark.parametrize("prompt", ["a {red fox", "a fox --nonsense", "a fox --engine no-such-engine"])
def test_an_invalid_command_gets_only_its_engine(prompt: str) -> None:
    engine = None if "--engine" in prompt else BASIC.id
    assert complete(ImagineOptions(prompt=prompt), MINE) == ImagineOptions(prompt=prompt, engine=engine)


def maybe(*values: object) -> st.SearchStrategy[object]:
    return st.sampled_from([None, *values])


layers = st.builds(
    Defaults,
    engine=maybe(*ENGINES, "gone/away"),
    size=maybe("512x512", "320x320", "16:9", "9:21", "1536x640"),
    style=maybe("anime", "cinematic", "pixel art", "no-such-style"),
    images=maybe(1, 4, 10),
    text=maybe("in oil", "y" * 99, "z" * 500),
)
typed = st.builds(
    ImagineOptions,
    prompt=st.sampled_from(["a fox", "a {red, blue} fox --ar 1:1", "a fox::2 snow::-1", "x" * 1900, "a fox --seed 3"]),
    engine=maybe(*ENGINES),
    size=maybe("1024x1024"),
    images=maybe(2),
)


@given(typed, layers, layers)
def test_defaults_never_make_a_command_fail(options: ImagineOptions, mine: Defaults, place: Defaults) -> None:
    engine = next(
        (each.engine for each in (mine, place) if options.engine is None and each.engine in ENGINES), options.engine
    )
    bare = replace(options, engine=engine)

    def outcome(make: Callable[[], ImagineOptions]) -> tuple[str, ...]:
        try:
            plan(read_command(make()), ENGINES, XL.id)
        except UserError as error:
            return tuple(map(str, error.problems))
        return ()

    alone = outcome(lambda: bare)
    together = outcome(lambda: complete(options, mine, place))
    assert bool(together) == bool(alone)


def test_privacy_comes_from_the_most_specific_setting() -> None:
    assert not private_by_default([NOTHING, NOTHING])
    assert private_by_default([NOTHING, Defaults(private=True)])
    assert not private_by_default([Defaults(private=False), Defaults(private=True)])
