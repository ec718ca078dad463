"""The building blocks of every card. Pure functions from data to layout; the buttons are in ``buttons``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import discord
from discord import ui

from bot.text import Message, Text, plural, t
from bot.ui.cards.wording import safe, units

Words: TypeAlias = Text | Message | str
"""The texts of a card: a Text, which is rendered here, or a str that is not translated, like a name."""

_RELATIVE = re.compile(r"\\<t:(\d{1,12}):R\\>")

TEXT_AT_MOST = 4000
"""Discord's limit on the characters of one message, all parts together."""

CARD, RESULT = 1_700_000_000, 1_800_000_000
"""Component ids of a card's container. A result or a failure has its own id, so that it can be recognised."""

CALM = discord.Colour(0x5B8FB9)
WARM = discord.Colour(0xC98A4B)


class Card(ui.LayoutView):
    """One message from the bot: a single container."""

    def __init__(self, *items: ui.Item[Any], accent: discord.Colour = CALM, mark: int = CARD) -> None:
        super().__init__(timeout=None)
        self.parts = items
        self.accent = accent
        self.add_item(ui.Container(*items, accent_colour=accent, id=mark))

    def is_finished(self) -> bool:
        """Always True: the library need not keep the card in memory, since buttons are found by their custom ids."""
        return True

    @property
    def content(self) -> str:
        """The whole card as JSON, to compare it with an earlier version."""
        components: Any = self.to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        return json.dumps(components, sort_keys=True)


def text(*lines: Words) -> ui.TextDisplay[Any]:
    """Lines of text. Pass what people or services wrote through ``safe`` first."""
    return ui.TextDisplay("\n".join(map(str, lines)))


def heading(words: Words) -> str:
    """A line in bold."""
    return f"**{words}**"


def warning(problem: Words) -> str:
    """A line about a problem."""
    return f"⚠ {problem}"


def quiet(line: Words) -> str:
    """A line in small print."""
    return f"-# {line}"


def facts(*each: Words | None) -> str:
    """Short facts in one line, separated by dots. None is omitted."""
    return " · ".join(str(fact) for fact in each if fact is not None)


def page_of(number: int, pages: int) -> Text | None:
    """The page number in words; None if there is only one page."""
    return t("page {number} of {pages}", number=number, pages=pages) if pages > 1 else None


def rule() -> ui.Separator[Any]:
    """A thin line between two parts."""
    return ui.Separator(spacing=discord.SeparatorSpacing.small)


def notice(*sentences: Words, accent: discord.Colour = CALM) -> Card:
    """A card of a few plain sentences."""
    return Card(text(*within(map(str, sentences), TEXT_AT_MOST)), accent=accent)


def refusal(problems: Iterable[Words]) -> Card:
    """The card of a refusal. The sentences may quote what a person typed, so they are escaped here."""
    return notice(*(escaped(problem, 1500) for problem in problems), accent=WARM)


def escaped(problem: Words, limit: int) -> str:
    """A problem for a card: escaped like ``safe``, but with its relative times, which are harmless even if typed."""
    return _RELATIVE.sub(r"<t:\1:R>", safe(str(problem), limit))


def within(lines: Iterable[str], room: int) -> list[str]:
    """As many of the lines as fit. If some do not fit, the last line says how many were omitted."""
    every = list(lines)
    kept: list[str] = []
    for place, line in enumerate(every):
        left = len(every) - place
        rest = str(plural("… and {count} more.", "… and {count} more.", left))
        # Unless this is the last line, leave room for the number of omitted lines.
        spare = units(rest) + 1 if left > 1 else 0
        if units(line) + 1 + spare > room:
            return [*kept, rest]
        kept.append(line)
        room -= units(line) + 1
    return kept
