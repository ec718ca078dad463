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

from bot.display import png_text
from bot.display.splicing import Piece, Spliced
from storage.images import ImageFiles
from storage.jobs import StoredImage

if TYPE_CHECKING:
    from PIL.Image import Image

log = structlog.get_logger(__name__)

REQUEST_LIMIT = 25 * 2**20
"""Bytes that one request to Discord may have, text and all."""
REQUEST_SPARE = 256 * 2**10
"""Bytes of a request that are left to its text and its headers."""

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_QUALITY_LOW, _QUALITY_HIGH = 50, 96
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
        upload = each if isinstance(each, Upload) else await pools.pictures.run(each.made)
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
    budget: int
    threads: Executor

    def made(self) -> Upload | None:
        """The image as it is sent, or None if it cannot be made to fit. Blocks."""
        data = refit(self.stored, self.budget, self.labelled.text)
        if data is None:
            return None
        name = f"{self.labelled.stem}.webp"
        return Upload(self.labelled.image, name, self.stored, (data,), reencoded=True, threads=self.threads)


def _plan(images: Sequence[Labelled], files: ImageFiles, file_limit: int, request_limit: int) -> list[Upload | _Refit]:
    """The images whose files are there: how each is sent, or what has to be done first. Blocks."""
    threads = files.pools.files
    there = [
        (each, path)
        for each in images
        if each.image.file is not None and (path := files.path(each.image.file)).is_file()
    ]
    sizes = [path.stat().st_size + _room_for_text(each) for each, path in there]
    budgets = shares(sizes, file_limit, request_limit - REQUEST_SPARE)
    planned: list[Upload | _Refit] = []
    for (each, path), size, budget in zip(there, sizes, budgets, strict=True):
        if size <= budget:
            name = f"{each.stem}.{_EXTENSIONS[each.image.media_type]}"
            planned.append(Upload(each.image, name, path, _pieces(each, path), reencoded=False, threads=threads))
        else:
            planned.append(_Refit(each, path, budget, threads))
    return planned


def _room_for_text(each: Labelled) -> int:
    return png_text.room_for(each.text) if each.text and each.image.media_type == "image/png" else 0


def _pieces(each: Labelled, file: Path) -> tuple[Piece, ...]:
    with file.open("rb") as stream:
        if each.text and each.image.media_type == "image/png":
            try:
                return png_text.with_text(stream, each.text)
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
        with Image.open(file) as opened:
            opened.load()
            picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        log.exception("image.undecodable", file=file.name)
        return None
    exif = png_text.exif(text) if text else b""
    if file.stat().st_size * _LOSSLESS_PART <= limit:
        data = _encoded(picture, exif, lossless=True, quality=50)
        if len(data) <= limit:
            return data
    for scale in _SCALES:
        sides = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        scaled = picture if scale == 1 else picture.resize(sides, Image.Resampling.LANCZOS)
        best = _best(scaled, exif, limit)
        if best is not None:
            return best
    return None


def _best(picture: Image, exif: bytes, limit: int) -> bytes | None:
    """The highest quality that fits, or None where even the lowest does not."""
    best = None
    low, high = _QUALITY_LOW, _QUALITY_HIGH
    # The lowest first: where that fails, the rest of the search would be in vain.
    quality = low
    while low <= high:
        data = _encoded(picture, exif, lossless=False, quality=quality)
        if len(data) <= limit:
            best = data
            low = quality + 1
        elif quality == _QUALITY_LOW:
            return None
        else:
            high = quality - 1
        quality = (low + high + 1) // 2
    return best


def _encoded(picture: Image, exif: bytes, *, lossless: bool, quality: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", lossless=lossless, quality=quality, method=0 if lossless else 4, exif=exif)
    return stream.getvalue()
