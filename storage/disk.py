"""Files that outlive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def put_in_place(aside: Path, path: Path) -> None:
    """Have a file that was written aside on the disk, then give it its name, in place of any other of that name.

    Both are in one folder. Raises OSError. Blocks.
    """
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened, nor needs its own sync
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
