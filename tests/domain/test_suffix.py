"""The text that is added to each prompt: behind the words, before the flags, whatever the prompt is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.characters import clean, visible
from bot.domain.prompt.parser import ParsedPrompt, PromptError, PromptOptions, expand, parse
from bot.domain.prompt.suffix import ADDED_AT_MOST, plain_words, with_words
from bot.domain.sizes import Ratio
from bot.errors import UserError
from bot.providers.base import WeightedText


@pytest.mark.parametrize(
    ("prompt", "becomes"),
    [
        ("a fox", "a fox, in oil"),
        ("a fox  ", "a fox, in oil"),
        ("a fox,", "a fox, in oil"),
        ("a fox --ar 16:9 --no frames, text", "a fox, in oil --ar 16:9 --no frames, text"),
        ("a fox —ar 16:9", "a fox, in oil —ar 16:9"),
        (r"a fox \--ar", r"a fox \--ar, in oil"),
        ("a fox::2 snow::0.5", "a fox::2 snow::0.5 in oil"),
        ("a fox::2 snow::0.5 --steps 20", "a fox::2 snow::0.5 in oil --steps 20"),
        ("a {red, blue} fox", "a {red, blue} fox, in oil"),
        ("a {red, blue} fox --seed {1, 2}", "a {red, blue} fox, in oil --seed {1, 2}"),
        ("a fox {--ar 16:9, --ar 1:1}", "a fox, in oil {--ar 16:9, --ar 1:1}"),
        ("{red, blue} {--ar 16:9, --ar 1:1}", "{red, blue}, in oil {--ar 16:9, --ar 1:1}"),
        ("a {fox --ar 16:9, hen}", r"a {fox\, in oil --ar 16:9, hen\, in oil}"),
        ("a fox --style {anime, line-art} --no text", "a fox, in oil --style {anime, line-art} --no text"),
        ("a fox\\", "a fox\\ in oil"),
    ],
)
def test_it_stands_behind_the_words_and_before_the_flags(prompt: str, becomes: str) -> None:
    assert with_words(prompt, "in oil") == becomes
    for before, after in zip(expand(prompt), expand(becomes), strict=True):
        old, new = parse(before), parse(after)
        assert new.options == old.options
        assert new.parts[-1].text.endswith("in oil")


# Each word can be seen: what cannot is none.
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Cf"]).filter(visible)
WORDS = st.text(LETTERS, min_size=1).map(lambda text: " ".join(clean(text).split())).filter(visible)


@given(
    st.lists(st.tuples(WORDS, st.sampled_from([1.0, 2.0, -0.5])), min_size=1, max_size=3),
    st.booleans(),
    WORDS,
)
def test_it_changes_nothing_else(parts: list[tuple[str, float]], flagged: bool, words: str) -> None:
    options = PromptOptions(negative="text, frames", ratio=Ratio(16, 9), seed=7) if flagged else PromptOptions()
    prompt = ParsedPrompt((WeightedText("a fox"), *(WeightedText(*part) for part in parts)), options)
    added = parse(with_words(prompt.text(), words))
    assert added.options == prompt.options
    everything = ", ".join(part.text for part in added.parts)
    assert everything.endswith(words)
    assert [part.weight for part in added.parts][: len(prompt.parts)] == [part.weight for part in prompt.parts]


def test_what_cannot_be_read_is_left_to_those_who_say_what_is_wrong() -> None:
    with pytest.raises(PromptError):
        with_words("a {red, fox", "in oil")


@pytest.mark.parametrize(
    "text", ["a --no b", "a::2 b", "a::0.5", "{a, b}", "--ar 16:9", "", "  ", "{", "x" * (ADDED_AT_MOST + 1)]
)
def test_it_is_plain_words(text: str) -> None:
    with pytest.raises(UserError):
        plain_words(text)


def test_a_backslash_makes_anything_plain_words() -> None:
    assert plain_words(r"  drawn by \--hand   \{quickly\}") == "drawn by --hand {quickly}"
    assert with_words("a fox", "drawn by --hand {quickly}") == r"a fox, drawn by \--hand \{quickly\}"
