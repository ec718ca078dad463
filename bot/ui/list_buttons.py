"""The actions of lists' buttons. Each shows a page that is made for the person who presses the button."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

from discord import ui

from bot.errors import UserError
from bot.jobs.results import Results
from bot.jobs.service import JobService
from bot.people.threads import Threads
from bot.text import message
from bot.ui.admin import ReportPages
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards.buttons import OLD_LIST, engine_digest
from bot.ui.cards.engines import engines_card
from bot.ui.cards.history import history_card
from bot.ui.cards.layout import notice
from bot.ui.cards.threads import gallery_card, threads_card
from bot.ui.cards.wording import safe
from bot.ui.client import Interaction
from bot.ui.components import Component, component
from bot.ui.interactions import origin_of
from bot.ui.settings_panel import SettingsPanel
from storage.jobs import JobFilter

PageMaker: TypeAlias = Callable[[Interaction, int, str], Awaitable[Sheet]]
"""Makes a page for the person of the interaction, from the page number and the rest of the custom id."""

ENGINE_GONE = message("lists.engine_gone", "That engine is no longer available here. Run /history again without it.")
DELETED = message("lists.thread_deleted", "Deleted: {title}.")


class ListPages:
    """The handlers of the buttons of lists, by the names in the table of ``cards.buttons``."""

    def __init__(
        self, *, service: JobService, results: Results, threads: Threads, usage: ReportPages, settings: SettingsPanel
    ) -> None:
        self._service = service
        self._results = results
        self._threads = threads
        self.handlers: Mapping[str, PageMaker] = {
            "threads": self._threads_page,
            "gallery": self._gallery,
            "use": self._use,
            "delete": self._delete,
            "history": self._history_page,
            "engines": self._engines,
            "usage": usage.turned,
            "usageby": usage.turned,
            "drop": usage.cancelled,
            "settings": settings.shown,
            "resetask": settings.asked_to_reset,
            "reset": settings.reset,
        }

    async def history_sheet(self, interaction: Interaction, wanted: JobFilter, page: int = 1) -> Sheet:
        """A page of the person's jobs."""
        found = await self._results.page(origin_of(interaction), wanted, page)
        engine = None if wanted.engine is None else self._service.all_engines[wanted.engine].name
        return history_card(found, engine=engine)

    async def _history_page(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        return await self.history_sheet(interaction, wanted_of(rest, self._service.all_engines), page)

    async def _threads_page(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        return threads_card(await self._threads.list(origin_of(interaction), page))

    async def _gallery(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        return gallery_card(await self._threads.show(origin_of(interaction), rest, page))

    async def _use(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        await self._threads.use(origin_of(interaction), rest)
        return await self._gallery(interaction, page, rest)

    async def _delete(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        thread = await self._threads.delete(origin_of(interaction), rest)
        return Sheet(notice(DELETED(title=safe(thread.title, 160))))

    async def _engines(self, interaction: Interaction, page: int, rest: str) -> Sheet:
        service = self._service
        default = service.engine_by_default(origin_of(interaction))
        engines, retired = service.all_engines.values(), service.has_retired
        return Sheet(engines_card(engines, service.price_of, default=default, page=page, retired=retired))


def wanted_of(rest: str, engines: Iterable[str]) -> JobFilter:
    """Parse the output of ``history_rest``. Raises UserError."""
    match = re.fullmatch(r"(?P<thread>[0-9]{0,18}):(?P<engine>[0-9a-f]{0,8}):(?P<words>.*)", rest)
    if match is None:
        raise UserError(OLD_LIST)
    engine = None
    if match["engine"]:
        engine = next((known for known in engines if engine_digest(known) == match["engine"]), None)
        if engine is None:
            raise UserError(ENGINE_GONE)
    return JobFilter(words=match["words"] or None, engine=engine, thread_id=int(match["thread"] or 0) or None)


def list_button_item(handlers: Mapping[str, PageMaker]) -> Component:
    """Return the class of the buttons of lists; it calls these handlers."""

    async def press(interaction: Interaction, match: re.Match[str], _item: ui.Item[Any]) -> None:
        handler = handlers.get(match["list"])
        if handler is None:
            raise UserError(OLD_LIST)
        await answer_later(interaction)
        await fill(interaction, await handler(interaction, int(match["page"]), match["rest"] or ""))

    return component(r"page:(?P<list>[a-z]{1,20}):(?P<page>[0-9]{1,6})(?::(?P<rest>.*))?", press, doing="list.{list}")
