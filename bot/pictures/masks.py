"""Makes masks: 8-bit grey PNG files in exactly the size of the picture as it is sent. White: repaint, black: keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.domain.areas import Area
from bot.pictures.fitting import Placement
from bot.providers.operations import PictureFile


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask that was written. ``marked`` is the part of the picture that is repainted, from 0 to 1.

    ``unclear`` means that the file it was made from does not look like a mask: most of it is neither black nor white.
    """

    file: PictureFile
    marked: float
    nothing_marked: bool
    all_marked: bool
    unclear: bool = False


def area_mask(area: Area, aside: Path, placement: Placement) -> Mask:
    """Write the mask of an area to ``aside``, grown and feathered so that no seam shows. Blocks. Raises OSError."""
    raise NotImplementedError


def file_mask(file: Path, aside: Path, placement: Placement) -> Mask:
    """Write the mask that a person attached to ``aside``. Blocks.

    White is repainted, black is kept, and grey is repainted partly; colours count as their brightness. What is
    transparent is kept. A mask of another size is stretched to the picture. Raises Undecodable for the file, and OSError
    for the disk.
    """
    raise NotImplementedError
