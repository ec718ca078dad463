"""File permissions: other users of the machine cannot read the bot's files."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.app import assembled
from bot.config import Settings, load
from bot.doctor import rights
from bot.findings import Level
from bot.operations import back_up, put_back
from storage.database import migrate
from storage.files import make_folder
from storage.images import ImageFiles
from storage.pools import Pools
from tests.storage.database_files import made_at

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def generous() -> Iterator[None]:
    """Set the usual umask, which lets everybody read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"DATA_DIR": str(tmp_path / "data"), "AITHRIVING_KEY": "made-up"}, env_file=None)


def modes(folder: Path) -> dict[str, int]:
    """The modes of a folder and everything in it."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}


def private(folder: Path) -> dict[str, int]:
    """The expected modes."""
    return {str(path.relative_to(folder)): 0o700 if path.is_dir() else 0o600 for path in [folder, *folder.rglob("*")]}


@pytest.mark.slow
def test_files_created_by_commands_are_private(tmp_path: Path) -> None:
    environment = {"DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT), "AITHRIVING_KEY": "made-up"}
    for words in (["migrate"], ["backup"], ["backup", str(tmp_path / "elsewhere" / "copy.db")]):
        subprocess.run([sys.executable, "-m", "bot", *words], cwd=tmp_path, env=environment, check=True)  # noqa: S603 - our own program
    assert modes(tmp_path / "data") == private(tmp_path / "data")
    assert modes(tmp_path / "elsewhere") == private(tmp_path / "elsewhere")
    copy = next((tmp_path / "data" / "backups").glob("*.db"))
    subprocess.run([sys.executable, "-m", "bot", "restore", copy], cwd=tmp_path, env=environment, check=True)  # noqa: S603 - our own program
    assert modes(tmp_path / "data") == private(tmp_path / "data")


def test_files_created_by_the_parts_are_private(settings: Settings, pools: Pools) -> None:
    async def live() -> dict[str, int]:
        async with assembled(settings) as runtime:
            async with runtime.files.writing("1.png") as aside:
                await pools.files.run(aside.write_bytes, b"a picture")
                await runtime.files.keep(aside, "1.png")
            copy = await back_up(settings, None, datetime.now(UTC))
            found = await pools.files.run(modes, settings.data_dir)
        await put_back(settings, copy, datetime.now(UTC))
        return found

    found = asyncio.run(live())
    assert {"images", "images/1.png", "backups", "easel.db", "easel.db-wal", "easel.db-shm", "easel.db.lock"} <= set(
        found
    )
    folders = {".", "images", "backups"}
    assert found == {name: 0o700 if name in folders else 0o600 for name in found}
    assert modes(settings.data_dir) == private(settings.data_dir)


async def test_the_backup_before_a_migration_is_private(tmp_path: Path, pools: Pools) -> None:
    folder = tmp_path / "data"
    await pools.files.run(make_folder, folder)
    await pools.files.run(made_at, folder / "easel.db", "0001")
    await pools.files.run((folder / "easel.db").chmod, 0o600)
    await migrate(f"sqlite+aiosqlite:///{folder / 'easel.db'}")
    assert await pools.files.run(modes, folder) == await pools.files.run(private, folder)


async def test_an_image_written_with_wider_permissions_becomes_private(tmp_path: Path, pools: Pools) -> None:
    files = ImageFiles(tmp_path / "images", pools)
    await files.prepare()
    async with files.writing("1.png") as aside:
        await pools.files.run(aside.touch, 0o666)
        kept = await files.keep(aside, "1.png")
    assert stat.S_IMODE((await pools.files.run(kept.stat)).st_mode) == 0o600


@pytest.mark.parametrize(("name", "mode"), [(".", 0o755), ("images", 0o750), ("backups", 0o701), ("easel.db", 0o644)])
def test_the_doctor_lists_readable_files_of_an_older_version(settings: Settings, name: str, mode: int) -> None:
    asyncio.run(migrate(settings.database_url))
    for folder in ("images", "backups"):
        make_folder(settings.data_dir / folder)
    assert rights(settings) == []
    (settings.data_dir / name).chmod(mode)
    (found,) = rights(settings)
    assert found is not None
    assert found.level is Level.TO_DO
    assert str(settings.data_dir / name) in str(found)


def test_missing_files_are_not_listed_as_readable(settings: Settings) -> None:
    assert rights(settings) == []
