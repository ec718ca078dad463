"""Turns an uploaded file into a picture that is safe to store and to pass on: upright, in sRGB, without metadata.

A photo's metadata can hold the place where it was taken. Only the pixels are kept.
"""

from __future__ import annotations

import math
import mmap
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import structlog

from bot.errors import Problem, UserError
from bot.pictures import decoding
from bot.pictures.decoding import Undecodable
from bot.pictures.image_parts import jpeg_segments, webp_chunks
from bot.pictures.png_strips import can_be_halved
from bot.providers.base import FetchedImage
from bot.providers.errors import Reason
from bot.providers.image_headers import MOST_PIXELS, NotAnImage, inspect_upload
from bot.providers.operations import Size
from bot.text import Message, message
from storage.pools import Pools

if TYPE_CHECKING:
    from PIL.Image import Image

log = structlog.get_logger(__name__)

PIXELS_AT_MOST = 9_437_184
"""The most pixels of a stored picture: no service takes more."""
RATIO_AT_MOST = 100
"""The longest side of a picture divided by its shortest side, at most.

Services need some pixels on each side, so a line of a million pixels would be enlarged to billions.
"""

EMPTY = message("pictures.empty", "That file is empty. Attach the picture again.")
CUT_SHORT = message("pictures.cut_short", "That file ends in the middle of the picture. Attach it again.")
BROKEN = message(
    "pictures.broken", "That picture is damaged and can't be opened. Save it again, or attach a screenshot of it."
)
TOO_MANY_PIXELS = message(
    "pictures.too_many_pixels",
    "That picture is too large: {width}x{height} pixels. Shrink it to {most} megapixels or less.",
)
TOO_NARROW = message(
    "pictures.too_narrow",
    "That picture is too narrow: {width}x{height} pixels. One side may be at most {most} times as long as the other.",
)
NO_PICTURE = message("pictures.no_picture", "That file isn't a picture. Attach a PNG, JPEG, WebP or GIF.")
OTHER_KIND = message("pictures.other_kind", "That file is {kind}. Attach a PNG, JPEG, WebP or GIF instead.")
HEIC = message(
    "pictures.heic", "That's an HEIC photo, which the bot can't open. Save it as JPEG, or attach a screenshot of it."
)

SVG = message("pictures.kind.svg", "an SVG drawing")
TEXT = message("pictures.kind.text", "text")
VIDEO = message("pictures.kind.video", "a video")
SOUND = message("pictures.kind.sound", "a sound file")
PDF = message("pictures.kind.pdf", "a PDF")
ARCHIVE = message("pictures.kind.archive", "an archive or a document")
AVIF = message("pictures.kind.avif", "an AVIF picture")
BMP = message("pictures.kind.bmp", "a BMP picture")
TIFF = message("pictures.kind.tiff", "a TIFF picture or a raw photo")
PHOTOSHOP = message("pictures.kind.photoshop", "a Photoshop file")
JPEG_XL = message("pictures.kind.jpeg_xl", "a JPEG XL picture")
JPEG_2000 = message("pictures.kind.jpeg_2000", "a JPEG 2000 picture")

_SIGNATURES: tuple[tuple[bytes, Message], ...] = (
    (b"%PDF", PDF),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"FLV", VIDEO),
    (b"\0\0\1\xba", VIDEO),
    (b"ID3", SOUND),
    (b"OggS", SOUND),
    (b"fLaC", SOUND),
    (b"PK\3\4", ARCHIVE),
    (b"7z\xbc\xaf", ARCHIVE),
    (b"Rar!", ARCHIVE),
    (b"\x1f\x8b", ARCHIVE),
    (b"BM", BMP),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"8BPS", PHOTOSHOP),
    (b"\xff\x0a", JPEG_XL),
    (b"\0\0\0\x0cJXL ", JPEG_XL),
    (b"\0\0\0\x0cjP  ", JPEG_2000),
)
_BRANDS: Mapping[bytes, Message] = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"M4A ", b"M4B "), SOUND),
}
_CONTAINERS: Mapping[bytes, Message] = {b"AVI ": VIDEO, b"WAVE": SOUND}

# A JPEG or PNG with more pixels than this is decoded at half its size. No service makes a larger result.
_WHOLE = 4 * 4_194_304
# The decoder works through all pixels in each scan. Real pictures have about 10; a file of thousands takes minutes.
_SCANS_AT_MOST = 64
_PARTS_AT_MOST = 10_000
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
# Any marker but the ones within a scan.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
# Bytes of a WebP's pixel while it is decoded: two canvases, a copy of one, and the picture.
_WEBP_PIXEL = 16
# The most pixels of a WebP and a GIF, whose decoders need that much memory.
_MOST_IN_FRAMES = 12_582_912
# The most pixels of a JPEG in several scans, for which the decoder needs 6 bytes a pixel more.
_MOST_IN_SCANS = 25_165_824
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_FORMATS = (*decoding.FORMATS, "GIF")
_STRIP = 256
_JPEG_QUALITY = 95
# Run lengths take less time than the search for repeats, and photos and paintings get smaller by it.
_PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}
# Up to this many pixels, colours are stored as sharp as brightness. Cameras do not do so either.
_SHARP_COLOURS = 4_194_304


class UnusablePicture(UserError):
    """The file cannot be used as a picture. Its one problem says why, and what to do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Normalised:
    """A picture that was written: PNG or JPEG. ``bytes`` is the length of its file.

    ``transparent`` means that at least one pixel is not opaque.
    """

    media_type: str
    size: Size
    transparent: bool
    bytes: int


async def normalise(pools: Pools, file: Path, aside: Path) -> Normalised:
    """Check ``file`` by its header, then write the normalised picture to ``aside`` in a thread for images.

    Raises UnusablePicture for the file, and OSError for the disk.
    """
    weight = await pools.files.run(weight_of, file)
    return await decoding.in_turn(pools, weight, normalised, file, aside)


def weight_of(file: Path) -> int:
    """Compute the bytes of memory that decoding needs, from the header. Raises UnusablePicture and OSError. Blocks."""
    with file.open("rb") as stream:
        found = _inspected(stream)
    if found.media_type == "image/webp":
        return found.size.pixels * _WEBP_PIXEL
    return found.size.pixels * 4 // (4 if _halved(found) else 1)


def normalised(file: Path, aside: Path) -> Normalised:
    """Write the picture in ``file`` to ``aside``: upright, in sRGB, without metadata, in at most PIXELS_AT_MOST pixels.

    Only the first frame of an animation is kept. Raises UnusablePicture for the file, and OSError for the disk. Blocks;
    ``normalise`` calls it in turn.
    """
    with file.open("rb") as stream:
        found = _inspected(stream)
        lossy = _lossy(stream, found)
    picture = _decoded(file, found)
    transparent = picture.mode == "RGBA" and sum(picture.getchannel("A").histogram()[:255]) > 0
    if picture.mode == "RGBA" and not transparent:
        picture = picture.convert("RGB")
    size = Size(*picture.size)
    with aside.open("wb") as written:
        if lossy and not transparent:
            media_type = "image/jpeg"
            sampling = 0 if size.pixels <= _SHARP_COLOURS else 2
            picture.save(written, "JPEG", quality=_JPEG_QUALITY, subsampling=sampling)
        else:
            media_type = "image/png"
            picture.save(written, "PNG", **_PNG)
        length = written.tell()
    return Normalised(media_type, size, transparent, length)


def _decoded(file: Path, found: FetchedImage) -> Image:
    """Decode the uploaded file. Raises UnusablePicture."""
    half = _halved(found)
    draft = max(1, min(found.size.width, found.size.height) // 2) if half else None
    strips = half and found.media_type == "image/png"
    try:
        return decoding.decoded(file, most=MOST_PIXELS, formats=_FORMATS, draft=draft, strips=strips, reduced=_reduced)
    except Undecodable as error:
        log.info("picture.undecodable", reason=str(error))
        raise UnusablePicture(BROKEN) from error
    except MemoryError:
        raise
    except Exception as error:
        # A decoder can fail in many ways if a file was made to break it.
        log.warning("picture.decoder_failed", kind=type(error).__name__, exc_info=True)
        raise UnusablePicture(BROKEN) from error


def _reduced(picture: Image) -> Image:
    """Reduce a picture to PIXELS_AT_MOST, in strips, because the work on a whole one needs as much memory again."""
    from PIL import Image

    size = within(Size(*picture.size), PIXELS_AT_MOST)
    if (size.width, size.height) == picture.size:
        return picture
    # Transparency is applied to all pixels before each resizing.
    strip = _STRIP if picture.mode in {"L", "RGB", "CMYK"} else size.height
    small = Image.new(picture.mode, (size.width, size.height))
    scale = picture.height / size.height
    for top in range(0, size.height, strip):
        bottom = min(size.height, top + strip)
        box = (0, top * scale, picture.width, min(picture.height, bottom * scale))
        part = picture.resize((size.width, bottom - top), Image.Resampling.LANCZOS, box=box)
        small.paste(part, (0, top))
    return small


def within(size: Size, most: int) -> Size:
    """The largest size of about the same ratio that has at most ``most`` pixels."""
    if size.pixels <= most:
        return size
    scale = math.sqrt(most / size.pixels)
    width, height = max(1, math.floor(size.width * scale)), max(1, math.floor(size.height * scale))
    # A side that would be less than a pixel leaves more for the other one.
    return Size(min(width, most // height), min(height, most // width))


# --- what kind of file it is --------------------------------------------------------------------------------------


def _inspected(stream: BinaryIO) -> FetchedImage:
    """Read type and size of the file. Raises UnusablePicture if it cannot be decoded within bounds."""
    try:
        found = inspect_upload(stream)
    except NotAnImage as error:
        raise UnusablePicture(_problem(stream, error)) from error
    try:
        most = _most_pixels(stream, found.media_type)
    except ValueError as error:
        log.info("picture.undecodable", reason=str(error))
        raise UnusablePicture(BROKEN) from error
    if found.size.pixels > most:
        raise UnusablePicture(_too_many(found.size.width, found.size.height, most))
    width, height = found.size.width, found.size.height
    if max(width, height) > RATIO_AT_MOST * min(width, height):
        raise UnusablePicture(TOO_NARROW(width=width, height=height, most=RATIO_AT_MOST))
    return found


def _problem(stream: BinaryIO, error: NotAnImage) -> Problem:
    stream.seek(0)
    head = stream.read(16)
    match error.reason:
        case Reason.IMAGE_TOO_MANY_PIXELS:
            return _too_many(error.values["width"], error.values["height"], MOST_PIXELS)
        case Reason.IMAGE_CUT_SHORT:
            return CUT_SHORT if head else EMPTY
        case Reason.IMAGE_BROKEN:
            return BROKEN
        case Reason.IMAGE_IS_SVG:
            kind: Message | None = SVG
        case Reason.IMAGE_IS_PAGE:
            kind = PDF if head.startswith(b"%PDF") else TEXT
        case _:
            kind = _kind(head)
    if kind is None:
        return NO_PICTURE
    return HEIC if kind is HEIC else OTHER_KIND(kind=kind)


def _too_many(width: int | str, height: int | str, most: int) -> Problem:
    return TOO_MANY_PIXELS(width=width, height=height, most=most // 1_000_000)


def _kind(head: bytes) -> Message | None:
    """What a file seems to be by its first bytes."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], VIDEO)
    if head[:4] == b"RIFF":
        return _CONTAINERS.get(head[8:12])
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)


def _halved(found: FetchedImage) -> bool:
    return found.media_type in {"image/jpeg", "image/png"} and found.size.pixels > _WHOLE


def _lossy(stream: BinaryIO, found: FetchedImage) -> bool:
    """Whether the file stores its pixels with loss, so that a lossless copy would be needlessly large."""
    if found.media_type != "image/webp":
        return found.media_type == "image/jpeg"
    try:
        # The frames of an animation are inside chunks of their own.
        return any(kind in {b"VP8 ", b"ANMF"} for kind, _ in webp_chunks(stream))
    except ValueError:
        return False


def _most_pixels(stream: BinaryIO, media_type: str) -> int:
    """The most pixels that such a file may have, by the memory that its decoder needs. Raises ValueError."""
    match media_type:
        case "image/jpeg":
            scans = _scans(stream)
            if scans > _SCANS_AT_MOST:
                raise ValueError("a JPEG of far too many scans")
            return MOST_PIXELS if scans == 1 else _MOST_IN_SCANS
        case "image/png":
            return MOST_PIXELS if can_be_halved(stream) else _WHOLE
        case _:
            return _MOST_IN_FRAMES


def _scans(stream: BinaryIO) -> int:
    """Count the scans of a JPEG, up to one too many. A progressive one has at least 2. Raises ValueError."""
    *segments, (_, pixels) = jpeg_segments(stream)
    progressive = any(marker in _PROGRESSIVE for marker, _ in segments)
    scans, position = 0, pixels.start
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for _ in range(_PARTS_AT_MOST):
            found = _MARKER.search(data, position)
            if found is None or found[0] == _END_OF_IMAGE:
                return max(scans, 2 if progressive else 1)
            scans += found[0] == _START_OF_SCAN
            if scans > _SCANS_AT_MOST:
                return scans
            position = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return _SCANS_AT_MOST + 1
