"""The photos that users attach, each with the place where it was taken, and the search for that place in files."""

from __future__ import annotations

import io
import random
from functools import lru_cache

from PIL import Image

from fakes.discord.model import Upload

SIZES = ((640, 512), (512, 512), (768, 512), (1024, 768))
LARGE = (3264, 2448)
"""A size that takes long to prepare."""

_MARK = b"51 deg 28' 38.0 N, 0 deg 0' 0.0 W"
_GPS, _DESCRIPTION, _PLACE = 0x8825, 0x010E, 0x001C
_FORMATS = ("JPEG", "PNG", "WEBP")


def photo(number: int, chance: random.Random, *, large: bool = False) -> Upload:
    """A photo for the command with this number: a JPEG with Exif data and an XMP packet that name a place."""
    width, height = LARGE if large else chance.choice(SIZES)
    exif = Image.Exif()
    exif[_DESCRIPTION] = f"photo {number}"
    exif[_GPS] = {1: "N", 2: (51.0, 28.0, 38.0), 3: "W", 4: (0.0, 0.0, 5.0), _PLACE: _MARK}
    packet = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + _MARK + b"</x:xmpmeta>"
    parts = (_segment(0xE1, exif.tobytes()), _segment(0xE1, packet), _segment(0xFE, _MARK))
    pixels = _pixels(width, height)
    return Upload(0, f"photo-{number}.jpg", pixels[:2] + b"".join(parts) + pixels[2:])


def has_place(data: bytes) -> bool:
    """Whether a file says where a photo was taken."""
    if _MARK in data:
        return True
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            return bool(picture.getexif().get_ifd(_GPS))
    except (OSError, ValueError, SyntaxError):
        return False  # it is no picture, or a part of one


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data


@lru_cache(maxsize=len(SIZES) + 1)
def _pixels(width: int, height: int) -> bytes:
    """A JPEG of a gradient."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()
