"""Files that survive a power cut and that only their owner can access. All functions block and raise OSError."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

OWNER_ALONE = 0o077
"""The umask of the process: files and folders are created without these permissions."""

_FILE, _FOLDER = 0o600, 0o700


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless they exist."""
    folder.mkdir(_FOLDER, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Create an empty file unless it exists, for libraries that would create it with more permissions."""
    path.touch(_FILE)


def open_to_others(paths: Iterable[Path]) -> list[Path]:
    """Return those of the existing files and folders that other users can access."""
    if os.name != "posix":  # elsewhere the mode does not contain the permissions
        return []
    return [path for path in paths if path.exists() and path.stat().st_mode & OWNER_ALONE]


def put_in_place(aside: Path, path: Path) -> None:
    """Sync a finished file to the disk, then rename it to `path`, replacing any existing file in the same folder."""
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
