"""/help: what people can do here."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, locale_str
from discord.ext import commands

from bot.ui.cards.help import OVERVIEW, SUBJECTS
from bot.ui.client import Interaction
from bot.ui.help_pages import HelpPages
from bot.ui.interactions import tell

_SUBJECTS = [Choice(name=locale_str(subject.title.message.english), value=name) for name, subject in SUBJECTS.items()]


class Help(commands.Cog):
    """Explains the bot."""

    def __init__(self, pages: HelpPages) -> None:
        self._pages = pages

    @app_commands.command(name="help", description=locale_str("What you can do here, with examples to try"))
    @app_commands.describe(about=locale_str("The subject; default: an overview"))
    @app_commands.choices(about=_SUBJECTS)
    async def show(self, interaction: Interaction, about: str = OVERVIEW) -> None:
        await tell(interaction, self._pages.card(interaction, about))
