"""The pages of reports, for commands and for the reports' own buttons: made afresh for the person who asks."""

from __future__ import annotations

import re
from collections.abc import Collection

import discord
import structlog

from bot.errors import UserError
from bot.providers.base import Engine
from bot.servers.reports import Asker, Reports
from bot.servers.settings import Servers
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import OLD_LIST
from bot.ui.cards.usage import CHART, Names, report_card, report_chart, running_card
from bot.ui.charts import ChartFailed, Charts
from bot.ui.client import Interaction
from bot.ui.delivery.progress import Delivery
from bot.ui.interactions import origin_of
from storage.reports import By

log = structlog.get_logger(__name__)


def asker_of(interaction: Interaction, *, everywhere: bool = False) -> Asker:
    """Who asks, as Discord says in this interaction."""
    owner = interaction.client.runs_the_bot(interaction.user.id)
    return Asker(origin_of(interaction), owner=owner, everywhere=everywhere)


class UsagePages:
    """Makes the pages of reports."""

    def __init__(
        self, *, reports: Reports, servers: Servers, engines: Collection[Engine], charts: Charts, delivery: Delivery
    ) -> None:
        self._reports = reports
        self._servers = servers
        self._engines = {engine.id: engine.name for engine in engines}
        self._charts = charts
        self._delivery = delivery

    def names(self, interaction: Interaction, *, everywhere: bool) -> Names:
        """What things are called here."""
        client, guild = interaction.client, interaction.guild
        whose = "this bot" if everywhere else guild.name if guild is not None else "this server"
        place = self._servers.place(origin_of(interaction))

        def channel(channel_id: int) -> str:
            """In a chart, where no mention hides a name from those who may not see the channel."""
            if everywhere and (found := client.get_channel(channel_id)) is not None:
                return f"#{getattr(found, 'name', channel_id)}"
            return place.channel(channel_id) or "a channel that you cannot see"

        return Names(whose, self._engines, channel)

    async def report(self, interaction: Interaction, period: str, by: By, page: int, *, everywhere: bool) -> Sheet:
        """A page of a report with its chart. Raises UserError if the person may not see it."""
        report = await self._reports.report(asker_of(interaction, everywhere=everywhere), period, by, page)
        names = self.names(interaction, everywhere=everywhere)
        chart = report_chart(report, names)
        files: tuple[tuple[str, bytes], ...] = ()
        if chart is not None:
            try:
                files = ((CHART, await self._charts.png(chart)),)
            except ChartFailed:
                # The words say the same.
                log.exception("chart.failed")
                chart = None
        return Sheet(report_card(report, names, chart=chart), files)

    async def turned(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        """The page to which a report's button leads."""
        match = re.fullmatch(r"(?P<by>user|engine|day|channel):(?P<all>[01]):(?P<period>.{1,40})", rest)
        if match is None:
            raise UserError(OLD_LIST)
        return await self.report(interaction, match["period"], By(match["by"]), page, everywhere=match["all"] == "1")

    async def cancelled(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        """Cancel the job that a button names, and show what runs now."""
        match = re.fullmatch(r"(?P<all>[01]):(?P<job>[0-9]{1,18})", rest)
        if match is None:
            raise UserError(OLD_LIST)
        return await self.cancel(interaction, int(match["job"]), everywhere=match["all"] == "1")

    async def cancel(self, interaction: Interaction, job_id: int, *, everywhere: bool) -> Sheet:
        """Cancel somebody's job, update its card, and show what runs now. Raises UserError."""
        asker = asker_of(interaction, everywhere=everywhere)
        said = await self._reports.cancel(asker, job_id)
        try:
            await self._delivery.show(job_id)
        except discord.HTTPException as error:
            log.warning("card.not_shown", job=job_id, status=error.status)
        return Sheet(running_card(await self._reports.running(asker), str(said)))
