"""Removes the text that a service wrote into an image: prompts, settings, and whole graphs with the names of files.

Nothing is decoded or re-encoded. The pixels, the colour profile and everything else stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
_PNG_FRAME = 12
"""The bytes of a chunk besides its content: length, kind and checksum."""
_JPEG = b"\xff\xd8"
# Exif and XMP, Photoshop's resources, and comments.
_JPEG_TEXT = frozenset({0xE1, 0xED, 0xFE})
_JPEG_SCAN = 0xDA
_FILL = 0xFF
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_WEBP_HEAD = 12
_WEBP_TEXT = frozenset({b"EXIF", b"XMP "})
# The flags of a VP8X chunk for these two.
_WEBP_FLAGS = 0x08 | 0x04


def without_text(data: bytes) -> bytes:
    """Return the image without its text. Other data, and an image that is cut short, stay as they are."""
    if data.startswith(_PNG):
        kept = _png_parts(data)
    elif data.startswith(_JPEG):
        kept = _jpeg_parts(data)
    elif data[:4] == b"RIFF" and data[8:_WEBP_HEAD] == b"WEBP":
        return _webp(data)
    else:
        return data
    return data if kept is None else _joined(data, kept)


def _joined(data: bytes, kept: Iterable[range]) -> bytes:
    parts = list(kept)
    whole = len(parts) == 1 and len(parts[0]) == len(data)
    return data if whole else b"".join(data[part.start : part.stop] for part in parts)


def _png_parts(data: bytes) -> list[range] | None:
    """The parts to keep, adjacent ones as one; None if the PNG is cut short."""
    kept, at, start = list[range](), len(_PNG), 0
    while at + _PNG_FRAME <= len(data):
        end = at + _PNG_FRAME + int.from_bytes(data[at : at + 4])
        if end > len(data):
            return None
        if data[at + 4 : at + 8] in _PNG_TEXT:
            kept.append(range(start, at))
            start = end
        at = end
    return [*kept, range(start, len(data))]


def _jpeg_parts(data: bytes) -> list[range] | None:
    """The parts to keep, adjacent ones as one; None if the JPEG ends before its pixels."""
    kept, at, start = list[range](), len(_JPEG), 0
    while at + 4 <= len(data) and data[at] == _FILL:
        marker = data[at + 1]
        if marker == _JPEG_SCAN:
            return [*kept, range(start, len(data))]
        if marker == _FILL or marker in _STANDALONE:
            at += 1 if marker == _FILL else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or end < at + 4:
            return None
        if marker in _JPEG_TEXT:
            kept.append(range(start, at))
            start = end
        at = end
    return None


def _webp(data: bytes) -> bytes:
    """The WebP without its chunks of text, and with a header that does not announce them."""
    kept, at, start = list[range](), _WEBP_HEAD, _WEBP_HEAD
    whole = 8 + int.from_bytes(data[4:8], "little")
    while at + 8 <= min(whole, len(data)):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if at + 8 + length > len(data):
            return data
        if data[at : at + 4] in _WEBP_TEXT:
            kept.append(range(start, at))
            start = end
        at = end
    if not kept:
        return data
    body = bytearray(_joined(data, [*kept, range(start, max(start, min(whole, len(data))))]))
    if body[:4] == b"VP8X" and len(body) > 8:
        body[8] &= ~_WEBP_FLAGS & 0xFF
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + bytes(body)
