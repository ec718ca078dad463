"""Pictures that people bring: checks what Discord says of an attachment, and downloads it after the first answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import discord
import structlog

from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.sources import Sources
from bot.pictures.normalising import NO_PICTURE, TOO_MANY_PIXELS
from bot.providers.image_headers import MOST_PIXELS
from bot.text import message
from storage.pools import Pool

log = structlog.get_logger(__name__)

PICTURE_TOO_LARGE = message(
    "pictures.too_large", "This picture has {mib} MiB; at most {most} MiB are possible. Nothing was charged."
)
NOT_DOWNLOADED = message(
    "pictures.not_downloaded", "Discord didn't let me download this picture. Nothing was charged. Attach it again."
)

BYTES_AT_MOST = 64 << 20
"""The largest attachment that is downloaded. The place may allow less."""
LARGE = 8 << 20
"""Larger attachments are downloaded one at a time, because they are in memory while they are downloaded."""

_MIB = 1 << 20
# The size that is assumed until the picture is downloaded, if Discord does not tell it. It is not quite square, because
# a square picture cannot be extended to a square.
_UNKNOWN_SIZE = (1024, 1008)


@dataclass(frozen=True, slots=True)
class IncomingPicture:
    """A picture that is stored only after the first answer. ``expected`` has the facts that Discord tells of it."""

    expected: SourcePicture
    receive: Callable[[], Awaitable[SourcePicture]]
    """Download and store it. Raises UserError and StorageError."""


class Attachments:
    """Receives attachments."""

    def __init__(self, sources: Sources, files: Pool) -> None:
        """``files`` is the thread pool that writes them."""
        self._sources = sources
        self._files = files
        self._large = asyncio.Lock()

    def incoming(
        self,
        origin: Origin,
        attachment: discord.Attachment,
        *,
        kind: SourceKind = SourceKind.ATTACHED,
        author_id: int | None = None,
    ) -> IncomingPicture:
        """Check an attachment without any I/O. ``author_id`` is whose message it is in. Raises UserError."""
        most = min(origin.file_limit, BYTES_AT_MOST)
        if attachment.size > most:
            raise UserError(PICTURE_TOO_LARGE(mib=-(-attachment.size // _MIB), most=most // _MIB))
        told = attachment.content_type
        if told is not None and not told.startswith("image/"):
            raise UserError(NO_PICTURE)
        width, height = attachment.width or _UNKNOWN_SIZE[0], attachment.height or _UNKNOWN_SIZE[1]
        if width * height > MOST_PIXELS:
            raise UserError(TOO_MANY_PIXELS(width=width, height=height, most=MOST_PIXELS // 1_000_000))
        expected = SourcePicture(0, kind, width, height, author_id=author_id)

        async def receive() -> SourcePicture:
            async def download(path: Path) -> None:
                await self._download(attachment, path)

            return await self._sources.receive(origin.user_id, download, kind=kind, author_id=author_id)

        return IncomingPicture(expected, receive)

    async def _download(self, attachment: discord.Attachment, path: Path) -> None:
        try:
            if attachment.size > LARGE:
                async with self._large:
                    data = await attachment.read()
                    await self._files.run(path.write_bytes, data)
            else:
                await self._files.run(path.write_bytes, await attachment.read())
        except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
            log.warning("picture.not_downloaded", kind=type(error).__name__)
            raise UserError(NOT_DOWNLOADED) from error


def stored(picture: SourcePicture) -> IncomingPicture:
    """A picture that is stored already."""

    async def receive() -> SourcePicture:
        return picture

    return IncomingPicture(picture, receive)
