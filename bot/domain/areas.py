"""The part of a picture to repaint, chosen as cells of a grid: ``4x4:1,2,5``. Cells are numbered row by row, from 1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

GRIDS = (4, 8)
"""The numbers of rows and of columns that a grid can have, the coarse grid first."""

_AREA = re.compile(r"([0-9]{1,2})x([0-9]{1,2}):([0-9]{1,3}(?:,[0-9]{1,3})*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Area:
    """The marked ``cells`` of a grid with ``side`` rows and ``side`` columns."""

    side: int
    cells: frozenset[int]

    @classmethod
    def of(cls, side: int, cells: Iterable[int]) -> Area:
        """Make an area. Raises ValueError if there is no such grid, or no such cell in it."""
        found = frozenset(cells)
        if side not in GRIDS or not all(1 <= cell <= side * side for cell in found):
            raise ValueError("no such cell")
        return cls(side, found)

    @classmethod
    def parse(cls, text: str) -> Area:
        """Read ``4x4:1,2,5``. Raises ValueError."""
        match = _AREA.fullmatch(text)
        if match is None or match[1] != match[2]:
            raise ValueError(f"not an area: {len(text)} characters")
        return cls.of(int(match[1]), map(int, match[3].split(",")))

    def finer(self) -> Area:
        """The same area in the next finer grid; itself if there is none."""
        side = next((each for each in GRIDS if each > self.side), self.side)
        factor = side // self.side
        cells = set()
        for cell in self.cells:
            row, column = divmod(cell - 1, self.side)
            cells |= {
                1 + (row * factor + down) * side + column * factor + right
                for down in range(factor)
                for right in range(factor)
            }
        return Area(side, frozenset(cells))

    def __str__(self) -> str:
        return f"{self.side}x{self.side}:{','.join(map(str, sorted(self.cells)))}"
