"""The actions of a picture's panel. Its buttons are found by their custom ids, so they work after a restart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import discord
import structlog
from discord import ui

from bot.domain.edits import NAMES, NOT_OFFERED
from bot.domain.pictures import ImageReference, Reference, parse_reference
from bot.errors import UserError
from bot.jobs.panel_pictures import PanelPictures
from bot.jobs.picture_tools import (
    BACKGROUND,
    ERASE,
    EXTEND,
    EXTEND_TOOLS,
    FACES,
    FINISH,
    PART,
    SKETCH,
    START,
    STRUCTURE,
    UPSCALE,
    VARY_LITTLE,
    VARY_LOT,
    WORDS,
    EditedPicture,
    Offer,
    PictureTools,
    Tool,
)
from bot.jobs.sources import IMAGE_GONE
from bot.text import message, t
from bot.ui.attached_files import Sheet, answer_later, fill, refused_files
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.picture_buttons import BACK_TO_PICTURE, OPEN_PICTURE, ORIGINAL, SWITCH_PICTURE
from bot.ui.cards.picture_panel import extend_sheet, original_card, panel_sheet
from bot.ui.client import Interaction
from bot.ui.components import Component, component
from bot.ui.delivery.file_segments import Spliced
from bot.ui.interactions import looked_up, origin_of, promise
from bot.ui.part_picker import PartPicker
from bot.ui.picture_forms import Question
from bot.ui.picture_starter import PictureStarter
from storage.pools import Pools

log = structlog.get_logger(__name__)

TOO_LARGE_HERE = message(
    "panel.too_large_here", "The original file has {mib} MiB; Discord takes files of up to {most} MiB here."
)

PATIENCE = 0.08
"""The seconds for which a panel waits for its picture. It is shown without the picture first if that takes longer."""
HELD_BACK = 1.0
"""The seconds for which a picture is held back at most while other panels are sent."""

_MIB = 1 << 20
_QUESTIONS: Mapping[str, Question] = {
    VARY_LITTLE.name: Question(t("Vary a little"), t("What it shows"), t("a red fox in the snow")),
    VARY_LOT.name: Question(t("Vary a lot"), t("What it shows"), t("a red fox in the snow")),
    WORDS.name: Question(t("Change by words"), t("Put there"), t("a blue bicycle"), find=True),
    STRUCTURE.name: Question(t("Keep the structure"), t("What it should become"), t("the same room in winter light")),
    SKETCH.name: Question(t("From a sketch"), t("What it should become"), t("a castle on a hill, oil painting")),
    START.name: Question(t("Use as start"), t("Prompt"), t("a red fox in the snow"), strength=True),
}
"""What the forms of the tools ask. Vary asks only if the picture has no words."""

Handler: TypeAlias = Callable[[Interaction, Reference, int | None], Awaitable[None]]
"""Answers a press, from the picture and the price in millicredits that the button named."""


class PicturePanel:
    """Opens the panel of a picture, and starts what its buttons offer."""

    def __init__(
        self,
        *,
        tools: PictureTools,
        starter: PictureStarter,
        pictures: PanelPictures,
        pools: Pools,
        mention: Callable[[str], str],
        part_picker: PartPicker,
    ) -> None:
        """``mention`` mentions a command."""
        self._tools = tools
        self._starter = starter
        self._pictures = pictures
        self._pools = pools
        self._mention = mention
        self._part_picker = part_picker
        # The messages whose picture is still being drawn, with the interactions that will add it.
        self._unfinished: dict[int, int] = {}
        # The number of panels that are being sent, and whether there are none.
        self._sending = 0
        self._none_sent = asyncio.Event()
        self._none_sent.set()
        asking = (WORDS, STRUCTURE, SKETCH, START)
        starting = (VARY_LITTLE, VARY_LOT, UPSCALE, FACES, BACKGROUND, FINISH, *EXTEND_TOOLS)
        self.handlers: Mapping[str, Handler] = {
            **{tool.name: partial(self._start, tool) for tool in starting},
            **{tool.name: partial(self._ask, tool) for tool in asking},
            **{tool.name: partial(self._pick, tool) for tool in (PART, ERASE)},
            EXTEND.name: self._extend,
            ORIGINAL.name: self._original,
            OPEN_PICTURE: self._open,
            SWITCH_PICTURE: self._replace,
            BACK_TO_PICTURE.name: self._replace,
        }

    # --- showing ------------------------------------------------------------------------------------------------

    async def open(self, interaction: Interaction, reference: Reference) -> None:
        """Show the panel of a picture in a new private message. Raises UserError if the person may not use it."""
        await promise(interaction)
        await self._show(interaction, reference)

    async def open_single(self, interaction: Interaction, job_id: int) -> None:
        """Show the panel of the only image of a job."""
        await self.open(interaction, ImageReference(job_id, 1))

    async def _open(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        await self.open(interaction, reference)

    async def _replace(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Show the panel of a picture in the place of the pressed message."""
        self._part_picker.close(interaction)
        await answer_later(interaction)
        await self._show(interaction, reference)

    async def _show(self, interaction: Interaction, reference: Reference) -> None:
        origin = origin_of(interaction)
        picture = await self._tools.picture(origin, reference)
        self._tools.require_allowed(origin, picture.source.kind)
        offers = self._tools.offers(origin, picture)
        finish = self._tools.finish(origin, picture)

        def sheet(small: bytes | None) -> Sheet:
            return panel_sheet(picture, small, offers, finish, mention=self._mention)

        await self._fill(interaction, picture.file, sheet)

    async def _fill(self, interaction: Interaction, file: Path, sheet: Callable[[bytes | None], Sheet]) -> None:
        """Fill the deferred answer with a sheet that shows a small picture of the file.

        If drawing takes long, or other panels are being sent, the sheet is shown without the picture until then.
        """
        first = not self._sending or self._pictures.ready(file)
        with self._counted():
            small = await self._drawn_soon(file) if first else None
            message = await fill(interaction, sheet(small))
        self._unfinished.pop(message.id, None)
        if small is None:
            await self._add_picture(interaction, message.id, file, sheet)

    async def _drawn_soon(self, file: Path) -> bytes | None:
        """The small picture, or None if drawing takes longer than PATIENCE. It is drawn to the end even so."""
        try:
            return await asyncio.wait_for(self._pictures.of(file), PATIENCE)
        except TimeoutError:
            return None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count this panel as being sent."""
        self._sending += 1
        self._none_sent.clear()
        try:
            yield
        finally:
            self._sending -= 1
            if not self._sending:
                self._none_sent.set()

    async def _add_picture(
        self, interaction: Interaction, message_id: int, file: Path, sheet: Callable[[bytes | None], Sheet]
    ) -> None:
        """Add the picture to the panel in this message when it is drawn, unless another press replaced the panel."""
        self._unfinished[message_id] = interaction.id
        # Drawing takes a processor, and sending the picture too. Panels come first.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none_sent.wait(), HELD_BACK)
        small = await self._pictures.of(file)
        if self._unfinished.get(message_id) != interaction.id:
            return
        del self._unfinished[message_id]
        if small is None:
            return
        try:
            await fill(interaction, sheet(small))
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # The panel works without it, and its reader may have dismissed it.
            log.info("panel.picture_not_added", kind=type(error).__name__)

    async def _extend(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Show the choices of Extend in the place of the panel."""
        await answer_later(interaction)
        origin = origin_of(interaction)
        picture = await self._tools.picture(origin, reference)
        self._tools.require_allowed(origin, picture.source.kind)
        choices = list(self._tools.extensions(origin, picture))
        if not choices:
            raise UserError(NOT_OFFERED(operation=NAMES[EXTEND.operation]))
        await self._fill(interaction, picture.file, lambda small: extend_sheet(picture, small, choices))

    async def _original(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Send the stored file as it is, privately."""
        await promise(interaction)
        picture = await self._tools.picture(origin_of(interaction), reference)
        try:
            size = (await self._pools.files.run(picture.file.stat)).st_size
        except FileNotFoundError:
            raise UserError(IMAGE_GONE) from None
        most = origin_of(interaction).file_limit
        if size > most:
            raise UserError(TOO_LARGE_HERE(mib=-(-size // _MIB), most=most // _MIB))
        name = f"easel-{reference}{picture.file.suffix}"
        file = discord.File(
            Spliced(picture.file, [range(size)], self._pools.files), filename=name, spoiler=picture.spoiler
        )
        try:
            await interaction.followup.send(view=original_card(picture, file.filename), file=file, ephemeral=True)
        except discord.HTTPException as error:
            if (why := refused_files(error)) is None:
                raise
            raise UserError(why) from error

    # --- starting -----------------------------------------------------------------------------------------------

    async def _start(self, tool: Tool, interaction: Interaction, reference: Reference, price: int | None) -> None:
        """Start what needs no further answers. If the picture has no words, ask for them."""
        picture, offer = await self._offered(tool, interaction, reference)
        options = self._tools.options(origin_of(interaction), picture, offer)
        if tool.own_words and not options.prompt:
            await self._show_form(tool, interaction, picture, offer)
            return
        await self._starter.run(interaction, picture, options, complete=True, named_price=price)

    async def _ask(self, tool: Tool, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Open the form of a tool."""
        picture, offer = await self._offered(tool, interaction, reference)
        await self._show_form(tool, interaction, picture, offer)

    async def _pick(self, tool: Tool, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Let the person mark the part of the picture, in the place of the panel."""
        if interaction.message is not None:
            self._unfinished.pop(interaction.message.id, None)
        await self._part_picker.open(interaction, reference, tool.operation)

    async def _offered(self, tool: Tool, interaction: Interaction, reference: Reference) -> tuple[EditedPicture, Offer]:
        """The picture, and the tool with its engine and price. Raises UserError if no engine offers it now."""
        origin = origin_of(interaction)
        picture = await looked_up(interaction, self._tools.picture(origin, reference))
        self._tools.require_allowed(origin, picture.source.kind)
        offer = self._tools.finish(origin, picture) if tool is FINISH else self._tools.offer(origin, picture, tool)
        if offer is None:
            raise UserError(NOT_OFFERED(operation=NAMES[tool.operation]))
        return picture, offer

    async def _show_form(self, tool: Tool, interaction: Interaction, picture: EditedPicture, offer: Offer) -> None:
        origin = origin_of(interaction)
        options = self._tools.options(origin, picture, offer)
        if tool is START:
            options = self._tools.with_words(options, picture, offer.engine)
        await self._starter.ask(interaction, picture, tool, options, _QUESTIONS[tool.name])


def picture_item(panel: PicturePanel) -> Component:
    """Return the class of the buttons and menus of pictures."""

    async def press(interaction: Interaction, match: re.Match[str], item: ui.Item[Any]) -> None:
        handler = panel.handlers.get(match["action"])
        chosen = item.values[0] if isinstance(item, ui.Select) and len(item.values) == 1 else ""
        try:
            reference = parse_reference(match["reference"] or chosen)
        except ValueError:
            raise UserError(OLD_BUTTON) from None
        if handler is None:
            raise UserError(OLD_BUTTON)
        await handler(interaction, reference, None if match["price"] is None else int(match["price"]))

    return component(
        r"picture:(?P<action>[a-z0-9-]{1,20})"
        r"(?::(?P<reference>[0-9]{1,18}-[0-9]{1,2}|p[0-9]{1,18})(?::(?P<price>[0-9]{1,15}))?)?",
        press,
        doing="picture.{action}",
    )
