"""A studio whose bot does not wait long, and pictures that cost no time to paint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot import config
from bot.clock import SystemClock
from bot.config import Settings
from fakes.services import StandIn, flat

HASTE = 40


class HastyClock(SystemClock):
    """The time of day, but whoever waits a while waits much less; who waits long, waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds if seconds > 60 else seconds / HASTE))


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
def settings() -> Settings:
    """Settings of nobody: neither the environment nor a file."""
    return config.load({}, env_file=None)


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=(0, 0), painter=flat) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session
