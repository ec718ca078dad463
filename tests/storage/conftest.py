"""A database of the current version for each test: a copy of one that was migrated once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.storage.rows import address


@pytest.fixture
def path(tmp_path: Path, migrated: Path) -> Path:
    """The file of an empty database of the current version."""
    return Path(shutil.copy(migrated, tmp_path / "easel.db"))


@pytest.fixture
def url(path: Path) -> str:
    """The address of an empty database of the current version."""
    return address(path)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """An open, empty database of the current version."""
    opened = await Database.open(url)
    yield opened
    await opened.close()
