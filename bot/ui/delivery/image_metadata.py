"""Puts the text of prompt and settings into image files, where the tools around Stable Diffusion look for it.

A PNG gets a text chunk; a JPEG and a WebP get an Exif block with the text as its user comment. Every other byte stays
as it was: nothing is decoded or encoded anew. All of it blocks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

import structlog

from bot.jobs.image_parts import jpeg_segments, png_chunks, read, webp_chunks
from bot.ui.delivery.file_segments import Piece

log = structlog.get_logger(__name__)

KEYWORD = "parameters"
"""The name that those tools gave to the chunk of a PNG."""

_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_NAME = KEYWORD.encode() + b"\0"

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_EXIF_HEAD = b"Exif\0\0"
_APP0, _APP1 = 0xE0, 0xE1
_SEGMENT_AT_MOST = 0xFFFF - 2
# The flags of a WebP that has more than a picture in it.
_HAS_ALPHA, _HAS_EXIF = 0x10, 0x08


def with_text(stream: BinaryIO, media_type: str, text: str) -> tuple[Piece, ...]:
    """The image with the text in it, in place of any that it had there: new bytes and places in the stream.

    Raises ValueError where the stream does not hold the parts of such an image, or they leave no room for the text.
    """
    return {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp}[media_type](stream, text)


def exif(text: str, before: bytes = b"") -> bytes:
    """An Exif block with the text as its user comment; what else was in the block ``before`` stays in it."""
    from PIL import Image

    block = Image.Exif()
    try:
        block.load(before)
        block.get_ifd(_EXIF_IFD)
    except Exception as error:  # noqa: BLE001 - nobody can read what was there, so there is nothing to keep of it
        log.info("image.exif_not_read", kind=type(error).__name__)
        block = Image.Exif()
    block.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    return block.tobytes()


def _png(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    chunks = list(png_chunks(stream))
    if not chunks or chunks[0][0] != b"IHDR":
        raise ValueError("a PNG begins with its header")
    (_, header), *others = chunks
    return _joined(
        [
            range(header.stop),
            _text_chunk(text),
            *(
                places
                for kind, places in others
                if kind not in _TEXT_CHUNKS or read(stream, places[8 : 8 + len(_NAME)]) != _NAME
            ),
        ]
    )


def _text_chunk(text: str) -> bytes:
    try:
        kind, body = b"tEXt", _NAME + text.encode("latin-1")
    except UnicodeEncodeError:
        # Not compressed, in no particular language, under no translated name.
        kind, body = b"iTXt", _NAME + b"\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _jpeg(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    before, others, first = b"", [], 2
    for marker, places in jpeg_segments(stream):
        if marker == _APP1 and read(stream, places[4:10]) == _EXIF_HEAD:
            before = before or read(stream, places)[4:]
            continue
        # What says that it is a JPEG at all stays in front.
        if marker == _APP0 and places.start == 2:
            first = places.stop
        else:
            others.append(places)
    body = exif(text, before)
    if len(body) > _SEGMENT_AT_MOST:
        raise ValueError("the text is too long for a JPEG")
    segment = struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
    return _joined([range(first), segment, *others])


def _webp(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    chunks = list(webp_chunks(stream))
    if not chunks:
        raise ValueError("a WebP begins with its picture")
    before = next((read(stream, places)[8:] for kind, places in chunks if kind == b"EXIF"), b"")
    body = exif(text, before).removeprefix(_EXIF_HEAD)
    pieces: list[Piece] = [_extended_header(stream, *chunks[0])]
    for kind, places in chunks:
        if kind not in (b"VP8X", b"EXIF"):
            pieces += [places, bytes(len(places) & 1)]
    pieces += [b"EXIF" + struct.pack("<I", len(body)) + body, bytes(len(body) & 1)]
    return _joined([b"RIFF" + struct.pack("<I", 4 + sum(map(len, pieces))) + b"WEBP", *pieces])


def _extended_header(stream: BinaryIO, kind: bytes, places: range) -> bytes:
    """The chunk that says what a WebP holds beside its picture: its own or, as a simple one has none, a new one."""
    chunk = read(stream, places[:18])
    if kind == b"VP8X" and len(chunk) == 18:
        return chunk[:8] + bytes([chunk[8] | _HAS_EXIF]) + chunk[9:]
    if kind == b"VP8L" and chunk[8:9] == b"\x2f" and len(chunk) >= 13:
        bits = int.from_bytes(chunk[9:13], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif kind == b"VP8 " and len(chunk) >= 18:
        width, height = ((side & 0x3FFF) - 1 for side in struct.unpack("<HH", chunk[14:18]))
        alpha = 0
    else:
        raise ValueError("a WebP with a broken header")
    flags = _HAS_EXIF | (_HAS_ALPHA if alpha else 0)
    body = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return b"VP8X" + struct.pack("<I", len(body)) + body


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The same with what stands together in one piece."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else b""
        if isinstance(piece, range) and isinstance(last, range) and last.stop == piece.start:
            joined[-1] = range(last.start, piece.stop)
        elif isinstance(piece, bytes) and isinstance(last, bytes) and joined:
            joined[-1] = last + piece
        elif piece:
            joined.append(piece)
    return tuple(joined)
