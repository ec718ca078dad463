"""Lets people mark a part of a picture without drawing: they choose cells of a numbered grid in menus."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from discord import ui

from bot.domain.areas import GRIDS, Area
from bot.domain.edits import AREA_NEEDED, NAMES, NOT_OFFERED
from bot.domain.options import ImagineOptions
from bot.domain.pictures import ImageReference, Reference, parse_reference
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.new_jobs import SOURCE_GONE
from bot.jobs.panel_pictures import PanelPictures
from bot.jobs.picture_tools import ERASE, PART, EditedPicture, Offer, PictureTools, Tool
from bot.jobs.sources import IMAGE_GONE
from bot.pictures import grids
from bot.providers.operations import Operation
from bot.text import t
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards import part_picker as card
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.part_picker import ALL_MARKED, Marking, menu_cells, picker_sheet
from bot.ui.client import Interaction
from bot.ui.components import Component, component
from bot.ui.interactions import looked_up, origin_of
from bot.ui.picture_forms import Question
from bot.ui.picture_starter import PictureStarter
from storage.pools import Pools

CARDS_AT_MOST = 500
"""The number of cards whose latest state is in memory."""
_QUESTION = Question(t("Change a part"), t("What should be there"), t("a straw hat"))

Handler: TypeAlias = Callable[[Interaction, Marking, int | None, Sequence[str]], Awaitable[None]]
"""Answers a press, from the state in the custom id, its number, and the values that were chosen in a menu."""


@dataclass(slots=True)
class _Card:
    """The latest state of a card, which Discord may not show yet, and the lock for its edits."""

    area: Area
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class PartPicker:
    """Opens the card in which a part of a picture is marked, and does what its buttons say."""

    def __init__(self, *, tools: PictureTools, starter: PictureStarter, bases: PanelPictures, pools: Pools) -> None:
        """``bases`` draws pictures with :func:`~bot.pictures.grids.grid_base`."""
        self._tools = tools
        self._starter = starter
        self._bases = bases
        self._pools = pools
        self._cards: OrderedDict[int, _Card] = OrderedDict()
        self.handlers: Mapping[str, Handler] = {
            card.MARK: self._mark,
            card.CLEAR.name: partial(self._change, lambda area: Area(area.side, frozenset())),
            card.INVERT.name: partial(self._change, Area.inverted),
            card.FINER.name: partial(self._change, Area.finer),
            card.COARSER.name: partial(self._change, Area.coarser),
            card.CHANGE.name: self._ask,
            card.ERASE.name: self._erase,
        }

    async def open(self, interaction: Interaction, reference: Reference, operation: Operation) -> None:
        """Show the card in place of a private message, or else as a new private one.

        ``operation`` is inpaint or erase. Raises UserError if no engine offers it here and now.
        """
        if not interaction.response.is_done():
            await answer_later(interaction)
        if interaction.message is not None:
            self._cards.pop(interaction.message.id, None)
        marking = Marking(reference, operation, Area(GRIDS[0], frozenset()))
        await fill(interaction, await self._sheet(origin_of(interaction), marking))

    async def _sheet(self, origin: Origin, marking: Marking) -> Sheet:
        picture = await self._tools.picture(origin, marking.reference)
        offers = [offer for tool in (PART, ERASE) if (offer := self._tools.offer(origin, picture, tool)) is not None]
        if marking.operation not in {offer.tool.operation for offer in offers}:
            raise UserError(NOT_OFFERED(operation=NAMES[marking.operation]))
        base = await self._bases.of(picture.file)
        if base is None:
            raise UserError(IMAGE_GONE if isinstance(marking.reference, ImageReference) else SOURCE_GONE)
        drawing = await self._pools.pictures.run(grids.grid_picture, base, marking.area)
        return picker_sheet(picture, marking, drawing, offers)

    # --- marking ------------------------------------------------------------------------------------------------

    async def _mark(
        self, interaction: Interaction, marking: Marking, number: int | None, values: Sequence[str]
    ) -> None:
        """Replace the marked cells of one menu by those that were chosen in it."""
        menus, side = menu_cells(marking.area.side), marking.area.side
        if number is None or number >= len(menus) or not set(values) <= set(map(str, menus[number])):
            raise UserError(OLD_BUTTON)
        chosen = frozenset(map(int, values))
        await self._change(lambda area: Area(side, area.cells.difference(menus[number]) | chosen), interaction, marking)

    async def _change(
        self, change: Callable[[Area], Area], interaction: Interaction, marking: Marking, *_: object
    ) -> None:
        """Change what is marked, and show it. If more was pressed meanwhile, only the latest state is shown."""
        message_id = 0 if interaction.message is None else interaction.message.id
        area = change(self._latest(interaction, marking))
        shown = self._cards.setdefault(message_id, _Card(area))
        shown.area = area
        self._cards.move_to_end(message_id)
        while len(self._cards) > CARDS_AT_MOST:
            self._cards.popitem(last=False)
        try:
            await answer_later(interaction)
            async with shown.turn:
                if shown.area is area:
                    await fill(interaction, await self._sheet(origin_of(interaction), replace(marking, area=area)))
        except BaseException:
            # The card still shows the state before.
            self._cards.pop(message_id, None)
            raise

    def _latest(self, interaction: Interaction, marking: Marking) -> Area:
        """What is marked: the state in the custom id, unless more was pressed before Discord showed the result."""
        latest = None if interaction.message is None else self._cards.get(interaction.message.id)
        return latest.area if latest is not None and latest.area.side == marking.area.side else marking.area

    # --- starting -----------------------------------------------------------------------------------------------

    async def _ask(self, interaction: Interaction, marking: Marking, _price: int | None, _values: object) -> None:
        """Ask what should be in the marked part."""
        picture, options = await self._options(interaction, marking, PART)
        await self._starter.ask(interaction, picture, PART, options, _QUESTION)

    async def _erase(self, interaction: Interaction, marking: Marking, price: int | None, _values: object) -> None:
        picture, options = await self._options(interaction, marking, ERASE)
        await self._starter.run(interaction, picture, options, complete=True, named_price=price)

    async def _options(
        self, interaction: Interaction, marking: Marking, tool: Tool
    ) -> tuple[EditedPicture, ImagineOptions]:
        """The picture, and the options of the command. Raises UserError."""
        origin, area = origin_of(interaction), self._latest(interaction, marking)
        if not area.cells:
            raise UserError(AREA_NEEDED)
        if tool is ERASE and len(area.cells) == area.size:
            raise UserError(ALL_MARKED)
        picture = await looked_up(interaction, self._tools.picture(origin, marking.reference))
        offer: Offer | None = self._tools.offer(origin, picture, tool)
        if offer is None:
            raise UserError(NOT_OFFERED(operation=NAMES[tool.operation]))
        return picture, replace(self._tools.options(origin, picture, offer), area=str(area))


def part_item(picker: PartPicker) -> Component:
    """Return the class of the buttons and menus with which a part of a picture is marked."""

    async def press(interaction: Interaction, match: re.Match[str], item: ui.Item[Any]) -> None:
        handler = picker.handlers.get(match["action"])
        if handler is None:
            raise UserError(OLD_BUTTON)
        try:
            area = Area.of_digits(int(match["side"]), match["cells"])
        except ValueError:
            raise UserError(OLD_BUTTON) from None
        marking = Marking(parse_reference(match["reference"]), Operation(match["operation"]), area)
        values = item.values if isinstance(item, ui.Select) else ()
        await handler(interaction, marking, None if match["number"] is None else int(match["number"]), values)

    return component(
        r"part:(?P<action>[a-z]{1,10}):(?P<operation>inpaint|erase)"
        r":(?P<reference>[0-9]{1,18}-[0-9]{1,2}|p[0-9]{1,18})"
        r":(?P<side>[0-9]{1,2}):(?P<cells>[0-9a-f]{1,16})(?::(?P<number>[0-9]{1,15}))?",
        press,
        doing="part.{action}",
    )
