"""Cards as plain text, as the demo prints them."""

from __future__ import annotations

from typing import Any

from playground.plain_text import lines, words

NAMES = {7: "Ada"}


def read(*components: dict[str, Any]) -> list[str]:
    return lines(components, now=1000, names=NAMES)


def test_a_card_is_read_from_top_to_bottom() -> None:
    card = {
        "type": 17,
        "components": [
            {"type": 10, "content": "**a lighthouse**\n-# for <@7>"},
            {"type": 14},
            {"type": 12, "items": [{"media": {"url": "https://cdn.invalid/1/0.png"}, "description": "a lighthouse"}]},
            {"type": 1, "components": [{"type": 2, "label": "Again"}, {"type": 2, "label": "Delete"}]},
        ],
    }

    assert read(card) == [
        "a lighthouse",
        "for @Ada",
        "[picture 0.png: a lighthouse]",
        "[Again]  [Delete]",
    ]


def test_a_long_description_is_cut() -> None:
    (line,) = read({"type": 12, "items": [{"media": {"url": "x/0.png"}, "description": "sea " * 100}]})

    assert len(line) < 100
    assert line.endswith("…]")


def test_times_count_from_now_or_are_dates() -> None:
    said = words("<t:1020:R>, <t:900:R>, <t:10000:R>; <t:86400:D>, <t:86400>", now=1000, names=NAMES)

    assert said == "in 20 s, 100 s ago, in 150 min; 1970-01-02, 1970-01-02 00:00"


def test_commands_and_unknown_people_have_names() -> None:
    assert words("</usage report:123> by <@8>", now=0, names=NAMES) == "/usage report by @somebody"


def test_escaped_marks_stay() -> None:
    assert words(r"\*\*not bold\*\* and **bold**", now=0, names=NAMES) == "**not bold** and bold"
