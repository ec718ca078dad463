"""Reads the type and size of an image file from its structure, without decoding a pixel."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO, NamedTuple

from bot.providers.base import FetchedImage
from bot.providers.errors import Reason
from bot.providers.operations import Size

# Far above what any engine makes. A file with a larger declared size is meant to exhaust the decoder's memory.
MOST_PIXELS = 40_000_000

_PNG = b"\x89PNG\r\n\x1a\n"
# Channels by colour type: greyscale, RGB, palette (possibly with transparency), greyscale with alpha, RGB with alpha.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}
_JPEG = b"\xff\xd8\xff"
_GIFS = (b"GIF87a", b"GIF89a")
_WEBP_MOVES = 0x02
_JPEG_END = b"\xff\xd9"
# Some encoders append data to a JPEG, so its end marker is searched for in this many bytes at the end of the file.
_JPEG_TAIL = 1 << 16
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS = 0xDA
# The parts of a GIF, and the flag of a colour table.
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21
_GIF_TABLE = 0x80
# An image has some hundreds of parts. A file that consists of empty parts would take minutes to read.
_MOST_PARTS = 100_000
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


class NotAnImage(ValueError):
    """The bytes are not a supported image. ``reason`` says why; the text is a phrase for the log."""

    def __init__(self, reason: Reason, detail: str, **values: int | str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.values = values


def _broken(detail: str) -> NotAnImage:
    return NotAnImage(Reason.IMAGE_BROKEN, detail)


def _cut_short(detail: str) -> NotAnImage:
    """Make the error for a truncated image: another download may be complete."""
    return NotAnImage(Reason.IMAGE_CUT_SHORT, detail)


def inspect(data: bytes) -> FetchedImage:
    """Read the type, size in pixels and length of an image in memory. Raises NotAnImage."""
    return inspect_file(BytesIO(data))


def inspect_file(file: BinaryIO) -> FetchedImage:
    """Read the type, size in pixels and length of an open image file. Raises NotAnImage."""
    media_type, header, length = _header(file)
    return FetchedImage(media_type, header.size, length)


def inspect_upload(file: BinaryIO) -> FetchedImage:
    """Read the type, size in pixels and length of an open file that a person uploaded. Raises NotAnImage.

    A GIF is accepted, too, and so is any amount of data after the end of a JPEG: phones append videos and depth maps.
    """
    media_type, header, length = _header(file, upload=True)
    return FetchedImage(media_type, header.size, length)


def decoded_bytes(file: BinaryIO) -> int:
    """Compute the size of the decoded pixels in bytes, from the header of an open image file. Raises NotAnImage."""
    _, header, _ = _header(file)
    return header.size.pixels * header.pixel_bytes


class _Header(NamedTuple):
    """The declared properties of an image: its size in pixels, and the bytes of each pixel."""

    size: Size
    pixel_bytes: int


def _header(file: BinaryIO, *, upload: bool = False) -> tuple[str, _Header, int]:
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(512)
    media_type, measure = _sniff(head, upload=upload)
    try:
        header = measure(file, length)
    except (struct.error, IndexError):
        raise _cut_short("an image that ends in its header") from None
    size = header.size
    if size.width < 1 or size.height < 1:
        raise _broken("an image without any pixels")
    if size.pixels > MOST_PIXELS:
        claim = f"an image that claims to be {size.width} × {size.height} pixels large"
        raise NotAnImage(Reason.IMAGE_TOO_MANY_PIXELS, claim, width=size.width, height=size.height)
    return media_type, header, length


def _sniff(head: bytes, *, upload: bool) -> tuple[str, Callable[[BinaryIO, int], _Header]]:
    if not head:
        raise _cut_short("an empty file")
    if head.startswith(_PNG):
        return "image/png", _measure_png
    if head.startswith(_JPEG):
        return "image/jpeg", _measure_uploaded_jpeg if upload else _measure_jpeg
    if upload and head.startswith(_GIFS):
        return "image/gif", _measure_gif
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp", _measure_webp
    if any(whole.startswith(head) for whole in (_PNG, _JPEG)):
        raise _cut_short("the first bytes of an image")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        raise NotAnImage(Reason.IMAGE_IS_SVG, "an SVG file")
    if text.startswith((b"<", b"{", b"[")) or (text.isascii() and b"\0" not in text):
        raise NotAnImage(Reason.IMAGE_IS_PAGE, "a page of text")
    raise NotAnImage(Reason.IMAGE_OF_OTHER_TYPE, "a file that is neither PNG, JPEG nor WebP")


def _measure_png(file: BinaryIO, length: int) -> _Header:
    file.seek(8)
    header: _Header | None = None
    pixels = False
    for _ in range(_MOST_PARTS):
        head = file.read(8)
        if len(head) < 8:
            raise _cut_short("a PNG that ends too early")
        (count,) = struct.unpack(">I", head[:4])
        kind = head[4:]
        if header is None:
            if kind != b"IHDR" or count != 13:
                raise _broken("a PNG without a header")
            width, height, depth, colour = struct.unpack(">IIBB", file.read(10))
            # Every colour type is decoded to three or four channels.
            pixel_bytes = max(3, _PNG_CHANNELS.get(colour, 4)) * (2 if depth == 16 else 1)
            header = _Header(Size(width, height), pixel_bytes)
            file.seek(-10, os.SEEK_CUR)
        end = file.seek(count + 4, os.SEEK_CUR)
        if end > length:
            raise _cut_short("a PNG that ends too early")
        pixels |= kind == b"IDAT"
        if kind == b"IEND":
            if not pixels:
                raise _broken("a PNG without a picture in it")
            return header
    raise _broken("a PNG of far too many parts")


def _measure_jpeg(file: BinaryIO, length: int) -> _Header:
    header, after = _jpeg_header(file)
    file.seek(max(after, length - _JPEG_TAIL))
    # The compressed data never contains these two bytes in sequence, so finding them means that the file is complete.
    if _JPEG_END not in file.read():
        raise _cut_short("a JPEG that ends too early")
    return header


def _measure_uploaded_jpeg(file: BinaryIO, length: int) -> _Header:
    """Measure a JPEG of which only the decoder can tell whether it is complete."""
    header, after = _jpeg_header(file)
    if after >= length:
        raise _cut_short("a JPEG that ends in its header")
    return header


def _jpeg_header(file: BinaryIO) -> tuple[_Header, int]:
    """Read the segments of a JPEG up to its pixels. Returns its header and where the pixels start."""
    file.seek(2)
    header: _Header | None = None
    after = None
    for _ in range(_MOST_PARTS):
        marker = _next_marker(file)
        if marker in _STANDALONE:
            continue
        (count,) = struct.unpack(">H", file.read(2))
        if count < 2:
            raise _broken("a JPEG with a broken header")
        start = file.tell()
        if marker in _SOF:
            depth, height, width, channels = struct.unpack(">BHHB", file.read(6))
            header = _Header(Size(width, height), max(3, channels) * (2 if depth > 8 else 1))
        end = file.seek(start + count - 2)
        if marker == _SOS:
            after = end
            break
    if header is None or after is None:
        raise _broken("a JPEG with a broken header")
    return header, after


def _next_marker(file: BinaryIO) -> int:
    if file.read(1)[0] != 0xFF:
        raise _broken("a JPEG with a broken header")
    for _ in range(_MOST_PARTS):  # any number of these may stand in front of a marker
        marker = file.read(1)[0]
        if marker != 0xFF:
            return marker
    raise _broken("a JPEG with a broken header")


def _measure_webp(file: BinaryIO, length: int) -> _Header:
    file.seek(4)
    (count,) = struct.unpack("<I", file.read(4))
    if count + 8 > length:
        raise _cut_short("a WebP that ends too early")
    file.seek(12)
    kind = file.read(4)
    file.seek(4, os.SEEK_CUR)
    body = file.read(10)
    if len(body) < 10:
        raise _cut_short("a WebP that ends in its header")
    if kind == b"VP8X":
        size = Size(1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
        # An animation needs a second canvas.
        return _Header(size, 8 if body[0] & _WEBP_MOVES else 4)
    if kind == b"VP8L" and body[:1] == b"\x2f":
        (bits,) = struct.unpack("<I", body[1:5])
        return _Header(Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)), 4)
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return _Header(Size(width & 0x3FFF, height & 0x3FFF), 3)
    raise _broken("a WebP with a broken header")


def _measure_gif(file: BinaryIO, length: int) -> _Header:
    """Measure the canvas of a GIF, which includes its first frame."""
    file.seek(6)
    width, height, flags = struct.unpack("<HHB", file.read(5))
    file.seek(2 + _gif_table(flags), os.SEEK_CUR)
    for _ in range(_MOST_PARTS):
        kind = file.read(1)[0]
        if kind == _GIF_EXTENSION:
            file.seek(1, os.SEEK_CUR)
            _skip_gif_blocks(file, length)
            continue
        if kind != _GIF_IMAGE:
            raise _broken("a GIF without a picture in it")
        left, top, wide, high, flags = struct.unpack("<HHHHB", file.read(9))
        file.seek(_gif_table(flags) + 1, os.SEEK_CUR)
        _skip_gif_blocks(file, length)
        return _Header(Size(max(width, left + wide), max(height, top + high)), 4)
    raise _broken("a GIF of far too many parts")


def _gif_table(flags: int) -> int:
    """Compute the length in bytes of the colour table that these flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & _GIF_TABLE else 0


def _skip_gif_blocks(file: BinaryIO, length: int) -> None:
    """Skip a chain of blocks, each of which starts with its length, up to the empty one."""
    while count := file.read(1)[0]:
        if file.seek(count, os.SEEK_CUR) > length:
            raise _cut_short("a GIF that ends too early")
