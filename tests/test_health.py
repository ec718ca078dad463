"""The heartbeat file, and the health check of it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from bot.health import HEARTBEAT, IN_THE_FUTURE, NOT_RUNNING, STALE, STALE_SECONDS, beating, problem


async def test_a_running_bot_is_healthy_and_a_stopped_one_removes_the_file(tmp_path: Path) -> None:
    async with beating(tmp_path, pulse=0):
        while not await asyncio.to_thread((tmp_path / HEARTBEAT).exists):
            await asyncio.sleep(0)
        assert await asyncio.to_thread(problem, tmp_path, time.time()) is None
    assert not await asyncio.to_thread((tmp_path / HEARTBEAT).exists)
    assert await asyncio.to_thread(problem, tmp_path, time.time()) == NOT_RUNNING(folder=str(tmp_path))


async def test_the_heartbeat_continues(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    async with beating(tmp_path, pulse=0):
        for _ in range(3):
            await asyncio.to_thread(path.unlink, missing_ok=True)
            while not await asyncio.to_thread(path.exists):
                await asyncio.sleep(0)


def test_an_old_heartbeat_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    path.touch()
    os.utime(path, (1000, 1000))
    assert problem(tmp_path, 1000 + STALE_SECONDS) is None
    assert problem(tmp_path, 1001 + STALE_SECONDS) == STALE(age=1 + STALE_SECONDS)


def test_a_heartbeat_from_the_future_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    path.touch()
    os.utime(path, (1000, 1000))
    assert problem(tmp_path, 1000 - STALE_SECONDS) is None
    assert problem(tmp_path, 999 - STALE_SECONDS) == IN_THE_FUTURE(ahead=1 + STALE_SECONDS), "the clock was set back"


async def test_an_unwritable_folder_does_not_stop_the_bot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with beating(tmp_path / "gone", pulse=0):
        while not caplog.records:
            await asyncio.sleep(0)
    assert "heartbeat.failed" in caplog.text
