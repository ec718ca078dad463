"""The actions of a picture's panel. Its buttons are found by their custom ids, so they work after a restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeAlias

import discord
from discord import ui

from bot.domain.edits import NAMES, NOT_OFFERED
from bot.domain.options import ImagineOptions
from bot.domain.pictures import ImageReference, Reference, parse_reference
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.panel_pictures import PanelPictures
from bot.jobs.picture_tools import (
    ERASE,
    EXTEND,
    EXTEND_TOOLS,
    FINISH,
    PART,
    SKETCH,
    START,
    STRUCTURE,
    VARY_LITTLE,
    VARY_LOT,
    WORDS,
    EditedPicture,
    Offer,
    PictureTools,
    Tool,
)
from bot.jobs.sources import IMAGE_GONE, Sources
from bot.providers.operations import Operation
from bot.text import message, t
from bot.ui.attached_files import Sheet, answer_later, fill, put, refused_files
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.layout import Card
from bot.ui.cards.picture_buttons import BACK_TO_PICTURE, OPEN_PICTURE, ORIGINAL, SWITCH_PICTURE
from bot.ui.cards.picture_panel import extend_sheet, original_card, panel_sheet
from bot.ui.client import Interaction
from bot.ui.components import Component, component
from bot.ui.delivery.file_segments import Spliced
from bot.ui.forms import show_form
from bot.ui.interactions import TOO_SLOW, looked_up, origin_of, promise
from bot.ui.job_starter import JobStarter
from bot.ui.picture_forms import PictureForm, Question
from bot.ui.pictures import IncomingPicture, stored
from storage.pools import Pools

TOO_LARGE_HERE = message(
    "panel.too_large_here", "The original file has {mib} MiB; Discord takes files of up to {most} MiB here."
)

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


class PartPicker(Protocol):
    """Lets a person mark a part of a picture."""

    async def open(self, interaction: Interaction, reference: Reference, operation: Operation) -> None: ...


class PicturePanel:
    """Opens the panel of a picture, and starts what its buttons offer."""

    def __init__(
        self,
        *,
        tools: PictureTools,
        sources: Sources,
        starter: JobStarter,
        pictures: PanelPictures,
        pools: Pools,
        mention: Callable[[str], str],
        part_picker: PartPicker | None = None,
    ) -> None:
        """``mention`` mentions a command. Without a ``part_picker``, the tools that need one are not offered."""
        self._tools = tools
        self._sources = sources
        self._starter = starter
        self._pictures = pictures
        self._pools = pools
        self._mention = mention
        self._part_picker = part_picker
        asking = (WORDS, STRUCTURE, SKETCH, START)
        starting = (VARY_LITTLE, VARY_LOT, FINISH, *EXTEND_TOOLS)
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
        await _send(interaction, await self._panel(origin_of(interaction), reference))

    async def open_single(self, interaction: Interaction, job_id: int) -> None:
        """Show the panel of the only image of a job."""
        await self.open(interaction, ImageReference(job_id, 1))

    async def _open(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        await self.open(interaction, reference)

    async def _replace(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Show the panel of a picture in the place of the pressed message."""
        await answer_later(interaction)
        await fill(interaction, await self._panel(origin_of(interaction), reference))

    async def _panel(self, origin: Origin, reference: Reference) -> Sheet:
        picture = await self._tools.picture(origin, reference)
        self._tools.require_allowed(origin, picture)
        small = await self._pictures.of(picture.file)
        offers = [
            offer
            for offer in self._tools.offers(origin, picture)
            if self._part_picker is not None or not offer.tool.operation.has_mask
        ]
        return panel_sheet(picture, small, offers, self._tools.finish(origin, picture), mention=self._mention)

    async def _extend(self, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Show the choices of Extend in the place of the panel."""
        await answer_later(interaction)
        origin = origin_of(interaction)
        picture = await self._tools.picture(origin, reference)
        self._tools.require_allowed(origin, picture)
        choices = list(self._tools.extensions(origin, picture))
        if not choices:
            raise UserError(NOT_OFFERED(operation=NAMES[EXTEND.operation]))
        await fill(interaction, extend_sheet(picture, await self._pictures.of(picture.file), choices))

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
        if interaction.response.is_done():
            raise UserError(TOO_SLOW)
        await self._run(interaction, picture, options, complete=True, named_price=price)

    async def _ask(self, tool: Tool, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Open the form of a tool."""
        picture, offer = await self._offered(tool, interaction, reference)
        await self._show_form(tool, interaction, picture, offer)

    async def _pick(self, tool: Tool, interaction: Interaction, reference: Reference, _price: int | None) -> None:
        """Let the person mark the part of the picture."""
        if self._part_picker is None:
            raise UserError(OLD_BUTTON)
        await self._part_picker.open(interaction, reference, tool.operation)

    async def _offered(self, tool: Tool, interaction: Interaction, reference: Reference) -> tuple[EditedPicture, Offer]:
        """The picture, and the tool with its engine and price. Raises UserError if no engine offers it now."""
        origin = origin_of(interaction)
        picture = await looked_up(interaction, self._tools.picture(origin, reference))
        self._tools.require_allowed(origin, picture)
        offer = self._tools.finish(origin, picture) if tool is FINISH else self._tools.offer(origin, picture, tool)
        if offer is None:
            raise UserError(NOT_OFFERED(operation=NAMES[tool.operation]))
        return picture, offer

    async def _show_form(self, tool: Tool, interaction: Interaction, picture: EditedPicture, offer: Offer) -> None:
        origin = origin_of(interaction)
        options = self._tools.options(origin, picture, offer)
        if tool is START:
            options = self._tools.with_words(options, picture, offer.engine)

        offers = self._tools.engines(origin, picture, tool)
        named = {each.engine.id: each.price.high for each in offers}

        async def start(interaction: Interaction, completed: ImagineOptions) -> None:
            completed = await self._tools.without_flagged(completed)
            named_price = named.get(completed.engine or "")
            await self._run(interaction, picture, completed, complete=False, named_price=named_price)

        form = PictureForm(_QUESTIONS[tool.name], options, offers, start, job_id=picture.job_id)
        await show_form(interaction, form)

    async def _run(
        self,
        interaction: Interaction,
        picture: EditedPicture,
        options: ImagineOptions,
        *,
        complete: bool,
        named_price: int | None,
    ) -> None:
        reference = picture.reference
        if isinstance(reference, ImageReference):
            # Stored when it is used, not when the panel opens.
            receive = partial(self._sources.of_image, origin_of(interaction), reference.job_id, reference.position)
            incoming = IncomingPicture(picture.source, receive)
        else:
            incoming = stored(picture.source)
        await self._starter.run(
            interaction,
            options,
            complete=complete,
            parent_id=picture.job_id,
            named_price=named_price,
            picture=incoming,
        )


async def _send(interaction: Interaction, sheet: Sheet) -> None:
    async def send(card: Card, files: list[discord.File]) -> None:
        await interaction.followup.send(view=card, files=files, ephemeral=True)

    await put(send, sheet)


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
