"""The prompt's syntax: what each odd text means or which place of it is wrong, and that nothing is lost in printing."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from bot.domain.characters import clean, visible
from bot.domain.prompt.parser import (
    FLAGS,
    PROMPT_LIMIT,
    ParsedPrompt,
    PromptError,
    PromptOptions,
    expand,
    number_text,
    parse,
    reseed,
)
from bot.domain.sizes import Ratio
from bot.providers.base import Size

Parts = list[tuple[str, float]]


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
    assert prompt.options == PromptOptions()
    assert parse(prompt.text()) == prompt


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a --no text, frames", PromptOptions(negative="text, frames")),
        ("a --negative text", PromptOptions(negative="text")),
        (r"a --no \--ar\, std\::x", PromptOptions(negative="--ar, std::x")),
        ("a --ar 16:9", PromptOptions(ratio=Ratio(16, 9))),
        ("a --aspect 16:9", PromptOptions(ratio=Ratio(16, 9))),
        ("a --size 1024x768", PromptOptions(size=Size(1024, 768))),
        ("a --size 1024×768", PromptOptions(size=Size(1024, 768))),
        ("a --images 2 --steps 45", PromptOptions(images=2, steps=45)),
        ("a --style neon-punk --seed 7", PromptOptions(style="neon-punk", seed=7)),
        ("a --seed=7 --style=anime", PromptOptions(seed=7, style="anime")),
        ("a --style =x", PromptOptions(style="=x")),
        ("a --SEED 007", PromptOptions(seed=7)),
        ("a --engine aithriving/core", PromptOptions(engine="aithriving/core")),
        ("a --guidance 7.5 --sampler K_EULER", PromptOptions(guidance=7.5, sampler="K_EULER")),
        ("a --guidance 7", PromptOptions(guidance=7.0)),
        ("a —seed 7 –ar 2:3 ―no b", PromptOptions(seed=7, ratio=Ratio(2, 3), negative="b")),
        ("a --no b --steps 20", PromptOptions(negative="b", steps=20)),
        ("a ——ar 16:9", PromptOptions(ratio=Ratio(16, 9))),
        ("a －－ar 16:9 −−seed 7", PromptOptions(ratio=Ratio(16, 9), seed=7)),
        ("a ‐ar 16:9 ‑‑steps 7 ―――no b", PromptOptions(ratio=Ratio(16, 9), steps=7, negative="b")),
        ("a -ar 16:9 ---images 2", PromptOptions(ratio=Ratio(16, 9), images=2)),
        ("a －－ａｒ １６：９ －－ｓｅｅｄ＝７", PromptOptions(ratio=Ratio(16, 9), seed=7)),
        ("a ーーsize 1024ｘ768", PromptOptions(size=Size(1024, 768))),
        ("a - --seed 7", None),
        ("a\n--seed\n7", PromptOptions(seed=7)),
        ("a --seed 999999999999", PromptOptions(seed=999_999_999_999)),
    ],
)
def test_flags(text: str, options: PromptOptions | None) -> None:
    prompt = parse(text)
    assert parts_of(prompt) == [("a" if options else "a -", 1)]
    assert prompt.options == (options or PromptOptions(seed=7))
    assert parse(prompt.text()) == prompt


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "empty"),
        (" \n\0", 0, "empty"),
        ("--ar 16:9", 0, "empty"),
        ("::2 a", 0, "no text"),
        ("a::2 ::3 b", 5, "no text"),
        ("a::::b", 3, "no text"),
        ("a::2nd", 3, "2nd"),
        ("a::0,5 b", 3, "0,5"),
        ("a::- b", 3, "weight"),
        ("a::1e3 b", 3, "weight"),
        ("a::1.2.3 b", 3, "weight"),
        ("a::２ b", 3, "weight"),
        ("a::--no b", 3, "weight"),
        ("a::9999999 b", 3, "weight"),
        ("a::10.1", 3, "-10 to 10"),
        ("a::-11 b", 3, "-10 to 10"),
        ("a::0", 1, "above 0"),
        ("a::-1 b::-2", 1, "above 0"),
        ("a --sed 7", 2, "--seed"),
        ("a --neagtive b", 2, "--negative"),
        ("a --zzz", 2, "--seed"),
        ("a --" + "z" * 200, 2, "zzz…"),
        ("a --seed", 2, "needs"),
        ("a --seed --ar 16:9", 2, "needs"),
        ("a --no", 2, "leave out"),
        ("a --seed 7 --seed 8", 11, "twice"),
        ("a --seed 7 —seed 8", 11, "twice"),
        ("a --no b --negative c", 9, "twice"),
        ("a --ar 1:1 --size 8x8", 11, "size"),
        ("a --seed seven", 9, "whole number"),
        ("a --seed -7", 9, "whole number"),
        ("a --seed -1", 9, "Leave it out"),
        ("a --seed random", 9, "Leave it out"),
        ("a --ar 16:9,", 7, "Leave out the “,”"),
        ("a --steps 20; --seed 7.", 10, "Leave out the “;”"),
        ("a - -ar 9:16", 2, "write --ar"),
        ("a -- ar 9:16", 2, "write --ar"),
        ("a — ar 9:16", 2, "write --ar"),
        ("a -- no people", 2, "write --no"),
        ("a --ar16:9", 2, "write --ar 16:9"),
        ("a ——seed7", 2, "write --seed 7"),
        ("\u3164", 0, "empty"),
        ("\u115f \u2800 \u200d \ufe0f \U000e0067", 0, "empty"),
        ("\u3164::2 a", 1, "no text"),
        ("a --no \u3164", 2, "needs"),
        ("a --seed 1_0", 9, "whole number"),
        ("a --seed ٣", 9, "whole number"),
        ("a --seed 1234567890123", 9, "12"),
        ("a --images 2.5", 11, "whole number"),
        ("a --ar 16", 7, "16:9"),
        ("a --ar 0:9", 7, "16:9"),
        ("a --ar 16:-9", 7, "16:9"),
        ("a --ar 16:99999", 7, "16:9"),
        ("a --size 1024", 9, "1024x1024"),
        ("a --guidance nan", 13, "number"),
        ("a --style neon punk", 15, "Flags come last"),
        ("--ar 16:9 a", 10, "Flags come last"),
        ("a --seed 7::2", 10, "weight"),
        ("a --no b::2", 8, "weight"),
        ("a {b", 2, r"\{"),
        ("a b}", 3, r"\}"),
        ("x" * (PROMPT_LIMIT + 1), PROMPT_LIMIT, "2,001"),
    ],
)
def test_faults(text: str, position: int, says: str) -> None:
    with pytest.raises(PromptError) as caught:
        parse(text)
    assert position in [fault.position for fault in caught.value.faults]
    assert says in str(caught.value)
    assert all(caught.value.problems)


def test_all_that_is_wrong_with_the_braces_is_named() -> None:
    with pytest.raises(PromptError) as caught:
        expand("a } {red|blue} {x, , y} {b")
    assert [fault.position for fault in caught.value.faults] == [2, 4, 19, 24]


def test_an_error_names_all_faults_from_left_to_right_and_shows_their_places() -> None:
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


def test_many_faults_are_counted_instead_of_told() -> None:
    with pytest.raises(PromptError) as caught:
        parse("a " + "--b " * 400)
    assert len(caught.value.faults) == 400
    assert len(caught.value.problems) == 6
    assert "395" in str(caught.value.problems[-1])


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
def test_choices_are_written_out(text: str, texts: list[str]) -> None:
    assert list(expand(text)) == texts


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("a {b", 2, "never closed"),
        ("a } b", 2, "closes nothing"),
        ("{a, {b, c}}", 4, "inside"),
        ("a {red|blue} car", 2, "{red, blue}"),
        ("a {red;blue/green} car", 2, "{red, blue, green}"),
        ("a {红，蓝} car", 2, "{红, 蓝}"),
        ("{red} car", 0, "one choice"),
        ("{red, \u3164}", 7, "empty"),
        ("{}", 1, "empty"),
        ("{a,, b}", 3, "empty"),
        ("{a, b, }", 7, "empty"),
        ("{, b}", 1, "empty"),
        (r"\{ {1,2,3,4,5,6,7,8,9,10,11}", 3, "11"),
        ("a {1,2,3,4} {1,2,3}", 2, "12"),
        ("{a,b}" * 400, 0, "million"),
    ],
)
def test_choices_that_are_refused(text: str, position: int, says: str) -> None:
    with pytest.raises(PromptError) as caught:
        expand(text)
    assert caught.value.position == position
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("a car", None),
        (r"a \--seed 4", None),
        ("a well--seed 4", None),
        ("a --seedling 4", None),
        ("a --seed 4", "a --seed 70"),
        ("a --seed=4 --ar 1:1", "a --seed=70 --ar 1:1"),
        ("a —SEED 4", "a —SEED 70"),
        ("7 cats --seed 4 --images 2", "7 cats --seed 70 --images 2"),
        ("a --seed {1, 2} --steps 20", "a --seed {70, 71} --steps 20"),
        ("{a --seed 1, b --seed 2}", "{a --seed 70, b --seed 71}"),
        ("a {--seed 1,--seed 2}", "a {--seed 70,--seed 71}"),
    ],
)
def test_another_seed_takes_the_place_of_the_one_in_the_flags(text: str, again: str | None) -> None:
    assert reseed(text, 70) == again


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (-0.5, "-0.5"), (0.00001, "0.00001"), (10, "10"), (1e22, "1" + "0" * 22), (0.0, "0")],
)
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    assert number_text(value) == text


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
