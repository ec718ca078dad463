"""Pictures that people bring: checks the metadata of an attachment, and downloads it after the first answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
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

TOO_MANY_AT_ONCE = message(
    "pictures.too_many_at_once",
    "You've sent more pictures than I can take at once. Nothing was charged for this one. Send it again in a minute.",
)

BYTES_AT_MOST = 64 << 20
"""The largest attachment that is downloaded. The place may allow less."""
LARGE = 8 << 20
"""Larger attachments are downloaded one at a time, because they are in memory while they are downloaded."""
DOWNLOAD_SECONDS = 60.0
"""The maximum duration of a download. Others wait for it."""
AT_ONCE_OF_EACH = 2
"""The number of pictures of one person that are received at the same time. Others' pictures come between them."""
WAITING_OF_EACH = 20
"""The maximum number of pictures of one person that are received or wait for it. More are refused."""

_MIB = 1 << 20
# The size that is assumed until the picture is downloaded, if Discord does not tell it. It is not quite square, because
# a square picture cannot be extended to a square.
_UNKNOWN_SIZE = (1024, 1008)


@dataclass(frozen=True, slots=True)
class IncomingPicture:
    """A picture that is stored only after the first answer. ``expected`` has the facts from the metadata."""

    expected: SourcePicture
    receive: Callable[[], Awaitable[SourcePicture]]
    """Download and store it. Raises UserError and StorageError."""


@dataclass(slots=True)
class _Queue:
    """The pictures of one person that are received or wait for it."""

    pictures: int = 0
    places: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, AT_ONCE_OF_EACH))


class Attachments:
    """Receives attachments."""

    def __init__(self, sources: Sources, files: Pool) -> None:
        """``files`` is the thread pool that writes them."""
        self._sources = sources
        self._files = files
        self._large = asyncio.Lock()
        self._queues: dict[int, _Queue] = {}

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

            async with self._turn_of(origin.user_id):
                return await self._sources.receive(origin.user_id, download, kind=kind, author_id=author_id)

        return IncomingPicture(expected, receive)

    @asynccontextmanager
    async def _turn_of(self, user_id: int) -> AsyncIterator[None]:
        """Wait until it is the person's turn. Raises UserError if too many of their pictures wait already."""
        queue = self._queues.setdefault(user_id, _Queue())
        if queue.pictures >= WAITING_OF_EACH:
            raise UserError(TOO_MANY_AT_ONCE)
        queue.pictures += 1
        try:
            async with queue.places:
                yield
        finally:
            queue.pictures -= 1
            if not queue.pictures:
                del self._queues[user_id]

    async def _download(self, attachment: discord.Attachment, path: Path) -> None:
        try:
            async with self._large if attachment.size > LARGE else nullcontext():
                async with asyncio.timeout(DOWNLOAD_SECONDS):
                    data = await attachment.read()
                await self._files.run(path.write_bytes, data)
        except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
            log.warning("picture.not_downloaded", kind=type(error).__name__)
            raise UserError(NOT_DOWNLOADED) from error


def stored(picture: SourcePicture) -> IncomingPicture:
    """A picture that is stored already."""

    async def receive() -> SourcePicture:
        return picture

    return IncomingPicture(picture, receive)
