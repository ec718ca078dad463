"""Properties of every prompt: a printed prompt parses to the same result, and the work is linear in its length."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.characters import clean, visible
from bot.domain.options import FLAGS, OPTIONS
from bot.domain.prompt.choices import expand
from bot.domain.prompt.parser import ParsedPrompt, parse, parse_leniently
from bot.domain.prompt.tokens import PromptError
from bot.domain.sizes import Ratio
from bot.providers.base import WeightedText
from bot.providers.loras import DIVIDERS, Lora, Loras
from bot.providers.operations import Size

SYNTAX = ["::", "--", "—", "–", "{", "}", ",", "\\", ":", "-", "=", " ", "\n", "\0", "2", "0.5", "-1", "a", "猫"]
pieces = st.sampled_from([*SYNTAX, *(f" --{name} " for name in FLAGS), " --sed ", "16:9", "1024x1024", "٣"])
syntax = st.lists(pieces, max_size=40).map("".join)
any_text = st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Cc", "Zs", "Nd", "Ll"])), syntax)
letters = st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]).filter(
    lambda letter: clean(letter) == letter and visible(letter)
)
words = st.one_of(
    st.text(letters, min_size=1, max_size=12),
    st.lists(st.sampled_from([piece for piece in SYNTAX if clean(piece).strip()]), min_size=1, max_size=5).map("".join),
    st.sampled_from([f"{dash}{name}" for dash in ("--", "—", "–") for name in ("no", "seed", "xyz")]),
)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)
weights = st.decimals(-10, 10, places=4).map(float)
numbers = st.integers(0, 10**12 - 1)
names = words.filter(lambda word: not (DIVIDERS | set("，、：")) & set(word))
hundredths = st.integers(-200, 200).map(lambda number: number / 100)
HOSTILE = (
    *(
        "a",
        " ",
        "::",
        ":",
        "-",
        "--",
        "--a",
        "--a ",
        "—",
        "—no",
        "—no ",
        "\\",
        "\\\\",
        "{",
        "}",
        "{a",
        "{a,",
        "{a}",
        ",",
    ),
    *("a::1 ", "1", "::1", "::-", "=", "--seed ", "--seed=", ",--seed", ",--seed=1", ",--seed {", "--no a ", "\0"),
)


lora_lists = st.lists(
    st.builds(Lora, names, hundredths), min_size=1, max_size=4, unique_by=lambda lora: lora.name.casefold()
).map(lambda found: Loras(tuple(found)))


@st.composite
def prompts(draw: st.DrawFn) -> ParsedPrompt:
    parts = draw(st.lists(st.builds(WeightedText, texts, weights.map(lambda weight: weight + 0.0)), max_size=4))
    parts.insert(draw(st.integers(0, len(parts))), WeightedText(draw(texts), draw(st.sampled_from([1.0, 2.0, 0.25]))))
    some_values = {
        "negative": texts,
        "size": st.builds(Size, st.integers(0, 99999), st.integers(0, 99999))
        | st.builds(Ratio, st.integers(1, 9999), st.integers(1, 9999)),
        "images": numbers,
        "steps": numbers,
        "style": words,
        "seed": numbers,
        "engine": words,
        "guidance": st.decimals(-999_999, 999_999, places=4).map(lambda number: float(number) + 0.0),
        "sampler": words,
        "scheduler": words,
        "lora": lora_lists,
        "high_res": st.decimals(0, 9, places=3).map(lambda number: float(number) + 0.0),
        "strength": numbers,
    }
    assert some_values.keys() == OPTIONS.keys()
    drawn = {name: draw(st.none() | strategy) for name, strategy in some_values.items()}
    return ParsedPrompt(tuple(parts), {name: value for name, value in drawn.items() if value is not None})


@pytest.mark.slow
@given(prompts())
@example(ParsedPrompt((WeightedText("a:", 2.0), WeightedText(":b\\", 0.5), WeightedText("--no"))))
def test_a_printed_prompt_parses_to_the_same_result(prompt: ParsedPrompt) -> None:
    assert parse(prompt.text()) == prompt
    assert expand(prompt.text()) == (prompt.text(),)


def read(text: str) -> list[ParsedPrompt] | PromptError:
    try:
        return [parse(one) for one in expand(text)]
    except PromptError as error:
        return error


@given(any_text)
@example("a\\")
@example("::")
@example("{")
@example("{,")
def test_any_text_is_a_prompt_or_an_error_with_a_position(text: str) -> None:
    found = read(text)
    if isinstance(found, PromptError):
        assert 0 <= found.position <= len(text)
        assert "👉" in found.excerpt
        assert all(clean(str(problem)) == str(problem) for problem in found.problems)
        return
    assert found
    for prompt in found:
        assert all(visible(part.text) and part.text == " ".join(clean(part.text).split()) for part in prompt.parts)
        assert any(part.weight > 0 for part in prompt.parts)
        assert parse(prompt.text()) == prompt


@given(prompts(), words)
def test_added_words_change_nothing_else(prompt: ParsedPrompt, added: str) -> None:
    longer = prompt.with_words(added)
    assert longer.options == prompt.options
    assert longer.parts[-1].text.casefold().endswith(added.casefold())
    assert [part.weight for part in longer.parts][: len(prompt.parts)] == [part.weight for part in prompt.parts]
    assert longer.with_words(added) == longer
    assert parse(longer.text()) == longer


def lines_run(work: Callable[[str], object], text: str) -> int:
    """The number of Python lines that the work executes: the same on a slow machine as on a fast one."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    parse_leniently.cache_clear()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(text)
    except PromptError:
        pass  # refusing must be as fast as parsing
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("work", [read, parse], ids=["read", "parse"])
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_is_linear_in_the_text(piece: str, work: Callable[[str], object]) -> None:
    short, long = (lines_run(work, (piece * length)[:length]) for length in (1000, 2000))
    assert long <= 2.2 * short + 100
    assert long < 100_000
