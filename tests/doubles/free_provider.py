"""A scripted provider on the operator's own machine: it charges nothing and can stop a request."""

from __future__ import annotations

from collections.abc import Collection

from bot.providers.base import Handle
from bot.providers.operations import Operation
from bot.providers.server_states import ServerState
from tests.doubles.provider import ScriptedProvider


class FreeProvider(ScriptedProvider):
    """A service that does not charge. ``states`` are the states of its servers."""

    charges = False
    cancels = True

    def __init__(
        self, *, polled: bool = True, name: str = "scripted", edits: Collection[Operation] = (), jobs: int = 100
    ) -> None:
        super().__init__(polled=polled, price=0, name=name, edits=edits)
        self.jobs = jobs
        self.states: tuple[ServerState, ...] = ()

    async def cancel(self, handle: Handle) -> bool:
        await self._next("cancel", handle)
        return True

    def servers(self) -> tuple[ServerState, ...]:
        return self.states
