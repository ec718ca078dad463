"""Image files of one or two colours, written in about a millisecond whatever their size."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from io import BytesIO
from typing import TypeAlias

Rgb: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


def png(width: int, height: int, ground: Rgb, mark: Rgb | None = None, box: Box | None = None, text: str = "") -> bytes:
    """A PNG in the colour ``ground``, with ``box`` in the colour ``mark``. ``text`` is its ``Description``."""
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"PLTE", bytes((*ground, *(mark or ())))),
            png_chunk(b"iTXt", b"Description\0\0\0\0\0" + text.encode()),
            png_chunk(b"IDAT", _rows(width, height, box)),
            png_chunk(b"IEND", b""),
        )
    )


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@lru_cache(maxsize=64)
def _rows(width: int, height: int, box: Box | None) -> bytes:
    if box is None:
        return zlib.compress(bytes((width + 1) * height), 6)
    left, top, right, bottom = box
    blank, marked = bytes(width + 1), bytes(1 + left) + b"\1" * (right - left) + bytes(width - right)
    return zlib.compress(blank * top + marked * (bottom - top) + blank * (height - bottom), 6)


def webp(width: int, height: int, ground: Rgb, text: str = "") -> bytes:
    """A lossless WebP in one colour. ``text`` is its XMP."""
    red, green, blue = ground
    bits = _Bits()
    bits.add(0x2F, 8)
    bits.add(width - 1, 14)
    bits.add(height - 1, 14)
    bits.add(0, 1 + 3)  # no alpha, version 0
    bits.add(0, 1 + 1 + 1)  # no transform, no colour cache, one group of codes
    for symbol in (green, red, blue, 255):
        # A code with one symbol takes no bits, so the pixels need none.
        bits.add(0b101, 3)
        bits.add(symbol, 8)
    bits.add(0b0001, 4)  # distances: the one symbol 0
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunks = _webp_chunk(b"VP8X", b"\x04\0\0\0" + size) + _webp_chunk(b"VP8L", bits.data())
    chunks += _webp_chunk(b"XMP ", text.encode())
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


class _Bits:
    """Bits in a row, the lowest bit of each value first."""

    def __init__(self) -> None:
        self._value = self._length = 0

    def add(self, value: int, count: int) -> None:
        self._value |= value << self._length
        self._length += count

    def data(self) -> bytes:
        return self._value.to_bytes(-(-self._length // 8), "little")


def jpeg(width: int, height: int, ground: Rgb, text: str = "") -> bytes:
    """A JPEG in one colour. ``text`` is its comment."""
    from PIL import Image  # slow to import, and rarely needed

    out = BytesIO()
    Image.new("RGB", (width, height), ground).save(out, "JPEG", comment=text.encode()[:60_000])
    return out.getvalue()
