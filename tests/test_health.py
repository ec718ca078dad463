"""The heartbeat file, and what the health command reads out of it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from bot.health import HEARTBEAT, STALE_SECONDS, ailment, beating


async def test_a_running_bot_is_well_and_a_stopped_one_leaves_nothing(tmp_path: Path) -> None:
    async with beating(tmp_path, pulse=0):
        while not await asyncio.to_thread((tmp_path / HEARTBEAT).exists):
            await asyncio.sleep(0)
        assert await asyncio.to_thread(ailment, tmp_path, time.time()) is None
    assert not await asyncio.to_thread((tmp_path / HEARTBEAT).exists)
    assert "No bot is running" in str(await asyncio.to_thread(ailment, tmp_path, time.time()))


async def test_it_goes_on_beating(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    async with beating(tmp_path, pulse=0):
        for _ in range(3):
            await asyncio.to_thread(path.unlink, missing_ok=True)
            while not await asyncio.to_thread(path.exists):
                await asyncio.sleep(0)


def test_an_old_heartbeat_is_an_ailment(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    path.touch()
    os.utime(path, (1000, 1000))
    assert ailment(tmp_path, 1000 + STALE_SECONDS) is None
    assert "has not moved for 61 seconds" in str(ailment(tmp_path, 1001 + STALE_SECONDS))


def test_a_heartbeat_from_the_future_is_an_ailment_and_not_youth(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    path.touch()
    os.utime(path, (1000, 1000))
    assert ailment(tmp_path, 1000 - STALE_SECONDS) is None
    assert ailment(tmp_path, 999 - STALE_SECONDS) is not None, "the clock was set back, and nothing has moved since"


async def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with beating(tmp_path / "gone", pulse=0):
        while not caplog.records:
            await asyncio.sleep(0)
    assert "heartbeat.failed" in caplog.text
