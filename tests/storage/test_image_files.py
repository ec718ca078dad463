"""Image files: complete or absent, and never outside their folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from storage.errors import Fault
from storage.images import ImageFiles
from storage.pools import Pools
from tests.doubles.texts import fails


@pytest.fixture
async def files(tmp_path: Path, pools: Pools) -> ImageFiles:
    made = ImageFiles(tmp_path / "data" / "images", pools)
    await made.prepare()
    return made


def folder(files: ImageFiles) -> Path:
    return files.path("any.png").parent


async def names(files: ImageFiles) -> list[str]:
    return sorted(await asyncio.to_thread(os.listdir, folder(files)))


async def written(path: Path, data: bytes) -> Path:
    await asyncio.to_thread(path.write_bytes, data)
    return path


async def test_a_file_gets_its_name_once_it_is_complete(files: ImageFiles) -> None:
    aside = files.aside("12-1-0.png")
    assert aside.parent == folder(files)
    assert aside != files.aside("12-1-0.png")
    await written(aside, b"a picture")
    kept = await files.keep(aside, "12-1-0.png")
    assert kept == files.path("12-1-0.png")
    assert await asyncio.to_thread(kept.read_bytes) == b"a picture"
    assert await names(files) == ["12-1-0.png"]


async def test_storing_a_file_again_replaces_it(files: ImageFiles) -> None:
    for data in (b"first", b"second"):
        await files.keep(await written(files.aside("1.png"), data), "1.png")
    assert await asyncio.to_thread(files.path("1.png").read_bytes) == b"second"
    assert await names(files) == ["1.png"]


async def test_a_file_is_synced_before_it_gets_its_name(files: ImageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append("sync")
        sync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        done.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    await files.keep(await written(files.aside("1.png"), b"a picture"), "1.png")
    assert done == ["sync", "rename", "sync"]


async def test_a_start_removes_partial_files(files: ImageFiles) -> None:
    await written(files.aside("1.png"), b"half a pic")
    await files.keep(await written(files.aside("2.png"), b"a picture"), "2.png")
    await ImageFiles(folder(files), files.pools).prepare()
    assert await names(files) == ["2.png"]


async def test_removing_a_missing_file_is_no_error(files: ImageFiles) -> None:
    await files.keep(await written(files.aside("1.png"), b"a picture"), "1.png")
    await files.remove("1.png")
    await files.remove("1.png")
    assert await names(files) == []


async def test_strays_are_old_files_without_a_record(files: ImageFiles) -> None:
    for number, age in enumerate((1000, 1000, 3000)):
        name = f"{number}.png"
        kept = await files.keep(await written(files.aside(name), b"a picture"), name)
        await asyncio.to_thread(os.utime, kept, (age, age))
    half = await written(files.aside("9.png"), b"half a pic")
    await asyncio.to_thread(os.utime, half, (1000, 1000))
    assert await files.strays(["0.png"], 2_000_000) == ["1.png"]
    assert await files.strays([], 1_000_000) == []


@pytest.mark.parametrize("name", ["", ".", "..", "../1.png", "a/1.png", "/etc/passwd", ".hidden", "a\\1.png"])
def test_a_path_outside_the_folder_is_refused(tmp_path: Path, pools: Pools, name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        ImageFiles(tmp_path, pools).path(name)
    with pytest.raises(ValueError, match="not the name"):
        ImageFiles(tmp_path, pools).aside(name)


async def test_problems_with_the_folder_are_reported(tmp_path: Path, pools: Pools) -> None:
    blocked = tmp_path / "images"
    await written(blocked, b"a file where the folder should be")
    with fails(Fault.FILES_UNUSABLE):
        await ImageFiles(blocked, pools).prepare()
    with fails(Fault.FILES_UNUSABLE):
        await ImageFiles(tmp_path / "missing", pools).keep(tmp_path / "missing" / "1.png.part", "1.png")
