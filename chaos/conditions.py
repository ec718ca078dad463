"""The conditions of the bot's machine that the driver changes: its clock, its DNS lookups, its disk.

The conditions are three numbers in a file that both processes map into memory, so a change takes effect at once.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Self

_NUMBERS = struct.Struct("<qqq")


class Conditions:
    """The conditions in the file ``path``, which is created if missing. One process writes them, the other reads."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_NUMBERS.size))
        with path.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), _NUMBERS.size)
        self.path = path

    def close(self) -> None:
        self._numbers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def clock(self) -> int:
        """Milliseconds by which the wall clock is ahead of the true time; negative: behind."""
        return self._read(0)

    @clock.setter
    def clock(self, milliseconds: int) -> None:
        self._write(0, milliseconds)

    @property
    def slow_names(self) -> int:
        """Extra milliseconds for each DNS lookup."""
        return self._read(1)

    @slow_names.setter
    def slow_names(self, milliseconds: int) -> None:
        self._write(1, milliseconds)

    @property
    def disk_full(self) -> bool:
        """Whether image files cannot be written. The database is not affected."""
        return bool(self._read(2))

    @disk_full.setter
    def disk_full(self, full: bool) -> None:
        self._write(2, int(full))

    def _read(self, place: int) -> int:
        return int(_NUMBERS.unpack(self._numbers[:])[place])

    def _write(self, place: int, number: int) -> None:
        numbers = list(_NUMBERS.unpack(self._numbers[:]))
        numbers[place] = number
        self._numbers[:] = _NUMBERS.pack(*numbers)
