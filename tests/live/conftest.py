"""The real server of stable-diffusion.cpp, built by ``python -m live --build``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from live import weights
from live.build import FOLDER, built
from live.server import Server, running


@pytest.fixture(scope="session")
def program() -> Path:
    """The server's program. It is built once, which takes about five minutes."""
    weights.make(FOLDER / "models")
    return built()


@pytest.fixture
async def server(program: Path) -> AsyncIterator[Server]:
    async with running(program) as started:
        yield started
