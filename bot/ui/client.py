"""The bot's connection to Discord. All features come from the cogs that are passed to it."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, TypeAlias

import aiohttp
import discord
import structlog
from discord import TeamMemberRole, app_commands
from discord.ext import commands

from bot.errors import UserError
from bot.text import Text, message

log = structlog.get_logger(__name__)

NOT_THIS_SERVER = message(
    "client.not_this_server",
    "This bot works only in certain servers, and this is not one of them. Ask the person who runs the bot to add it.",
)

PROXY_ANSWERS = message("network.proxy_answers", "the proxy answers {status:plain}")
PROXY_AWAY = message("network.proxy_away", "the proxy cannot be reached")
NO_SUCH_NAME = message("network.no_such_name", "its name cannot be resolved")
NOT_TRUSTED = message("network.not_trusted", "its certificate is not trusted")
TIMED_OUT = message("network.timed_out", "it did not answer in time")
REFUSED = message("network.refused", "it refuses the connection")
NO_CONNECTION = message("network.no_connection", "no connection")
BROKEN = message("network.broken", "the connection broke")


class Easel(commands.AutoShardedBot):
    """The Discord client of the bot.

    ``tree_cls``: the class of its command tree. ``allowed_guilds``: the servers that may use the bot; all if empty.
    If it is not empty, direct messages are not allowed either. ``http_trace``: traces each request to Discord.
    ``proxy``: used for Discord's API and its gateway. ``shard_count`` None: as many as Discord recommends.
    """

    def __init__(
        self,
        *,
        tree_cls: type[app_commands.CommandTree[Any]],
        http_trace: aiohttp.TraceConfig,
        allowed_guilds: Collection[int] = (),
        proxy: str | None = None,
        shard_count: int | None = None,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=tree_cls,
            # Commands are allowed everywhere unless they declare otherwise.
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            http_trace=http_trace,
            proxy=proxy,
            shard_count=shard_count,
        )
        self._allowed_guilds = frozenset(allowed_guilds)
        self._cogs_to_add: tuple[commands.Cog, ...] = ()
        self._after_login: tuple[Callable[[], Awaitable[object]], ...] = ()

    def install(self, cogs: Iterable[commands.Cog], *after_login: Callable[[], Awaitable[object]]) -> None:
        """Set the cogs that the bot adds after the login, and the functions that it then calls, in this order."""
        self._cogs_to_add = tuple(cogs)
        self._after_login = after_login

    async def add_cogs(self) -> None:
        """Add the installed cogs, with their commands. Makes no requests."""
        for cog in self._cogs_to_add:
            await self.add_cog(cog)

    async def setup_hook(self) -> None:
        await self.add_cogs()
        for call in self._after_login:
            await call()

    def check_place(self, interaction: discord.Interaction[Any]) -> None:
        """Raise UserError if the operator does not allow the bot to be used here."""
        if self._allowed_guilds and interaction.guild_id not in self._allowed_guilds:
            raise UserError(NOT_THIS_SERVER)

    def runs_the_bot(self, user_id: int) -> bool:
        """Whether, at the login, this person owned the application or was an admin or developer of its team."""
        if self.application is None:
            return False
        team = self.application.team
        if team is None:
            return user_id == self.application.owner.id
        trusted = {TeamMemberRole.admin, TeamMemberRole.developer}
        return user_id == team.owner_id or any(one.id == user_id and one.role in trusted for one in team.members)

    async def on_ready(self) -> None:
        log.info("bot.ready", servers=len(self.guilds), shards=self.shard_count)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        log.error("event.failed", of=event_method, exc_info=sys.exception())


Interaction: TypeAlias = discord.Interaction[Easel]
"""An interaction with the bot: a typed command, a pressed button or a submitted form."""


def why_unreachable(error: BaseException) -> Text:
    """Why a host could not be reached, as part of a sentence for the operator.

    Its only value is the status of a proxy's response.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return PROXY_ANSWERS(status=error.status)
        case aiohttp.ClientProxyConnectionError():
            return PROXY_AWAY()
        case aiohttp.ClientConnectorDNSError():
            return NO_SUCH_NAME()
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return NOT_TRUSTED()
        case TimeoutError():
            return TIMED_OUT()
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return REFUSED()
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return NO_CONNECTION()
        case _:
            return BROKEN()
