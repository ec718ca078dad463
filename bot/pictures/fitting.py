"""Fits a stored picture to what an operation requires: size, ratio, transparency, and the bytes of an upload."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bot.domain.sizes import Ratio
from bot.pictures import decoding
from bot.pictures.image_parts import PNG_SIGNATURE, jpeg_segments, png_chunks, read
from bot.providers.operations import Fit, PictureFile, PictureRules, Size

if TYPE_CHECKING:
    from PIL.Image import Image

TOLERANCE = 0.02
"""The relative difference of two ratios that is ignored. A picture loses at most this part of a side to it."""

# The border is a blurred copy of the picture, drawn with about this many pixels a side and enlarged, which is fast.
_BORDER_SIDE = 96
_BORDER_BLUR = 5
_QUALITIES = (95, 90, 82, 72, 60)
# From this quality, colours are as sharp as brightness.
_SHARP_COLOURS = 90
_SCALES = (0.8, 0.6, 0.4, 0.25)
# A lossless encoding is tried if its estimated length is at most this many times the limit.
_HOPE = 1.25
_JPEG_PARTS = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD})
_PNG_PARTS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_JFIF, _JFIF_BYTES = 0xE0, 18
_JPEG_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies on a canvas: its size after scaling, and the place of its upper left corner.

    ``left`` and ``top`` are negative if a part of the picture is cut off, and positive if it gets a border.
    """

    canvas: Size
    scaled: Size
    left: int
    top: int


def needs_fit(size: Size, wanted: Size | Ratio, tolerance: float = TOLERANCE) -> bool:
    """Whether a picture of this size has to be cropped or padded to get the ratio of ``wanted``."""
    off = math.log(size.width * wanted.height) - math.log(size.height * wanted.width)
    return abs(off) > math.log1p(tolerance)


def fit_required(size: Size, wanted: Size | None, rules: PictureRules) -> bool:
    """Whether a person has to choose between cropping and padding before a picture of this size can be sent.

    ``wanted`` is the size of the request; it counts only if the rules are ``exact``.
    """
    if rules.exact and wanted is not None:
        return needs_fit(size, wanted)
    return rules.ratio is not None and _long(size) > _short(size) * rules.ratio * (1 + TOLERANCE)


def placement(size: Size, wanted: Size | None, rules: PictureRules, fit: Fit | None) -> Placement:
    """Compute how a picture of this size is sent. The ``canvas`` has the size that the service receives.

    Raises ValueError if ``fit`` is None although it is required.
    """
    if fit is None and fit_required(size, wanted, rules):
        raise ValueError("the picture has to be cropped or padded first")
    canvas = wanted if rules.exact and wanted is not None else _allowed(size, rules, fit)
    return placed_on(canvas, size, fit)


def placed_on(canvas: Size, size: Size, fit: Fit | None) -> Placement:
    """Compute where a picture of this size lies on a canvas: it fills it, or with Fit.PAD it lies on it as a whole."""
    pads = fit is Fit.PAD and needs_fit(size, canvas)
    factors = (canvas.width / size.width, canvas.height / size.height)
    factor = min(factors) if pads else max(factors)
    limit = min if pads else max
    width = limit(max(1, round(size.width * factor)), canvas.width)
    height = limit(max(1, round(size.height * factor)), canvas.height)
    return Placement(canvas, Size(width, height), (canvas.width - width) // 2, (canvas.height - height) // 2)


def _long(size: Size) -> int:
    return max(size.width, size.height)


def _short(size: Size) -> int:
    return min(size.width, size.height)


def _allowed(size: Size, rules: PictureRules, fit: Fit | None) -> Size:
    """The size within the rules that is closest to ``size``."""
    long, short = _long(size), _short(size)
    if rules.ratio is not None and long > short * rules.ratio:
        if fit is Fit.PAD and fit_required(size, None, rules):
            short = math.ceil(long / rules.ratio)
        else:
            long = max(1, math.floor(short * rules.ratio))
    grown = max(rules.least_side / short, math.sqrt(rules.least_pixels / (long * short)))
    shrunk = math.sqrt(rules.most_pixels / (long * short))
    if grown > 1:
        long, short = (math.ceil(side * grown - 1e-6) for side in (long, short))
    elif shrunk < 1:
        long, short = (max(1, math.floor(side * shrunk + 1e-9)) for side in (long, short))
    if rules.ratio is not None:
        # Rounding may have made it a pixel too long.
        long = min(long, math.floor(short * rules.ratio))
    return Size(long, short) if size.width >= size.height else Size(short, long)


# --- pixels -------------------------------------------------------------------------------------------------------


def fitted(
    file: Path,
    aside: Path,
    *,
    size: Size | None,
    rules: PictureRules,
    fit: Fit | None,
    transparent: bool,
    largest: int,
) -> PictureFile:
    """Write the stored picture ``file`` to ``aside`` as the operation requires it, in at most ``largest`` bytes.

    ``size`` is the size of the request; it counts only if the rules are ``exact``. Transparency is flattened on white
    unless ``transparent``. The file is encoded without loss if that is small enough, else with falling quality, else in
    fewer pixels. It has no metadata. Raises Undecodable for the file, OSError for the disk, and ValueError if the
    picture cannot be sent: ``fit`` is None although it is required, or no file is small enough. Blocks.
    """
    picture = decoding.decode(file)
    before = Size(*picture.size)
    place = placement(before, size, rules, fit)
    length = file.stat().st_size
    as_it_is = place == Placement(before, before, 0, 0) and (transparent or picture.mode == "RGB")
    with file.open("rb") as stream:
        media_type, bare = _looked_at(stream)
        if as_it_is and bare and length <= largest:
            stream.seek(0)
            data = stream.read()
            aside.write_bytes(data)
            return PictureFile(aside, media_type, before, len(data))
    if picture.mode == "RGBA" and not transparent:
        picture = on_white(picture)
    picture = laid(picture, place)
    estimate = length * place.canvas.pixels / before.pixels
    lossless = media_type != "image/jpeg" and estimate <= _HOPE * largest
    smaller = () if rules.exact and size is not None else tuple(_smaller(place.canvas, rules))
    for media_type, canvas, data in _encodings(picture, smaller, lossless=lossless):
        if len(data) <= largest:
            aside.write_bytes(data)
            return PictureFile(aside, media_type, canvas, len(data))
    raise ValueError(f"no encoding of the picture has at most {largest} bytes")


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


def _smaller(size: Size, rules: PictureRules) -> Iterator[Size]:
    for scale in _SCALES:
        smaller = Size(max(1, math.floor(size.width * scale)), max(1, math.floor(size.height * scale)))
        if _allowed(smaller, rules, None) == smaller:
            yield smaller


def _encodings(picture: Image, smaller: tuple[Size, ...], *, lossless: bool) -> Iterator[tuple[str, Size, bytes]]:
    """Encode a picture in one way after the other, best first: the type, the size, and the file."""
    from PIL import Image

    size = Size(*picture.size)
    if lossless:
        yield "image/png", size, _encoded(picture, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    for quality in _QUALITIES:
        yield _lossy(picture, quality)
    for each in smaller:
        reduced = picture.resize((each.width, each.height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        yield _lossy(reduced, _QUALITIES[-2])


def _lossy(picture: Image, quality: int) -> tuple[str, Size, bytes]:
    size = Size(*picture.size)
    if picture.mode == "RGBA":
        return "image/webp", size, _encoded(picture, "WEBP", quality=quality, method=2)
    return (
        "image/jpeg",
        size,
        _encoded(picture, "JPEG", quality=quality, subsampling=0 if quality >= _SHARP_COLOURS else 2),
    )


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
