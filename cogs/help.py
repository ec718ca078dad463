"""/help: what people can do here."""

from __future__ import annotations

from collections.abc import Callable

from discord import app_commands
from discord.app_commands import Choice, locale_str
from discord.ext import commands

from bot.ui.cards.help import SUBJECTS, help_card, subject_card
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of, tell

_SUBJECTS = [Choice(name=locale_str(subject.title.message.english), value=name) for name, subject in SUBJECTS.items()]


class Help(commands.Cog):
    """Explains the bot."""

    def __init__(self, mention: Callable[[str], str]) -> None:
        self._mention = mention

    @app_commands.command(name="help", description=locale_str("What you can do here, with examples"))
    @app_commands.describe(about=locale_str("The subject; default: an overview"))
    @app_commands.choices(about=_SUBJECTS)
    async def show(self, interaction: Interaction, about: str | None = None) -> None:
        mention = self._mention
        manages = origin_of(interaction).manage_server
        card = help_card(mention, manages=manages) if about is None else subject_card(about, mention, manages=manages)
        await tell(interaction, card)
