"""/credits: what one has spent, what is in flight and what is left."""

from __future__ import annotations

import structlog
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.periods import SUGGESTED
from bot.jobs.service import JobService
from bot.servers.spending import Spending
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.autocomplete import calmly, matching
from bot.ui.cards.credits import CHART, credits_card, credits_chart
from bot.ui.charts import ChartFailed, Charts, ChartSpec
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of

log = structlog.get_logger(__name__)


class Credits(commands.Cog):
    """Tells everybody what they spent."""

    def __init__(self, spending: Spending, actions: JobService, charts: Charts) -> None:
        self._spending = spending
        self._actions = actions
        self._charts = charts

    @app_commands.command(name="credits", description="What you have spent, what is in flight, and what is left")
    @app_commands.describe(period="Such as today, last month, 30 days, 2026-03 or all time; by the calendar of UTC")
    async def show(
        self,
        interaction: Interaction,
        period: Range[str, 1, 40] = "this month",
    ) -> None:
        # A chart takes longer than the first answer may.
        await answer_later(interaction)
        view = await self._spending.credits(origin_of(interaction), period)
        chart = credits_chart(view)
        files = await self._drawn(chart) if chart is not None else ()
        names = {engine.id: engine.name for engine in self._actions.engines.values()}
        card = credits_card(view, names=names, chart=chart if files else None)
        await fill(interaction, Sheet(card, files))

    @show.autocomplete("period")
    @calmly
    async def periods(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return matching(((name, name) for name in SUGGESTED), current)

    async def _drawn(self, chart: ChartSpec) -> tuple[tuple[str, bytes], ...]:
        try:
            png = await self._charts.png(chart)
        except ChartFailed:
            # The words say the same.
            log.exception("chart.failed")
            return ()
        return ((CHART, png),)
