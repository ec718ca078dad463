"""What a provider knows about its servers without asking them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.providers.errors import Reason


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a server cannot be used, and since how many seconds."""

    reason: Reason
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server. It has no name, because its address is secret.

    ``silence``: None if its latest answer was a good one. ``engine`` is the id of the engine whose model is in its
    memory. ``running`` is the number of our requests that it works on, and ``waiting`` of those that wait for it; None
    if the provider has only this server. ``queue`` is the number of everybody's requests in the server's own queue.
    """

    silence: Silence | None = None
    engine: str | None = None
    running: int | None = None
    waiting: int | None = None
    queue: int | None = None
