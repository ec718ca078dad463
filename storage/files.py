"""Files that outlive a power cut, and that nobody but their owner can read. All of it blocks and raises OSError."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

OWNER_ALONE = 0o077
"""The mask of the process: without these rights files and folders are made."""

_FILE, _FOLDER = 0o600, 0o700


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there."""
    folder.mkdir(_FOLDER, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file unless it is there, for others to open that would make it with more rights."""
    path.touch(_FILE)


def open_to_others(paths: Iterable[Path]) -> list[Path]:
    """Those of the files and folders, as far as they are there, that others than their owner may use in any way."""
    if os.name != "posix":  # elsewhere the rights are not in the mode
        return []
    return [path for path in paths if path.exists() and path.stat().st_mode & OWNER_ALONE]


def put_in_place(aside: Path, path: Path) -> None:
    """Have a file that was written aside on the disk, then give it its name, in place of any other of that name.

    Both are in one folder.
    """
    with aside.open("rb+") as file:
        if os.name == "posix":
            os.fchmod(file.fileno(), _FILE)
        os.fsync(file.fileno())
    aside.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened, nor needs its own sync
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
