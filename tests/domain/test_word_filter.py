"""Refused words are found in every spelling, with no false matches and in bounded time."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import word_filter
from bot.domain.look_alikes import compared_forms
from bot.domain.options import IMAGES_PER_JOB, PROMPT_LIMIT, ImagineOptions
from bot.domain.place import Origin
from bot.domain.requests import Plan, plan, read_command
from bot.domain.rules import PROMPT_TOO_LONG, WORD_REFUSED, WORD_RESTRICTED, Rules, texts_of
from bot.domain.word_filter import (
    LENGTH_AT_MOST,
    NO_WORDS,
    STEPS_AT_MOST,
    TOO_MANY_WORDS,
    WORD_TOO_LONG,
    WORD_TOO_SHORT,
    WORDS_AT_MOST,
    WordList,
    typed_list,
)
from bot.errors import UserError
from tests.doubles.engines import ENGINES, XL
from tests.doubles.texts import codes


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("ugly", "an UGLY fox"),
        ("ugly", "an ugly, fox"),
        ("ugly", "an u\u0301gly fox"),
        ("ugly", "an ug\u200bly fox"),
        ("ugly", "an ｕｇｌｙ fox"),
        ("straße", "die STRASSE"),
        ("red cross", "a Red   CROSS on white"),
        ("red cross", "a red-cross"),
        ("bl*d", "blood"),
        ("bl*d", "bld"),
        ("*gun*", "shotguns"),
        ("gun*", "gun"),
        ("*gun", "handgun"),
        ("a*b*a", "abba"),
        ("*裸*", "一张裸照"),
        ("裸", "一张裸照"),
        ("裸照", "一张裸 照"),
        ("裸*照", "一张裸体的照片"),
        ("AV女优", "漂亮的av女优照"),
        ("ヌード", "美しいヌード写真"),
        ("エロ", "ｴﾛ写真"),
        ("เปลือย", "ภาพหญิงเปลือยกายในห้อง"),
        ("เปลือย", "เปลื่อ\u200bยกาย"),
        ("ເປືອຍ", "ຮູບຍິງເປືອຍກາຍ"),
        ("អាក្រាត", "រូបស្រីអាក្រាតកាយ"),
        ("ဝတ်လစ်", "အမျိုးသမီးဝတ်လစ်စလစ်ပုံ"),
        ("똥", "큰 똥 그림"),
        ("🔞", "a 🔞🔞 picture"),
        ("🪿", "a🪿b"),
        ("🖕", "🖕🏿"),
        ("red 🔞", "a red 🔞"),
        ("red cross", "a red 🙂 cross"),
        ("ugly", "an uglу fox"),  # Cyrillic у
        ("ugly", "an υglγ fox"),  # Greek υ and γ
        ("ugly", "an ᴜɢʟʏ fox"),
        ("ugly", "an 🅄🅶🅻ⓨ fox"),
        ("ugly", "an 𝖚𝔤𝓵𝕪 fox"),
        ("ugly", "UG\u3164LY"),
        ("ugly", "u\ufe0fg\u034fl\U000e0067y"),
        ("ugly", "u\u20e3g\u0338ly"),
        ("ugly", "u\u0e34g\u0941ly"),
        ("uglу", "an ugly fox"),
        ("нож", "большой НОЖ"),
        ("ηλιος", "ο ΗΛΙΟΣ"),
        ("c'est", "oh c'est bon"),
    ],
)
def test_a_word_is_found(entry: str, text: str) -> None:
    assert found(WordList([entry]), text) == [entry]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("ugly", "an uglyish fox"),
        ("ugly", ""),
        ("gun*", "begun"),
        ("*gun", "guns"),
        ("red cross", "red and cross"),
        ("a*b*a", "ab"),
        ("aab*baa", "aabaa"),
        ("[a-z]", "b"),
        ("裸照", "裸体的照片"),
        ("裸*照", "裸体。" + "很" * 20 + "照片"),
        ("หี", "หาดทราย"),
        ("เปลือย", "เปล่า"),
        ("🔞", "🙂"),
        ("nude", "denude"),
        ("ab cd", "ab\ncd"[:2]),
    ],
)
def test_other_words_do_not_match(entry: str, text: str) -> None:
    assert found(WordList([entry]), text) == []


def found(entries: WordList, *texts: str) -> list[str]:
    seen = entries.found_in(texts)
    assert seen.whole
    return list(seen.entries)


def test_a_word_never_matches_across_two_texts() -> None:
    assert found(WordList(["red cross", "red*cross", "裸照"]), "a red", "cross 裸", "照") == []


letters = st.text("ab", max_size=12)


@given(st.text("ab*", min_size=1, max_size=8), letters)
def test_a_star_means_the_same_everywhere(pattern: str, word: str) -> None:
    wanted = re.fullmatch(fnmatch.translate(pattern), word) is not None and bool(pattern.strip("*"))
    assert bool(found(WordList([pattern]), word)) == wanted


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=200))
def test_any_text_can_be_checked(entries: list[str], text: str) -> None:
    assert set(WordList(entries).found_in([text]).entries) <= set(entries)


def test_a_list_is_normalised_and_validated() -> None:
    assert typed_list(" ugly ,, Red  Cross, ugly") == ("ugly", "Red Cross")
    assert typed_list("裸, *裸*、똥，🙂, 🪿🪿, เปลือย") == ("裸", "*裸*", "똥", "🙂", "🪿🪿", "เปลือย")
    assert typed_list("ugly, \u3164, \u2800") == ("ugly",)
    for wrong, problem in (
        ("*", WORD_TOO_SHORT),
        ("a", WORD_TOO_SHORT),
        ("ห", WORD_TOO_SHORT),
        ("a\u0301\u3164", WORD_TOO_SHORT),
        ("!?", WORD_TOO_SHORT),
        ("x" * 41, WORD_TOO_LONG),
        ("\u3164, \u2800", NO_WORDS),
        (" , ", NO_WORDS),
    ):
        with pytest.raises(UserError) as refused:
            typed_list(wrong)
        assert codes(refused.value) == [problem.code]
    with pytest.raises(UserError) as refused:
        typed_list(",".join(f"word{number}" for number in range(101)))
    assert refused.value.problems == (TOO_MANY_WORDS(words=101, most=WORDS_AT_MOST),)


def test_words_consist_of_letters_and_numbers() -> None:
    assert compared_forms("Don't  stop—me, 2 times!", symbols=False) == ("don t stop me 2 times",)


# --- work ---------------------------------------------------------------------------------------------------------

HERE = Origin(user_id=1, user_name="ada", server_id=10, channel_id=100, file_limit=2**20)
LINES_AT_MOST = 8 * STEPS_AT_MOST
"""Maximum of Python lines per check: some for each position of the text, and some for each step."""


def lines_run(work: Callable[[], object]) -> int:
    """The number of Python lines that the work executes: the same on a slow machine as on a fast one."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def numbered(pattern: str) -> list[str]:
    """Two lists with the maximum number of words of the maximum length."""
    return [pattern.replace("#", chr(0x61 + number % 26) + chr(0x61 + number // 26)) for number in range(200)]


def longest(text: str) -> Plan | None:
    """The longest prompt that consists of the text with the most choices."""
    choices = " {0,1,2,3,4,5,6,7,8,9}"
    prompt = (text * PROMPT_LIMIT)[: PROMPT_LIMIT - len(choices)] + choices
    made = plan(read_command(ImagineOptions(prompt)), ENGINES, XL.id)
    assert made.prompts == IMAGES_PER_JOB
    return made


HOSTILE: dict[str, tuple[Iterable[str], str]] = {
    "phrases": (numbered("a a a a a a a a a a a a a a a a a a a #"), "a "),
    "phrases that differ at once": (numbered("# a a a a a a a a a a a a a a a a a a a"), "a "),
    "stars": (numbered("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*#"), "a"),
    "words with stars": (numbered("a* a* a* a* a* a* a* a* a* a* a* a* a* #"), "aa "),
    "in the middle": (numbered("*aaaaaaaaaaaaaaaaaaa#aaaaaaaaaaaaaaaaaa*"), "a"),
    "ideographs": (numbered("裸" * 38 + "#"), "裸"),
    "ideographs with stars": (numbered("裸*" * 19 + "#"), "裸照"),
    "thai": (numbered("เป" * 19 + "#"), "เป"),
    "look-alikes": (numbered("ао" * 19 + "#"), "ао "),
    "long forms": (numbered("صلى الله عليه وسلم #"), "ﷺ"),
    "many lengths": ([("a " * 20)[:length].strip() + "b" for length in range(4, 40)] * 5, "a "),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_whole_check_is_bounded(kind: str) -> None:
    """The check must never again go through every word for every position of every text."""
    entries, text = HOSTILE[kind]
    every = [entry[:LENGTH_AT_MOST].strip() for entry in entries]
    rules = Rules(refused=tuple(every[:WORDS_AT_MOST]), restricted=tuple(every[WORDS_AT_MOST:]))
    try:
        made = longest(text)
    except UserError:
        made = None  # the prompt itself is too long for the engine
    texts = texts_of(ImagineOptions((text * PROMPT_LIMIT)[:PROMPT_LIMIT]), made)
    assert lines_run(lambda: rules.problems_of_words(HERE, texts)) < LINES_AT_MOST


def test_the_longest_prompt_with_the_most_choices_is_checked_completely() -> None:
    for text in ("a fox jumps over the dog ", "一张照片在森林里", "большой лес у реки "):
        made = longest(text)
        assert made is not None
        every = WordList([f"word {number} of the list" for number in range(2 * WORDS_AT_MOST)])
        assert found(every, *texts_of(made.options, made)) == []


@pytest.mark.parametrize("bound", ["STEPS_AT_MOST", "SIGNS_AT_MOST"])
def test_a_prompt_too_long_to_check_is_refused_with_the_reason(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_filter, bound, 20)
    rules = Rules(refused=("a fox*x b",), restricted=("ugly",))
    assert rules.problems_of_words(HERE, ["a fox and a fox and a fox"]) == [PROMPT_TOO_LONG()]
    assert rules.problems_of_words(HERE, ["a hen"]) == []


# --- the word as it was typed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "texts", "typed"),
    [
        ("gun*", ["a fox with (GUNS), and hens"], "GUNS"),
        ("ugly", ["an ug\u200bly fox"], "ug\u200bly"),
        ("*", ["a fox"], None),
        ("ugly", ["a fox", "an Úgly hen", "ugly"], "Úgly"),
        ("red cross", ["a big Red   CROSS on white"], "Red CROSS"),
        ("red cross", ["a red-cross, on white"], "red-cross"),
        ("裸照", ["一张裸照在这里"], "裸照"),
        ("🔫", ["a fox 🔫 and a hen"], "🔫"),
        ("ugly", ["ugly"], "ugly"),
        ("ugly", ["a fox"], None),
        ("ugly", [""], None),
    ],
)
def test_a_refused_word_is_shown_as_it_was_typed(entry: str, texts: list[str], typed: str | None) -> None:
    assert WordList([entry]).as_typed(entry, texts) == typed


@pytest.mark.parametrize("text", ["gun " * 500, "裸" * 2000, "x" * 1990 + " guns", "{guns, hens} " * 150])
def test_the_search_for_the_typed_word_is_bounded(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0
    found_in = WordList.found_in

    def counted(words: WordList, texts: Iterable[str]) -> Any:
        nonlocal searched
        searched += 1
        return found_in(words, texts)

    monkeypatch.setattr(WordList, "found_in", counted)
    words = WordList(["gun*", "裸*"])
    for entry in words.entries:
        found = words.as_typed(entry, [text])
        assert found is None or len(found) < 10
    assert searched < 60


def test_many_spellings_of_one_word_are_named_once() -> None:
    rules = Rules(refused=("gun*", "*guns", "guns"), restricted=("guns", "hens"))
    somebody = Origin(1, "ada", 10, 100, 1)
    found = rules.problems_of_words(somebody, ["a fox with guns and HENS"])
    assert found == [WORD_REFUSED(word="guns"), WORD_RESTRICTED(word="HENS")]
