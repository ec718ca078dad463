"""The part of a picture to repaint, chosen as cells of a grid: ``4x4:1,2,5``. Cells are numbered row by row, from 1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

GRIDS = (4, 8)
"""The numbers of rows and of columns that a grid can have, the coarse grid first."""

AREA_AT_MOST = 400
"""The maximum length of a typed area."""

_CELLS = r"[0-9]{1,2}(?:-[0-9]{1,2})?"
_AREA = re.compile(rf"(?:(?P<side>[0-9])[x×](?P=side)[: ] ?)?(?P<cells>{_CELLS}(?:(?:, ?| ){_CELLS})*)")


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
        """Read ``4x4:1,2,5``. Raises ValueError.

        People may leave out the grid if it is the coarse one, separate cells by spaces, and name a range: ``1-3 8``.
        """
        match = _AREA.fullmatch(" ".join(text.split())) if len(text) <= AREA_AT_MOST else None
        if match is None:
            raise ValueError(f"not an area: {len(text)} characters")
        cells: set[int] = set()
        for part in re.split(r", ?| ", match["cells"]):
            first, _, last = part.partition("-")
            if last and int(last) < int(first):
                raise ValueError("no such range of cells")
            cells.update(range(int(first), int(last or first) + 1))
        return cls.of(int(match["side"] or GRIDS[0]), cells)

    @classmethod
    def of_digits(cls, side: int, digits: str) -> Area:
        """Read the digits of :attr:`digits`. Raises ValueError."""
        marks = int(digits, 16)
        return cls.of(side, (cell for cell in range(1, marks.bit_length() + 1) if marks >> (cell - 1) & 1))

    @property
    def digits(self) -> str:
        """The cells as hexadecimal digits, one bit for each cell of the grid. The first cell is the lowest bit."""
        return format(sum(1 << (cell - 1) for cell in self.cells), f"0{self.size // 4}x")

    @property
    def size(self) -> int:
        """The number of cells in the grid."""
        return self.side * self.side

    def inverted(self) -> Area:
        """The cells that are not marked."""
        return Area(self.side, frozenset(range(1, self.size + 1)) - self.cells)

    def coarser(self) -> Area:
        """The same area in the next coarser grid; itself if there is none. Partly marked cells are included."""
        side = next((each for each in reversed(GRIDS) if each < self.side), self.side)
        factor = self.side // side
        places = (divmod(cell - 1, self.side) for cell in self.cells)
        return Area(side, frozenset(1 + row // factor * side + column // factor for row, column in places))

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
