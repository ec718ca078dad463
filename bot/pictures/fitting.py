"""Lays a stored picture on a canvas of the size that is sent, and encodes it for the upload.

:mod:`bot.domain.edits` decides that size.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bot.domain.edits import same_shape
from bot.pictures import decoding
from bot.pictures.image_parts import PNG_SIGNATURE, jpeg_segments, png_chunks, read
from bot.providers.operations import Fit, PictureFile, Size

if TYPE_CHECKING:
    from PIL.Image import Image

# The border is a blurred copy of the picture, drawn with about this many pixels a side and enlarged, which is fast.
_BORDER_SIDE = 96
_BORDER_BLUR = 5
_QUALITIES = (95, 90, 82, 72, 60, 45, 30)
# From this quality, colours are as sharp as brightness.
_SHARP_COLOURS = 90
# A lossless encoding is tried if its estimated length is at most this many times the limit.
_HOPE = 1.25
_JPEG_PARTS = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD})
_PNG_PARTS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_JFIF, _JFIF_BYTES = 0xE0, 18
_JPEG_END = b"\xff\xd9"


class TooManyBytes(Exception):
    """No encoding of a picture is small enough. ``most`` is the limit in bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


@dataclass(frozen=True, slots=True)
class Placement:
    """The place of a picture on a canvas: its size after scaling, and the place of its upper left corner.

    ``left`` and ``top`` are negative if a part of the picture is cut off, and positive if it gets a border.
    """

    canvas: Size
    scaled: Size
    left: int
    top: int


def placed_on(canvas: Size, size: Size, fit: Fit | None) -> Placement:
    """Compute where to place a picture of this size on a canvas.

    It covers the canvas, or with Fit.PAD the whole picture is visible. A picture of almost the same shape
    always covers it; see :func:`bot.domain.edits.same_shape`.
    """
    pads = fit is Fit.PAD and not same_shape(size, canvas)
    factors = (canvas.width / size.width, canvas.height / size.height)
    factor = min(factors) if pads else max(factors)
    limit = min if pads else max
    width = limit(max(1, round(size.width * factor)), canvas.width)
    height = limit(max(1, round(size.height * factor)), canvas.height)
    return Placement(canvas, Size(width, height), (canvas.width - width) // 2, (canvas.height - height) // 2)


# --- pixels -------------------------------------------------------------------------------------------------------


def fitted(
    file: Path,
    aside: Path,
    *,
    size: Size,
    fit: Fit | None,
    formats: Collection[str],
    transparent: bool,
    largest: int,
) -> PictureFile:
    """Write the stored picture ``file`` to ``aside`` in exactly this ``size``, in at most ``largest`` bytes.

    ``formats`` are the media types that are accepted. Transparency is flattened on white unless ``transparent``. The
    file is encoded without loss if that is small enough, else with falling quality. It has no metadata. Raises
    Undecodable for the file, OSError for the disk, and TooManyBytes if no encoding is small enough. Blocks.
    """
    picture = decoding.decode(file)
    before = Size(*picture.size)
    place = placed_on(size, before, fit)
    length = file.stat().st_size
    as_it_is = place == Placement(before, before, 0, 0) and (transparent or picture.mode == "RGB")
    with file.open("rb") as stream:
        media_type, bare = _looked_at(stream)
        if as_it_is and bare and length <= largest and media_type in formats:
            stream.seek(0)
            data = stream.read()
            aside.write_bytes(data)
            return PictureFile(aside, media_type, before, len(data))
    if picture.mode == "RGBA" and not transparent:
        picture = on_white(picture)
    picture = laid(picture, place)
    lossy = next((each for each in _lossy(picture.mode) if each in formats), None)
    estimate = length * size.pixels / before.pixels
    hopeful = media_type != "image/jpeg" and estimate <= _HOPE * largest
    lossless = "image/png" in formats and (hopeful or lossy is None)
    for encoded_type, data in _encodings(picture, lossy, lossless=lossless):
        if len(data) <= largest:
            aside.write_bytes(data)
            return PictureFile(aside, encoded_type, size, len(data))
    raise TooManyBytes(largest)


def on_white(picture: Image) -> Image:
    """Flatten a picture in RGBA on white."""
    from PIL import Image

    canvas = Image.new("RGB", picture.size, (255, 255, 255))
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


def laid(picture: Image, place: Placement, border: Image | None = None) -> Image:
    """Lay a picture on a canvas. The border is ``border``, or else a blurred copy of the picture."""
    from PIL import Image

    canvas = (place.canvas.width, place.canvas.height)
    scaled = (place.scaled.width, place.scaled.height)
    if place.left > 0 or place.top > 0 or min(canvas[0] - scaled[0], canvas[1] - scaled[1]) > 0:
        under = _border(picture, canvas) if border is None else border.resize(canvas)
        under.paste(picture.resize(scaled, Image.Resampling.LANCZOS, reducing_gap=2.0), (place.left, place.top))
        return under
    if canvas == picture.size:
        return picture
    across, down = picture.width / scaled[0], picture.height / scaled[1]
    left, top = -place.left * across, -place.top * down
    box = (left, top, min(picture.width, left + canvas[0] * across), min(picture.height, top + canvas[1] * down))
    return picture.resize(canvas, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def _border(picture: Image, canvas: tuple[int, int]) -> Image:
    """Enlarge and blur the picture until it fills the canvas."""
    from PIL import Image, ImageFilter

    scale = min(1.0, _BORDER_SIDE / min(canvas))
    small = Size(max(1, round(canvas[0] * scale)), max(1, round(canvas[1] * scale)))
    under = laid(picture, placed_on(small, Size(*picture.size), Fit.CROP))
    return under.filter(ImageFilter.GaussianBlur(_BORDER_BLUR)).resize(canvas, Image.Resampling.BICUBIC)


def _lossy(mode: str) -> tuple[str, ...]:
    """The media types with loss that can hold a picture of this mode, best first."""
    return ("image/webp",) if mode == "RGBA" else ("image/jpeg", "image/webp")


def _encodings(picture: Image, lossy: str | None, *, lossless: bool) -> Iterator[tuple[str, bytes]]:
    """Encode a picture in one way after the other, best first: the media type, and the file."""
    if lossless:
        yield "image/png", _encoded(picture, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    for quality in _QUALITIES:
        if lossy == "image/webp":
            yield lossy, _encoded(picture, "WEBP", quality=quality, method=2)
        elif lossy is not None:
            subsampling = 0 if quality >= _SHARP_COLOURS else 2
            yield lossy, _encoded(picture, "JPEG", quality=quality, subsampling=subsampling)


def _encoded(picture: Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _looked_at(stream: BinaryIO) -> tuple[str, bool]:
    """The type of a stored image, and whether its file has only pixels: no metadata, and nothing after its end."""
    length = stream.seek(0, io.SEEK_END)
    if read(stream, range(len(PNG_SIGNATURE))) == PNG_SIGNATURE:
        chunks = list(png_chunks(stream))
        return "image/png", {kind for kind, _ in chunks} <= _PNG_PARTS and chunks[-1][1].stop == length
    if read(stream, range(2)) == b"\xff\xd8":
        bare = all(marker in _JPEG_PARTS for marker, place in jpeg_segments(stream) if not _is_jfif(marker, place))
        return "image/jpeg", bare and read(stream, range(length - 2, length)) == _JPEG_END
    return "image/webp", False


def _is_jfif(marker: int, place: range) -> bool:
    """Whether this is the header of a JPEG without a thumbnail in it."""
    return marker == _JFIF and len(place) <= _JFIF_BYTES
