"""Makes images fit into a message: what is too large is re-encoded to the best quality that fits.

The stored originals are only read. Everything slow is done in threads: those for files, and those for pictures.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import discord
import structlog

from bot.jobs import decoding
from bot.jobs.decoding import Undecodable
from bot.ui.delivery import image_metadata
from bot.ui.delivery.file_segments import Piece, Spliced
from storage.images import ImageFiles
from storage.records import StoredImage

if TYPE_CHECKING:
    from PIL.Image import Image

log = structlog.get_logger(__name__)

REQUEST_LIMIT = 25 * 2**20
"""Bytes that one request to Discord may have, text and all."""
REQUEST_SPARE = 256 * 2**10
"""Bytes of a request that are left to its text and its headers."""

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_QUALITIES = range(50, 97)
# To encode a large picture takes seconds.
_FEW_QUALITIES = (50, 65, 80, 92)
_SCALES = (1.0, 0.8, 0.65, 0.5, 0.35, 0.25, 0.15)
# Without loss, WebP is rarely below this part of a PNG: further away it is not worth trying.
_LOSSLESS_PART = 0.6


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image that is to be sent: the name of its file without the ending, and the text that it is to carry."""

    image: StoredImage
    stem: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One image as it goes into a message."""

    image: StoredImage
    name: str
    stored: Path
    pieces: tuple[Piece, ...] = field(repr=False)
    """What is sent: new bytes, and places in the stored file."""
    reencoded: bool
    threads: Executor = field(repr=False, compare=False)
    """Where it is read while it is sent."""

    @property
    def size(self) -> int:
        """Bytes that are sent."""
        return sum(map(len, self.pieces))

    def file(self) -> discord.File:
        """The file as the library sends it; each serves for one message."""
        return discord.File(Spliced(self.stored, self.pieces, self.threads), filename=self.name)


@dataclass(frozen=True, slots=True)
class Uploads:
    """The images of a job, ready to be sent; how many are not among them, since they are gone or cannot be made fit."""

    ready: tuple[Upload, ...]
    gone: int = 0
    unfit: int = 0


async def prepare(
    images: Sequence[Labelled], files: ImageFiles, *, file_limit: int, request_limit: int = REQUEST_LIMIT
) -> Uploads:
    """Make each image fit ``file_limit`` and all of them ``request_limit``, in bytes."""
    pools = files.pools
    planned = await pools.files.run(_plan, images, files, file_limit, request_limit)
    ready = []
    for each in planned:
        # One after the other, so that people who wait for theirs take turns.
        upload = await decoding.in_turn(pools, each.weight, each.made) if isinstance(each, _Refit) else each
        if upload is not None:
            ready.append(upload)
    return Uploads(tuple(ready), gone=len(images) - len(planned), unfit=len(planned) - len(ready))


def shares(sizes: Sequence[int], file_limit: int, total: int) -> list[int]:
    """How many bytes each image may have, so that small ones stay whole and the large ones share what is left.

    An image that may stay as it is gets its own size.
    """
    left = total
    level = file_limit
    ascending = sorted(sizes)
    for place, size in enumerate(ascending):
        level = min(file_limit, left // (len(ascending) - place))
        if size > level:
            break
        left -= size
    return [min(size, level) for size in sizes]


@dataclass(frozen=True, slots=True)
class _Refit:
    """An image that has to be re-encoded to at most ``budget`` bytes."""

    labelled: Labelled
    stored: Path
    weight: int
    """Bytes of all pixels."""
    budget: int
    threads: Executor

    def made(self) -> Upload | None:
        """The image as it is sent, or None if it cannot be made to fit. Blocks."""
        data = refit(self.stored, self.budget, self.labelled.text)
        if data is None:
            return None
        name = f"{self.labelled.stem}.webp"
        return Upload(self.labelled.image, name, self.stored, (data,), reencoded=True, threads=self.threads)


def _plan(
    images: Sequence[Labelled], files: ImageFiles, file_limit: int, request_limit: int
) -> list[Upload | _Refit | None]:
    """The images whose files are there: how each is sent, what has to be done first, or None for neither. Blocks."""
    threads = files.pools.files
    there = [
        (each, path)
        for each in images
        if each.image.file is not None and (path := files.path(each.image.file)).is_file()
    ]
    whole = [_whole(each, path, threads) for each, path in there]
    budgets = shares([upload.size for upload in whole], file_limit, request_limit - REQUEST_SPARE)
    return [
        upload if upload.size <= budget else _refit(each, path, budget, threads)
        for (each, path), upload, budget in zip(there, whole, budgets, strict=True)
    ]


def _whole(each: Labelled, path: Path, threads: Executor) -> Upload:
    """The image as it came, with the text in it."""
    name = f"{each.stem}.{_EXTENSIONS[each.image.media_type]}"
    return Upload(each.image, name, path, _pieces(each, path), reencoded=False, threads=threads)


def _refit(each: Labelled, path: Path, budget: int, threads: Executor) -> _Refit | None:
    try:
        weight = decoding.weight_of(path)
    except Undecodable as error:
        # It is kept as it came, and the card says that it is not shown.
        log.warning("image.undecodable", file=path.name, reason=str(error))
        return None
    return _Refit(each, path, weight, budget, threads)


def _pieces(each: Labelled, file: Path) -> tuple[Piece, ...]:
    with file.open("rb") as stream:
        if each.text:
            try:
                return image_metadata.with_text(stream, each.image.media_type, each.text)
            except ValueError as error:
                # The picture is what was paid for; it is shown as it came.
                log.warning("image.without_text", file=each.image.file, reason=str(error))
        return (range(stream.seek(0, io.SEEK_END)),)


def refit(file: Path, limit: int, text: str | None = None) -> bytes | None:
    """The image as WebP of at most ``limit`` bytes at the best quality that fits, made smaller only if it must be.

    It carries ``text`` with it. None if no size would do or the file cannot be decoded.
    """
    # Pillow takes a while to load and most images never need it.
    from PIL import Image

    try:
        picture = decoding.decode(file)
    except Undecodable as error:
        log.warning("image.undecodable", file=file.name, reason=str(error))
        return None
    exif = image_metadata.exif(text) if text else b""
    # To encode a large picture without loss takes more memory than all else.
    small = 3 * picture.width * picture.height <= decoding.LARGE
    if small and file.stat().st_size * _LOSSLESS_PART <= limit:
        data = _encoded(picture, exif, lossless=True, quality=50)
        if len(data) <= limit:
            return data
    for scale in _SCALES:
        sides = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        scaled = picture if scale == 1 else picture.resize(sides, Image.Resampling.LANCZOS)
        best = _best(scaled, exif, limit, _QUALITIES if small else _FEW_QUALITIES)
        if best is not None:
            return best
    return None


def _best(picture: Image, exif: bytes, limit: int, qualities: Sequence[int]) -> bytes | None:
    """The highest of the ascending qualities that fits, or None where even the lowest does not."""
    best = None
    low, high = 0, len(qualities) - 1
    # The lowest first: where that fails, the rest of the search would be in vain.
    place = low
    while low <= high:
        data = _encoded(picture, exif, lossless=False, quality=qualities[place])
        if len(data) <= limit:
            best = data
            low = place + 1
        elif place == 0:
            return None
        else:
            high = place - 1
        place = (low + high + 1) // 2
    return best


def _encoded(picture: Image, exif: bytes, *, lossless: bool, quality: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", lossless=lossless, quality=quality, method=0 if lossless else 4, exif=exif)
    return stream.getvalue()
