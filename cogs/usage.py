"""/usage: what a server's people spend, for those who manage it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import Easel
from bot.display.answers import tell
from bot.display.list_cards import usage_card
from bot.display.starting import origin_of
from bot.generation import limits


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Usage(commands.GroupCog, group_name="usage", group_description="What this server spends (Manage Server)"):
    """Reports. Who may see them is checked in ``actions``: a server's owner can show the command to anybody."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description="What everybody in this server has spent")
    @app_commands.describe(period="Since when, by the days and months of UTC")
    async def report(
        self, interaction: discord.Interaction[Easel], period: Literal["today", "this month", "all time"] = "this month"
    ) -> None:
        origin = origin_of(interaction)
        view = await self.client.actions.usage(origin, since=_since(period, interaction.created_at))
        place = interaction.guild.name if interaction.guild is not None else "this server"
        await tell(interaction, usage_card(view, place=place))


def _since(period: str, now: datetime) -> int:
    """The beginning of the period in Unix milliseconds."""
    at = limits.milliseconds(now)
    starts = {"today": limits.day_start, "this month": limits.month_start}
    return limits.milliseconds(starts[period](at)) if period in starts else 0


async def setup(client: Easel) -> None:
    await client.add_cog(Usage(client))
