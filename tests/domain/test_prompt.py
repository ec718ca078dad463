"""The prompt's syntax: the meaning of unusual texts, the position of faults, and lossless printing."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.options import PROMPT_LIMIT
from bot.domain.prompt.choices import (
    EMPTY_CHOICE,
    NESTED_BRACES,
    ONE_CHOICE,
    TOO_MANY_PROMPTS,
    UNCLOSED_BRACE,
    UNOPENED_BRACE,
    expand,
)
from bot.domain.prompt.parser import (
    ADDED_AT_MOST,
    ADDED_TOO_LONG,
    EMPTY_PART,
    EMPTY_PROMPT,
    FLAG_REPEATED,
    FLAG_TWICE,
    GLUED_FLAG,
    MISSPELT_FLAG,
    NO_VALUE,
    NOT_A_WEIGHT,
    NOT_PLAIN_WORDS,
    NOTHING_TO_SHOW,
    PROMPT_TOO_LONG,
    SEED_FOR_ANY,
    TEXT_AFTER_FLAGS,
    UNKNOWN_FLAG,
    WEIGHT_AFTER_FLAGS,
    WEIGHT_RANGE,
    WRONG_ENDING,
    WRONG_VALUE,
    ParsedPrompt,
    parse,
    plain_words,
)
from bot.domain.prompt.tokens import FLAG_APART, MORE_FAULTS, STRAY_BRACE, PromptError
from bot.domain.sizes import Ratio
from bot.errors import UserError
from bot.providers.operations import Size
from bot.text import Message, Text
from tests.doubles.texts import codes

Parts = list[tuple[str, float]]


def says(error: PromptError, position: int, wanted: Message | Text) -> bool:
    """Whether this fault is found at this position; a Message matches any values."""
    found = [fault.problem for fault in error.faults if fault.position == position]
    return wanted in (found if isinstance(wanted, Text) else [problem.message for problem in found])


def parts_of(prompt: ParsedPrompt) -> Parts:
    return [(part.text, part.weight) for part in prompt.parts]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a cat", [("a cat", 1)]),
        ("  a \n\t cat\r\n", [("a cat", 1)]),
        ("a\u3000cat\u00a0here", [("a cat here", 1)]),
        ("hot::2 dog::-0.5", [("hot", 2), ("dog", -0.5)]),
        ("hot::2 dog", [("hot", 2), ("dog", 1)]),
        ("hot:: dog", [("hot", 1), ("dog", 1)]),
        ("hot::dog", [("hot", 1), ("dog", 1)]),
        ("hot dog::", [("hot dog", 1)]),
        ("hot ::2 dog", [("hot", 2), ("dog", 1)]),
        ("hot:: 2 dogs", [("hot", 1), ("2 dogs", 1)]),
        ("hot::.5 dog::+1. cat::0", [("hot", 0.5), ("dog", 1), ("cat", 0)]),
        ("hot::-0 dog", [("hot", 0), ("dog", 1)]),
        ("hot::−2 dog::–0.5 cat", [("hot", -2), ("dog", -0.5), ("cat", 1)]),
        ("hot::2, dog::3, cat", [("hot", 2), ("dog", 3), ("cat", 1)]),
        ("hot::10 dog::-10", [("hot", 10), ("dog", -10)]),
        ("猫::2 二匹", [("猫", 2), ("二匹", 1)]),
        ("ratio 3:2", [("ratio 3:2", 1)]),
        ("hot:::dog", [("hot", 1), (":dog", 1)]),
        (r"std\::vector", [("std::vector", 1)]),
        (r"a\\::2 b", [("a\\", 2), ("b", 1)]),
        (r"\{red\, blue\} car", [("{red, blue} car", 1)]),
        (r"a \--no b", [("a --no b", 1)]),
        (r"a \—no b", [("a —no b", 1)]),
        (r"C:\new\dir \n", [(r"C:\new\dir \n", 1)]),
        ("trailing \\", [("trailing \\", 1)]),
        ("well--known -- or -not - ---really --5", [("well--known -- or -not - ---really --5", 1)]),
        ("a——b ——hello －hello ーー 1", [("a——b ——hello －hello ーー 1", 1)]),
        (r"a \-ar 1:1", [("a -ar 1:1", 1)]),
        (r"a \——ar 1:1", [("a ——ar 1:1", 1)]),
        (r"a \- -- ar", [("a - -- ar", 1)]),
        ("a house — no people", [("a house — no people", 1)]),
        ("a fox - it sleeps", [("a fox - it sleeps", 1)]),
        ("a \u3164 cat \u2800", [("a cat", 1)]),
        ("a 🪿 goose \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
        ("a house —hello — there", [("a house —hello — there", 1)]),
        ("hot::—no", [("hot", 1), ("—no", 1)]),
        ("a\0b\x1b[31m \ud800 c\u202e", [("a b [31m c", 1)]),
        ("family 👨\u200d👩\u200d👧", [("family 👨\u200d👩\u200d👧", 1)]),
        ("x" * PROMPT_LIMIT, [("x" * PROMPT_LIMIT, 1)]),
    ],
)
def test_parts(text: str, parts: Parts | None) -> None:
    prompt = parse(text)
    assert parts_of(prompt) == ([(text, 1)] if parts is None else parts)
    assert prompt.options == {}
    assert parse(prompt.text()) == prompt


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a --no text, frames", {"negative": "text, frames"}),
        ("a --negative text", {"negative": "text"}),
        (r"a --no \--ar\, std\::x", {"negative": "--ar, std::x"}),
        ("a --ar 16:9", {"size": Ratio(16, 9)}),
        ("a --aspect 16:9", {"size": Ratio(16, 9)}),
        ("a --size 1024x768", {"size": Size(1024, 768)}),
        ("a --size 1024×768", {"size": Size(1024, 768)}),
        ("a --images 2 --steps 45", {"images": 2, "steps": 45}),
        ("a --style neon-punk --seed 7", {"style": "neon-punk", "seed": 7}),
        ("a --seed=7 --style=anime", {"seed": 7, "style": "anime"}),
        ("a --style =x", {"style": "=x"}),
        ("a --SEED 007", {"seed": 7}),
        ("a --engine aithriving/core", {"engine": "aithriving/core"}),
        ("a --guidance 7.5 --sampler K_EULER", {"guidance": 7.5, "sampler": "K_EULER"}),
        ("a --guidance 7", {"guidance": 7.0}),
        ("a —seed 7 –ar 2:3 ―no b", {"seed": 7, "size": Ratio(2, 3), "negative": "b"}),
        ("a --no b --steps 20", {"negative": "b", "steps": 20}),
        ("a ——ar 16:9", {"size": Ratio(16, 9)}),
        ("a －－ar 16:9 −−seed 7", {"size": Ratio(16, 9), "seed": 7}),
        ("a ‐ar 16:9 ‑‑steps 7 ―――no b", {"size": Ratio(16, 9), "steps": 7, "negative": "b"}),
        ("a -ar 16:9 ---images 2", {"size": Ratio(16, 9), "images": 2}),
        ("a －－ａｒ １６：９ －－ｓｅｅｄ＝７", {"size": Ratio(16, 9), "seed": 7}),
        ("a ーーsize 1024ｘ768", {"size": Size(1024, 768)}),
        ("a - --seed 7", None),
        ("a\n--seed\n7", {"seed": 7}),
        ("a --seed 999999999999", {"seed": 999_999_999_999}),
    ],
)
def test_flags(text: str, options: dict[str, Any] | None) -> None:
    prompt = parse(text)
    assert parts_of(prompt) == [("a" if options else "a -", 1)]
    assert prompt.options == (options or {"seed": 7})
    assert parse(prompt.text()) == prompt


@pytest.mark.parametrize(
    ("text", "position", "wanted"),
    [
        ("", 0, EMPTY_PROMPT),
        (" \n\0", 0, EMPTY_PROMPT),
        ("--ar 16:9", 0, EMPTY_PROMPT),
        ("::2 a", 0, EMPTY_PART),
        ("a::2 ::3 b", 5, EMPTY_PART),
        ("a::::b", 3, EMPTY_PART),
        ("a::2nd", 3, NOT_A_WEIGHT),
        ("a::0,5 b", 3, NOT_A_WEIGHT),
        ("a::- b", 3, NOT_A_WEIGHT),
        ("a::1e3 b", 3, NOT_A_WEIGHT),
        ("a::1.2.3 b", 3, NOT_A_WEIGHT),
        ("a::２ b", 3, NOT_A_WEIGHT),
        ("a::--no b", 3, NOT_A_WEIGHT),
        ("a::9999999 b", 3, NOT_A_WEIGHT),
        ("a::10.1", 3, WEIGHT_RANGE),
        ("a::-11 b", 3, WEIGHT_RANGE),
        ("a::0", 1, NOTHING_TO_SHOW),
        ("a::-1 b::-2", 1, NOTHING_TO_SHOW),
        ("a --sed 7", 2, MISSPELT_FLAG(flag="sed", near="seed")),
        ("a --neagtive b", 2, MISSPELT_FLAG(flag="neagtive", near="negative")),
        ("a --zzz", 2, UNKNOWN_FLAG),
        ("a --" + "z" * 200, 2, UNKNOWN_FLAG),
        ("a --seed", 2, NO_VALUE),
        ("a --seed --ar 16:9", 2, NO_VALUE),
        ("a --no", 2, NO_VALUE),
        ("a --seed 7 --seed 8", 11, FLAG_REPEATED),
        ("a --seed 7 —seed 8", 11, FLAG_REPEATED),
        ("a --no b --negative c", 9, FLAG_TWICE(flag="negative", first="no")),
        ("a --ar 1:1 --size 8x8", 11, FLAG_TWICE(flag="size", first="ar")),
        ("a --seed seven", 9, WRONG_VALUE),
        ("a --seed -7", 9, SEED_FOR_ANY),
        ("a --seed -1", 9, SEED_FOR_ANY),
        ("a --seed random", 9, SEED_FOR_ANY),
        ("a --ar 16:9,", 7, WRONG_ENDING),
        ("a --steps 20; --seed 7.", 10, WRONG_ENDING),
        ("a - -ar 9:16", 2, FLAG_APART),
        ("a -- ar 9:16", 2, FLAG_APART),
        ("a — ar 9:16", 2, FLAG_APART),
        ("a -- no people", 2, FLAG_APART),
        ("a --ar16:9", 2, GLUED_FLAG),
        ("a ——seed7", 2, GLUED_FLAG),
        ("\u3164", 0, EMPTY_PROMPT),
        ("\u115f \u2800 \u200d \ufe0f \U000e0067", 0, EMPTY_PROMPT),
        ("\u3164::2 a", 1, EMPTY_PART),
        ("a --no \u3164", 2, NO_VALUE),
        ("a --seed 1_0", 9, WRONG_VALUE),
        ("a --seed ٣", 9, WRONG_VALUE),
        ("a --seed 1234567890123", 9, WRONG_VALUE),
        ("a --images 2.5", 11, WRONG_VALUE),
        ("a --ar 16", 7, WRONG_VALUE),
        ("a --ar 0:9", 7, WRONG_VALUE),
        ("a --ar 16:-9", 7, WRONG_VALUE),
        ("a --ar 16:99999", 7, WRONG_VALUE),
        ("a --size 1024", 9, WRONG_VALUE),
        ("a --guidance nan", 13, WRONG_VALUE),
        ("a --style neon punk", 15, TEXT_AFTER_FLAGS),
        ("--ar 16:9 a", 10, TEXT_AFTER_FLAGS),
        ("a --seed 7::2", 10, WEIGHT_AFTER_FLAGS),
        ("a --no b::2", 8, WEIGHT_AFTER_FLAGS),
        ("a {b", 2, STRAY_BRACE),
        ("a b}", 3, STRAY_BRACE),
        ("x" * (PROMPT_LIMIT + 1), PROMPT_LIMIT, PROMPT_TOO_LONG),
    ],
)
def test_faults(text: str, position: int, wanted: Message | Text) -> None:
    with pytest.raises(PromptError) as caught:
        parse(text)
    assert says(caught.value, position, wanted)


def test_all_faults_of_the_braces_are_reported() -> None:
    with pytest.raises(PromptError) as caught:
        expand("a } {red|blue} {x, , y} {b")
    assert [fault.position for fault in caught.value.faults] == [2, 4, 19, 24]


def test_an_error_lists_all_faults_from_left_to_right_with_their_positions() -> None:
    text = "a::2x fox in the deep snow of a long winter --sed 7 --images many --style"
    with pytest.raises(PromptError) as caught:
        parse(text)
    error = caught.value
    assert [fault.position for fault in error.faults] == [
        3,
        text.index("--sed"),
        text.index("many"),
        text.index("--style"),
    ]
    assert error.position == 3
    assert error.excerpt.startswith("a::👉2x fox")
    assert error.excerpt.endswith("…")
    assert len(error.problems) == 4
    assert all("👉" in str(problem) for problem in error.problems)
    assert "…" in str(error.problems[2]).partition("👉")[0]


def test_many_faults_are_counted_instead_of_listed() -> None:
    with pytest.raises(PromptError) as caught:
        parse("a " + "--b " * 400)
    assert len(caught.value.faults) == 400
    assert len(caught.value.problems) == 6
    assert caught.value.problems[-1] == MORE_FAULTS(count=395)


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a car", ["a car"]),
        ("{red, blue} car", ["red car", "blue car"]),
        ("{ red ,blue}{1,2}", ["red1", "red2", "blue1", "blue2"]),
        ("a --seed {1, 2}", ["a --seed 1", "a --seed 2"]),
        ("a {--ar 1:1, --ar 2:1}", ["a --ar 1:1", "a --ar 2:1"]),
        ("{fire::2, ice::3} ball", ["fire::2 ball", "ice::3 ball"]),
        (r"{red\, pale, blue} \{car\}", [r"red\, pale \{car\}", r"blue \{car\}"]),
        (r"{a\\, b}", [r"a\\", "b"]),
        ("{red, red}", ["red", "red"]),
        ("{1,2,3,4,5,6,7,8,9,10}", [str(number) for number in range(1, 11)]),
        ("", [""]),
    ],
)
def test_choices_are_expanded(text: str, texts: list[str]) -> None:
    assert list(expand(text)) == texts


@pytest.mark.parametrize(
    ("text", "position", "wanted"),
    [
        ("a {b", 2, UNCLOSED_BRACE),
        ("a } b", 2, UNOPENED_BRACE),
        ("{a, {b, c}}", 4, NESTED_BRACES),
        ("a {red|blue} car", 2, ONE_CHOICE(choices="red, blue")),
        ("a {red;blue/green} car", 2, ONE_CHOICE(choices="red, blue, green")),
        ("a {红，蓝} car", 2, ONE_CHOICE(choices="红, 蓝")),
        ("{red} car", 0, ONE_CHOICE),
        ("{red, \u3164}", 7, EMPTY_CHOICE),
        ("{}", 1, EMPTY_CHOICE),
        ("{a,, b}", 3, EMPTY_CHOICE),
        ("{a, b, }", 7, EMPTY_CHOICE),
        ("{, b}", 1, EMPTY_CHOICE),
        (r"\{ {1,2,3,4,5,6,7,8,9,10,11}", 3, TOO_MANY_PROMPTS(prompts=11, most=10)),
        ("a {1,2,3,4} {1,2,3}", 2, TOO_MANY_PROMPTS(prompts=12, most=10)),
        ("{a,b}" * 400, 0, TOO_MANY_PROMPTS),
    ],
)
def test_invalid_choices_are_refused(text: str, position: int, wanted: Message | Text) -> None:
    with pytest.raises(PromptError) as caught:
        expand(text)
    assert caught.value.position == position
    assert says(caught.value, position, wanted)


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a fox", [("a fox, in oil", 1)]),
        ("a fox,", [("a fox, in oil", 1)]),
        ("a fox --ar 16:9 --no frames, text", [("a fox, in oil", 1)]),
        (r"a fox \--ar", [("a fox --ar, in oil", 1)]),
        ("a fox::2 snow::0.5", [("a fox", 2), ("snow", 0.5), ("in oil", 1)]),
        ("a fox::2 snow --steps 20", [("a fox", 2), ("snow, in oil", 1)]),
        ("a fox, In Oil", [("a fox, In Oil", 1)]),
    ],
)
def test_added_words_go_to_the_text_and_not_to_the_flags(prompt: str, parts: Parts) -> None:
    longer = parse(prompt).with_words("in oil")
    assert parts_of(longer) == parts
    assert longer.options == parse(prompt).options


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a --no b", NOT_PLAIN_WORDS),
        ("a::2 b", NOT_PLAIN_WORDS),
        ("a::0.5", NOT_PLAIN_WORDS),
        ("{a, b}", NOT_PLAIN_WORDS),
        ("x" * (ADDED_AT_MOST + 1), ADDED_TOO_LONG),
        ("  ", EMPTY_PROMPT),
    ],
)
def test_added_words_must_be_plain(text: str, wanted: Message) -> None:
    with pytest.raises(UserError) as caught:
        plain_words(text)
    assert codes(caught.value) == [wanted.code]


def test_a_backslash_makes_anything_plain_words() -> None:
    assert plain_words(r"  drawn by \--hand   \{quickly\}") == "drawn by --hand {quickly}"
