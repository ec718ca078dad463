"""Reports as they are asked for by commands and by their own buttons: each made anew for whoever asks."""

from __future__ import annotations

import re

import discord
import structlog

from bot.errors import UserError
from bot.servers.reports import Asker
from bot.ui.attached_files import Sheet
from bot.ui.cards.usage import CHART, Names, report_card, report_chart, running_card
from bot.ui.charts import ChartFailed
from bot.ui.interactions import origin_of
from bot.ui.pages import OUTDATED
from bot.ui.replies import Press
from storage.reports import By

log = structlog.get_logger(__name__)


def asker_of(interaction: Press, *, everywhere: bool = False) -> Asker:
    """Who asks, as Discord says it in this very interaction."""
    owner = interaction.client.runs_the_bot(interaction.user.id)
    return Asker(origin_of(interaction), owner=owner, everywhere=everywhere)


def names_for(interaction: Press, *, everywhere: bool) -> Names:
    """What things are called here."""
    client, guild = interaction.client, interaction.guild
    whose = "this bot" if everywhere else guild.name if guild is not None else "this server"
    engines = {engine.id: engine.name for engine in client.actions.engines.values()}
    place = client.servers.place(origin_of(interaction))

    def channel(channel_id: int) -> str:
        """In a chart, where no mention hides a name from those who may not see the channel."""
        if everywhere and (found := client.get_channel(channel_id)) is not None:
            return f"#{getattr(found, 'name', channel_id)}"
        return place.channel(channel_id) or "a channel that you cannot see"

    return Names(whose, engines, channel)


async def report_sheet(interaction: Press, period: str, by: By, page: int, *, everywhere: bool) -> Sheet:
    """A page of a report with its chart. Raises UserError for whoever may not see it."""
    client = interaction.client
    report = await client.reports.report(asker_of(interaction, everywhere=everywhere), period, by, page)
    names = names_for(interaction, everywhere=everywhere)
    chart = report_chart(report, names)
    files: tuple[tuple[str, bytes], ...] = ()
    if chart is not None:
        try:
            files = ((CHART, await client.charts.png(chart)),)
        except ChartFailed:
            # The words say the same.
            log.exception("chart.failed")
            chart = None
    return Sheet(report_card(report, names, chart=chart), files)


async def usage_turn(interaction: Press, page: int, rest: str) -> Sheet:
    """What a report's button leads to."""
    match = re.fullmatch(r"(?P<by>user|engine|day|channel):(?P<all>[01]):(?P<period>.{1,40})", rest)
    if match is None:
        raise UserError(OUTDATED)
    return await report_sheet(interaction, match["period"], By(match["by"]), page, everywhere=match["all"] == "1")


async def drop_turn(interaction: Press, page: int, rest: str) -> Sheet:
    """Cancels the job that a button names, and shows what runs then."""
    match = re.fullmatch(r"(?P<all>[01]):(?P<job>[0-9]{1,18})", rest)
    if match is None:
        raise UserError(OUTDATED)
    return await cancelled_sheet(interaction, int(match["job"]), everywhere=match["all"] == "1")


async def cancelled_sheet(interaction: Press, job_id: int, *, everywhere: bool) -> Sheet:
    """Cancel somebody's job, show it on its card, and show what runs then. Raises UserError."""
    client = interaction.client
    asker = asker_of(interaction, everywhere=everywhere)
    said = await client.reports.cancel(asker, job_id)
    try:
        await client.delivery.show(job_id)
    except discord.HTTPException as error:
        log.warning("card.not_shown", job=job_id, status=error.status)
    return Sheet(running_card(await client.reports.running(asker), str(said)))
