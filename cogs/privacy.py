"""/privacy: all that is stored on one, as a file or gone."""

from __future__ import annotations

import contextlib
from typing import Any, Self, TypeAlias

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.text import listed
from bot.ui.attached_files import Sheet
from bot.ui.cards.layout import WARM, Card, notice, quiet, text
from bot.ui.cards.wording import counted
from bot.ui.client import Easel
from bot.ui.pages import answer_later, fill
from bot.ui.replies import Press, explain
from storage.privacy import Belongings

Interaction: TypeAlias = discord.Interaction[Easel]

_MINUTES_TO_CONFIRM = 5


class Privacy(commands.GroupCog, group_name="privacy", group_description="What is stored on you"):
    """Hands out and deletes what is stored on a person."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description="All that is stored on you, as a file")
    async def export(self, interaction: Interaction) -> None:
        await answer_later(interaction)
        export = await self.client.privacy.export(interaction.user.id, file_limit=interaction.filesize_limit)
        card = Card(
            text("**All that is stored on you**", "The file is JSON, which any text editor opens."),
            ui.File(f"attachment://{export.name}"),
            text(quiet("Pictures are not in it; those that are still stored are on their cards and in your history.")),
        )
        await fill(interaction, Sheet(card, ((export.name, export.data),)))

    @app_commands.command(description="Delete all that is stored on you; asks first")
    async def delete(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        theirs = await self.client.privacy.deletable(interaction.user.id)
        question = Question(theirs)
        question.message = await interaction.followup.send(view=question, ephemeral=True, wait=True)


class Question(ui.LayoutView):
    """Asks once more, since it cannot be undone. It lives for a few minutes and in memory only."""

    def __init__(self, theirs: Belongings) -> None:
        super().__init__(timeout=_MINUTES_TO_CONFIRM * 60)
        self.message: discord.WebhookMessage | None = None
        confirm: ui.Button[Self] = ui.Button(label="Delete everything", style=discord.ButtonStyle.danger)
        confirm.callback = self._confirmed  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(
            ui.Container(
                text(
                    "**Delete all that is stored on you?**",
                    f"At once and for good: {_told(theirs)}.",
                ),
                text(
                    "What stays:",
                    "• The amounts that you have spent. They count under your id until this day, week and month are "
                    "over, so that no limit starts anew; then under a random number that is nobody's. Credits that "
                    "you were given go over to that number, too.",
                    "• The cards in Discord. You can delete them there first, with their button.",
                    "• What others have made from your prompts.",
                    "• Limits that a server's admins have set for you, and what you did as an admin.",
                    "• Copies of the database that whoever runs this bot has made before.",
                ),
                ui.ActionRow(confirm),
                accent_colour=WARM,
            )
        )

    async def _confirmed(self, interaction: Press) -> None:
        await interaction.response.defer()
        deleted = await interaction.client.privacy.delete(interaction.user.id)
        self.stop()
        sentences = [f"Deleted: {_told(deleted.belongings)}."]
        if deleted.left:
            sentences.append(
                f"Image files that could not be removed from the disk yet: {deleted.left}. Nobody can see them, and "
                "the bot tries again every hour."
            )
        await interaction.edit_original_response(view=notice(*sentences))

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, item: ui.Item[Any], /) -> None:
        await explain(interaction, error, doing="button of /privacy delete")

    async def on_timeout(self) -> None:
        if self.message is not None:
            # Dismissed already, perhaps: either way nobody is asked any more.
            with contextlib.suppress(discord.HTTPException):
                await self.message.delete()


def _told(theirs: Belongings) -> str:
    parts = [
        f"{counted(theirs.jobs, 'job')} with prompts, settings and steps",
        f"{counted(theirs.images, 'stored image')}",
        f"{counted(theirs.threads, 'thread')}",
        "your own settings" if theirs.has_settings else "",
    ]
    return listed(part for part in parts if part)


async def setup(client: Easel) -> None:
    await client.add_cog(Privacy(client))
