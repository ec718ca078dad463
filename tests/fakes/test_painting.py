"""The painted images: valid PNGs that follow prompt, style and seed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fakes.painting import paint
from fakes.painting.brief import GROUNDS, HOURS, THINGS, WORDS, read
from fakes.painting.styles import STYLES
from fakes.services import contract

# Each image takes most of a second to paint.
pytestmark = pytest.mark.slow

SMALL = (160, 160)
PROMPT = "a lighthouse on a cliff"


def pixels(prompt: str = PROMPT, **options: object) -> NDArray[np.float64]:
    """A small image for this prompt as numbers from 0 to 1."""
    data = paint(prompt, **({"size": SMALL} | options))  # type: ignore[arg-type]  # the options are named in each test
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255


def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.abs(first - second).mean())


@pytest.mark.parametrize("size", [(320, 320), (640, 384), (320, 1536), (1536, 320)])
def test_the_png_has_the_requested_size(size: tuple[int, int]) -> None:
    with Image.open(BytesIO(paint(PROMPT, size=size))) as picture:
        picture.load()
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", size)


def test_a_large_image_is_as_large_a_file_as_the_services_images() -> None:
    data = paint(PROMPT, seed=1, size=(1024, 1024))
    assert 1_000_000 < len(data) < 2_000_000


def test_the_same_request_gives_the_same_bytes_in_another_process_too() -> None:
    here = paint(PROMPT, negative="clouds", style="neon-punk", seed=7, size=SMALL)
    assert here == paint(PROMPT, negative="clouds", style="neon-punk", seed=7, size=SMALL)
    program = (
        "import hashlib; from fakes.painting import paint; "
        f"print(hashlib.sha256(paint({PROMPT!r}, negative='clouds', style='neon-punk', seed=7, size={SMALL}))"
        ".hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4"}
    there = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_another_seed_gives_another_composition() -> None:
    pictures = [pixels(seed=seed) for seed in range(4)]
    assert min(difference(pictures[i], pictures[j]) for i in range(4) for j in range(i)) > 0.04


def test_unknown_words_also_affect_the_picture() -> None:
    assert difference(pixels("zorp blubble"), pixels("zorp frumious")) > 0.04


def test_every_style_looks_different() -> None:
    assert set(STYLES) == set(contract.STYLES)
    pictures = {style: pixels(style=style) for style in ("", *STYLES)}
    near = [
        (first, second)
        for first in pictures
        for second in pictures
        if first < second and difference(pictures[first], pictures[second]) < 0.008
    ]
    assert near == []


def test_an_unknown_style_changes_nothing() -> None:
    assert paint(PROMPT, style="no-such", size=SMALL) == paint(PROMPT, size=SMALL)


@pytest.mark.parametrize("thing", THINGS)
def test_things_in_the_prompt_are_painted_and_those_in_the_negative_prompt_are_not(thing: str) -> None:
    word = next(word for word, meaning in WORDS.items() if meaning == thing)
    prompt = f"{word} by day"
    with_it, without = read(prompt, "", 3), read(prompt, word, 3)
    assert thing in with_it.things
    assert thing not in without.things
    assert with_it.key == without.key
    assert difference(pixels(prompt, seed=3), pixels(prompt, negative=word, seed=3)) > 0.004


@pytest.mark.parametrize("feature", [*GROUNDS, "cliff", "space", "moon", "aurora", "storm", "rain", "fog", "snow"])
def test_places_and_weathers_are_visible(feature: str) -> None:
    word = next(word for word, meaning in WORDS.items() if meaning == feature)
    assert read(word, "", 1).has(feature)
    plain = pixels("a hill at night") if feature != "hill" else pixels("a desert at night")
    assert difference(pixels(f"a hill at night, {word}" if feature != "hill" else "a hill at night"), plain) > 0.004


def test_each_hour_has_its_own_light() -> None:
    light = {hour: float(pixels(f"a lake, {hour}").mean()) for hour in HOURS}
    assert light["night"] < light["dusk"] < light["sunset"] < light["day"]
    red, _, blue = pixels("a lake, sunset").mean(axis=(0, 1))
    assert red > blue
    red, _, blue = pixels("a lake, day").mean(axis=(0, 1))
    assert blue > red


def test_a_colour_tints_its_thing_or_else_the_whole_picture() -> None:
    assert read("a red sky over hills", "", 1).tint is not None
    boat = read("a red boat", "", 1)
    assert boat.tint is None
    assert set(boat.colours) == {"boat"}
    plain, green = pixels("hills by day", seed=2), pixels("green hills by day", seed=2)
    assert green[..., 1].mean() - green[..., 0].mean() > plain[..., 1].mean() - plain[..., 0].mean()


def test_implied_things_can_be_excluded_too() -> None:
    assert read("a lighthouse", "", 1).has("sea")
    assert not read("a lighthouse", "the sea", 1).has("sea")


def test_plurals_are_understood_too() -> None:
    assert read("foxes and cliffs, daisies", "", 1).has("fox")
    assert read("daisies", "", 1).has("flower")
    assert read("lighthouses", "", 1).has("cliff", "sea")


@given(st.text(), st.text(), st.integers(min_value=0, max_value=4_294_967_294))
def test_any_text_gives_a_brief(prompt: str, negative: str, seed: int) -> None:
    brief = read(prompt, negative, seed)
    assert brief.hour in (*HOURS, "storm", "fog")
    assert brief == read(prompt, negative, seed)


@pytest.mark.parametrize("prompt", ["", "   ", "\0", "🐈" * 500, "cat " * 500, " ".join(WORDS)])
def test_odd_prompts_give_pictures(prompt: str) -> None:
    assert pixels(prompt).std() > 0.02
