"""The actions of the buttons and menus of the welcome card and of /setup. They work after a restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias

import discord
from discord import ui

from bot.domain.options import ImagineOptions
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.text import t
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.client import Interaction
from bot.ui.interactions import handle, origin_of
from bot.ui.job_starter import JobStarter

Handler: TypeAlias = Callable[[Interaction], Awaitable[None]]

FIRST_PROMPT = t("a lighthouse on a cliff, storm")
"""The prompt of the button that tries the bot, in the person's language."""


class TryIt:
    """Makes an example image as the job of the person who presses the button, with their own defaults and limits."""

    def __init__(self, service: JobService, starter: JobStarter) -> None:
        self._service = service
        self._starter = starter

    async def start(self, interaction: Interaction) -> None:
        """Start the job. Raises UserError."""
        private = self._service.private_by_default(origin_of(interaction))
        options = ImagineOptions(prompt=str(FIRST_PROMPT), private=private)
        await self._starter.start(interaction, await self._starter.planned(interaction, options))


def server_item(handlers: Mapping[str, Handler]) -> type[ui.DynamicItem[ui.Item[Any]]]:
    """Return the class that discord.py matches to the buttons and menus of servers; it calls these handlers."""

    class ServerItem(ui.DynamicItem[ui.Item[Any]], template=r"server:(?P<action>[a-z-]{1,20})"):
        def __init__(self, item: ui.Item[Any], action: str) -> None:
            super().__init__(item)
            self.action = action

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(item, match["action"])

        async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # typed for any client
            async def work(interaction: Interaction) -> None:
                handler = handlers.get(self.action)
                if handler is None:
                    raise UserError(OLD_BUTTON)
                await handler(interaction)

            await handle(interaction, work, doing=f"server.{self.action}")

    return ServerItem
