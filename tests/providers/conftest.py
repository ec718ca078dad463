"""Fixtures: the adapters against the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.providers.ai_client import AiClient
from bot.providers.ai_horde import AiHorde
from bot.providers.aithriving import Aithriving
from bot.providers.comfyui import Comfyui
from bot.providers.operations import Pictures, Size
from fakes.services import StandIn, flat
from tests.providers.ai_horde_workbench import ai_horde_at
from tests.providers.comfyui_server import comfyui_at
from tests.providers.form_server import picture_file
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
async def ai_horde(stand_in: StandIn) -> AsyncIterator[AiHorde]:
    async with ai_horde_at(stand_in) as provider:
        yield provider


@pytest.fixture
async def slow_ai_horde(slow_stand_in: StandIn) -> AsyncIterator[AiHorde]:
    async with ai_horde_at(slow_stand_in) as provider:
        yield provider


@pytest.fixture
async def comfyui(stand_in: StandIn) -> AsyncIterator[Comfyui]:
    async with comfyui_at(stand_in) as provider:
        yield provider


@pytest.fixture
async def slow_comfyui(slow_stand_in: StandIn) -> AsyncIterator[Comfyui]:
    async with comfyui_at(slow_stand_in) as provider:
        yield provider


@pytest.fixture
def files(tmp_path: Path) -> Pictures:
    """A picture and a mask of the same size."""
    size = Size(512, 384)
    return Pictures(picture_file(tmp_path, size=size), picture_file(tmp_path, "mask", size))


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
