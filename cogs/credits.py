"""/credits: what one has spent and has in flight."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import Easel
from bot.display.answers import tell
from bot.display.list_cards import credits_card
from bot.display.starting import origin_of


class Credits(commands.Cog):
    """Tells everybody what they spent."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(name="credits", description="What you have spent, and what is in flight")
    async def show(self, interaction: discord.Interaction[Easel]) -> None:
        actions = self.client.actions
        view = await actions.credits(origin_of(interaction))
        names = {engine.id: engine.name for engine in actions.engines.values()}
        await tell(interaction, credits_card(view, names=names))


async def setup(client: Easel) -> None:
    await client.add_cog(Credits(client))
