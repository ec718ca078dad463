"""The command tree: sets the language of each command, reports its errors, and translates its descriptions."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.errors import UserError
from bot.text import read_in, translation
from bot.ui.client import Easel, Interaction
from bot.ui.interactions import explain


class Tree(app_commands.CommandTree[Easel]):
    """The command tree; ``on_error`` reports the errors of all commands."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        read_in(interaction.locale.value)
        try:
            self.client.check_place(interaction)
        except UserError as error:
            if interaction.type is not discord.InteractionType.autocomplete:
                await explain(interaction, error, doing=_name(interaction))
            return False
        return True

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        await explain(interaction, error, doing=_name(interaction))


class Translator(app_commands.Translator):
    """Looks up the descriptions of commands and options in the catalogues of ``bot.text``.

    Names that people type are not translated, because the bot's texts mention them.
    """

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        where = app_commands.TranslationContextLocation
        typed = context.location in (where.command_name, where.group_name, where.parameter_name)
        if typed and not isinstance(context.data, app_commands.ContextMenu):
            return None
        return translation(string.message, locale.value)


def _name(interaction: Interaction) -> str:
    command = interaction.command
    return f"/{command.qualified_name}" if command is not None else "command"
