"""Answers with files: where Discord does not take these, the same answer comes without them and says why."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import discord
import structlog
from discord import ui

from bot.ui.cards.layout import Card, quiet, text

T = TypeVar("T")

log = structlog.get_logger(__name__)

_ATTACHED = "attachment://"
# Whoever is answered so is not there any more, or may not ask; or it was too much at once.
_NOT_ABOUT_FILES = frozenset({401, 404, 429})
_EXPLICIT = 20009
_TOO_LARGE = 40005


@dataclass(frozen=True, slots=True)
class Sheet:
    """A card with the small files that it shows, as pairs of name and content."""

    card: Card
    files: tuple[tuple[str, bytes], ...] = ()


async def put(send: Callable[[Card, list[discord.File]], Awaitable[T]], sheet: Sheet) -> T:
    """Send the sheet; if Discord does not take it with its files, send it without them.

    Raises discord.HTTPException as it comes where the files have nothing to do with it.
    """
    try:
        return await send(sheet.card, uploads(sheet.files))
    except discord.HTTPException as error:
        why = refused_files(error) if sheet.files else None
        if why is None:
            raise
        log.info("files.refused", status=error.status, code=error.code)
        return await send(_without_files(sheet.card, why), [])


def refused_files(error: discord.HTTPException) -> str | None:
    """Why Discord may not have taken the files of a request, in a sentence; None where it was not about them."""
    if error.code == _TOO_LARGE or error.status == 413:
        return "Discord found the files too large for this place."
    if error.code == _EXPLICIT:
        return "Discord took a picture for an explicit one and let none of them through."
    if 400 <= error.status < 500 and error.status not in _NOT_ABOUT_FILES:
        return "Discord did not take the files here."
    return None


def uploads(files: Sequence[tuple[str, bytes]]) -> list[discord.File]:
    """The files as the library sends them."""
    return [discord.File(io.BytesIO(data), filename=name) for name, data in files]


def _without_files(card: Card, why: str) -> Card:
    """The same words and buttons, and why there are no pictures."""
    items = [item for part in card.parts for item in _plain(part)]
    return Card(*items, text(quiet(why)), accent=card.accent)


def _plain(item: ui.Item[Any]) -> Iterator[ui.Item[Any]]:
    if isinstance(item, ui.MediaGallery):
        if not any(each.media.url.startswith(_ATTACHED) for each in item.items):
            yield item
    elif isinstance(item, ui.File):
        if not item.media.url.startswith(_ATTACHED):
            yield item
    elif isinstance(item, ui.Section) and isinstance(item.accessory, ui.Thumbnail):
        yield from item.children
    else:
        yield item
