"""The bot as Discord sees it: logs in, loads the commands, keeps them in step, answers every failure in one way."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any

import aiohttp
import discord
import structlog
from discord import TeamMemberRole, app_commands
from discord.ext import commands
from discord.http import Route
from yarl import URL

from bot.clock import Clock, Witness
from bot.errors import UserError
from bot.jobs.results import Results
from bot.jobs.service import JobService
from bot.people.privacy import Privacy
from bot.people.threads import Threads
from bot.people.user_settings import UserSettingsStore
from bot.providers.answers import http_date
from bot.servers.reports import Reports
from bot.servers.settings import Servers
from bot.ui.ack_first import Rush
from bot.ui.buttons import JobButton
from bot.ui.charts import Charts
from bot.ui.delivery.messages import tries_of_requests
from bot.ui.delivery.progress import JobCards
from bot.ui.delivery.sharing import Sharing
from bot.ui.page_buttons import PageButton
from bot.ui.replies import explain
from bot.ui.sync import CommandSync
from bot.ui.visible_channels import place_of
from storage.database import Database

log = structlog.get_logger(__name__)

COGS = (
    "cogs.imagine",
    "cogs.compare",
    "cogs.results",
    "cogs.threads",
    "cogs.history",
    "cogs.credits",
    "cogs.settings",
    "cogs.privacy",
    "cogs.usage",
    "cogs.quota",
    "cogs.server",
    "cogs.engines",
    "cogs.help",
)


class Tree(app_commands.CommandTree["Easel"]):
    """The slash commands, with the one place that answers what goes wrong in them."""

    async def interaction_check(self, interaction: discord.Interaction[Easel], /) -> bool:
        try:
            self.client.check_place(interaction)
        except UserError as error:
            if interaction.type is not discord.InteractionType.autocomplete:
                await explain(interaction, error, doing=_name(interaction))
            return False
        return True

    async def on_error(self, interaction: discord.Interaction[Easel], error: app_commands.AppCommandError, /) -> None:
        await explain(interaction, error, doing=_name(interaction))


class Easel(commands.AutoShardedBot):
    """The bot, handed everything it works with.

    ``allowed_guilds``: the servers that may use it, all if empty; where some are named, nothing else may, direct
    messages included. ``command_guilds``: where the commands are registered; everywhere if empty. ``proxy``: through
    which Discord is reached, its gateway too. ``shard_count`` None: as many as Discord says.
    """

    def __init__(
        self,
        *,
        actions: JobService,
        delivery: JobCards,
        personal: UserSettingsStore,
        threads: Threads,
        history: Results,
        privacy: Privacy,
        charts: Charts,
        servers: Servers,
        reports: Reports,
        lineage: Results,
        proposals: JobService,
        sharing: Sharing,
        database: Database,
        witness: Witness,
        allowed_guilds: Collection[int] = (),
        command_guilds: Sequence[int] = (),
        clock: Clock,
        proxy: str | None = None,
        shard_count: int | None = None,
    ) -> None:
        trace = tries_of_requests()
        trace.on_request_end.append(_tells_the_time(witness))
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=Tree,
            # Everywhere, unless a command says otherwise.
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            http_trace=trace,
            proxy=proxy,
            shard_count=shard_count,
        )
        self.rush = Rush()
        self.actions = actions
        self.delivery = delivery
        self.personal = personal
        self.threads = threads
        self.history = history
        self.privacy = privacy
        self.charts = charts
        self.servers = servers
        self.reports = reports
        servers.place = partial(place_of, self)
        self.lineage = lineage
        self.proposals = proposals
        self.sharing = sharing
        self.commands_in_step = CommandSync(self.tree, database, command_guilds, clock)
        self._allowed_guilds = frozenset(allowed_guilds)

    async def setup_hook(self) -> None:
        for extension in COGS:
            await self.load_extension(extension)
        self.add_dynamic_items(JobButton, PageButton)
        self.delivery.attach(self)
        await self.commands_in_step.ensure()

    def check_place(self, interaction: discord.Interaction[Any]) -> None:
        """Raise UserError where the operator does not let the bot be used."""
        if self._allowed_guilds and interaction.guild_id not in self._allowed_guilds:
            raise UserError(
                "This bot is only for certain servers, and this is not one of them. Ask whoever runs it to let it in."
            )

    def mention(self, command: str) -> str:
        """A command's name to click on, or to read where its id is not known: ``usage report`` and the like."""
        return self.commands_in_step.mention(command)

    def runs_the_bot(self, user_id: int) -> bool:
        """Whether this is the application's owner or one of the team that may change it, as it was at the login."""
        if self.application is None:
            return False
        team = self.application.team
        if team is None:
            return user_id == self.application.owner.id
        trusted = {TeamMemberRole.admin, TeamMemberRole.developer}
        return user_id == team.owner_id or any(one.id == user_id and one.role in trusted for one in team.members)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.commands_in_step.joined(guild.id)

    async def on_ready(self) -> None:
        log.info("bot.ready", servers=len(self.guilds), shards=self.shard_count)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        log.error("event.failed", of=event_method, exc_info=sys.exception())


def _tells_the_time(witness: Witness) -> Callable[[Any, Any, aiohttp.TraceRequestEndParams], Awaitable[None]]:
    """Let the witness hear by every answer of Discord's what time it is there."""

    async def answered(_session: object, _context: object, end: aiohttp.TraceRequestEndParams) -> None:
        at = http_date(end.response.headers.get("Date"))
        if at is not None and end.url.host == URL(Route.BASE).host:
            witness.said(int(at.timestamp() * 1000))

    return answered


def _name(interaction: discord.Interaction[Any]) -> str:
    command = interaction.command
    return f"/{command.qualified_name}" if command is not None else "a command"
