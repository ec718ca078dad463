"""Asks services which engines they have: at the start, every hour, and after one of them turned out to be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from bot.clock import Clock
from bot.jobs.store import JobStore
from bot.providers.base import Provider
from bot.providers.errors import ProviderError

log = structlog.get_logger(__name__)

AT_START = 5.0
"""The seconds for which the start waits for the services. A slower one is asked again later."""
EVERY = 3600.0
AGAIN = 30.0
"""The seconds after which a service is asked again if it did not answer, or if its engines have changed."""


class EngineRefresh:
    """Keeps the engines of learning providers up to date."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._providers: Collection[Provider] = [each for each in store.providers.values() if each.learns]
        self._learnt: dict[str, float] = {}

    async def start(self) -> None:
        """Ask all services once, at the same time, for at most AT_START seconds."""
        if not self._providers:
            return
        asked = [asyncio.create_task(self._learn(provider)) for provider in self._providers]
        _, late = await asyncio.wait(asked, timeout=AT_START)
        for task in late:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def run(self) -> None:
        """Ask again when it is time, until cancelled."""
        while self._providers:
            await self._clock.sleep(AGAIN)
            now = self._clock.monotonic()
            due = [
                provider
                for provider in self._providers
                if provider.outdated or now - self._learnt.get(provider.name, -EVERY) >= EVERY
            ]
            await asyncio.gather(*map(self._learn, due))

    async def _learn(self, provider: Provider) -> None:
        before = {engine.id for engine in provider.engines}
        # If it did not learn everything, it sets this again: then it is asked again soon.
        outdated, provider.outdated = provider.outdated, False
        try:
            engines = await provider.learn()
        except ProviderError as error:
            provider.outdated = outdated
            log.warning("engines.not_learnt", provider=provider.name, kind=type(error).__name__, detail=error.detail)
            return
        except Exception:
            # A bug for one service must not keep the others from being asked.
            provider.outdated = outdated
            log.exception("engines.learning_crashed", provider=provider.name)
            return
        self._learnt[provider.name] = self._clock.monotonic()
        self._store.add_engines(engines)
        if {engine.id for engine in engines} != before:
            log.info("engines.learnt", provider=provider.name, engines=len(engines))
