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
from bot.ui.cards import part_buttons as card
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.part_buttons import Marking
from bot.ui.cards.part_picker import ALL_MARKED, menu_cells, picker_sheet
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
        # The options of the commands that opened cards, by the card's message. They are lost in a restart.
        self._given: OrderedDict[int, ImagineOptions] = OrderedDict()
        self.handlers: Mapping[str, Handler] = {
            card.MARK: self._mark,
            card.CLEAR.name: partial(self._change, lambda area: Area(area.side, frozenset())),
            card.INVERT.name: partial(self._change, Area.inverted),
            card.FINER.name: partial(self._change, Area.finer),
            card.COARSER.name: partial(self._change, Area.coarser),
            card.CHANGE.name: self._ask,
            card.ERASE.name: self._erase,
        }

    async def open(
        self,
        interaction: Interaction,
        reference: Reference,
        operation: Operation,
        *,
        given: ImagineOptions | None = None,
    ) -> None:
        """Show the card in place of a private message, or else as a new private one.

        ``operation`` is inpaint or erase, and ``given`` the options of the command, without the area. Raises UserError
        if no engine offers it here and now.
        """
        if not interaction.response.is_done():
            await answer_later(interaction)
        self.close(interaction)
        marking = Marking(reference, operation, Area(GRIDS[0], frozenset()))
        if given is not None:
            marking = replace(marking, private=given.private, spoiler=given.spoiler)
        message = await fill(interaction, await self._sheet(origin_of(interaction), marking, given))
        if given is not None:
            self._given[message.id] = given
            _shorten(self._given)

    def close(self, interaction: Interaction) -> None:
        """Forget the state of the pressed message, because it will show something else."""
        if interaction.message is not None:
            self._cards.pop(interaction.message.id, None)
            self._given.pop(interaction.message.id, None)

    async def _sheet(self, origin: Origin, marking: Marking, given: ImagineOptions | None) -> Sheet:
        picture = await self._tools.picture(origin, marking.reference)
        self._tools.require_allowed(origin, picture.source.kind)
        offers = [offer for tool in (PART, ERASE) if (offer := self._offer(origin, picture, tool, given)) is not None]
        if marking.operation not in {offer.tool.operation for offer in offers}:
            raise UserError(NOT_OFFERED(operation=NAMES[marking.operation]))
        base = await self._bases.of(picture.file)
        if base is None:
            raise UserError(IMAGE_GONE if isinstance(marking.reference, ImageReference) else SOURCE_GONE)
        drawing = await self._pools.pictures.run(grids.grid_picture, base, marking.area)
        return picker_sheet(picture, marking, drawing, offers)

    def _offer(self, origin: Origin, picture: EditedPicture, tool: Tool, given: ImagineOptions | None) -> Offer | None:
        """The tool on the engine of the command if it offers it, or else on the one that would be used."""
        offers = self._tools.engines(origin, picture, tool)
        named = None if given is None or given.operation is not tool.operation else given.engine
        return next((offer for offer in offers if offer.engine.id == named), offers[0] if offers else None)

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
        _shorten(self._cards)
        try:
            await answer_later(interaction)
            async with shown.turn:
                if shown.area is not area:
                    return
                now = replace(marking, area=area)
                sheet = await self._sheet(origin_of(interaction), now, self._given.get(message_id))
                # Meanwhile, more may have been pressed, or the message may show something else.
                if shown.area is area and self._cards.get(message_id) is shown:
                    await fill(interaction, sheet)
        except BaseException:
            # The card still shows the state before.
            if shown.area is area:
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
        # The options of a command are completed from the person's defaults, as always.
        complete = self._given_for(interaction, ERASE) is None
        await self._starter.run(interaction, picture, options, complete=complete, named_price=price)

    def _given_for(self, interaction: Interaction, tool: Tool) -> ImagineOptions | None:
        """The options of the command that opened the card, if it was for this tool."""
        given = None if interaction.message is None else self._given.get(interaction.message.id)
        return given if given is not None and given.operation is tool.operation else None

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
        self._tools.require_allowed(origin, picture.source.kind)
        given = self._given_for(interaction, tool)
        offer = self._offer(origin, picture, tool, given)
        if offer is None:
            raise UserError(NOT_OFFERED(operation=NAMES[tool.operation]))
        if given is not None:
            return picture, replace(given, engine=offer.engine.id, area=str(area))
        options = self._tools.options(origin, picture, offer)
        private, spoiler = options.private or marking.private, options.spoiler or marking.spoiler
        return picture, replace(options, area=str(area), private=private, spoiler=spoiler)


def _shorten(cards: OrderedDict[int, Any]) -> None:
    """Drop the oldest entries beyond the limit."""
    while len(cards) > CARDS_AT_MOST:
        cards.popitem(last=False)


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
        flags = match["flags"] or ""
        marking = Marking(
            parse_reference(match["reference"]),
            Operation(match["operation"]),
            area,
            private=card.PRIVATE in flags,
            spoiler=card.SPOILER in flags,
        )
        values = item.values if isinstance(item, ui.Select) else ()
        await handler(interaction, marking, None if match["number"] is None else int(match["number"]), values)

    return component(
        r"part:(?P<action>[a-z]{1,10}):(?P<operation>inpaint|erase)(?:-(?P<flags>[a-z]{1,4}))?"
        r":(?P<reference>[0-9]{1,18}-[0-9]{1,2}|p[0-9]{1,18})"
        r":(?P<side>[0-9]{1,2}):(?P<cells>[0-9a-f]{1,16})(?::(?P<number>[0-9]{1,15}))?",
        press,
        doing="part.{action}",
    )
