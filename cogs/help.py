"""/help: what one can do here."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import Easel
from bot.display.answers import tell
from bot.display.list_cards import help_card


class Help(commands.Cog):
    """Explains the bot."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(name="help", description="What you can do here")
    async def show(self, interaction: discord.Interaction[Easel]) -> None:
        await tell(interaction, help_card(self.client.mention))


async def setup(client: Easel) -> None:
    await client.add_cog(Help(client))
