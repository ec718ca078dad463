"""Faults of the image services for single commands, which persist across lives of the bot; and the painter of a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from chaos.outcomes import number_of
from fakes.services import MALFORMED, Echo, Fate, Fault, InTurn, Picture, StandIn, flat, malformed
from fakes.services.call_log import Call
from fakes.services.exchange import Exchange
from fakes.services.faults import Reset, cut
from fakes.services.pictures import noise

NOISE = "static"
"""A prompt with this word is painted as noise, which gives the largest files and is slowest to encode."""
ECHOED = ("too many requests", "invalid api key", "not enough credits")
"""Prompts with these words are refused with a sentence that repeats them."""
BODIES = tuple(name for name in MALFORMED if name != "list")
"""Malformed answers, without the empty list: for a thread with a request in it, that would be false."""
REFUSALS = ("404", "410")
"""The answers that report that nothing was done."""
LOST_AFTER = 5
"""Seconds for which the bot looks for a lost request here; its own default would outlast the whole run."""
LATE = 3.5
"""Maximum seconds until a delayed request reaches the service: well before it counts as lost."""


def paint(picture: Picture) -> bytes:
    """Paint noise if the prompt asks for it, otherwise one colour."""
    return noise(picture) if NOISE in picture.prompt else flat(picture)


def echoes(services: StandIn) -> None:
    """Refuse the prompts in :data:`ECHOED` until the service's faults are removed."""

    def echoed(call: Call) -> bool:
        return any(words in str(call.body) for words in ECHOED)

    services.misbehave(
        Fault("ai-client.entry", Echo(422), times=None, match=echoed),
        Fault("aithriving.*", Echo(400), times=None, match=echoed),
    )


def malformed_bodies() -> InTurn:
    """Each kind of malformed answer, one per call."""
    return InTurn(*(malformed(name) for name in BODIES))


@dataclass(slots=True)
class Late:
    """Lose the answer at once, and carry out the request ``seconds`` later."""

    seconds: float
    _under_way: list[asyncio.Task[web.Response]] = field(default_factory=list)

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        self._under_way.append(asyncio.create_task(self._later(exchange)))
        return cut(exchange.request, reset=True)

    async def _later(self, exchange: Exchange) -> web.Response:
        await asyncio.sleep(self.seconds)
        return await exchange.proceed()


class Spite:
    """Faults for the ai-client calls of one command, whose prompt contains ``number``."""

    def __init__(self, services: StandIn, number: int) -> None:
        self._services = services
        self._number = number
        self._thread: str | None = None
        self._sent_at = 0.0

    def loses_each_request(self) -> None:
        """Never carry out the request and never answer."""
        self._services.misbehave(Fault("ai-client.entry", Reset(), times=None, match=self._is_request))

    def loses_the_answer(self, *, late: float, silent_for: float) -> None:
        """Accept the request ``late`` seconds after its answer was lost; until then lookups get malformed answers."""

        def looked_for(call: Call) -> bool:
            return self._is_poll(call) and self._now() < self._sent_at + silent_for

        self._services.misbehave(
            Fault("ai-client.entry", Late(late), match=self._is_request),
            Fault("ai-client.entries", malformed_bodies(), times=None, match=looked_for),
        )

    def holds_the_request(self) -> None:
        """Lose the answer; carry out the request only when it is sent again: then both are rendered and charged."""
        held: list[Exchange] = []

        async def act(exchange: Exchange) -> web.StreamResponse:
            if not held:
                held.append(exchange)
                return cut(exchange.request, reset=True)
            # The first one ends before the second, so that its bill is visible with the second's answer.
            held[0].fate, exchange.fate = Fate(seconds=0.1), Fate(seconds=1.5)
            await held[0].proceed()
            return await exchange.proceed()

        self._services.misbehave(Fault("ai-client.entry", act, times=2, match=self._is_request))

    def answers_oddly(self, *names: str, times: int | None = None, lasting: float = 3600.0) -> None:
        """Answer polls with malformed bodies: ``times`` of them, or for some seconds after the first.

        The bodies are of all kinds, or of the named ones.

        Odd are all kinds of bodies, or the named ones.
        """
        act = InTurn(*(malformed(name) for name in names)) if names else malformed_bodies()
        until: list[float] = []

        def in_time(call: Call) -> bool:
            if not self._is_poll(call):
                return False
            until[:] = until or [self._now() + lasting]
            return self._now() <= until[0]

        # Long enough for several polls.
        slowly = Fault("ai-client.entry", Fate(seconds=3.0), match=self._is_request)
        self._services.misbehave(slowly, Fault("ai-client.entries", act, times=times, match=in_time))

    def _is_request(self, call: Call) -> bool:
        if number_of(call) != self._number:
            return False
        if self._thread is None:
            self._thread, self._sent_at = _thread(call), self._now()
        return True

    def _is_poll(self, call: Call) -> bool:
        return self._thread is not None and _thread(call) == self._thread

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _thread(call: Call) -> str:
    """The thread's guid in the path of a call to it."""
    return call.path.rpartition("/threads/")[2].partition("/")[0]
