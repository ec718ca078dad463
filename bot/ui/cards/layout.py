"""What every card is made of. Pure: data in, layout out; the buttons' work is done in ``buttons``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

import discord
from discord import ui

from bot.text import Message, Text
from bot.ui.cards.wording import safe, units

Words: TypeAlias = Text | Message | str
"""What a card can say: text that becomes words here, or words that need no translation, like a name."""

TEXT_AT_MOST = 4000
"""What Discord takes as text in one message, all of its parts together."""

CARD, RESULT = 1_700_000_000, 1_800_000_000
"""Component ids of a card's container. A result, or the reason why there is none, has one of its own."""

CALM = discord.Colour(0x5B8FB9)
WARM = discord.Colour(0xC98A4B)


class Card(ui.LayoutView):
    """One message of the bot's: a single container, with as much text as Discord takes at most."""

    def __init__(self, *items: ui.Item[Any], accent: discord.Colour = CALM, mark: int = CARD) -> None:
        super().__init__(timeout=None)
        self.parts = items
        self.accent = accent
        self.add_item(ui.Container(*items, accent_colour=accent, id=mark))

    def is_finished(self) -> bool:
        """Always: the library need not remember the card, since its buttons are found by their ids."""
        return True

    @property
    def content(self) -> str:
        """All that the card says, to compare it with what it said before."""
        components: Any = self.to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        return json.dumps(components, sort_keys=True)


def text(*lines: Words) -> ui.TextDisplay[Any]:
    """Lines of text. What people or services wrote has to be made ``safe`` before it comes here."""
    return ui.TextDisplay("\n".join(map(str, lines)))


def quiet(line: Words) -> str:
    """A line in small print."""
    return f"-# {line}"


def rule() -> ui.Separator[Any]:
    """A thin line between two parts."""
    return ui.Separator(spacing=discord.SeparatorSpacing.small)


def custom_id(action: str, job_id: int) -> str:
    """What a button carries, so that it is understood after a restart as well."""
    return f"easel:{action}:{job_id}"


def buttons(job_id: int, actions: Iterable[tuple[str, Words]]) -> ui.ActionRow[Any]:
    """A row of buttons for a job, from pairs of action and label."""
    return ui.ActionRow(
        *(ui.Button(label=str(label), custom_id=custom_id(action, job_id)) for action, label in actions)
    )


def notice(*sentences: Words, accent: discord.Colour = CALM) -> Card:
    """A few plain sentences and nothing else."""
    return Card(text(*within(map(str, sentences), TEXT_AT_MOST)), accent=accent)


def refusal(problems: Iterable[Words]) -> Card:
    """Why something cannot be. The sentences may quote what a person typed, so they are made safe here."""
    return notice(*(safe(str(problem), 1500) for problem in problems), accent=WARM)


def within(lines: Iterable[str], room: int) -> list[str]:
    """As many of the lines as there is room for; the last one then says how many were left out."""
    every = list(lines)
    kept: list[str] = []
    for place, line in enumerate(every):
        left = len(every) - place
        farewell = f"… and {left} more."
        # A line that is not the last must leave room to say that others follow.
        spare = units(farewell) + 1 if left > 1 else 0
        if units(line) + 1 + spare > room:
            return [*kept, farewell]
        kept.append(line)
        room -= units(line) + 1
    return kept
