"""The small pictures of panels are drawn once, and a failure is not remembered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from bot.jobs.panel_pictures import PanelPictures
from bot.pictures import grids
from storage.pools import Pools


async def test_a_picture_is_drawn_again_after_a_failure(
    pools: Pools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "1-0.png"
    await asyncio.to_thread(Image.new("RGB", (64, 64)).save, file)
    drawn = PanelPictures(pools)

    def without_memory(_file: Path, _side: int) -> bytes:
        raise MemoryError

    with monkeypatch.context() as changed:
        changed.setattr(grids, "panel_picture", without_memory)
        for _ in range(2):
            with pytest.raises(MemoryError):
                await drawn.of(file)
    assert await drawn.of(file) is not None


async def test_who_stops_waiting_does_not_stop_the_drawing(pools: Pools, tmp_path: Path) -> None:
    file = tmp_path / "1-0.png"
    await asyncio.to_thread(Image.new("RGB", (64, 64)).save, file)
    drawn = PanelPictures(pools)
    waiting = [asyncio.create_task(drawn.of(file)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await waiting[1] is not None
    assert await drawn.of(file) is await waiting[1]
