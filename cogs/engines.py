"""/engines: which engines there are, what they take and what they cost."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.client import Easel
from bot.display.answers import tell
from bot.display.list_cards import engines_card


class Engines(commands.Cog):
    """Lists the engines."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(name="engines", description="The engines: what each takes, and what it costs")
    async def show(self, interaction: discord.Interaction[Easel]) -> None:
        actions = self.client.actions
        card = engines_card(actions.engines.values(), actions.price, default=actions.default_engine)
        await tell(interaction, card)


async def setup(client: Easel) -> None:
    await client.add_cog(Engines(client))
