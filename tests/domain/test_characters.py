"""What is text, and what is visible: decided by ranges of code points, to cover characters newer than this Python."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from bot.domain.characters import INVISIBLE, NO_TEXT, NOT_SHOWN, clean, typed, visible
from bot.domain.prompt.parser import parse
from bot.domain.requests import title_of
from bot.ui.cards.wording import plain, safe

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
KEPT = (
    "🪿",  # Goose: Unicode 15, newer than this Python's tables.
    "\U0001fae9",  # A face of Unicode 16.
    ENGLAND,
    SCOTLAND,
    "👩\u200d🚀",
    "❤\ufe0f\u200d🔥",
    "🏳\ufe0f\u200d🌈",
    "1\ufe0f\u20e3",
    "👋🏿",
    "\u0600",  # A sign of Arabic numbers: a format character, but visible.
    "\U000323b0",  # An ideograph of Unicode 15.
    "می\u200cخواهم",
)
GONE = (
    "\x00",
    "\x1b",
    "\x7f",
    "\x9b",
    "\ud83e",
    "\ue000",
    "\U000f1234",
    "\U0010fffd",
    "\ufffe",
    "\ufdd0",
    "\U0001ffff",
    "\U000effff",
    "\u202e",
    "\u2066",
)


@pytest.mark.parametrize("sign", KEPT)
def test_visible_characters_are_kept_everywhere(sign: str) -> None:
    text = f"a {sign} goose"
    assert clean(text) == text
    assert typed(f"  {text} ") == text
    assert plain(text, 100) == text
    assert safe(text, 100) == text
    prompt = parse(text)
    assert [part.text for part in prompt.parts] == [text]
    assert title_of(prompt) == text


@pytest.mark.parametrize("sign", GONE)
def test_non_text_characters_are_removed_everywhere(sign: str) -> None:
    assert clean(f"a{sign}b") == "a b"
    assert plain(f"a{sign}b", 100) in {"ab", "a b"}
    assert typed(sign) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\n\u3000",
        "\u3164",
        "\u115f\u1160\uffa0",
        "\u2800",
        "\u200b\u200c\u200d\u2060\ufeff\u00ad",
        "\ufe0f\ufe00\U000e0100",
        "\U000e0067\U000e0062\U000e007f",
        "\u0301\u20dd",
        "\u3164 \u0301 \u200e",
    ],
)
def test_invisible_characters_are_not_text(text: str) -> None:
    assert not visible(text)
    assert typed(text) is None
    assert visible(f"{text}a{text}")


def test_the_ranges_cover_all_of_these_code_points_and_no_letters() -> None:
    for number in range(sys.maxunicode + 1):
        sign = chr(number)
        category = unicodedata.category(sign)
        if category in {"Cc", "Cs", "Co", "Zl", "Zp"} or number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF:
            assert all(kind.match(sign) for kind in (NO_TEXT, NOT_SHOWN, INVISIBLE)), hex(number)
        elif category[0] in "LNPS" and number not in {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x1D159}:
            assert not any(kind.match(sign) for kind in (NO_TEXT, NOT_SHOWN, INVISIBLE)), hex(number)
