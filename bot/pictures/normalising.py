"""Turns an uploaded file into a picture that is safe to keep and to pass on: upright, in sRGB, without metadata.

A photo's metadata can hold the place where it was taken. Only the pixels are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.errors import UserError
from bot.providers.operations import Size
from storage.pools import Pools

PIXELS_AT_MOST = 9_437_184
"""The most pixels of a stored picture: no service takes more."""


class UnusablePicture(UserError):
    """The file cannot be used as a picture. Its one problem says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A picture that was written: PNG or JPEG. ``bytes`` is the length of its file.

    ``transparent`` means that at least one pixel is not opaque.
    """

    media_type: str
    size: Size
    transparent: bool
    bytes: int


async def normalise(pools: Pools, file: Path, aside: Path) -> Normalised:
    """Check ``file`` by its header, then write the normalised picture to ``aside`` in a thread for images.

    Raises UnusablePicture for the file, and OSError for the disk.
    """
    raise NotImplementedError


def weight_of(file: Path) -> int:
    """Compute the bytes of pixels that decoding needs, from the header. Raises UnusablePicture. Blocks."""
    raise NotImplementedError


def normalised(file: Path, aside: Path) -> Normalised:
    """Write the picture in ``file`` to ``aside``: upright, in sRGB, without metadata, in at most PIXELS_AT_MOST pixels.

    Only the first frame of an animation is kept. Raises UnusablePicture for the file, and OSError for the disk. Blocks;
    ``normalise`` calls it in turn.
    """
    raise NotImplementedError
