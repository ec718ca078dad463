"""Refused words are found however they are written, and nothing else is; in bounded time."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admin.words import WORDS_AT_MOST, WordList, typed_list, words_of
from bot.errors import UserError


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
        ("c'est", "oh c'est bon"),
    ],
)
def test_a_word_is_found(entry: str, text: str) -> None:
    assert WordList([entry]).found_in([text]) == [entry]


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
    ],
)
def test_something_else_is_not(entry: str, text: str) -> None:
    assert WordList([entry]).found_in([text]) == []


letters = st.text("ab", max_size=12)


@given(st.text("ab*", min_size=1, max_size=8), letters)
def test_a_star_is_what_it_is_everywhere(pattern: str, word: str) -> None:
    wanted = re.fullmatch(fnmatch.translate(pattern), word) is not None and bool(word)
    assert bool(WordList([pattern]).found_in([word])) == (wanted and bool(pattern))


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=200))
def test_any_text_is_judged(entries: list[str], text: str) -> None:
    found = WordList(entries).found_in([text])
    assert set(found) <= set(entries)


def test_what_would_take_a_regular_expression_for_ever_is_nothing_here() -> None:
    """Each piece is looked for once from left to right: this many stars would make backtracking hopeless."""
    pattern = "a*" * 18 + "b"
    assert WordList([pattern] * WORDS_AT_MOST).found_in(["a" * 2000]) == []


def test_a_list_is_tidied_and_checked() -> None:
    assert typed_list(" ugly ,, Red  Cross, ugly") == ("ugly", "Red Cross")
    for wrong, said in (("*", "too few letters"), ("a", "too few"), ("x" * 41, "too long"), ("🙂🙂", "too few")):
        with pytest.raises(UserError, match=said):
            typed_list(wrong)
    with pytest.raises(UserError, match="101 words"):
        typed_list(",".join(f"word{number}" for number in range(101)))


def test_words_are_letters_and_numbers() -> None:
    assert words_of("Don't  stop—me, 2 times!") == ["don", "t", "stop", "me", "2", "times"]
