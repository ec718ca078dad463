"""What a right click on one of the bot's messages offers: its prompt to use, and everything about it."""

from __future__ import annotations

from typing import TypeAlias

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import UserError
from bot.jobs.results import NO_JOB_IN_MESSAGE
from bot.ui.buttons import details
from bot.ui.client import Easel
from bot.ui.delivery.messages import jobs_named
from bot.ui.first_answer import promise
from bot.ui.forms import use_prompt

Interaction: TypeAlias = discord.Interaction[Easel]


class Results(commands.Cog):
    """Message commands."""

    def __init__(self, client: Easel) -> None:
        self.client = client
        # A command of this kind cannot stand in the class itself.
        self.menus = (
            app_commands.ContextMenu(name="Use this prompt", callback=self.use_this_prompt),
            app_commands.ContextMenu(name="Details", callback=self.details),
        )

    async def cog_load(self) -> None:
        for menu in self.menus:
            self.client.tree.add_command(menu)

    async def cog_unload(self) -> None:
        for menu in self.menus:
            self.client.tree.remove_command(menu.name, type=menu.type)

    async def use_this_prompt(self, interaction: Interaction, message: discord.Message) -> None:
        await use_prompt(interaction, self._job(message))

    async def details(self, interaction: Interaction, message: discord.Message) -> None:
        await promise(interaction)
        await details(interaction, await self._job(message))

    async def _job(self, message: discord.Message) -> int:
        if self.client.user is None or message.author.id != self.client.user.id:
            raise UserError(NO_JOB_IN_MESSAGE)
        return await self.client.lineage.job_of_message(jobs_named(message), message.id)


async def setup(client: Easel) -> None:
    await client.add_cog(Results(client))
