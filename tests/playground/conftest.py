"""For tests of the playground: a clock that waits less, and settings that read no environment."""

from __future__ import annotations

import asyncio

import pytest

from bot import config
from bot.clock import SystemClock
from bot.config import Settings

HASTE = 40


class HastyClock(SystemClock):
    """The real clock, with short waits cut down; long waits stay long."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds if seconds > 60 else seconds / HASTE))


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
def settings() -> Settings:
    """Settings of nobody: neither the environment nor a file."""
    return config.load({}, env_file=None)
