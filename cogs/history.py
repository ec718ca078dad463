"""/history: everything a person has made, to search and to continue from."""

from __future__ import annotations

from typing import TypeAlias

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.characters import typed
from bot.domain.engines import find_engine
from bot.domain.options import NAME_AT_MOST
from bot.errors import UserError
from bot.jobs.results import SEARCH_AT_MOST
from bot.text import message
from bot.ui.autocomplete import calmly, engine_choices, thread_choices
from bot.ui.cards.wording import units
from bot.ui.client import Easel
from bot.ui.interactions import origin_of
from bot.ui.page_buttons import history_sheet
from bot.ui.pages import answer_later, fill
from storage.jobs import JobFilter

Interaction: TypeAlias = discord.Interaction[Easel]


NO_WORDS = message("history.no_words", "There is nothing to search for. Type a word from the prompt.")
TOO_LONG = message("history.too_long", "Search for up to {limit} characters. An emoji counts as two.")


class History(commands.Cog):
    """Shows each person their own jobs only."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description=locale_str("Everything you have made, anywhere; only you see it"))
    @app_commands.describe(
        search=locale_str("Words from the prompt"),
        engine=locale_str("Only from this engine"),
        thread=locale_str("Only from this thread"),
    )
    async def history(
        self,
        interaction: Interaction,
        search: Range[str, 1, SEARCH_AT_MOST] | None = None,
        engine: Range[str, 1, NAME_AT_MOST] | None = None,
        thread: Range[str, 1, NAME_AT_MOST] | None = None,
    ) -> None:
        engines = self.client.actions.engines
        words = typed(search)
        if search is not None and words is None:
            raise UserError(NO_WORDS)
        if words is not None and units(words) > SEARCH_AT_MOST:
            raise UserError(TOO_LONG(limit=SEARCH_AT_MOST))
        engine_id = None if engine is None else find_engine(typed(engine) or "", engines).id
        await answer_later(interaction)
        thread_id = None
        if thread is not None:
            thread_id = (await self.client.threads.find(origin_of(interaction), thread)).id
        wanted = JobFilter(words=words, engine=engine_id, thread_id=thread_id)
        await fill(interaction, await history_sheet(interaction, wanted))

    @history.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return engine_choices(self.client.actions, current)

    @history.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await thread_choices(interaction, current)


async def setup(client: Easel) -> None:
    await client.add_cog(History(client))
