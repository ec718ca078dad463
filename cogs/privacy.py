"""/privacy: everything stored about a person, as a file or deleted."""

from __future__ import annotations

import contextlib
from typing import Any, Self, TypeAlias

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.text import Text, message, t
from bot.ui.attached_files import Sheet
from bot.ui.cards.layout import WARM, Card, heading, notice, quiet, text
from bot.ui.cards.wording import JOBS, THREADS
from bot.ui.client import Easel
from bot.ui.pages import answer_later, fill
from bot.ui.replies import Press, explain
from storage.privacy import Summary

Interaction: TypeAlias = discord.Interaction[Easel]

SUMMARY = message("privacy.summary", "{jobs} (prompts, settings, history), {images} and {threads}")
SUMMARY_WITH_SETTINGS = message(
    "privacy.summary_with_settings", "{jobs} (prompts, settings, history), {images}, {threads} and your own settings"
)
STORED_IMAGES = message("privacy.stored_images", "{count} stored image", "{count} stored images")
PERMANENT = message("privacy.permanent", "This permanently deletes {stored}. It can't be undone.")
LIMITS_STAY = message(
    "privacy.spending_stays",
    "• What you have spent. It counts towards your limits until this day, week and month are over; then it is made "
    "anonymous, together with credits that you were granted.",
)
DELETED = message("privacy.deleted", "Deleted {stored}.")
NOT_REMOVED = message(
    "privacy.files_not_removed",
    "{count} image file could not be removed from the disk yet. Nobody can see it, and the bot retries every hour.",
    "{count} image files could not be removed from the disk yet. Nobody can see them, and the bot retries every hour.",
)

_MINUTES_TO_CONFIRM = 5


class Privacy(commands.GroupCog, group_name="privacy", group_description=locale_str("What is stored about you")):
    """Exports and deletes what is stored about a person."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description=locale_str("Everything stored about you, as a file"))
    async def export(self, interaction: Interaction) -> None:
        await answer_later(interaction)
        export = await self.client.privacy.export(interaction.user.id, file_limit=interaction.filesize_limit)
        card = Card(
            text(heading(t("Everything stored about you")), t("The file is JSON; any text editor opens it.")),
            ui.File(f"attachment://{export.name}"),
            text(quiet(t("Images are not in it; find those that are still stored in /history."))),
        )
        await fill(interaction, Sheet(card, ((export.name, export.data),)))

    @app_commands.command(description=locale_str("Delete everything stored about you; asks first"))
    async def delete(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        question = Question(await self.client.privacy.deletable(interaction.user.id))
        question.message = await interaction.followup.send(view=question, ephemeral=True, wait=True)


class Question(ui.LayoutView):
    """Asks the person to confirm. It lives for a few minutes, in memory only."""

    def __init__(self, stored: Summary) -> None:
        super().__init__(timeout=_MINUTES_TO_CONFIRM * 60)
        self.message: discord.WebhookMessage | None = None
        confirm: ui.Button[Self] = ui.Button(label=str(t("Delete everything")), style=discord.ButtonStyle.danger)
        confirm.callback = self._confirmed  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(
            ui.Container(
                text(heading(t("Delete everything stored about you?")), PERMANENT(stored=_counts(stored))),
                text(
                    t("What stays:"),
                    LIMITS_STAY,
                    t("• Messages in Discord. Use their Delete button first if you want them gone."),
                    t("• What others have made from your prompts."),
                    t("• Limits that a server's admins have set for you, and what you did as an admin."),
                    t("• Backups of the database that the bot's operator has made."),
                ),
                ui.ActionRow(confirm),
                accent_colour=WARM,
            )
        )

    async def _confirmed(self, interaction: Press) -> None:
        await interaction.response.defer()
        deleted = await interaction.client.privacy.delete(interaction.user.id)
        self.stop()
        sentences = [DELETED(stored=_counts(deleted.summary))]
        if deleted.not_removed:
            sentences.append(NOT_REMOVED(count=deleted.not_removed))
        await interaction.edit_original_response(view=notice(*sentences))

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, item: ui.Item[Any], /) -> None:
        await explain(interaction, error, doing="button of /privacy delete")

    async def on_timeout(self) -> None:
        if self.message is not None:
            # The person may have dismissed it already.
            with contextlib.suppress(discord.HTTPException):
                await self.message.delete()


def _counts(stored: Summary) -> Text:
    return (SUMMARY_WITH_SETTINGS if stored.has_settings else SUMMARY)(
        jobs=JOBS(count=stored.jobs),
        images=STORED_IMAGES(count=stored.images),
        threads=THREADS(count=stored.threads),
    )


async def setup(client: Easel) -> None:
    await client.add_cog(Privacy(client))
