"""The small pictures of panels: drawn once, kept for a while, and never an error."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.jobs.panel_pictures import PanelPictures
from bot.pictures import grids
from bot.providers.operations import Size
from storage.pools import Pools
from tests.doubles.provider import png


class Drawings:
    """Counts the drawings, and lets one fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        self.fails = False
        self._draw = grids.panel_picture
        monkeypatch.setattr(grids, "panel_picture", self._drawn)

    def _drawn(self, file: Path, side: int) -> bytes:
        self.files.append(file.name)
        if self.fails:
            raise MemoryError("a made-up fault")
        return self._draw(file, side)


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Drawings:
    return Drawings(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "1.png"
    made.write_bytes(png(1, Size(1000, 600)))
    return made


async def test_a_picture_is_drawn_once_for_everybody_who_waits_for_it(
    pools: Pools, drawings: Drawings, file: Path
) -> None:
    pictures = PanelPictures(pools)
    drawn = await asyncio.gather(*(pictures.of(file) for _ in range(20)))
    assert len(set(drawn)) == 1
    assert drawn[0] is not None
    assert drawn[0].startswith(b"\xff\xd8")
    assert await pictures.of(file) == drawn[0]
    assert drawings.files == ["1.png"]


async def test_the_oldest_pictures_are_drawn_again(
    pools: Pools, drawings: Drawings, file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "2.png"
    await asyncio.to_thread(other.write_bytes, png(2))
    pictures = PanelPictures(pools, most=1)
    for each in (file, other, other, file):
        assert await pictures.of(each) is not None
    assert drawings.files == ["1.png", "2.png", "1.png"]


async def test_a_picture_that_cannot_be_drawn_is_tried_again(
    pools: Pools, drawings: Drawings, file: Path, tmp_path: Path
) -> None:
    pictures = PanelPictures(pools)
    assert await pictures.of(tmp_path / "gone.png") is None
    drawings.fails = True
    assert await pictures.of(file) is None
    drawings.fails = False
    assert await pictures.of(file) is not None


async def test_others_still_get_a_picture_that_somebody_no_longer_waits_for(
    pools: Pools, drawings: Drawings, file: Path
) -> None:
    pictures = PanelPictures(pools)
    first, second = (asyncio.create_task(pictures.of(file)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert drawings.files == ["1.png"]


async def test_a_picture_is_ready_once_it_is_drawn(pools: Pools, file: Path) -> None:
    pictures = PanelPictures(pools)
    drawing = asyncio.create_task(pictures.of(file))
    await asyncio.sleep(0)
    assert not pictures.ready(file)
    await drawing
    assert pictures.ready(file)
