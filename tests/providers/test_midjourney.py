"""Midjourney's prompt: the ratio, the flags that people may write, and those that are taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.ai_client_versions import MIDJOURNEY, midjourney_version
from bot.providers.base import WeightedText
from bot.providers.errors import Reason, Refused
from bot.providers.midjourney import RATIOS, prompt_of, ratio_of, read_words
from bot.providers.operations import Size
from fakes.services.entry_form import VERSIONS
from tests.providers.workbench import MIDJOURNEY_ENGINE, asked


def prompt(words: str, **changes: object) -> str:
    return prompt_of(asked(MIDJOURNEY_ENGINE, prompts=(WeightedText(words),), **changes))


def test_the_ratio_follows_from_the_size() -> None:
    assert prompt("a red fox", size=Size(1456, 816)) == "a red fox --ar 16:9"
    assert prompt("a red fox") == "a red fox --ar 1:1"


@pytest.mark.parametrize("size", RATIOS)
def test_every_offered_size_has_about_the_shape_of_its_ratio(size: Size) -> None:
    width, _, height = ratio_of(size).partition(":")
    assert size.width / size.height == pytest.approx(int(width) / int(height), rel=0.01)


def test_any_other_size_has_its_own_ratio() -> None:
    assert ratio_of(Size(1152, 896)) == "9:7"


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("a fox --v 5", "a fox --ar 1:1 --v 5"),
        ("a fox --v 5.2 --style raw", "a fox --ar 1:1 --v 5.2 --style raw"),
        ("a fox --V=6", "a fox --ar 1:1 --v 6"),
        ("a fox —v 5", "a fox --ar 1:1 --v 5"),
        ("a fox --tile", "a fox --ar 1:1 --tile"),
        ("a fox --v 5 --version 6 --niji 5", "a fox --ar 1:1 --niji 5"),
        ("--s 250 a fox", "a fox --ar 1:1 --s 250"),
    ],
)
def test_some_flags_may_be_written_into_the_words(words: str, sent: str) -> None:
    assert prompt(words) == sent


@pytest.mark.parametrize(
    "words",
    [
        "a fox --ar 16:9",
        "a fox —ar 16:9",
        "a fox --aspect=16:9",
        "--ar 16:9 a fox",
        "a fox --repeat 10",
        "a fox --r 10",
        "a fox --q 2",
        "a fox --turbo",
        "a fox --fast --hd --video",
        "a fox --seed 12345",
        "a fox --sref https://x.example/1.png",
        "a fox --v",
        "a fox --v=six",
        "a fox --unknown",
    ],
)
def test_all_other_flags_are_taken_out(words: str) -> None:
    assert prompt(words) == "a fox --ar 1:1"


def test_a_flag_without_a_valid_value_does_not_take_the_next_word() -> None:
    assert prompt("a --v sports car --fast lane") == "a sports car lane --ar 1:1"


def test_dashes_in_prose_are_no_flags() -> None:
    assert prompt("a fox — asleep -- in well-worn —quiet— snow") == (
        "a fox — asleep – in well-worn —quiet— snow --ar 1:1"
    )


def test_what_to_leave_out_comes_last() -> None:
    assert prompt("a fox --v 5", negative="text, --ar 3:2 frames") == "a fox --ar 1:1 --v 5 --no text, frames"
    assert prompt("a fox --no snow, ice --v 5") == "a fox --ar 1:1 --v 5 --no snow, ice"
    assert prompt("a fox --no snow", negative="text") == "a fox --ar 1:1 --no text, snow"


def test_braces_do_not_multiply_the_images() -> None:
    assert prompt("a {red, blue} fox") == "a (red, blue) fox --ar 1:1"


@pytest.mark.parametrize("words", ["https://x.example/1.png a fox", "a <HTTPS://x.example> fox", "a fox --no http://x"])
def test_links_to_pictures_are_taken_out(words: str) -> None:
    assert prompt(words) == "a fox --ar 1:1"


@pytest.mark.parametrize(
    "words", ["https://x.example/1.png", "--ar 16:9", "--v 5 --tile", "--no snow", "--", "— –", "\ud83d"]
)
def test_a_prompt_without_words_is_refused(words: str) -> None:
    with pytest.raises(Refused) as caught:
        prompt(words)
    assert caught.value.reason is Reason.NO_WORDS


tokens = st.sampled_from(
    "a fox --v 5 --ar 16:9 --no --tile --repeat 10 — -- --x=y ——q —r {a} --s=250 --niji".split()
) | st.text(max_size=6)


@given(st.lists(tokens, max_size=12).map(" ".join))
def test_whatever_is_typed_midjourney_takes_it_and_makes_one_grid_in_the_chosen_shape(words: str) -> None:
    try:
        sent = prompt(f"fox {words}", size=Size(1456, 816))
    except Refused:
        pytest.fail("there is a word")
    assert sent.count("--ar ") == 1
    assert not {"--repeat", "--r", "--q"} & set(sent.split())
    order, errors = VERSIONS[MIDJOURNEY].read({"type": "request", "command": "imagine", "prompt": sent})
    assert errors == {}
    assert order is not None
    assert (order.error, order.width, order.height) == (None, 1456, 816)


def test_reading_twice_changes_nothing() -> None:
    once = read_words("a fox --v 5 -- asleep —ar 3:2 --no snow")
    assert read_words(once.text).text == once.text


def test_a_request_has_the_price_of_four_images() -> None:
    version = midjourney_version()
    (engine,) = version.engines
    assert (engine.batch, engine.images_per_submission) == (4, 4)
    assert version.quote(4).hold == 10_000
    assert engine.price is not None
    assert not engine.price.exact
