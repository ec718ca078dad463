"""/privacy: exports or deletes everything that is stored about a person."""

from __future__ import annotations

from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.people import privacy as verbs
from bot.text import Text, message, t
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards.layout import Card, heading, notice, quiet, text
from bot.ui.cards.wording import JOBS, THREADS
from bot.ui.client import Interaction
from bot.ui.questions import Confirmation
from storage.privacy import Summary

STORED_JOBS = message("privacy.stored_jobs", "{jobs} (prompts, settings, history)")
STORED_IMAGES = message("privacy.stored_images", "{count} stored image", "{count} stored images")
STORED_PICTURES = message(
    "privacy.stored_pictures", "{count} picture that you started from", "{count} pictures that you started from"
)
OWN_SETTINGS = message("privacy.own_settings", "your own settings")
LEFT_OUT = message(
    "privacy.pictures_left_out",
    "{count} of your pictures was too large for this file. Ask the bot's operator for it.",
    "{count} of your pictures were too large for this file. Ask the bot's operator for them.",
)
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


class Privacy(commands.GroupCog, group_name="privacy", group_description=locale_str("What is stored about you")):
    """Exports and deletes what is stored about a person."""

    def __init__(self, privacy: verbs.Privacy) -> None:
        self._privacy = privacy

    @app_commands.command(description=locale_str("Everything stored about you, as a file"))
    async def export(self, interaction: Interaction) -> None:
        await answer_later(interaction)
        export = await self._privacy.export(interaction.user.id, file_limit=interaction.filesize_limit)
        kind = t("The file is JSON; any text editor opens it.")
        if export.pictures:
            kind = t("The file is a ZIP archive with a JSON file and the pictures that you started from.")
        notes = [t("Images are not in it; find those that are still stored in /history.")]
        if export.left_out:
            notes.append(LEFT_OUT(count=export.left_out))
        card = Card(
            text(heading(t("Everything stored about you")), kind),
            ui.File(f"attachment://{export.name}"),
            text(*map(quiet, notes)),
        )
        await fill(interaction, Sheet(card, ((export.name, export.data),)))

    @app_commands.command(description=locale_str("Delete everything stored about you; asks first"))
    async def delete(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        stored = await self._privacy.deletable(interaction.user.id)

        async def confirmed(confirming: Interaction) -> None:
            deleted = await self._privacy.delete(confirming.user.id)
            sentences = [DELETED(stored=_counts(deleted.summary))]
            if deleted.not_removed:
                sentences.append(NOT_REMOVED(count=deleted.not_removed))
            await confirming.edit_original_response(view=notice(*sentences))

        question = Confirmation(
            text(heading(t("Delete everything stored about you?")), PERMANENT(stored=_counts(stored))),
            text(
                t("What stays:"),
                LIMITS_STAY,
                t("• Messages in Discord. Use their Delete button first if you want them gone."),
                t("• What others have made from your prompts and pictures."),
                t("• Limits that a server's admins have set for you, and what you did as an admin."),
                t("• Backups of the database that the bot's operator has made."),
            ),
            label=str(t("Delete everything")),
            confirmed=confirmed,
            doing="button.delete_everything.confirmed",
        )
        await question.ask(interaction)


def _counts(stored: Summary) -> list[Text]:
    """What is stored, for a list in a sentence."""
    counts = [STORED_JOBS(jobs=JOBS(count=stored.jobs)), STORED_IMAGES(count=stored.images)]
    if stored.pictures:
        counts.append(STORED_PICTURES(count=stored.pictures))
    counts.append(THREADS(count=stored.threads))
    return [*counts, OWN_SETTINGS()] if stored.has_settings else counts
