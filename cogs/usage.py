"""/usage: spending and running jobs of a server, for its managers and for the operator."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.servers.reports import Reports
from bot.ui.admin import EXPORTED, ReportPages, asker_of
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.autocomplete import calmly, period_choices
from bot.ui.cards.layout import Card, text
from bot.ui.cards.running import running_card
from bot.ui.cards.usage import person_card
from bot.ui.client import Interaction
from bot.ui.interactions import promise, tell
from storage.reports import By

PERIOD = locale_str("For example today, last month, 30 days, 2026-03, 2026-01-15..2026-02-14 or all time (UTC)")
EVERYWHERE = locale_str("All servers (only for the bot's operator)")
BY = [
    Choice(name=locale_str("people"), value=By.USER.value),
    Choice(name=locale_str("engines"), value=By.ENGINE.value),
    Choice(name=locale_str("days"), value=By.DAY.value),
    Choice(name=locale_str("channels"), value=By.CHANNEL.value),
    Choice(name=locale_str("operations"), value=By.OPERATION.value),
]
JOB_AT_MOST = 2**53 - 1

Period = Range[str, 1, 40]


@app_commands.guild_only()
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class Usage(
    commands.GroupCog, group_name="usage", group_description=locale_str("What this server spends (Manage Server)")
):
    """Reports. ``Reports`` checks who may see them, because server admins can show the commands to everybody."""

    def __init__(self, reports: Reports, pages: ReportPages) -> None:
        self._reports = reports
        self._pages = pages

    @app_commands.command(description=locale_str("What this server has spent"))
    @app_commands.choices(by=BY)
    @app_commands.describe(period=PERIOD, by=locale_str("What each line is about"), everywhere=EVERYWHERE)
    async def report(
        self,
        interaction: Interaction,
        period: Period = "this month",
        by: str = By.USER.value,
        everywhere: bool = False,
    ) -> None:
        asker_of(interaction, everywhere=everywhere).server_id()
        # Drawing a chart takes longer than Discord waits for the first answer.
        await answer_later(interaction)
        await fill(interaction, await self._pages.report(interaction, period, By(by), 1, everywhere=everywhere))

    @app_commands.command(description=locale_str("What one member has spent, and their latest failures"))
    @app_commands.describe(user=locale_str("The member"), period=PERIOD, everywhere=EVERYWHERE)
    async def user(
        self,
        interaction: Interaction,
        user: discord.Member | discord.User,
        period: Period = "this month",
        everywhere: bool = False,
    ) -> None:
        asker = asker_of(interaction, everywhere=everywhere)
        asker.server_id()
        await promise(interaction)
        report = await self._reports.person(asker, user.id, period)
        await tell(interaction, person_card(report, self._pages.names(interaction, everywhere=everywhere)))

    @app_commands.command(description=locale_str("Export every ledger entry as a spreadsheet"))
    @app_commands.describe(period=PERIOD, everywhere=EVERYWHERE)
    async def export(self, interaction: Interaction, period: Period = "this month", everywhere: bool = False) -> None:
        asker = asker_of(interaction, everywhere=everywhere)
        asker.server_id()
        await answer_later(interaction)
        name, data = await self._reports.export(asker, period)
        card = Card(text(EXPORTED))
        card.add_item(discord.ui.File(f"attachment://{name}"))
        await fill(interaction, Sheet(card, ((name, data),)))

    @app_commands.command(description=locale_str("Show running and waiting jobs, or cancel one"))
    @app_commands.describe(cancel=locale_str("The number of a job to cancel, from this list"), everywhere=EVERYWHERE)
    async def jobs(
        self,
        interaction: Interaction,
        cancel: Range[int, 1, JOB_AT_MOST] | None = None,
        everywhere: bool = False,
    ) -> None:
        asker = asker_of(interaction, everywhere=everywhere)
        asker.server_id()
        await answer_later(interaction)
        if cancel is not None:
            await fill(interaction, await self._pages.cancel(interaction, cancel, everywhere=everywhere))
            return
        running = await self._reports.running(asker)
        names = self._pages.names(interaction, everywhere=everywhere)
        await interaction.edit_original_response(view=running_card(running, names))

    @report.autocomplete("period")
    @user.autocomplete("period")
    @export.autocomplete("period")
    @calmly
    async def periods(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return period_choices(current)
