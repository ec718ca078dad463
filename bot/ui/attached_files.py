"""Answers with files. If Discord refuses the files, the answer is sent again without them and says why."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import discord
import structlog
from discord import ui

from bot.text import Message, message
from bot.ui.cards.layout import Card, quiet, text
from bot.ui.client import Interaction

T = TypeVar("T")

log = structlog.get_logger(__name__)

_ATTACHED = "attachment://"
# The token is invalid, the message is gone, or the bot hit a rate limit.
_NOT_ABOUT_FILES = frozenset({401, 404, 429})
_EXPLICIT = 20009
_TOO_LARGE = 40005

FILES_TOO_LARGE = message("files.too_large", "The files are too large for Discord here.")
FILES_EXPLICIT = message("files.explicit", "Discord took an image for an explicit one and blocked all of them.")
FILES_REFUSED = message("files.refused", "Discord did not accept the files here.")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A card and the small files that it shows, as pairs of name and content."""

    card: Card
    files: tuple[tuple[str, bytes], ...] = ()


async def answer_later(interaction: Interaction) -> None:
    """Defer the answer: an update of the private list whose button was pressed, or else a new private message."""
    pressed = interaction.message
    if pressed is not None and pressed.flags.ephemeral:
        await interaction.response.defer()
    else:
        await interaction.response.defer(ephemeral=True, thinking=True)


async def fill(interaction: Interaction, sheet: Sheet) -> discord.Message:
    """Fill in the deferred answer. Returns the message."""

    async def edit(card: Card, files: list[discord.File]) -> discord.Message:
        return await interaction.edit_original_response(view=card, attachments=files)

    return await put(edit, sheet)


async def put(send: Callable[[Card, list[discord.File]], Awaitable[T]], sheet: Sheet) -> T:
    """Send the sheet. If Discord refuses its files, send it without them.

    Raises discord.HTTPException if Discord refuses it for another reason.
    """
    try:
        return await send(sheet.card, uploads(sheet.files))
    except discord.HTTPException as error:
        why = refused_files(error) if sheet.files else None
        if why is None:
            raise
        log.info("files.refused", status=error.status, code=error.code)
        return await send(_without_files(sheet.card, why), [])


def refused_files(error: discord.HTTPException) -> Message | None:
    """Why Discord refused the files of a request; None if the error is not about files."""
    if error.code == _TOO_LARGE or error.status == 413:
        return FILES_TOO_LARGE
    if error.code == _EXPLICIT:
        return FILES_EXPLICIT
    if 400 <= error.status < 500 and error.status not in _NOT_ABOUT_FILES:
        return FILES_REFUSED
    return None


def uploads(files: Sequence[tuple[str, bytes]]) -> list[discord.File]:
    """The files as ``discord.File`` objects."""
    return [discord.File(io.BytesIO(data), filename=name) for name, data in files]


def _without_files(card: Card, why: Message) -> Card:
    """A card with the same texts and buttons and the reason why the files are missing."""
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
