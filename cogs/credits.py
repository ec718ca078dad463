"""/credits: what a person has spent, what is on hold and what is left."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.jobs.service import JobService
from bot.servers.reports import Reports
from bot.ui.admin import drawn
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.autocomplete import calmly, period_choices
from bot.ui.cards.usage import credits_card, credits_chart
from bot.ui.charts import Charts
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of


class Credits(commands.Cog):
    """Shows people what they spent."""

    def __init__(self, reports: Reports, service: JobService, charts: Charts) -> None:
        self._reports = reports
        self._service = service
        self._charts = charts

    @app_commands.command(name="credits", description=locale_str("What you have spent and how much is left"))
    @app_commands.describe(period=locale_str("For example today, last month, 30 days, 2026-03 or all time (UTC)"))
    async def show(self, interaction: Interaction, period: Range[str, 1, 40] = "this month") -> None:
        # Drawing a chart takes longer than Discord waits for the first answer.
        await answer_later(interaction)
        report = await self._reports.credits(origin_of(interaction), period)
        chart = credits_chart(report)
        files = await drawn(self._charts, chart)
        names = {engine.id: engine.name for engine in self._service.all_engines.values()}
        await fill(interaction, Sheet(credits_card(report, names=names, chart=chart if files else None), files))

    @show.autocomplete("period")
    @calmly
    async def periods(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return period_choices(current)
