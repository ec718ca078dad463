"""/privacy: all that is stored on one, as a file or gone."""

from __future__ import annotations

from discord import app_commands, ui
from discord.ext import commands

from bot.people import privacy as verbs
from bot.text import listed
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards.layout import Card, notice, quiet, text
from bot.ui.cards.wording import counted
from bot.ui.client import Interaction
from bot.ui.confirm import Confirmation
from storage.privacy import Belongings


class Privacy(commands.GroupCog, group_name="privacy", group_description="What is stored on you"):
    """Hands out and deletes what is stored on a person."""

    def __init__(self, privacy: verbs.Privacy) -> None:
        self._privacy = privacy

    @app_commands.command(description="All that is stored on you, as a file")
    async def export(self, interaction: Interaction) -> None:
        await answer_later(interaction)
        export = await self._privacy.export(interaction.user.id, file_limit=interaction.filesize_limit)
        card = Card(
            text("**All that is stored on you**", "The file is JSON, which any text editor opens."),
            ui.File(f"attachment://{export.name}"),
            text(quiet("Pictures are not in it; those that are still stored are on their cards and in your history.")),
        )
        await fill(interaction, Sheet(card, ((export.name, export.data),)))

    @app_commands.command(description="Delete all that is stored on you; asks first")
    async def delete(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        theirs = await self._privacy.deletable(interaction.user.id)

        async def confirmed(confirming: Interaction) -> None:
            deleted = await self._privacy.delete(confirming.user.id)
            sentences = [f"Deleted: {_told(deleted.belongings)}."]
            if deleted.left:
                sentences.append(
                    f"Image files that could not be removed from the disk yet: {deleted.left}. Nobody can see them, "
                    "and the bot tries again every hour."
                )
            await confirming.edit_original_response(view=notice(*sentences))

        question = Confirmation(
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
            label="Delete everything",
            confirmed=confirmed,
            doing="button.delete_everything.confirmed",
        )
        await question.ask(interaction)


def _told(theirs: Belongings) -> str:
    parts = [
        f"{counted(theirs.jobs, 'job')} with prompts, settings and steps",
        f"{counted(theirs.images, 'stored image')}",
        f"{counted(theirs.threads, 'thread')}",
        "your own settings" if theirs.has_settings else "",
    ]
    return listed(part for part in parts if part)
