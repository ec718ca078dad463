"""Sends a job's images as attachments: names them, adds metadata, and fits them to Discord's limits.

An image that is too large is re-encoded at the best quality that fits. The stored originals are only read. Slow work is
done in two thread pools: one for files, one for decoding.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import discord
import structlog

from bot.jobs.view import JobView
from bot.pictures import decoding
from bot.pictures.decoding import Undecodable
from bot.providers.base import ImageRequest
from bot.ui.cards.job import ShownImage
from bot.ui.delivery import image_metadata
from bot.ui.delivery.file_segments import Piece, Spliced
from bot.ui.delivery.methods import Refused
from storage.images import ImageFiles
from storage.records import DeliveryReason, StoredImage

if TYPE_CHECKING:
    from PIL.Image import Image

log = structlog.get_logger(__name__)

FILES_AT_MOST = 10
"""The maximum number of files in one message."""
REQUEST_LIMIT = 25 * 2**20
"""The maximum size of one request to Discord in bytes, including its text."""
REQUEST_SPARE = 256 * 2**10
"""Bytes of a request that are reserved for its text and its headers."""
STEM_AT_MOST = 40
"""The maximum number of characters from the prompt in a file's name."""

_GAPS = re.compile(r"[^a-z0-9]+")
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_QUALITIES = range(50, 97)
# Encoding a large image takes seconds.
_FEW_QUALITIES = (50, 65, 80, 92)
_SCALES = (1.0, 0.8, 0.65, 0.5, 0.35, 0.25, 0.15)
# Lossless WebP is rarely smaller than this fraction of a PNG. For a smaller limit it is not worth trying.
_LOSSLESS_PART = 0.6


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image to be sent: its file name without the extension, and the text to embed."""

    image: StoredImage
    stem: str
    text: str | None = None


class Attachment(Protocol):
    """A file that can be attached to a message."""

    @property
    def name(self) -> str: ...

    def file(self) -> discord.File: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(ShownImage):
    """An image as it is attached to a message."""

    stored: Path
    pieces: tuple[Piece, ...] = field(repr=False)
    """The content: new bytes, and ranges of the stored file."""
    threads: Executor = field(repr=False, compare=False)
    """The pool whose threads read the file while it is sent."""

    @property
    def size(self) -> int:
        """The size in bytes."""
        return sum(map(len, self.pieces))

    def file(self) -> discord.File:
        """A new ``discord.File``, which can be sent once."""
        return discord.File(Spliced(self.stored, self.pieces, self.threads), filename=self.name)


@dataclass(frozen=True, slots=True)
class Uploads:
    """A job's images: those ready to be sent, and the numbers of those that are gone or cannot be made to fit."""

    ready: tuple[Upload, ...]
    gone: int = 0
    unfit: int = 0

    def files(self) -> list[discord.File]:
        """The files for one message."""
        return [upload.file() for upload in self.ready]


class ImageSender:
    """Sends a job's images, fitted to what Discord accepts."""

    def __init__(self, view: JobView, files: ImageFiles, *, with_text: bool) -> None:
        """``with_text`` embeds prompt and settings in the files."""
        self._view = view
        self._files = files
        self._with_text = with_text
        self._fitted: dict[tuple[int, int], Uploads] = {}

    async def send(self, send: Callable[[Uploads], Awaitable[None]], *, file_limit: int) -> Uploads:
        """Call ``send`` with all images; if they are too large, with half the bytes; then without images.

        Returns the uploads that were sent. Raises Refused if ``send`` raises it for another reason than the size.
        """
        for part in (1, 2):
            uploads = await self._fit(file_limit // part, REQUEST_LIMIT // part)
            try:
                await send(uploads)
            except Refused as refused:
                if refused.reason is not DeliveryReason.TOO_LARGE:
                    raise
            else:
                return uploads
        uploads = Uploads((), unfit=len(self._view.images))
        await send(uploads)
        return uploads

    async def _fit(self, file_limit: int, request_limit: int) -> Uploads:
        limits = (file_limit, request_limit)
        if limits not in self._fitted:
            self._fitted[limits] = await pack(
                self._view,
                self._files,
                file_limit=file_limit,
                request_limit=request_limit,
                with_text=self._with_text,
            )
        return self._fitted[limits]


async def pack(
    view: JobView,
    files: ImageFiles,
    *,
    file_limit: int,
    request_limit: int = REQUEST_LIMIT,
    with_text: bool = True,
    without: Collection[int] = (),
) -> Uploads:
    """Prepare the job's images in order: each within ``file_limit`` and all within ``request_limit``, in bytes.

    ``with_text`` embeds prompt and settings in the files. Images whose ids are in ``without`` are omitted.
    """
    wanted = [each for each in labelled(view, with_text=with_text) if each.image.id not in without]
    first, rest = wanted[:FILES_AT_MOST], wanted[FILES_AT_MOST:]
    packed = await prepare(first, files, file_limit=file_limit, request_limit=request_limit)
    return replace(packed, unfit=packed.unfit + len(rest)) if rest else packed


def labelled(view: JobView, *, with_text: bool) -> list[Labelled]:
    """Every image of the job with its file name and, if ``with_text``, the text to embed."""
    engines = {engine.id: engine for engine in view.engines}
    found = []
    before = 0
    for submission in view.submissions:
        request = submission.request
        for image in submission.images:
            # Numbered by position, because a card adds images one by one, and names must not collide.
            number = str(before + min(image.position + 1, request.images))
            if image.position >= request.images:
                # There are more images than requested: the request arrived twice.
                number += f"-{image.position + 1}"
            engine = engines.get(request.engine)
            text = image_metadata.parameters(request, image, engine, view.made_from) if with_text else None
            found.append(Labelled(image, _stem(view.job.id, request, number), text))
        before += request.images
    return found


def _stem(job_id: int, request: ImageRequest, number: str) -> str:
    """A name of prompt, job and number. Such names sort well and are valid on any file system.

    Without a prompt, it begins with what was done to the picture.
    """
    prompt = " ".join(part.text for part in request.prompts if part.weight > 0)
    words = slug(prompt or request.operation.value)
    return f"{words}-{job_id}-{number}"


def slug(text: str) -> str:
    """The first words of a text in lower-case Latin letters and digits; ``easel`` if it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = _GAPS.sub("-", plain).strip("-")
    if len(words) > STEM_AT_MOST:
        words = words[: STEM_AT_MOST + 1].rpartition("-")[0] or words[:STEM_AT_MOST]
    return words or "easel"


async def prepare(
    images: Sequence[Labelled], files: ImageFiles, *, file_limit: int, request_limit: int = REQUEST_LIMIT
) -> Uploads:
    """Make each image fit ``file_limit`` and all of them ``request_limit``, in bytes."""
    pools = files.pools
    planned = await pools.files.run(_plan, images, files, file_limit, request_limit)
    ready = []
    for each in planned:
        # One after the other, so that people who wait for their images take turns.
        upload = await decoding.in_turn(pools, each.weight, each.made) if isinstance(each, _Refit) else each
        if upload is not None:
            ready.append(upload)
    return Uploads(tuple(ready), gone=len(images) - len(planned), unfit=len(planned) - len(ready))


def shares(sizes: Sequence[int], file_limit: int, total: int) -> list[int]:
    """Divide ``total`` bytes: small images keep their size, large ones share the rest equally."""
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
    """An image that must be re-encoded to at most ``budget`` bytes."""

    labelled: Labelled
    stored: Path
    weight: int
    """Bytes of the decoded image."""
    budget: int
    threads: Executor

    def made(self) -> Upload | None:
        """Re-encode the image. Returns None if it cannot be made to fit. Blocks."""
        data = refit(self.stored, self.budget, self.labelled.text)
        if data is None:
            return None
        name = f"{self.labelled.stem}.webp"
        image = self.labelled.image
        return Upload(image, name, reencoded=True, stored=self.stored, pieces=(data,), threads=self.threads)


def _plan(
    images: Sequence[Labelled], files: ImageFiles, file_limit: int, request_limit: int
) -> list[Upload | _Refit | None]:
    """For each image whose file exists: its upload, or the re-encoding it needs, or None if it cannot fit. Blocks."""
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
    """The image as it was received, with the text embedded."""
    name = f"{each.stem}.{_EXTENSIONS[each.image.media_type]}"
    return Upload(each.image, name, stored=path, pieces=_pieces(each, path), threads=threads)


def _refit(each: Labelled, path: Path, budget: int, threads: Executor) -> _Refit | None:
    try:
        weight = decoding.weight_of(path)
    except Undecodable as error:
        # The file is kept as it is, and the card says that the image is not shown.
        log.warning("image.undecodable", file=path.name, reason=str(error))
        return None
    return _Refit(each, path, weight, budget, threads)


def _pieces(each: Labelled, file: Path) -> tuple[Piece, ...]:
    with file.open("rb") as stream:
        if each.text:
            try:
                return image_metadata.with_text(stream, each.image.media_type, each.text)
            except ValueError as error:
                # The image was paid for: send it, without the text.
                log.warning("image.without_text", file=each.image.file, reason=str(error))
        return (range(stream.seek(0, io.SEEK_END)),)


def refit(file: Path, limit: int, text: str | None = None) -> bytes | None:
    """Encode the image as WebP of at most ``limit`` bytes, at the best quality that fits. Scale down only if needed.

    ``text`` is embedded. Returns None if no size fits or the file cannot be decoded.
    """
    # Pillow is slow to import, and most images do not need it.
    from PIL import Image

    try:
        picture = decoding.decode(file)
    except Undecodable as error:
        log.warning("image.undecodable", file=file.name, reason=str(error))
        return None
    exif = image_metadata.exif(text) if text else b""
    # Lossless encoding of a large image takes too much memory.
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
    """Encode the image at the highest of the ascending qualities that fits; None if none fits."""
    best = None
    low, high = 0, len(qualities) - 1
    # Try the lowest quality first: if it does not fit, no other does.
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
