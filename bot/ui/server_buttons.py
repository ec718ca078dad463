"""The actions of the buttons and menus of the welcome card and of /setup. They work after a restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias

import discord
from discord import ui

from bot.errors import UserError
from bot.jobs.service import JobService
from bot.servers.access import AccessCheck
from bot.servers.settings import Servers
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.client import Interaction
from bot.ui.delivery.watch import DeliveryWatch
from bot.ui.interactions import handle
from bot.ui.job_starter import JobStarter
from bot.ui.setup_check import SetupCheck
from bot.ui.setup_panel import SetupPanel
from bot.ui.try_it import TryIt
from bot.ui.welcome import StartProblems

Handler: TypeAlias = Callable[[Interaction], Awaitable[None]]


class ServerButtons:
    """The handlers of a server's buttons and menus, by the names in the table of ``cards.buttons``."""

    def __init__(
        self,
        *,
        service: JobService,
        servers: Servers,
        starter: JobStarter,
        access: AccessCheck,
        problems: StartProblems,
        watch: DeliveryWatch,
    ) -> None:
        panel = SetupPanel(servers, service, problems)
        check = SetupCheck(service=service, starter=starter, access=access, problems=problems, watch=watch)
        self.open_setup = panel.open
        self.handlers: Mapping[str, Handler] = {
            **panel.handlers,
            "try": TryIt(service, starter).start,
            "test": check.start,
        }


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
