"""Buttons and menus that work after a restart, because discord.py finds their handlers by their custom ids."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias

import discord
from discord import ui

from bot.errors import UserError
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards.buttons import OLD_BUTTON, OLD_LIST
from bot.ui.client import Interaction
from bot.ui.interactions import handle

Component: TypeAlias = type[ui.DynamicItem[ui.Item[Any]]]
Press: TypeAlias = Callable[[Interaction, re.Match[str], ui.Item[Any]], Awaitable[None]]
"""Answers a press, from the match of the custom id and the pressed button or menu."""
MenuHandler: TypeAlias = Callable[[Interaction, str, str], Awaitable[Sheet]]
"""Makes the message after a choice, from the rest of the custom id and the chosen value."""
ActionHandler: TypeAlias = Callable[[Interaction, str], Awaitable[None]]
"""Answers the interaction, from the rest of the custom id."""
ServerHandler: TypeAlias = Callable[[Interaction], Awaitable[None]]


def component(template: str, press: Press, *, doing: str) -> Component:
    """Return the class that discord.py matches to custom ids of this form; it calls ``press``.

    ``doing`` names the press in the log; the groups of the custom id are filled in. A group ``job`` is the job's id.
    """

    class PersistentItem(ui.DynamicItem[ui.Item[Any]], template=template):
        def __init__(self, item: ui.Item[Any], match: re.Match[str]) -> None:
            super().__init__(item)
            self.match = match

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(item, match)

        async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # typed for any client
            async def work(interaction: Interaction) -> None:
                await press(interaction, self.match, self.item)

            groups = self.match.groupdict()
            job_id = int(groups["job"]) if "job" in groups else None
            await handle(interaction, work, doing=doing.format(**groups), job_id=job_id)

    return PersistentItem


def menu_item(handlers: Mapping[str, MenuHandler]) -> Component:
    """Return the class of the menus; it calls these handlers."""

    async def press(interaction: Interaction, match: re.Match[str], item: ui.Item[Any]) -> None:
        handler = handlers.get(match["menu"])
        chosen = item.values if isinstance(item, ui.Select) else []
        if handler is None or len(chosen) != 1:
            raise UserError(OLD_LIST)
        await answer_later(interaction)
        await fill(interaction, await handler(interaction, match["rest"] or "", chosen[0]))

    return component(r"menu:(?P<menu>[a-z]{1,20})(?::(?P<rest>.*))?", press, doing="menu.{menu}")


def action_button_item(handlers: Mapping[str, ActionHandler]) -> Component:
    """Return the class of the buttons of single actions; it calls these handlers."""

    async def press(interaction: Interaction, match: re.Match[str], _item: ui.Item[Any]) -> None:
        handler = handlers.get(match["action"])
        if handler is None:
            raise UserError(OLD_LIST)
        await handler(interaction, match["rest"] or "")

    return component(r"do:(?P<action>[a-z]{1,20})(?::(?P<rest>.*))?", press, doing="button.{action}")


def server_item(handlers: Mapping[str, ServerHandler]) -> Component:
    """Return the class of the buttons and menus of the welcome card and of /setup; it calls these handlers."""

    async def press(interaction: Interaction, match: re.Match[str], _item: ui.Item[Any]) -> None:
        handler = handlers.get(match["action"])
        if handler is None:
            raise UserError(OLD_BUTTON)
        await handler(interaction)

    return component(r"server:(?P<action>[a-z-]{1,20})", press, doing="server.{action}")
