"""Uploaded files, and the metadata that is left in a picture."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field, replace
from typing import Self

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_METADATA = {b"tEXt": "text", b"zTXt": "text", b"iTXt": "text", b"eXIf": "exif", b"iCCP": "icc", b"tIME": "time"}
_WEBP_METADATA = {b"EXIF": "exif", b"XMP ": "xmp", b"ICCP": "icc"}
_JPEG_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form: its name, its type as the client states it, and its bytes.

    ``length`` is in bytes. ``metadata`` are the kinds of metadata in a JPEG, PNG or WebP file: ``exif``, ``xmp``,
    ``icc``, ``text``, ``time``, ``comment``. ``data`` is empty once it has been dropped to save memory. Two uploads are
    equal if their bytes are.
    """

    filename: str = field(compare=False)
    media_type: str = field(compare=False)
    length: int
    digest: str
    metadata: tuple[str, ...] = field(default=(), compare=False)
    data: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def of(cls, data: bytes, media_type: str = "image/png", filename: str = "image.png") -> Self:
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        return cls(filename, media_type, len(data), digest, tuple(sorted(set(_metadata(data)))), data)

    def dropped(self) -> Upload:
        """The same upload without its bytes."""
        return replace(self, data=b"")


def _metadata(data: bytes) -> list[str]:
    if data.startswith(_PNG):
        return [_PNG_METADATA[kind] for kind in _chunks(data[8:], ">I", 4, 12) if kind in _PNG_METADATA]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return [_WEBP_METADATA[kind] for kind in _chunks(data[12:], "<I", 0, 8) if kind in _WEBP_METADATA]
    return _jpeg_metadata(data) if data.startswith(b"\xff\xd8") else []


def _chunks(data: bytes, number: str, kind_at: int, around: int) -> list[bytes]:
    """The kinds of the chunks: each has a length of four bytes and a kind; WebP pads to an even length."""
    found, at = [], 0
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(number, data, at + 4 - kind_at)
        found.append(data[at + kind_at : at + kind_at + 4])
        at += around + length + (length % 2 if number == "<I" else 0)
    return found


def _jpeg_metadata(data: bytes) -> list[str]:
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _JPEG_SCAN:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : at + 2 + length]
        if marker == 0xFE:
            found.append("comment")
        elif marker == 0xE1:
            found.append("exif" if body.startswith(b"Exif") else "xmp")
        elif marker == 0xE2:
            found.append("icc")
        at += 2 + length
    return found
