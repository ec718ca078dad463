"""Decodes stored images as people see them: upright, in sRGB, with 8 bits per channel, and with bounded memory.

Everything here blocks, except :func:`in_turn` and :func:`drawn`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, ParamSpec, TypeVar

import structlog

from bot.pictures import png_strips
from bot.pictures.image_parts import PNG_SIGNATURE, png_chunks, read
from bot.providers.image_headers import NotAnImage, decoded_bytes
from storage.pools import Pools

if TYPE_CHECKING:
    from PIL.Image import Image

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

DECODED_AT_MOST = 48 * 2**20
"""The largest decoded image, in bytes of pixels: 4096 × 4096 in three channels of 8 bits.

Decoding and encoding an image takes up to ten times as much memory.
"""
LARGE = 12 * 2**20
"""The size in bytes of pixels above which an image is large. Large images are decoded one at a time."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""The formats of stored images, by Pillow's names."""

# The chunks that are needed to decode a PNG. All others may decompress to any length.
_PNG_PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_METADATA_AT_MOST = 2**20
_ORIENTATION = 0x0112
_FAILURES = (OSError, ValueError, SyntaxError, zlib.error)
_MIXABLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})


class Undecodable(Exception):
    """The file cannot be decoded. The message is for the log."""


async def in_turn(pools: Pools, weight: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Decode in a thread for images. ``weight`` is bytes of pixels; large images are decoded one at a time."""
    async with pools.large if weight > LARGE else nullcontext():
        return await pools.pictures.run(work, *args, **kwargs)


async def drawn(pools: Pools, draw: Callable[[Path], bytes], file: Path) -> bytes | None:
    """Draw a picture that can be left out, such as a preview. None if the file does not exist, or if drawing fails.

    A failure is logged here, whatever it is: a decoder can fail in many ways, and one picture must not keep a list or
    a panel from being shown.
    """
    try:
        weight = await pools.files.run(_weight_if_there, file)
        return None if weight is None else await in_turn(pools, weight, draw, file)
    except Undecodable as error:
        log.warning("preview.undecodable", file=file.name, reason=str(error))
    except Exception:
        # Nothing else may pass, for the reason above. The log has the traceback.
        log.exception("preview.not_made", file=file.name)
    return None


def _weight_if_there(file: Path) -> int | None:
    return weight_of(file) if file.is_file() else None


def weight_of(file: Path) -> int:
    """Compute the bytes of pixels of an image from its header. Raises Undecodable if they are too many or unknown."""
    try:
        with file.open("rb") as stream:
            weight = decoded_bytes(stream)
    except (OSError, NotAnImage) as error:
        raise Undecodable(str(error)) from error
    if weight > DECODED_AT_MOST:
        raise Undecodable(f"its pixels are {weight} bytes")
    return weight


def decode(file: Path, *, side: int | None = None) -> Image:
    """Decode to RGB or RGBA; with ``side``, reduced to at most that many pixels a side. Raises Undecodable."""
    weight_of(file)
    if side is None:
        return decoded(file, most=DECODED_AT_MOST // 3)
    return decoded(file, most=DECODED_AT_MOST // 3, draft=2 * side, reduced=partial(_within, side))


def _within(side: int, picture: Image) -> Image:
    """Reduce a picture to at most this many pixels a side."""
    from PIL import Image

    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def decoded(
    file: Path,
    *,
    most: int,
    formats: tuple[str, ...] = FORMATS,
    draft: int | None = None,
    strips: bool = False,
    reduced: Callable[[Image], Image] | None = None,
) -> Image:
    """Decode an image of at most ``most`` pixels to RGB or RGBA, upright and in sRGB. Raises Undecodable.

    A JPEG is decoded at a fraction of its size as long as both sides have at least ``draft`` pixels. With ``strips``,
    the file is a PNG that ``png_strips`` can decode at half its size. ``reduced`` is called before the colours are
    converted and the image is turned, because both take long for many pixels.
    """
    # Pillow takes a while to load.
    from PIL import Image

    try:
        with file.open("rb") as stream:
            if strips:
                source = _source(stream, pixels=False)
                picture, profile, exif = png_strips.halved(stream), source.profile, source.exif
            else:
                picture, profile, exif = _pixels(stream, most, formats, draft)
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        if reduced is not None:
            # Colours from a palette, and pixels made transparent by their colour, cannot be mixed.
            mixes = picture.mode in _MIXABLE and "transparency" not in picture.info
            picture = reduced(picture if mixes else picture.convert(mode))
        seen = picture if picture.mode == mode else picture.convert(mode)
        if profile is not None:
            seen = _in_srgb(seen, picture, profile)
        del picture
        seen = _turned(seen, exif)
    except (*_FAILURES, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error
    # Metadata of the original file must not be copied into new ones.
    seen.info = {}
    return seen


def _pixels(
    stream: BinaryIO, most: int, formats: tuple[str, ...], draft: int | None
) -> tuple[Image, bytes | None, bytes | None]:
    """Decode to 8 bits per channel. Returns the colour profile and the Exif block, too."""
    from PIL import Image

    source = _source(stream)
    with Image.open(source.stream, formats=formats) as opened:
        if opened.width * opened.height > most:
            raise Undecodable("it is larger than its header says")
        if draft is not None:
            opened.draft("RGB", (draft, draft))
        opened.load()
        profile = source.profile or opened.info.get("icc_profile")
        return _eight_bits(opened, source.depth), profile, source.exif or opened.info.get("exif")


class _Source(NamedTuple):
    """The data that Pillow gets, and the data of a PNG that it does not get: depth in bits, colour profile and Exif."""

    stream: BinaryIO
    depth: int = 8
    profile: bytes | None = None
    exif: bytes | None = None


def _source(stream: BinaryIO, *, pixels: bool = True) -> _Source:
    """Reduce a PNG to its pixels, because its other chunks can decompress to any length. Raises ValueError.

    Without ``pixels``, only profile and Exif are read.
    """
    if read(stream, range(len(PNG_SIGNATURE))) != PNG_SIGNATURE:
        stream.seek(0)
        return _Source(stream)
    kept = io.BytesIO(PNG_SIGNATURE)
    kept.seek(0, io.SEEK_END)
    depth, profile, exif = 8, None, None
    for kind, places in png_chunks(stream):
        if kind in _PNG_PICTURE:
            if not pixels:
                continue
            chunk = read(stream, places)
            kept.write(chunk)
            depth = chunk[16] if kind == b"IHDR" else depth
        elif kind == b"iCCP" and len(places) <= _METADATA_AT_MOST:
            profile = _unpacked_profile(read(stream, places)[8:-4])
        elif kind == b"eXIf" and len(places) <= _METADATA_AT_MOST:
            exif = read(stream, places)[8:-4]
    kept.seek(0)
    return _Source(kept, depth, profile, exif)


def _unpacked_profile(body: bytes) -> bytes | None:
    """Extract the profile from an iCCP chunk: a name, a null byte, a method, and compressed bytes."""
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(body.partition(b"\0")[2][1:], _METADATA_AT_MOST)
    except zlib.error:
        return None
    return profile if unpacker.eof else None


def _eight_bits(opened: Image, depth: int) -> Image:
    """Convert an image to 8 bits per channel."""
    from PIL import Image

    picture = opened
    if opened.mode.startswith("I;16"):
        # Pillow would clip values above 255. The high bytes are the image in 8 bits.
        picture = Image.frombytes("L", opened.size, opened.tobytes("raw", "I;16B")[::2])
        picture.info = dict(opened.info)
    _scale_transparency(picture, depth)
    return picture


def _scale_transparency(picture: Image, depth: int) -> None:
    """Scale the transparent colour from the file's bit depth to 8 bits, as the pixels have been."""
    colour = picture.info.get("transparency")
    if depth == 16 and isinstance(colour, int):
        picture.info["transparency"] = colour >> 8
    elif depth == 16 and isinstance(colour, tuple):
        picture.info["transparency"] = tuple(each >> 8 for each in colour)
    elif depth in (2, 4) and isinstance(colour, int) and picture.mode == "L":
        picture.info["transparency"] = colour * 255 // (2**depth - 1)


def _in_srgb(seen: Image, picture: Image, profile: bytes) -> Image:
    """Apply the colour profile, preserving transparency. Returns ``seen`` if the profile is unusable."""
    from PIL import ImageCms

    grey = picture.mode in ("1", "L", "LA")
    base = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}.get(profile[16:20])
    if base != ("L" if grey else "CMYK" if picture.mode == "CMYK" else "RGB"):
        return seen
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        if base == seen.mode:
            # A copy would need much memory.
            ImageCms.profileToProfile(seen, described, srgb, outputMode="RGB", inPlace=True)
            return seen
        before = picture if base == "CMYK" else seen.convert(base)
        after = ImageCms.profileToProfile(before, described, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.info("picture.profile_not_used", reason=str(error))
        return seen
    if after is None:
        raise RuntimeError("a picture of its own was asked for")
    if seen.mode == "RGBA":
        after.putalpha(seen.getchannel("A"))
    return after


def _turned(picture: Image, exif: bytes | None) -> Image:
    """Rotate the image upright, as its Exif orientation says."""
    from PIL import Image

    if not exif:
        return picture
    block = Image.Exif()
    try:
        block.load(exif)
        orientation = int(block.get(_ORIENTATION, 1))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with such a block, the picture can be seen without it
        log.info("picture.exif_not_read", kind=type(error).__name__)
        return picture
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return picture if turn is None else picture.transpose(turn)
