"""Welcomes a server: one card in its system channel, or in the first channel where the bot can write."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import discord
import structlog

from bot.jobs.service import JobService
from bot.providers.operations import Operation
from bot.servers.settings import Servers
from bot.servers.welcomes import Welcomes
from bot.text import Message, Text, message, read_in
from bot.ui.admin import missing_in
from bot.ui.cards.help import Mention
from bot.ui.cards.setup import welcome_card
from bot.ui.cards.wording import safe

log = structlog.get_logger(__name__)

NO_LIMIT = message("missing.limit", "Spending isn't limited yet, so one person could spend everything. Set a limit.")
NO_ENGINE = message(
    "missing.engine",
    "I have no image engine right now, so nobody can make images. The bot's operator can find out why with `doctor`.",
)
ONLY_DEMO = message(
    "missing.service", "I only have painted demo images. The bot's operator has to set up an image service."
)
_PROBLEMS_SHOWN = 4


class StartProblems:
    """Finds what keeps a server from making good use of the bot. ``demo``: its only engines paint demo images."""

    def __init__(self, servers: Servers, service: JobService, *, demo: bool) -> None:
        self._servers = servers
        self._service = service
        self._demo = demo

    def of(self, guild: discord.Guild) -> Iterator[Text | Message]:
        """The problems of the server, the most important first."""
        if not self._service.available_engines:
            yield NO_ENGINE
        if not self.limited(guild.id):
            yield NO_LIMIT
        if self._demo:
            yield ONLY_DEMO
        yield from missing_in(guild, self._servers.rules(guild.id), self._service.available_engines)

    def limited(self, server_id: int) -> bool:
        """Whether spending is limited in the server, or all of its engines are free."""
        if self._servers.spending_is_limited(server_id):
            return True
        return all(not self._service.price(engine).high for engine in self._service.engines)


class Welcomer:
    """Posts the welcome card. Its methods are listeners of the client."""

    def __init__(
        self,
        client: discord.Client,
        welcomes: Welcomes,
        *,
        problems: StartProblems,
        service: JobService,
        mention: Mention,
    ) -> None:
        self._client = client
        self._welcomes = welcomes
        self._problems = problems
        self._service = service
        self._mention = mention

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Welcome a server that the bot has just joined."""
        if await self._welcomes.joined(guild.id):
            await self._post(guild)

    async def on_ready(self) -> None:
        """Welcome the servers that added the bot while it was not running."""
        for guild in self._client.guilds:
            # The library knows the bot's own member, except in servers that are unavailable.
            joined_at = None if guild.unavailable or guild.me is None else guild.me.joined_at
            if joined_at is None:
                continue
            if await self._welcomes.found(guild.id, int(joined_at.timestamp() * 1000)):
                await self._post(guild)

    async def _post(self, guild: discord.Guild) -> None:
        channel = writable_channel(guild)
        if channel is None:
            log.info("welcome.no_channel", server=guild.id)
            return
        read_in(guild.preferred_locale.value)
        engine = self._service.all_engines.get(self._service.default_for(Operation.TEXT_TO_IMAGE))
        card = welcome_card(
            self._mention,
            engine=None if engine is None else safe(engine.name, 80),
            price=None if engine is None else self._service.price(engine.id),
            missing=list(self._problems.of(guild))[:_PROBLEMS_SHOWN],
        )
        try:
            await channel.send(view=card, allowed_mentions=discord.AllowedMentions.none())
        except discord.HTTPException as error:
            log.warning("welcome.not_posted", server=guild.id, status=error.status, code=error.code)
        except (aiohttp.ClientError, OSError) as error:
            log.warning("welcome.not_posted", server=guild.id, kind=type(error).__name__)
        else:
            log.info("welcome.posted", server=guild.id, channel=channel.id)


def writable_channel(guild: discord.Guild) -> discord.TextChannel | None:
    """The server's system channel, or else the first text channel, where the bot can write; None if there is none."""
    system = [] if guild.system_channel is None else [guild.system_channel]
    for channel in [*system, *guild.text_channels]:
        may = channel.permissions_for(guild.me)
        if may.view_channel and may.send_messages:
            return channel
    return None
