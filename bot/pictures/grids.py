"""Draws a stored picture for the panel in which people edit it: as it is, and under a numbered grid. Drawings are JPEG."""

from __future__ import annotations

from pathlib import Path

from bot.domain.areas import Area

SIDE_AT_MOST = 1024
"""Pixels of the longer side of a drawing."""
EXTENSION = "jpg"
"""The extension of a drawing's file name."""


def panel_picture(file: Path) -> bytes:
    """Draw the picture in at most SIDE_AT_MOST pixels a side. Blocks. Raises Undecodable."""
    raise NotImplementedError


def grid_picture(file: Path, area: Area) -> bytes:
    """Draw the picture under the numbered grid of the area, with the marked cells tinted. Blocks. Raises Undecodable."""
    raise NotImplementedError
