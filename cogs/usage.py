"""/usage: spending and running jobs of a server, for its managers and for the operator."""

from __future__ import annotations

from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.periods import SUGGESTED
from bot.ui.attached_files import Sheet
from bot.ui.autocomplete import calmly, matching
from bot.ui.cards.layout import Card, text
from bot.ui.cards.usage import person_card, running_card
from bot.ui.client import Easel
from bot.ui.first_answer import promise
from bot.ui.pages import answer_later, fill
from bot.ui.replies import tell
from bot.ui.usage_pages import asker_of, cancelled_sheet, names_for, report_sheet
from storage.reports import By

PERIOD = "Such as today, last month, 30 days, 2026-03, 2026-01-15..2026-02-14 or all time; by the calendar of UTC"
EVERYWHERE = "All servers: only for whoever runs this bot"
JOB_AT_MOST = 2**53 - 1

Period = Range[str, 1, 40]


@app_commands.guild_only()
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class Usage(commands.GroupCog, group_name="usage", group_description="What this server spends (Manage Server)"):
    """Reports. Who may see them is checked in ``reports``: a server's owner can show the command to anybody."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description="What everybody in this server has spent")
    @app_commands.describe(period=PERIOD, by="What each line is about", everywhere=EVERYWHERE)
    async def report(
        self,
        interaction: discord.Interaction[Easel],
        period: Period = "this month",
        by: Literal["user", "engine", "day", "channel"] = "user",
        everywhere: bool = False,
    ) -> None:
        asker_of(interaction, everywhere=everywhere).server_id()
        # A chart takes longer than the first answer may.
        await answer_later(interaction)
        await fill(interaction, await report_sheet(interaction, period, By(by), 1, everywhere=everywhere))

    @app_commands.command(description="What one person has spent, and what failed")
    @app_commands.describe(user="Whose jobs", period=PERIOD, everywhere=EVERYWHERE)
    async def user(
        self,
        interaction: discord.Interaction[Easel],
        user: discord.Member | discord.User,
        period: Period = "this month",
        everywhere: bool = False,
    ) -> None:
        asker = asker_of(interaction, everywhere=everywhere)
        asker.server_id()
        await promise(interaction)
        report = await self.client.reports.person(asker, user.id, period)
        await tell(interaction, person_card(report, names_for(interaction, everywhere=everywhere)))

    @app_commands.command(description="Every entry of the ledger as a table for a spreadsheet program")
    @app_commands.describe(period=PERIOD, everywhere=EVERYWHERE)
    async def export(
        self, interaction: discord.Interaction[Easel], period: Period = "this month", everywhere: bool = False
    ) -> None:
        asker = asker_of(interaction, everywhere=everywhere)
        asker.server_id()
        await answer_later(interaction)
        name, data = await self.client.reports.export(asker, period)
        card = Card(text("**Every entry of the ledger in this time.** Amounts are credits, times are UTC."))
        card.add_item(discord.ui.File(f"attachment://{name}"))
        await fill(interaction, Sheet(card, ((name, data),)))

    @app_commands.command(description="What is running and waiting now; or cancel a job")
    @app_commands.describe(cancel="The number of a job to cancel, as this list shows it", everywhere=EVERYWHERE)
    async def jobs(
        self,
        interaction: discord.Interaction[Easel],
        cancel: Range[int, 1, JOB_AT_MOST] | None = None,
        everywhere: bool = False,
    ) -> None:
        asker = asker_of(interaction, everywhere=everywhere)
        asker.server_id()
        await answer_later(interaction)
        if cancel is not None:
            await fill(interaction, await cancelled_sheet(interaction, cancel, everywhere=everywhere))
            return
        running = await self.client.reports.running(asker)
        await interaction.edit_original_response(view=running_card(running))

    @report.autocomplete("period")
    @calmly
    async def report_periods(self, interaction: discord.Interaction[Easel], current: str) -> list[Choice[str]]:
        return matching(((name, name) for name in SUGGESTED), current)

    @user.autocomplete("period")
    @calmly
    async def user_periods(self, interaction: discord.Interaction[Easel], current: str) -> list[Choice[str]]:
        return matching(((name, name) for name in SUGGESTED), current)

    @export.autocomplete("period")
    @calmly
    async def export_periods(self, interaction: discord.Interaction[Easel], current: str) -> list[Choice[str]]:
        return matching(((name, name) for name in SUGGESTED), current)


async def setup(client: Easel) -> None:
    await client.add_cog(Usage(client))
