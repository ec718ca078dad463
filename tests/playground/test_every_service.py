"""The services that the playground offers with ``--engines all``, and without."""

from __future__ import annotations

import pytest

from bot.config import Settings
from bot.providers.registry import PROVIDERS
from fakes.services import StandIn, flat
from playground.studio import open_studio
from tests.playground.conftest import HastyClock

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("every", [True, False])
async def test_services(settings: Settings, hasty: HastyClock, every: bool) -> None:
    async with open_studio(settings, StandIn(painter=flat), clock=hasty, every_service=every) as studio:
        service = studio.runtime.service
        engines = [engine.id for engine in service.engines.values() if engine.provider == "openai"]
        kinds = {engine.provider for engine in service.engines.values()}
        prices = [(service.price(each).low, service.price(each).exact) for each in engines]
    assert kinds == ({kind.name for kind in PROVIDERS} if every else {"ai-client", "aithriving"})
    assert engines == (["openai/gpt-image-1-medium", "openai/gpt-image-1-low"] if every else [])
    assert prices == ([(4_224, False), (1_088, False)] if every else [])
