"""Splits image files into parts without decoding: chunks of PNG and WebP, segments of JPEG.

Each part is its kind and its range in the file, including its header and trailer. All functions block, and raise
ValueError if the file does not have this structure.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_START_OF_SCAN = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def png_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, range]]:
    """Yield the chunks of a PNG. Data after the last chunk is ignored."""
    size = stream.seek(0, io.SEEK_END)
    if read(stream, range(len(PNG_SIGNATURE))) != PNG_SIGNATURE:
        raise ValueError("not a PNG")
    position = len(PNG_SIGNATURE)
    while position < size:
        head = read(stream, range(position, position + 8))
        end = position + 12 + int.from_bytes(head[:4])
        if end > size:
            raise ValueError("a PNG that ends within a chunk")
        kind = head[4:]
        yield kind, range(position, end)
        if kind == b"IEND":
            return
        position = end


def jpeg_segments(stream: BinaryIO) -> Iterator[tuple[int, range]]:
    """Yield the segments of a JPEG by their markers. The last one starts with the pixels and extends to the end."""
    size = stream.seek(0, io.SEEK_END)
    if read(stream, range(2)) != b"\xff\xd8":
        raise ValueError("not a JPEG")
    position = 2
    while True:
        head = read(stream, range(position, position + 4))
        if len(head) < 4 or head[0] != 0xFF:
            raise ValueError("a JPEG with a broken header")
        marker = head[1]
        if marker == 0xFF or marker in _STANDALONE:  # One that only fills, or one without a length.
            yield marker, range(position, position + (1 if marker == 0xFF else 2))
            position += 1 if marker == 0xFF else 2
            continue
        if marker == _START_OF_SCAN:
            yield marker, range(position, size)
            return
        end = position + 2 + int.from_bytes(head[2:])
        if end > size or end < position + 4:
            raise ValueError("a JPEG that ends within a segment")
        yield marker, range(position, end)
        position = end


def webp_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, range]]:
    """Yield the chunks of a WebP, each without its padding byte."""
    size = stream.seek(0, io.SEEK_END)
    head = read(stream, range(12))
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise ValueError("not a WebP")
    whole = 8 + int.from_bytes(head[4:8], "little")
    if whole > size:
        raise ValueError("a WebP that ends too early")
    position = 12
    while position + 8 <= whole:
        head = read(stream, range(position, position + 8))
        end = position + 8 + int.from_bytes(head[4:], "little")
        if end > whole:
            raise ValueError("a WebP that ends within a chunk")
        yield head[:4], range(position, end)
        position = end + (end & 1)


def read(stream: BinaryIO, places: range) -> bytes:
    """Read the bytes in this range, or fewer if the file ends before."""
    stream.seek(places.start)
    return stream.read(len(places))
