"""/history: all that one has made, to be looked through and taken up again."""

from __future__ import annotations

from typing import TypeAlias

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.characters import typed
from bot.domain.engines import find_engine
from bot.domain.options import NAME_AT_MOST
from bot.errors import UserError
from bot.jobs.history import SEARCH_AT_MOST
from bot.ui.autocomplete import calmly, engine_choices, thread_choices
from bot.ui.cards.wording import units
from bot.ui.client import Easel
from bot.ui.interactions import origin_of
from bot.ui.page_buttons import history_sheet
from bot.ui.pages import answer_later, fill
from storage.history import Wanted

Interaction: TypeAlias = discord.Interaction[Easel]


class History(commands.Cog):
    """Shows everybody their own jobs, and nobody else's."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description="What you have made, wherever it was; only you see it")
    @app_commands.describe(
        search="Words of the prompt",
        engine="Only what this engine made",
        thread="Only what belongs to this thread",
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
            raise UserError("There is nothing in that to search for. Type a word of the prompt.")
        if words is not None and units(words) > SEARCH_AT_MOST:
            raise UserError(f"Search for {SEARCH_AT_MOST} letters at most; an emoji counts as two.")
        engine_id = None if engine is None else find_engine(typed(engine) or "", engines).id
        await answer_later(interaction)
        thread_id = None
        if thread is not None:
            thread_id = (await self.client.threads.find(origin_of(interaction), thread)).id
        wanted = Wanted(words=words, engine=engine_id, thread_id=thread_id)
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
