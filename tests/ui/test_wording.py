"""Typed text looks the same on a card and has no effect there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text import lasted, listed
from bot.ui.cards.wording import moment, plain, safe, style_name, units

HOSTILE = (
    "**bold** _it_ ~~gone~~ ||spoiler|| `code` ```block```",
    "[masked](https://evil.example) <https://evil.example> https://evil.example/a//b",
    "<@123> <@!123> <@&123> <#123> </imagine:123> <t:1700000000:R> <:smile:123> <a:wave:123> <id:customize>",
    "@everyone @here",
    "# heading",
    "-# quiet",
    "> quoted",
    ">>> quoted to the end",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "--- rule",
    "=== underline",
    "\n# heading\n-# quiet\n> quote\n```\nblock",
    "&lt;b&gt; &amp;",
    "back\\slash \\*escaped\\*",
    "\u202eturned\u202c \u2066isolated\u2069 zero\u200bwidth \ufeffmark",
    "a\u0301" + "\u0301" * 50,
    "tab\tnew\r\nline\u2028separator\u2029paragraph\x00null\x1b[31mred",
    "![image](https://evil.example/x.png)",
    "| a | b |\n|---|---|\n| 1 | 2 |",
)
# Text as an attacker might write it.
nasty = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from([*HOSTILE, "<", ">", "@", "\\", "*", "\n", "/", ":", "-#", "#", "`", "1", "."])).map(
        "".join
    ),
)


def parsed(markdown: str) -> list[Any]:
    """The tokens that a parser of Discord's Markdown finds in the text."""
    from simcord.preview._markdown import _FIELD_POLICIES, _markdown_parser

    everybody = {str(number): "somebody" for number in (123,)}
    context = {"users": everybody, "roles": everybody, "channels": everybody, "commands": {"123": "imagine"}}
    parser = _markdown_parser(_FIELD_POLICIES["text_display"], {**context, "everyone": True})
    return [token for block in parser.parse(markdown) for token in (block, *(block.children or ()))]


@given(nasty)
def test_typed_text_contains_no_markup(text: str) -> None:
    shown = safe(text, 4000)
    kinds = {token.type for token in parsed(shown)}
    assert kinds <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}, shown
    assert "\n" not in shown
    assert not shown.startswith(("-#", "#", ">"))


@given(nasty)
def test_escaped_text_is_shown_as_it_was_typed(text: str) -> None:
    read = "".join(token.content for token in parsed(safe(text, 10_000)) if token.type in {"text", "text_special"})
    assert read == plain(text, 10_000)


@given(nasty)
def test_no_pattern_of_discords_own_remains(text: str) -> None:
    shown = safe(text, 4000)
    # A mark after an odd number of backslashes is plain text.
    bare = re.sub(r"\\.", "", shown)
    assert not re.search(r"[*_~`|<>\[\]@]", bare)
    assert "://" not in re.sub(r"\\/", "", shown)
    assert not re.search(r"<(?:@[!&]?|#|t:|a?:|/)[^\\>]*>", shown)


@given(nasty, st.integers(min_value=1, max_value=300))
def test_the_length_is_limited_and_no_escape_is_cut(text: str, limit: int) -> None:
    shown = safe(text, limit)
    assert units(shown) <= limit
    trailing = len(shown.removesuffix("…")) - len(shown.removesuffix("…").rstrip("\\"))
    assert trailing % 2 == 0
    assert units(plain(text, limit)) <= limit


@pytest.mark.parametrize("text", HOSTILE)
def test_invisible_characters_are_removed(text: str) -> None:
    assert all(sign.isprintable() or sign in "\u200c\u200d" for sign in plain(text, 4000))


def test_composed_emoji_stay_whole() -> None:
    assert safe("a 👩‍🚀 on the moon", 100) == "a 👩‍🚀 on the moon"
    assert units("👩‍🚀") == 5


def test_ordinary_words_are_unchanged() -> None:
    assert safe("a sci-fi city, 35mm (film), 1980s; 50% off!", 100) == "a sci-fi city, 35mm (film), 1980s; 50% off!"
    assert safe("x" * 20, 10) == "xxxxxxxxx…"
    assert safe("anything", 0) == ""


def test_a_style_is_readable() -> None:
    assert [style_name(name) for name in ("neon-punk", "anime", "3d-model")] == ["Neon punk", "Anime", "3d model"]
    assert [style_name(name) for name in ("K_EULER", "Own Style", "-", "")] == ["K_EULER", "Own Style", "-", ""]


def test_numbers_and_times_are_readable() -> None:
    assert [listed([]), listed("a"), listed("ab"), listed("abc")] == ["", "a", "a and b", "a, b and c"]
    assert [lasted(0.2), lasted(9.4), lasted(60), lasted(65)] == ["1\xa0s", "9\xa0s", "1\xa0min", "1\xa0min 5\xa0s"]
    assert moment(1_700_000_000_999) == "<t:1700000000:R>"
