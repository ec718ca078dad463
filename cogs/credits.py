"""/credits: what one has spent, what is on hold and what is left."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.ui.admin import drawn
from bot.ui.attached_files import Sheet
from bot.ui.autocomplete import calmly, period_choices
from bot.ui.cards.usage import credits_card, credits_chart
from bot.ui.client import Easel
from bot.ui.interactions import origin_of
from bot.ui.pages import answer_later, fill


class Credits(commands.Cog):
    """Shows people what they spent."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(name="credits", description=locale_str("What you have spent and how much is left"))
    @app_commands.describe(period=locale_str("For example today, last month, 30 days, 2026-03 or all time (UTC)"))
    async def show(self, interaction: discord.Interaction[Easel], period: Range[str, 1, 40] = "this month") -> None:
        # Drawing a chart takes longer than Discord waits for the first answer.
        await answer_later(interaction)
        report = await self.client.reports.credits(origin_of(interaction), period)
        chart = credits_chart(report)
        files = await drawn(self.client.charts, chart)
        names = {engine.id: engine.name for engine in self.client.actions.engines.values()}
        await fill(interaction, Sheet(credits_card(report, names=names, chart=chart if files else None), files))

    @show.autocomplete("period")
    @calmly
    async def periods(self, interaction: discord.Interaction[Easel], current: str) -> list[Choice[str]]:
        return period_choices(current)


async def setup(client: Easel) -> None:
    await client.add_cog(Credits(client))
