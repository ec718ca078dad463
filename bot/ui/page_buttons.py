"""What the buttons of lists do: each leads to a page that is made anew for whoever presses it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeAlias

import discord
from discord import ui

from bot.errors import UserError
from bot.ui.admin import drop_turn, usage_turn
from bot.ui.attached_files import Sheet
from bot.ui.cards.engines import engines_card
from bot.ui.cards.history import history_card
from bot.ui.cards.layout import notice
from bot.ui.cards.threads import gallery_card, threads_card
from bot.ui.cards.wording import safe
from bot.ui.interactions import origin_of
from bot.ui.pages import OUTDATED, answer_later, fill, wanted_of
from bot.ui.replies import Press, explain
from storage.jobs import JobFilter

Turn: TypeAlias = Callable[[Press, int, str], Awaitable[Sheet]]
"""Makes a page for whoever asks, from its number and from what else the button says."""


class PageButton(
    ui.DynamicItem[ui.Button[Any]],
    template=r"page:(?P<list>[a-z]{1,20}):(?P<page>[0-9]{1,6})(?::(?P<rest>.*))?",
):
    """Any button of a list. Whatever goes wrong in it is told to the one who pressed it, and logged once."""

    def __init__(self, custom_id: str, of: str, page: int, rest: str) -> None:
        super().__init__(ui.Button(custom_id=custom_id))
        self.of = of
        self.page = page
        self.rest = rest

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match[0], match["list"], int(match["page"]), match["rest"] or "")

    async def callback(self, interaction: Press) -> None:  # type: ignore[override]  # the library types it for any client
        try:
            interaction.client.check_place(interaction)
            turn = TURNS.get(self.of)
            if turn is None:
                raise UserError(OUTDATED)
            await answer_later(interaction)
            await fill(interaction, await turn(interaction, self.page, self.rest))
        except Exception as error:  # noqa: BLE001 - told and logged by explain; the library would only log it
            await explain(interaction, error, doing=f"button of the list {self.of}")


async def history_sheet(interaction: Press, wanted: JobFilter, page: int = 1) -> Sheet:
    """A page of the jobs of whoever asks."""
    client = interaction.client
    found = await client.history.page(origin_of(interaction), wanted, page)
    engine = None if wanted.engine is None else client.actions.engines[wanted.engine].name
    return history_card(found, engine=engine)


async def _threads(interaction: Press, page: int, rest: str) -> Sheet:
    return threads_card(await interaction.client.threads.list(origin_of(interaction), page))


async def _gallery(interaction: Press, page: int, rest: str) -> Sheet:
    return gallery_card(await interaction.client.threads.show(origin_of(interaction), rest, page))


async def _use(interaction: Press, page: int, rest: str) -> Sheet:
    await interaction.client.threads.use(origin_of(interaction), rest)
    return await _gallery(interaction, page, rest)


async def _delete(interaction: Press, page: int, rest: str) -> Sheet:
    thread = await interaction.client.threads.delete(origin_of(interaction), rest)
    return Sheet(notice(f"Deleted: {safe(thread.title, 160)}."))


async def _history(interaction: Press, page: int, rest: str) -> Sheet:
    return await history_sheet(interaction, wanted_of(rest, interaction.client.actions.engines), page)


async def _engines(interaction: Press, page: int, rest: str) -> Sheet:
    actions = interaction.client.actions
    default = actions.engine_by_default(origin_of(interaction))
    return Sheet(engines_card(actions.engines.values(), actions.price, default=default, page=page))


TURNS: Mapping[str, Turn] = {
    "threads": _threads,
    "gallery": _gallery,
    "use": _use,
    "delete": _delete,
    "history": _history,
    "engines": _engines,
    "usage": usage_turn,
    "usageby": usage_turn,
    "drop": drop_turn,
}
"""What each button leads to, by the name in its id."""
