"""Tools for admins: report pages, announcements of changes, and a check of a server's setup."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import aiohttp
import discord
import structlog

from bot.domain.rules import Rules, contradictions
from bot.errors import UserError
from bot.providers.base import Engine
from bot.servers.reports import Asker, Reports
from bot.servers.settings import Servers
from bot.text import Text, message
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import OLD_LIST
from bot.ui.cards.layout import Words, notice
from bot.ui.cards.running import running_card
from bot.ui.cards.usage import CHART, Names, report_card, report_chart
from bot.ui.cards.wording import safe
from bot.ui.charts import ChartFailed, Charts, ChartSpec
from bot.ui.client import Interaction
from bot.ui.delivery.progress import JobCards
from bot.ui.interactions import PERMISSION_NAMES, lacking, origin_of, tell
from storage.reports import By

log = structlog.get_logger(__name__)

NO_LIMIT_NAMED = message(
    "quota.no_limit_named", "Choose a limit to set: credits, free images, images or jobs. Or set the period."
)
PERIOD_ALONE = message(
    "quota.period_alone", "All members' limits reset together. Leave out role and user, or set a limit as well."
)
ONLY_ONE = message("quota.only_one", "Choose only one of for, role and user.")
ROLE_ELSEWHERE = message("quota.role_elsewhere", "That role belongs to another server.")
PERIOD_SET = message("quota.period_set", "Limits in this server now reset every {period} (UTC).")
MEMBER_PERIOD_SET = message("quota.member_period_set", "Members' limits now reset every {period} (UTC).")
SERVER_PERIOD_SET = message("quota.server_period_set", "The limit of the whole server now resets every {period} (UTC).")
LIMIT_SET = message("quota.set", "{who}: {limits}.")
LIMIT_REMOVED = message("quota.removed", "{who}: limit removed (was {limits}).")
LIMIT_REMOVED_FOR = message("quota.credits_removed", "{who}: no limit on credits any more.")
GRANTED = message("quota.granted", "Granted {amount:credits} to {person}. They have {left:amount} extra credits left.")
TAKEN_BACK = message(
    "quota.taken_back", "Took {amount:credits} back from {person}. They have {left:amount} extra credits left."
)
NOTHING_TO_SET = message("server.nothing_to_set", "Pick at least one rule to change. /server show lists them.")
SET_AND_CLEARED = message("server.set_and_cleared", "You can't set and clear “{rule}” at the same time.")
NOT_A_MEMBER = message(
    "server.not_a_member", "I'm not a member of this server. Add me to the server, not only to your account."
)
NOT_HERE = message("server.not_here", "That person isn't a member of this server.")
NO_SUCH_CHANNEL = message("server.no_such_channel", "There is no such channel in this server: {names}.")
NO_SUCH_ROLE = message("server.no_such_role", "There is no such role in this server: {names}.")
TOO_MANY = message("server.too_many", "Choose at most {most}.")
CHANNEL_ELSEWHERE = message("server.channel_elsewhere", "That channel belongs to another server.")
EXPORTED = message("usage.exported", "**Every ledger entry in this time.** Amounts are credits, times are UTC.")
CHANGED_BY = message("admin.changed_by", "Changed by {person}:")
NOT_LOGGED = message("admin.not_logged", "I couldn't post this in the log channel. /server show tells you why.")
CHANNEL_GONE = message("missing.channel", "The allowed channel {channel:plain} was deleted, or I can't see it.")
NO_CHANNEL_LEFT = message("missing.every_channel", "No allowed channel is left, so nobody can make images here.")
ROLE_GONE = message("missing.role", "The allowed role {role:plain} was deleted.")
LACKING = message("missing.permissions", "In <#{channel:plain}> I need {permissions}.")
LACKING_MORE = message(
    "missing.more", "{count} more channel has the same problem.", "{count} more channels have the same problem."
)
NOT_AGE_RESTRICTED = message(
    "missing.age_restricted",
    "No allowed channel is age-restricted, so the words for such channels are blocked everywhere.",
)
LOG_CHANNEL_GONE = message("missing.log_channel", "The log channel was deleted, or I can't see it.")
_CHANNELS_SHOWN = 12

HERE = message("usage.here", "this server")
PRIVATE_CHANNEL = message("usage.private_channel", "a channel you can't see")


def asker_of(interaction: Interaction, *, everywhere: bool = False) -> Asker:
    """The person who sent this interaction, as Discord describes them."""
    owner = interaction.client.runs_the_bot(interaction.user.id)
    return Asker(origin_of(interaction), owner=owner, everywhere=everywhere)


async def drawn(charts: Charts, chart: ChartSpec | None) -> tuple[tuple[str, bytes], ...]:
    """The chart as the file CHART. Empty without a chart or if drawing fails: the card contains the same figures."""
    if chart is None:
        return ()
    try:
        return ((CHART, await charts.png(chart)),)
    except ChartFailed:
        log.exception("chart.failed")
        return ()


class ReportPages:
    """Makes the pages of reports. Each page is made for the person who requests it."""

    def __init__(
        self, *, reports: Reports, servers: Servers, engines: Collection[Engine], charts: Charts, cards: JobCards
    ) -> None:
        self._reports = reports
        self._servers = servers
        self._engines = engines
        self._charts = charts
        self._cards = cards

    def names(self, interaction: Interaction, *, everywhere: bool) -> Names:
        """The names of the server, its channels and the engines."""
        client, guild = interaction.client, interaction.guild
        whose = None if everywhere else guild.name if guild is not None else str(HERE)
        place = self._servers.place(origin_of(interaction))

        def channel(channel_id: int) -> str:
            """The channel's name for a chart. Charts have no mentions, which would hide private names."""
            if everywhere and (found := client.get_channel(channel_id)) is not None:
                return f"#{getattr(found, 'name', channel_id)}"
            return place.channel(channel_id) or str(PRIVATE_CHANNEL)

        # Some engines are learnt after the start.
        return Names(whose, {engine.id: engine.name for engine in self._engines}, channel)

    async def report(self, interaction: Interaction, period: str, by: By, page: int, *, everywhere: bool) -> Sheet:
        """A page of a report with its chart. Raises UserError if the person may not see it."""
        report = await self._reports.report(asker_of(interaction, everywhere=everywhere), period, by, page)
        names = self.names(interaction, everywhere=everywhere)
        chart = report_chart(report, names)
        files = await drawn(self._charts, chart)
        return Sheet(report_card(report, names, chart=chart if files else None), files)

    async def turned(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        """The page of a report's button."""
        match = re.fullmatch(r"(?P<by>user|engine|day|channel|operation):(?P<all>[01]):(?P<period>.{1,40})", rest)
        if match is None:
            raise UserError(OLD_LIST)
        return await self.report(interaction, match["period"], By(match["by"]), page, everywhere=match["all"] == "1")

    async def cancelled(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        """Cancel the job of a button, and show the jobs that are still running."""
        match = re.fullmatch(r"(?P<all>[01]):(?P<job>[0-9]{1,18})", rest)
        if match is None:
            raise UserError(OLD_LIST)
        return await self.cancel(interaction, int(match["job"]), everywhere=match["all"] == "1")

    async def cancel(self, interaction: Interaction, job_id: int, *, everywhere: bool) -> Sheet:
        """Cancel a member's job, update its card, and show the jobs that are still running. Raises UserError."""
        asker = asker_of(interaction, everywhere=everywhere)
        said = await self._reports.cancel(asker, job_id)
        try:
            await self._cards.show(job_id)
        except discord.HTTPException as error:
            log.warning("card.not_shown", job=job_id, status=error.status)
        return Sheet(
            running_card(await self._reports.running(asker), self.names(interaction, everywhere=everywhere), said)
        )


# --- changes and problems ----------------------------------------------------------------------------------------


async def announce(interaction: Interaction, *sentences: Words, log_channel: int | None) -> None:
    """Show the change to the admin, and post it in the server's log channel. The sentences must be escaped already."""
    logged = await log_change(interaction, *sentences, log_channel=log_channel)
    await tell(interaction, notice(*sentences, *([] if logged else [NOT_LOGGED])))


async def log_change(interaction: Interaction, *sentences: Words, log_channel: int | None) -> bool:
    """Post the change in the server's log channel. Returns False if that fails: the change is stored already."""
    if log_channel is None:
        return True
    client, server_id = interaction.client, interaction.guild_id
    name = f"<@{interaction.user.id}> ({safe(interaction.user.display_name, 80)})"
    try:
        await client.get_partial_messageable(log_channel, guild_id=server_id).send(
            view=notice(CHANGED_BY(person=name), *sentences), allowed_mentions=discord.AllowedMentions.none()
        )
    except discord.HTTPException as error:
        log.warning("admin_log.not_posted", server=server_id, status=error.status, code=error.code)
        return False
    except (aiohttp.ClientError, OSError) as error:
        log.warning("admin_log.not_posted", server=server_id, kind=type(error).__name__)
        return False
    return True


def missing_in(guild: discord.Guild, rules: Rules, engines: Mapping[str, Engine]) -> Iterator[Text]:
    """The problems that keep people from making images in this server, or that make a rule ineffective."""
    yield from contradictions(rules, engines)
    named = [(channel_id, guild.get_channel(channel_id)) for channel_id in rules.channels]
    for channel_id, channel in named:
        if channel is None:
            yield CHANNEL_GONE(channel=channel_id)
    if rules.channels and all(channel is None for _, channel in named):
        yield NO_CHANNEL_LEFT()
    for role_id in rules.roles:
        if guild.get_role(role_id) is None:
            yield ROLE_GONE(role=role_id)
    looked_at = [channel for _, channel in named if channel is not None] if rules.channels else _open_to_all(guild)
    unusable = [
        (place.id, lacks)
        for place in looked_at
        if (lacks := lacking(place.permissions_for(guild.me), *PERMISSION_NAMES))
    ]
    for place_id, lacks in unusable[:_CHANNELS_SHOWN]:
        yield LACKING(channel=place_id, permissions=lacks)
    if len(unusable) > _CHANNELS_SHOWN:
        yield LACKING_MORE(count=len(unusable) - _CHANNELS_SHOWN)
    if rules.restricted and not any(getattr(channel, "nsfw", False) for channel in looked_at):
        yield NOT_AGE_RESTRICTED()
    if rules.log_channel is not None:
        log_channel = guild.get_channel(rules.log_channel)
        if log_channel is None:
            yield LOG_CHANNEL_GONE()
        elif lacks := lacking(log_channel.permissions_for(guild.me), "send_messages"):
            yield LACKING(channel=log_channel.id, permissions=lacks)


def _open_to_all(guild: discord.Guild) -> list[discord.abc.GuildChannel]:
    """The channels where everyone can write."""
    everybody = guild.default_role
    return [
        channel
        for channel in guild.text_channels
        if (may := channel.permissions_for(everybody)).view_channel and may.send_messages
    ]
