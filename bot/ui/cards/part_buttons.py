"""The table of the buttons and menus with which a part of a picture is marked, and the format of their custom ids.

The custom ids carry the marked cells, so that the card works after a restart. The rules of ``cards.buttons`` apply. The
handlers are in ``ui.part_picker``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.domain.areas import Area
from bot.domain.pictures import Reference
from bot.jobs.picture_tools import Offer
from bot.providers.operations import Operation
from bot.text import Message, message
from bot.ui.cards.layout import facts
from bot.ui.cards.wording import price_text

PRIVATE, SPOILER = "p", "s"
"""The flags of a custom id."""


@dataclass(frozen=True, slots=True)
class Marking:
    """The part of a picture that is marked for an operation: the state of the card.

    ``operation`` is what the card was opened for: inpaint or erase. ``private`` and ``spoiler`` are what the command
    asked for, which must hold after a restart.
    """

    reference: Reference
    operation: Operation
    area: Area
    private: bool = False
    spoiler: bool = False

    def custom_id(self, action: str, number: int | None = None) -> str:
        """The custom id of a button or menu of the card in this state, with a price or the number of a menu."""
        area = self.area
        flags = f"{PRIVATE if self.private else ''}{SPOILER if self.spoiler else ''}"
        operation = self.operation.value + (f"-{flags}" if flags else "")
        parts = ("part", action, operation, self.reference, area.side, area.digits, number)
        return ":".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class PartButton:
    """A button of the card. ``name`` is used in its custom id and for its handler."""

    name: str
    label: Message

    def on(self, marking: Marking, *, disabled: bool = False) -> ui.Button[Any]:
        return ui.Button(label=str(self.label), custom_id=marking.custom_id(self.name), disabled=disabled)

    def priced(self, marking: Marking, offer: Offer, *, primary: bool, disabled: bool) -> ui.Button[Any]:
        """The button with the price of the offer."""
        return ui.Button(
            label=facts(self.label, price_text(offer.price)),
            style=discord.ButtonStyle.primary if primary else discord.ButtonStyle.secondary,
            custom_id=marking.custom_id(self.name, offer.price.high),
            disabled=disabled,
        )


CLEAR = PartButton("clear", message("button.clear_marks", "Clear"))
INVERT = PartButton("invert", message("button.invert_marks", "Invert"))
FINER = PartButton("finer", message("button.finer_grid", "Finer"))
COARSER = PartButton("coarser", message("button.coarser_grid", "Coarser"))
CHANGE = PartButton("change", message("button.change_marked", "Change…"))
ERASE = PartButton("erase", message("button.erase_marked", "Erase"))
PART_BUTTONS = (CLEAR, INVERT, FINER, COARSER, CHANGE, ERASE)
MARK = "mark"
"""The menus of cells."""
PART_ACTIONS = (*(button.name for button in PART_BUTTONS), MARK)
"""The buttons and menus of the card by name; each name has a handler."""
