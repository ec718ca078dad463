"""The form's fields for a job, and the options from a submitted form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.form_data import draft_of, draft_of_prompt
from bot.domain.options import ImagineOptions
from bot.domain.requests import plan, read_command
from bot.errors import UserError
from tests.doubles.engines import BASIC, CORE, ENGINES, XL

DEFAULT = CORE.id


def planned(options: ImagineOptions) -> object:
    return plan(read_command(options), ENGINES, DEFAULT).requests


@pytest.mark.parametrize(
    "options",
    [
        ImagineOptions("a fox"),
        ImagineOptions("a fox --ar 16:9 --no snow --seed 7 --images 2", engine=CORE.id, style="anime"),
        ImagineOptions("a fox::2 snow::0.5 --style anime", engine="Easel XL", size="square"),
        ImagineOptions("a \\{fox\\} \\-\\-no", negative="rain, wind", seed=4),
        ImagineOptions("a fox --engine basic-1.6 --guidance 7.5 --sampler ddim", steps=20),
        ImagineOptions("a {red, blue} fox --seed {1, 2} --ar 1:1", style="anime"),
        ImagineOptions("a fox --engine {core, xl}", size="1024x1024"),
        ImagineOptions("a fox --seed 3", engine=CORE.id, added="in oil", new_seed=9),
        ImagineOptions("a {red, blue} fox --seed {1, 2}", engine=CORE.id, added="in oil", new_seed=9),
        ImagineOptions("a fox", engine=CORE.id, seed=4, new_seed=9),
        ImagineOptions("a fox", engine=BASIC.id, steps=20, guidance=3.0, sampler="DDIM", seed=9, images=3),
    ],
    ids=str,
)
def test_an_unchanged_form_gives_the_same_requests(options: ImagineOptions) -> None:
    requests = plan(read_command(options), ENGINES, DEFAULT).requests
    used = {request.engine for request in requests}
    draft = draft_of(options, engine=used.pop() if len(used) == 1 else None)
    assert planned(draft.options()) == requests


@given(st.text(max_size=60), st.none() | st.text(max_size=30), st.none() | st.integers(1, 10**9))
@pytest.mark.slow
def test_no_accepted_option_is_lost_on_the_way(prompt: str, negative: str | None, seed: int | None) -> None:
    options = ImagineOptions(prompt, engine=CORE.id, negative=negative, seed=seed)
    try:
        requests = plan(read_command(options), ENGINES, DEFAULT).requests
    except UserError:
        return
    assert planned(draft_of(options, engine=CORE.id).options()) == requests


def test_flags_and_fields_go_to_their_fields_in_the_form() -> None:
    options = ImagineOptions("a fox --ar 16:9 --no snow --steps 20", engine="xl", style="anime", private=True)
    draft = draft_of(options, engine=XL.id)
    assert (draft.prompt, draft.engine, draft.size, draft.negative) == ("a fox", XL.id, "16:9", "snow")
    assert draft.further == "--style anime --steps 20"
    assert draft.options().private


def test_the_engine_field_is_empty_if_the_prompt_chooses_between_engines() -> None:
    draft = draft_of(ImagineOptions("a fox --engine {core, xl}"), engine=None)
    assert draft.engine is None
    assert draft.prompt == "a fox --engine {core, xl}"


def test_a_reused_prompt_brings_its_words_and_its_negative_prompt() -> None:
    options = ImagineOptions("a fox::2 snow --no rain --seed 7", engine=XL.id, size="16:9", private=True)
    draft = draft_of_prompt(ImagineOptions("x"), options, engine=CORE.id)
    assert (draft.prompt, draft.engine, draft.negative) == ("a fox::2 snow", CORE.id, "rain")
    assert (draft.size, draft.further) == ("", "")
    assert not draft.options().private


def test_a_comparison_stays_a_comparison() -> None:
    options = ImagineOptions("a fox", engines=(CORE.id, XL.id))
    draft = draft_of(options, engine=None)
    assert draft.engines == (CORE.id, XL.id)
    assert replace(draft, engines=(CORE.id, BASIC.id)).options().engines == (CORE.id, BASIC.id)


def test_added_words_are_not_in_the_form_and_are_added_again() -> None:
    draft = draft_of(ImagineOptions("a fox", engine=CORE.id, added="in oil"), engine=CORE.id)
    assert draft.prompt == "a fox"
    assert replace(draft, prompt="a hen").options().added == "in oil"


def test_a_seed_changed_in_the_form_counts() -> None:
    options = ImagineOptions("a fox --seed 3", engine=CORE.id, new_seed=9)
    draft = draft_of(options, engine=CORE.id)
    assert draft.further == "--seed 9"
    (request,) = plan(read_command(replace(draft, further="--seed 5").options()), ENGINES, DEFAULT).requests
    assert request.seed == 5
    choices = draft_of(replace(options, prompt="a fox --seed {1, 2}"), engine=CORE.id)
    changed = replace(choices, prompt="a fox --seed {5, 6}").options()
    assert [request.seed for request in plan(read_command(changed), ENGINES, DEFAULT).requests] == [5, 6]


def test_a_reused_prompt_includes_the_added_words() -> None:
    base = ImagineOptions("x")
    draft = draft_of_prompt(base, ImagineOptions("a fox", added="in oil"), engine=CORE.id)
    assert draft.prompt == "a fox, in oil"
    choices = draft_of_prompt(base, ImagineOptions("a {red, blue} fox", added="in oil"), engine=CORE.id)
    assert choices.prompt == "a {red, blue} fox"
    assert choices.options().added == "in oil"
