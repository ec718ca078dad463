"""Fixtures: the adapters against the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bot.providers.ai_client import AiClient
from bot.providers.aithriving import Aithriving
from fakes.services import StandIn, flat
from tests.providers.workbench import make_ai_client, make_aithriving


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=(0, 0), painter=flat) as server:
        yield server


@pytest.fixture
async def slow_stand_in() -> AsyncIterator[StandIn]:
    """A stand-in whose images finish when the test says so."""
    async with StandIn(seconds=None, painter=flat) as server:
        yield server


@pytest.fixture
async def ai_client(stand_in: StandIn) -> AsyncIterator[AiClient]:
    provider = make_ai_client(stand_in.url)
    yield provider
    await provider.close()


@pytest.fixture
async def slow_ai_client(slow_stand_in: StandIn) -> AsyncIterator[AiClient]:
    provider = make_ai_client(slow_stand_in.url)
    yield provider
    await provider.close()


@pytest.fixture
async def aithriving(stand_in: StandIn) -> AsyncIterator[Aithriving]:
    provider = make_aithriving(stand_in.url)
    yield provider
    await provider.close()


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advance the loop's clock by ``seconds``: every timeout in between is due at once."""
    loop = asyncio.get_running_loop()
    true_time = loop.time
    ahead = 0.0

    def pass_seconds(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    monkeypatch.setattr(loop, "time", lambda: true_time() + ahead)
    return pass_seconds
