"""Makes previews of stored image files, and removes files.

A preview is made when a person opens a list, or before the image's file is removed. It is kept longer than the file.
Previews are not made earlier, because decoding takes longer than all other work on an image, and most are never shown.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bot.pictures import decoding
from storage import images
from storage.database import Database
from storage.errors import Fault, StorageError
from storage.images import ImageFiles
from storage.records import StoredImage

if TYPE_CHECKING:
    from PIL.Image import Image

log = structlog.get_logger(__name__)

SIDE_AT_MOST = 320
"""Pixels of a preview's longer side."""
BYTES_AT_MOST = 20 * 1024
_QUALITIES = (80, 65, 50, 35, 20)
_AT_ONCE = 100
# The number of files in one transaction.
REMOVED_AT_ONCE = 200


class Previews:
    """Makes previews, one at a time because a decoded image needs much memory."""

    def __init__(self, database: Database, files: ImageFiles) -> None:
        self._database = database
        self._files = files
        self._turn = asyncio.Lock()

    async def of(self, image: StoredImage) -> bytes | None:
        """Return the image's preview, made now if necessary. None if neither the preview nor the image file exists."""
        if image.preview is not None:
            found = await self._files.pools.files.run(_read, self._files.path(image.preview))
            if found is not None:
                return found
        try:
            return await self._try(image)
        except StorageError as error:
            # The list is still shown, without this image.
            log.warning("preview.not_made", image=image.id, reason=str(error))
            return None

    async def of_file(self, name: str) -> bytes | None:
        """Make a preview of this stored file without storing it. None if the file does not exist or is unusable."""
        async with self._turn:
            return await decoding.drawn(self._files.pools, small, self._files.path(name))

    async def make_all(self, before: int) -> None:
        """Make the missing previews of images made before ``before`` (Unix milliseconds). Raises StorageError."""
        after = (0, 0)
        while True:
            async with self._database.read() as connection:
                bare = await images.without_preview(connection, after, before=before, limit=_AT_ONCE)
            if not bare:
                return
            for image in bare:
                await self._try(image)
            after = (bare[-1].created_at, bare[-1].id)

    async def _try(self, image: StoredImage) -> bytes | None:
        """Make the preview. None if that fails, whatever the reason is but StorageError, which it raises."""
        try:
            return await self._make(image)
        except StorageError:
            raise
        except Exception:
            # A bug with one image must not keep the others from their previews, or a list from being shown.
            log.exception("preview.not_made", image=image.id)
            return None

    async def _make(self, image: StoredImage) -> bytes | None:
        """Make the preview and store it. Raises StorageError."""
        if image.file is None:
            return None
        name = f"{Path(image.file).stem}-small.webp"
        file = self._files.path(image.file)
        pools = self._files.pools
        async with self._turn:
            data = await decoding.drawn(pools, small, file)
            if data is None:
                return None
            async with self._files.writing(name) as aside:
                await pools.files.run(_write, aside, data)
                await self._files.keep(aside, name)
        if image.preview is not None:
            return data  # The preview is recorded already; only its file was lost.
        async with self._database.write() as tx:
            recorded = await images.set_preview(tx, image.id, name)
        if not recorded:
            async with self._database.read() as connection:
                now = await images.get_image(connection, image.id)
            if now is None or now.preview != name:
                # The image was deleted meanwhile, so its preview must be deleted too.
                async with self._database.write() as tx:
                    await images.add_removals(tx, [name])
                await remove_files(self._database, self._files, [name])
        return data


async def remove_files(database: Database, files: ImageFiles, names: Sequence[str]) -> int:
    """Remove these files, which are listed for removal. Returns how many could not be removed and stay listed."""
    gone = []
    for name in names:
        try:
            await files.remove(name)
        except StorageError as error:
            log.warning("file.not_removed", file=name, reason=str(error))
        else:
            gone.append(name)
    try:
        async with database.write() as tx:
            await images.finish_removals(tx, gone)
    except StorageError as error:
        # Removing a missing file is harmless.
        log.warning("file.removal_not_noted", reason=str(error))
    return len(names) - len(gone)


async def remove_due_files(database: Database, files: ImageFiles) -> int:
    """Remove every file that is listed for removal. Returns how many could not be removed. Raises StorageError."""
    after, left = "", 0
    while True:
        async with database.read() as connection:
            names = await images.pending_removals(connection, after=after, limit=REMOVED_AT_ONCE)
        if not names:
            return left
        left += await remove_files(database, files, names)
        after = names[-1]


def small(file: Path) -> bytes:
    """Make a WebP preview of at most SIDE_AT_MOST pixels a side. Blocks. Raises Undecodable."""
    picture = decoding.decode(file, side=SIDE_AT_MOST)
    data = b""
    for quality in _QUALITIES:
        data = _encoded(picture, quality)
        if len(data) <= BYTES_AT_MOST:
            break
    return data


def _encoded(picture: Image, quality: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def _write(aside: Path, data: bytes) -> None:
    try:
        aside.write_bytes(data)
    except OSError as error:
        raise StorageError(Fault.FILES_UNUSABLE, path=aside.parent, reason=error.strerror) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
