"""Select menus, and buttons of single actions. They are found by their custom ids, so they work after a restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias

import discord
from discord import ui

from bot.errors import UserError
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards.buttons import OLD_LIST, action_id
from bot.ui.client import Interaction
from bot.ui.interactions import handle

MenuHandler: TypeAlias = Callable[[Interaction, str, str], Awaitable[Sheet]]
"""Makes the message after a choice, from the rest of the custom id and the chosen value."""
ActionHandler: TypeAlias = Callable[[Interaction, str], Awaitable[None]]
"""Answers the interaction, from the rest of the custom id."""


def menu_item(handlers: Mapping[str, MenuHandler]) -> type[ui.DynamicItem[ui.Select[Any]]]:
    """Return the class that discord.py matches to menus; it calls these handlers."""

    class MenuItem(
        ui.DynamicItem[ui.Select[Any]],
        template=r"menu:(?P<menu>[a-z]{1,20})(?::(?P<rest>.*))?",
    ):
        def __init__(self, custom_id: str, name: str, rest: str) -> None:
            super().__init__(ui.Select(custom_id=custom_id))
            self.name = name
            self.rest = rest

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(match[0], match["menu"], match["rest"] or "")

        async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # typed for any client
            async def work(interaction: Interaction) -> None:
                handler = handlers.get(self.name)
                chosen = self.item.values
                if handler is None or len(chosen) != 1:
                    raise UserError(OLD_LIST)
                await answer_later(interaction)
                await fill(interaction, await handler(interaction, self.rest, chosen[0]))

            await handle(interaction, work, doing=f"menu.{self.name}")

    return MenuItem


def action_button_item(handlers: Mapping[str, ActionHandler]) -> type[ui.DynamicItem[ui.Button[Any]]]:
    """Return the class that discord.py matches to the buttons of single actions; it calls these handlers."""

    class ActionButtonItem(
        ui.DynamicItem[ui.Button[Any]],
        template=r"do:(?P<action>[a-z]{1,20})(?::(?P<rest>.*))?",
    ):
        def __init__(self, name: str, rest: str) -> None:
            super().__init__(ui.Button(custom_id=action_id(name, rest)))
            self.name = name
            self.rest = rest

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(match["action"], match["rest"] or "")

        async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # typed for any client
            async def work(interaction: Interaction) -> None:
                handler = handlers.get(self.name)
                if handler is None:
                    raise UserError(OLD_LIST)
                await handler(interaction, self.rest)

            await handle(interaction, work, doing=f"button.{self.name}")

    return ActionButtonItem
