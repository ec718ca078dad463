"""Slash commands: their parameters from the option table, their language and errors, and their translations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.domain.features import Option
from bot.errors import UserError
from bot.text import Text, read_in, translation
from bot.ui.client import Easel, Interaction
from bot.ui.interactions import explain

Callback: TypeAlias = Callable[..., Coroutine[Any, Any, None]]
# The library's type stub does not accept values here.
_RANGE: Any = app_commands.Range


def takes(options: Iterable[Option], *, after: str = "", **descriptions: Text) -> Callable[[Callback], Any]:
    """Replace a command's ``**`` parameter by one parameter for each option, placed after the parameter ``after``.

    ``descriptions`` override those of the table.
    """

    def decorate(callback: Callback) -> Any:
        signature = inspect.signature(callback)
        every = list(signature.parameters.values())
        own = [each for each in every if each.kind is not inspect.Parameter.VAR_KEYWORD]
        names = [each.name for each in own]
        place = names.index(after) + 1 if after else names.index("interaction") + 1
        added = [_parameter(option) for option in options]
        described = {option.name: descriptions.get(option.name, option.description) for option in options}
        callback.__signature__ = signature.replace(parameters=[*own[:place], *added, *own[place:]])  # type: ignore[attr-defined]  # as inspect documents it
        return app_commands.describe(**{name: command_text(words) for name, words in described.items()})(callback)

    return decorate


def command_text(words: Text) -> locale_str:
    """Text for a command's description. It is translated when commands are registered."""
    return locale_str(words.message.english)


def _parameter(option: Option) -> inspect.Parameter:
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=_RANGE[option.kind, option.low, option.high] | None,
    )


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
