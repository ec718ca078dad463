"""The command tree: the descriptions of commands in other languages."""

from __future__ import annotations

from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands
from discord.app_commands import locale_str

from bot import text
from bot.ui.client import Easel, Interaction
from bot.ui.commands import Translator, Tree
from tests.doubles.texts import MadeUpLanguage


@app_commands.command(name="paint", description=locale_str("Make images from words"))
@app_commands.describe(size=locale_str("The size"))
async def paint(interaction: Interaction, size: str) -> None:
    """An example of a command."""


async def payload(command: Any) -> dict[str, Any]:
    client = Easel(tree_cls=Tree, http_trace=aiohttp.TraceConfig())
    told: dict[str, Any] = await command.get_translated_payload(client.tree, Translator())
    return told


async def test_descriptions_are_translated_and_names_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(text._LANGUAGES, "de", MadeUpLanguage())
    told = await payload(paint)
    with text.reading_in(MadeUpLanguage()):
        made_up = str(text.t("Make images from words"))
    assert told["description_localizations"] == {"de": made_up}
    assert told["name_localizations"] == {}
    (size,) = told["options"]
    assert size["description_localizations"].keys() == {"de"}
    assert not size.get("name_localizations")


async def test_entries_of_menus_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(text._LANGUAGES, "de", MadeUpLanguage())

    async def details(interaction: Interaction, message: discord.Message) -> None:
        """An example of a menu entry."""

    told = await payload(app_commands.ContextMenu(name=locale_str("Details"), callback=details))
    assert told["name_localizations"].keys() == {"de"}


async def test_without_another_language_nothing_is_sent() -> None:
    told = await payload(paint)
    assert told["description_localizations"] == {}
