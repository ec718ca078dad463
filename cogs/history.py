"""/history: search a person's jobs and continue from them."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.characters import typed
from bot.domain.engines import find_engine
from bot.domain.features import NAME_AT_MOST
from bot.errors import UserError
from bot.jobs.results import SEARCH_AT_MOST
from bot.jobs.service import JobService
from bot.people.threads import Threads
from bot.text import message
from bot.ui.attached_files import answer_later, fill
from bot.ui.autocomplete import Suggestions, calmly
from bot.ui.cards.wording import units
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.list_buttons import ListPages
from storage.jobs import JobFilter

NO_WORDS = message("history.no_words", "There is nothing to search for. Type a word from the prompt.")
TOO_LONG = message("history.too_long", "Search for up to {limit} characters. An emoji counts as two.")


class History(commands.Cog):
    """Shows each person their own jobs only."""

    def __init__(self, service: JobService, threads: Threads, pages: ListPages, suggestions: Suggestions) -> None:
        self._service = service
        self._threads = threads
        self._pages = pages
        self._suggestions = suggestions

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
        engines = self._service.all_engines
        words = typed(search)
        if search is not None and words is None:
            raise UserError(NO_WORDS)
        if words is not None and units(words) > SEARCH_AT_MOST:
            raise UserError(TOO_LONG(limit=SEARCH_AT_MOST))
        engine_id = None if engine is None else find_engine(typed(engine) or "", engines).id
        await answer_later(interaction)
        thread_id = None
        if thread is not None:
            thread_id = (await self._threads.find(origin_of(interaction), thread)).id
        wanted = JobFilter(words=words, engine=engine_id, thread_id=thread_id)
        await fill(interaction, await self._pages.history_sheet(interaction, wanted))

    @history.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.engines(current)

    @history.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await self._suggestions.threads(interaction, current)
