"""Removes the text that a service wrote into a PNG: prompts, settings, and whole graphs with the names of files."""

from __future__ import annotations

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_FRAME = 12
"""The bytes of a chunk besides its content: length, kind and checksum."""


def without_text(data: bytes) -> bytes:
    """Return the PNG without its text chunks. Other data, and a PNG that is cut short, stay as they are."""
    if not data.startswith(SIGNATURE):
        return data
    kept, at, start = [SIGNATURE], len(SIGNATURE), len(SIGNATURE)
    while at + _FRAME <= len(data):
        end = at + _FRAME + int.from_bytes(data[at : at + 4])
        if end > len(data):
            return data
        if data[at + 4 : at + 8] in _TEXT:
            kept.append(data[start:at])
            start = end
        at = end
    if start == len(SIGNATURE):
        return data
    kept.append(data[start:])
    return b"".join(kept)
