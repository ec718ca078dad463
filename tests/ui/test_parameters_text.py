"""The text of prompt and settings, as the common tools read it."""

from __future__ import annotations

from dataclasses import replace

from bot.providers.base import Bounds, WeightedText
from bot.ui.delivery.parameters_text import parameters
from tests.doubles.engines import BASIC, CORE
from tests.doubles.views import image, request


def test_prompt_negative_and_settings_are_the_three_lines_that_tools_read() -> None:
    asked = request(
        "a fox",
        engine=BASIC.id,
        negative="snow",
        style="anime",
        steps=20,
        guidance=7.5,
        sampler="K_EULER_ANCESTRAL",
        seed=7,
    )
    assert parameters(asked, image(1, seed=9), BASIC) == (
        "a fox\n"
        "Negative prompt: snow\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 9, Size: 512x512, Model: basic-1.6, Style: anime, "
        "Version: Easel"
    )


def test_what_was_not_given_is_the_engines_own_where_it_is_known() -> None:
    asked = request("a fox", engine=BASIC.id)
    line = "Steps: 30, Sampler: unknown, CFG scale: 7, Seed: 1, Size: 512x512, Model: basic-1.6, Version: Easel"
    assert parameters(asked, image(1), BASIC) == f"a fox\n{line}"
    core = request("a fox", engine=CORE.id)
    assert parameters(core, image(1, seed=None), CORE) == (
        "a fox\nSampler: unknown, Schedule type: unknown, Seed: unknown, Size: 512x512, Model: core, Version: Easel"
    )
    assert parameters(asked, image(1), None).splitlines()[-1] == (
        "Sampler: unknown, Schedule type: unknown, Seed: 1, Size: 512x512, Model: basic-1.6, Version: Easel"
    )
    unknown = replace(BASIC, steps=Bounds(10, 50), guidance=None)
    assert "Steps" not in parameters(asked, image(1), unknown)


def test_weights_are_written_as_those_tools_write_them() -> None:
    parts = (
        WeightedText("a fox"),
        WeightedText("snow (deep)", 0.5),
        WeightedText("people", -1),
        WeightedText("fog", -2),
    )
    assert parameters(request(prompts=parts, negative="text"), image(1), None).splitlines()[:2] == [
        "a fox, (snow \\(deep\\):0.5)",
        "Negative prompt: text, people, (fog:2)",
    ]


def test_a_value_with_a_comma_or_a_colon_is_quoted() -> None:
    assert 'Style: "a, b: c"' in parameters(request(style="a, b: c"), image(1), None)
