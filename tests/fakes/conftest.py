"""Fixtures for tests of the image services' stand-in: a running one without rendering time, and a client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from fakes.services import StandIn, flat


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=(0, 0), painter=flat) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session
