"""/history: all that one has made, to be looked through and taken up again."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.characters import typed
from bot.domain.engines import find_engine
from bot.errors import UserError
from bot.jobs.history import SEARCH_AT_MOST
from bot.jobs.service import Actions
from bot.people.threads import Threads
from bot.ui.attached_files import answer_later, fill
from bot.ui.autocomplete import NAME_AT_MOST, Suggestions, calmly
from bot.ui.cards.wording import units
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.list_buttons import ListPages
from storage.history import Wanted


class History(commands.Cog):
    """Shows everybody their own jobs, and nobody else's."""

    def __init__(self, actions: Actions, threads: Threads, pages: ListPages, suggestions: Suggestions) -> None:
        self._actions = actions
        self._threads = threads
        self._pages = pages
        self._suggestions = suggestions

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
        engines = self._actions.engines
        words = typed(search)
        if search is not None and words is None:
            raise UserError("There is nothing in that to search for. Type a word of the prompt.")
        if words is not None and units(words) > SEARCH_AT_MOST:
            raise UserError(f"Search for {SEARCH_AT_MOST} letters at most; an emoji counts as two.")
        engine_id = None if engine is None else find_engine(typed(engine) or "", engines).id
        await answer_later(interaction)
        thread_id = None
        if thread is not None:
            thread_id = (await self._threads.find(origin_of(interaction), thread)).id
        wanted = Wanted(words=words, engine=engine_id, thread_id=thread_id)
        await fill(interaction, await self._pages.history_sheet(interaction, wanted))

    @history.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.engines(current)

    @history.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await self._suggestions.threads(interaction, current)
