"""The engine of a command that names none follows from its other options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from bot.domain.command_line import command_line
from bot.domain.engine_choice import suited
from bot.domain.options import ChosenEngine, Defaults, ImagineOptions
from bot.domain.requests import completed, plan, read_command
from bot.providers.base import Engine, ImageRequest
from bot.providers.operations import Operation
from tests.doubles.engines import BASIC, CORE, ENGINES, XL

PRICES = {XL.id: 5, BASIC.id: 2, CORE.id: 3}


def price(requests: Sequence[ImageRequest]) -> int:
    return sum(PRICES[request.engine] * request.images for request in requests)


def chosen(
    options: ImagineOptions, *layers: Defaults, default: Engine = XL, offered: Sequence[Engine] = (XL, BASIC, CORE)
) -> ImagineOptions:
    command = read_command(options)
    choose = partial(suited, offered=offered, price=price)
    return completed(command, layers, engines=ENGINES, default_engine=default.id, suited=choose).options


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        (ImagineOptions("a fox --seed 7"), BASIC),
        (ImagineOptions("a fox", seed=7), BASIC),
        (ImagineOptions("a fox", seed=7, negative="rain"), CORE),
        (ImagineOptions("a fox --seed 7 --style cinematic --no rain"), CORE),
        (ImagineOptions("a {red, blue} fox --sampler ddim"), BASIC),
    ],
)
def test_the_cheapest_engine_that_takes_everything_replaces_the_default(
    options: ImagineOptions, engine: Engine
) -> None:
    found = chosen(options)
    assert found.engine == engine.id
    assert found.chosen is not None
    assert found.chosen.instead_of == XL.name
    assert plan(read_command(found), ENGINES, XL.id).engines == (engine.id,)


def test_the_reason_is_stored_and_is_no_part_of_the_command() -> None:
    found = chosen(ImagineOptions("a fox", seed=7, negative="rain"))
    assert found.chosen == ChosenEngine(XL.name, ("seed",))
    assert ImagineOptions.from_json(found.to_json()) == found
    assert command_line(found) == command_line(replace(found, chosen=None))


@pytest.mark.parametrize(
    "options",
    [
        ImagineOptions("a fox"),
        ImagineOptions("a fox", steps=20),
        ImagineOptions("a fox", size="3x3"),
        ImagineOptions("a fox", seed=7, engine=XL.id),
        ImagineOptions("a fox --engine xl --seed 7"),
        ImagineOptions("a fox --engin core --seed 7"),
        ImagineOptions("a::2 fox --seed 7"),
        ImagineOptions("a fox", seed=7, engines=(XL.id, CORE.id)),
    ],
)
def test_the_engine_is_not_chosen_if_the_default_has_all_features_or_no_other_engine_has(
    options: ImagineOptions,
) -> None:
    assert chosen(options) == options


def test_an_engine_with_the_scale_replaces_the_default() -> None:
    twice = replace(XL, operation=Operation.UPSCALE, scales=(2,))
    four_times = replace(CORE, operation=Operation.UPSCALE, scales=(2, 4))
    command = read_command(ImagineOptions("", operation=Operation.UPSCALE, scale=4))
    found = suited(command, twice, [twice, four_times], price)
    assert found is not None
    assert (found.engine, found.chosen) == (CORE.id, None)
    assert suited(command, four_times, [twice, four_times], price) is None
    assert suited(command, twice, [twice], price) is None


def test_only_offered_engines_are_chosen() -> None:
    assert chosen(ImagineOptions("a fox", seed=7), offered=(XL, CORE)).engine == CORE.id
    assert chosen(ImagineOptions("a fox", seed=7), offered=(XL,)).engine is None


def test_the_first_of_equally_cheap_engines_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRICES, BASIC.id, 3)
    assert chosen(ImagineOptions("a fox", seed=7), offered=(CORE, BASIC)).engine == CORE.id
    assert chosen(ImagineOptions("a fox", seed=7), offered=(BASIC, CORE)).engine == BASIC.id


def test_a_default_from_the_settings_is_replaced_too_and_other_defaults_follow_the_chosen_engine() -> None:
    mine = Defaults(engine=CORE.id, size="512x512", style="cinematic")
    found = chosen(ImagineOptions("a fox", steps=20), mine, default=CORE)
    assert (found.engine, found.size, found.style) == (BASIC.id, "512x512", "cinematic")
    kept = chosen(ImagineOptions("a fox", seed=7), mine)
    assert (kept.engine, kept.chosen) == (CORE.id, None)


def test_a_prompt_with_faults_is_checked_against_the_chosen_engine() -> None:
    assert chosen(ImagineOptions("a fox --seed 7 --nonsense")).engine == BASIC.id
