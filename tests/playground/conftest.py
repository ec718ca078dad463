"""Fixtures for tests of the playground: a clock with shorter waits, and settings that ignore the environment."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from bot import config
from bot.clock import SystemClock
from bot.config import Settings

HASTE = 40


class HastyClock(SystemClock):
    """The real clock, with short waits shortened; long waits stay long."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds if seconds > 60 else seconds / HASTE))


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
def settings() -> Settings:
    """Default settings, without the environment and without a file."""
    return config.load({}, env_file=None)


def png(size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", size, "#c04020").save(out, "PNG")
    return out.getvalue()
