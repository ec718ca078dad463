"""Registers the buttons and menus of cards, so that those on older messages work too."""

from __future__ import annotations

from collections.abc import Mapping

from discord.ext import commands

from bot.ui.buttons import JobButtons, job_button_item
from bot.ui.client import Easel
from bot.ui.components import ActionHandler, MenuHandler, ServerHandler, action_button_item, menu_item, server_item
from bot.ui.list_buttons import ListPages, list_button_item
from bot.ui.part_picker import PartPicker, part_item
from bot.ui.picture_panel import PicturePanel, picture_item
from bot.ui.refused_commands import RefusedButtons, refused_button_item


class Buttons(commands.Cog):
    """The persistent buttons and menus."""

    def __init__(
        self,
        client: Easel,
        job_buttons: JobButtons,
        pages: ListPages,
        refused: RefusedButtons,
        panel: PicturePanel,
        part_picker: PartPicker,
        *,
        menus: Mapping[str, MenuHandler],
        actions: Mapping[str, ActionHandler],
        of_servers: Mapping[str, ServerHandler],
    ) -> None:
        self._client = client
        self._items = (
            job_button_item(job_buttons.handlers),
            list_button_item(pages.handlers),
            refused_button_item(refused),
            picture_item(panel),
            part_item(part_picker),
            menu_item(menus),
            action_button_item(actions),
            server_item(of_servers),
        )

    async def cog_load(self) -> None:
        self._client.add_dynamic_items(*self._items)

    async def cog_unload(self) -> None:
        self._client.remove_dynamic_items(*self._items)
