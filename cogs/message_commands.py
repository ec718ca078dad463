"""The message commands: use the prompt of a message, show the details of its job, and edit its picture."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.errors import UserError
from bot.jobs.results import NO_JOB_IN_MESSAGE, Results
from bot.ui.buttons import JobButtons
from bot.ui.client import Easel, Interaction
from bot.ui.delivery.messages import jobs_named
from bot.ui.forms import EditForms
from bot.ui.interactions import promise
from bot.ui.message_pictures import NO_PICTURE_IN_MESSAGE, MessagePictures


class MessageCommands(commands.Cog):
    """Message commands."""

    def __init__(
        self, client: Easel, results: Results, buttons: JobButtons, forms: EditForms, pictures: MessagePictures
    ) -> None:
        self._client = client
        self._results = results
        self._buttons = buttons
        self._forms = forms
        self._pictures = pictures
        # discord.py does not support context menus that are methods of a cog.
        self._menus = (
            app_commands.ContextMenu(name=locale_str("Use this prompt"), callback=self.use_this_prompt),
            app_commands.ContextMenu(name=locale_str("Details"), callback=self.details),
            app_commands.ContextMenu(name=locale_str("Edit this picture"), callback=self.edit_this_picture),
        )

    async def cog_load(self) -> None:
        for menu in self._menus:
            self._client.tree.add_command(menu)

    async def cog_unload(self) -> None:
        for menu in self._menus:
            self._client.tree.remove_command(menu.name, type=menu.type)

    async def use_this_prompt(self, interaction: Interaction, message: discord.Message) -> None:
        await self._forms.use_prompt(interaction, self._job(message))

    async def details(self, interaction: Interaction, message: discord.Message) -> None:
        await promise(interaction)
        await self._buttons.details(interaction, await self._job(message))

    async def edit_this_picture(self, interaction: Interaction, message: discord.Message) -> None:
        await promise(interaction)
        if not self._ours(message):
            await self._pictures.open_attached(interaction, message)
            return
        try:
            job_id = await self._job(message)
        except UserError as error:
            if [problem.code for problem in error.problems] == [NO_JOB_IN_MESSAGE.code]:
                raise UserError(NO_PICTURE_IN_MESSAGE) from None
            raise
        await self._pictures.open_result(interaction, job_id)

    async def _job(self, message: discord.Message) -> int:
        if not self._ours(message):
            raise UserError(NO_JOB_IN_MESSAGE)
        return await self._results.job_of_message(jobs_named(message), message.id)

    def _ours(self, message: discord.Message) -> bool:
        return self._client.user is not None and message.author.id == self._client.user.id
