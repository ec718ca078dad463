"""Files that survive a power cut and that only their owner can read. Everything here blocks and raises OSError."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

OWNER_ALONE = 0o077
"""The umask of the process: files and folders are made without these rights."""

_FILE, _FOLDER = 0o600, 0o700


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, unless they exist."""
    folder.mkdir(_FOLDER, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file unless it exists, for libraries that would make it with more rights."""
    path.touch(_FILE)


def open_to_others(paths: Iterable[Path]) -> list[Path]:
    """The existing files and folders among these that anybody but their owner can access."""
    if os.name != "posix":  # elsewhere the mode does not hold the rights
        return []
    return [path for path in paths if path.exists() and path.stat().st_mode & OWNER_ALONE]


def put_in_place(aside: Path, path: Path) -> None:
    """Sync a finished file to the disk, then rename it to `path`, replacing what is there. Both are in one folder."""
    with aside.open("rb+") as file:
        if os.name == "posix":
            os.fchmod(file.fileno(), _FILE)
        os.fsync(file.fileno())
    aside.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened and needs no sync
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
