"""Decodes a large PNG at half its size, in strips, so that its pixels are never in memory as a whole. Blocks."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from bot.pictures.image_parts import PNG_SIGNATURE, png_chunks, read
from bot.providers.image_headers import MOST_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

# Bytes of a pixel by colour type: greyscale, RGB, palette, greyscale with alpha, RGB with alpha.
_PIXEL_BYTES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_STRIP_PIXELS = 1 << 20
_PART = 1 << 18
# Where the header has its depth in bits and whether the rows are interlaced.
_DEPTH, _INTERLACED = 24, 28


def can_be_halved(stream: BinaryIO) -> bool:
    """Whether the PNG has 8 bits per channel and its rows in order; others cannot be decoded in strips."""
    head = read(stream, range(_INTERLACED + 1))
    return len(head) > _INTERLACED and head[_DEPTH] == 8 and head[_INTERLACED] == 0


def halved(stream: BinaryIO) -> Image:
    """Decode at half the size to L, RGB or RGBA. Raises ValueError, zlib.error, or what Pillow does."""
    from PIL import Image

    width, height, _, colour = struct.unpack(">IIBB", read(stream, range(16, 26)))
    if width * height > MOST_PIXELS:
        raise ValueError("more pixels than a picture can have")
    header = read(stream, range(24, 29))
    tables = b"".join(read(stream, place) for kind, place in png_chunks(stream) if kind in {b"PLTE", b"tRNS"})
    line = 1 + width * _PIXEL_BYTES[colour]
    rows = max(2, _STRIP_PIXELS // width // 2 * 2)
    inflated = _inflated(stream)
    waiting, before = bytearray(), b""
    whole = None
    for top in range(0, height, rows):
        count = min(rows, height - top)
        while len(waiting) < count * line:
            part = next(inflated, b"")
            if not part:
                raise ValueError("a PNG that ends too early")
            waiting += part
        lines = bytes(waiting[: count * line])
        del waiting[: count * line]
        # The first row of a strip may build on the row before it, which is put in front of it as it is.
        shown = struct.pack(">II", width, count + bool(before)) + header
        body = zlib.compress((b"\0" + before if before else b"") + lines, 0)
        small = _chunk(b"IHDR", shown) + tables + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
        with Image.open(io.BytesIO(PNG_SIGNATURE + small), formats=("PNG",)) as strip:
            pixels = strip.crop((0, 1, width, 1 + count)) if before else strip.crop((0, 0, width, count))
            before = pixels.crop((0, count - 1, width, count)).tobytes()
            mode = "RGBA" if strip.has_transparency_data else "L" if strip.mode == "L" else "RGB"
        if pixels.mode != mode:
            pixels = pixels.convert(mode)
        if whole is None:
            whole = Image.new(mode, ((width + 1) // 2, (height + 1) // 2))
        whole.paste(pixels.reduce(2), (0, top // 2))
    if whole is None:
        raise ValueError("a PNG without rows")
    return whole


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the decompressed rows in small parts."""
    inflater = zlib.decompressobj()
    for kind, place in png_chunks(stream):
        if kind != b"IDAT":
            continue
        for start in range(place.start + 8, place.stop - 4, _PART):
            data = read(stream, range(start, min(start + _PART, place.stop - 4)))
            while data:
                part = inflater.decompress(data, _PART)
                data = inflater.unconsumed_tail
                if part:
                    yield part
            if inflater.eof:
                return


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
