"""The faults that are mixed in: of the image services, of Discord, and of the network between."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from playground.providers import Fate, Fault, StandIn
from playground.providers.faults import Half, Reset, Slow, Status
from tests.wire.calls import Call
from tests.wire.loopback import Discord

PAID = ("ai-client.entry", "aithriving.basic", "aithriving.core")
# A service that did the work does not say itself that it failed; what stands before it may.
PROXY = Status(502, "<h1>502 Bad Gateway</h1>", content_type="text/html", after_doing=True)


def has_files(call: Call) -> bool:
    return call.content_type.startswith("multipart")


class Weather:
    """Places a few faults at a time, each for one or two requests, drawn by ``chance``."""

    def __init__(self, discord: Discord, services: StandIn, chance: random.Random) -> None:
        self._discord = discord
        self._services = services
        self._chance = chance
        self.faults: Counter[str] = Counter()
        """How many were placed, by kind."""
        self._kinds: tuple[tuple[str, Callable[[], object]], ...] = (
            ("service: 429", self._busy),
            ("service: 5xx, not done", lambda: self._service(Status(chance.choice((500, 502, 503))))),
            ("service: 5xx, done", lambda: self._service(PROXY)),
            ("service: reset, not done", lambda: self._service(Reset())),
            ("service: reset, done", lambda: self._service(Reset(after_doing=True))),
            ("service: half an answer", lambda: self._service(Half())),
            ("service: slow", lambda: self._service(Slow(chance.uniform(0.5, 2.0)))),
            ("service: it fails", lambda: self._paid(Fate(error="The model ran out of memory."))),
            ("service: images come late", lambda: self._paid(Fate(misses=1))),
            ("Discord: 429", self._limited),
            ("Discord: 503, not done", lambda: self._fails("before")),
            ("Discord: 503, done", lambda: self._fails("after")),
            ("Discord: cut", lambda: self._discord.cut(*self._edit(), when=chance.choice(("body", "after")))),
            ("Discord: too large", self._too_large),
            ("Discord: will not let a card be edited", self._uneditable),
            ("Discord: the gateway drops", discord.gateway.drop),
            ("Discord: asks to reconnect", discord.gateway.ask_to_reconnect),
            ("Discord: an invalid session", discord.gateway.invalidate),
            ("Discord: forgets the nonces", discord.forget_nonces),
        )

    def change(self) -> None:
        """A few more faults."""
        for name, place in self._chance.sample(self._kinds, self._chance.choice((0, 1, 1, 2, 3))):
            self.faults[name] += 1
            place()

    def clear(self) -> None:
        """No fault any more."""
        self._discord.faults.clear()
        self._services.behave()

    def _service(self, act: Status | Reset | Half | Slow) -> None:
        route = self._chance.choice((*PAID, "ai-client.thread", "ai-client.entries", "ai-client.image"))
        self._services.misbehave(Fault(route, act, times=1))

    def _paid(self, fate: Fate) -> None:
        self._services.misbehave(Fault(self._chance.choice(PAID), fate, times=1))

    def _busy(self) -> None:
        headers = {"Retry-After": "1"} if self._chance.random() < 0.7 else {}
        self._services.misbehave(Fault(self._chance.choice(PAID), Status(429, headers=headers), times=1))

    def _edit(self) -> tuple[str, str]:
        return self._chance.choice((("PATCH", "/webhooks/*"), ("PATCH", "/channels/*"), ("POST", "/channels/*")))

    def _limited(self) -> None:
        scope = self._chance.choice(("user", "shared", "global"))
        via = self._chance.random() < 0.8
        self._discord.limit(*self._edit(), scope=scope, retry_after=0.05, via=via)

    def _fails(self, when: str) -> None:
        self._discord.fail(*self._edit(), status=503, when=when)

    def _too_large(self) -> None:
        self._discord.fail("PATCH", "/webhooks/*", status=413, code=40005, match=has_files)

    def _uneditable(self) -> None:
        self._discord.fail("PATCH", "/channels/*", status=403, code=50005)
