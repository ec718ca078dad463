"""Random faults during a run: of the image services, of Discord, of the network and of the machine."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from enum import StrEnum

from chaos.engines import FREE, Free
from chaos.machine_faults import Machine
from chaos.service_faults import BODIES, ECHOED, LATE, NOISE, REFUSALS, Late, echoes
from fakes.discord.loopback import Discord
from fakes.discord.requests import Call, Reply
from fakes.services import Call as ServiceCall
from fakes.services import Fate, Fault, StandIn, deploy, malformed
from fakes.services.faults import Act, Body, Half, Reset, Slow, Status

UPLOADS = "uploads"
CALLS = ("ai-client.entry", "aithriving.basic", "aithriving.core", "aithriving.sdv3", UPLOADS)
"""The paid calls that a fault may affect: routes, and all calls with a picture."""
ODD = ("null", "{}", '{"code": 0, "message": "success", "data": {"image": "AAAA"}}', "<h1>We are back soon</h1>")
"""Responses to a call with a picture that do not show whether the service carried it out."""
# A service that carried out the request does not report a failure, but a proxy in front of it may.
PROXY = Status(502, "<h1>502 Bad Gateway</h1>", content_type="text/html", after_doing=True)


ATTACHMENTS = "/attachments/*"


def has_files(call: Call) -> bool:
    return call.content_type.startswith("multipart")


def is_upload(call: ServiceCall) -> bool:
    return bool(call.files)


class Kind(StrEnum):
    """The kinds of faults. Each can be chosen separately."""

    COMMON = "common"
    """Errors, dropped connections and rate limits of the services and of Discord; a gateway that disconnects."""
    MALFORMED = "malformed"
    """ai-client responds to any call with malformed answers, or with 404."""
    LOST = "lost"
    """The answer to a paid request is lost, repeatedly, or the request arrives only after that."""
    CLOCK = "clock"
    """The wall clock is set forward and back."""
    LOCK = "lock"
    """Another program holds the database's lock."""
    POOL = "pool"
    """Images that take long to encode, and slow DNS."""
    DISK = "disk"
    """No image file can be written."""
    ECHO = "echo"
    """A service repeats the prompt in its refusals."""
    SHARE = "share"
    """Private results are shared, more than once."""
    PICTURES = "pictures"
    """Attached photos cannot be downloaded; services take no upload, or answer it oddly."""
    KEY = "key"
    """The bot starts without a provider's key while that provider renders its jobs."""


def free_faults(
    services: StandIn, chance: random.Random, kinds: Collection[Free]
) -> list[tuple[str, Callable[[], object]]]:
    """What can happen to a call of these free services."""
    chosen = [FREE[kind] for kind in sorted(kinds)]
    if not chosen:
        return []

    def at_make(act: Act | Fate) -> None:
        services.misbehave(Fault(chance.choice(chosen).make, act))

    def at_any(act: Act) -> None:
        service = chance.choice(chosen)
        services.misbehave(Fault(chance.choice((service.make, *service.free, *service.files)), act))

    def no_answer(*, done: bool) -> Status:
        code = chance.choice((502, 504, 524))
        return Status(code, "<h1>No answer</h1>", content_type="text/html", after_doing=done)

    faults: list[tuple[str, Callable[[], object]]] = [
        ("free service: 429", lambda: at_make(Status(429, headers={"Retry-After": "1"}))),
        ("free service: 500", lambda: at_any(Status(500))),
        ("free service: no answer from a proxy, not done", lambda: at_make(no_answer(done=False))),
        ("free service: no answer from a proxy, done", lambda: at_make(no_answer(done=True))),
        ("free service: reset, not done", lambda: at_any(Reset())),
        ("free service: reset, done", lambda: at_make(Reset(after_doing=True))),
        ("free service: half an answer", lambda: at_any(Half())),
        ("free service: an odd answer, done", lambda: at_make(Body(chance.choice(("null", "{}", "[1]", ""))))),
        ("free service: out of memory", lambda: at_make(Fate(error="CUDA out of memory"))),
        ("free service: no images", lambda: at_make(Fate(images=0))),
        ("free service: it takes long", lambda: at_make(Fate(seconds=3.0))),
    ]
    if Free.COMFYUI in kinds:
        faults.append(("free service: ComfyUI restarts", services.comfyui.restart))
    if Free.HORDE in kinds:
        faults.append(("free service: the AI Horde forgets", services.horde.requests.clear))
    return faults


class FaultMix:
    """Places a few random faults of these ``kinds`` at a time, each for a few requests or a moment."""

    def __init__(
        self,
        discord: Discord,
        services: StandIn,
        machine: Machine,
        kinds: Collection[Kind],
        chance: random.Random,
        free: Collection[Free] = (),
    ) -> None:
        self._discord = discord
        self._services = services
        self._machine = machine
        self.kinds = frozenset(kinds)
        self._chance = chance
        self.faults: Counter[str] = Counter()
        """How many faults were placed, by name."""
        common: tuple[tuple[str, Callable[[], object]], ...] = (
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
        more: tuple[tuple[Kind, str, Callable[[], object]], ...] = (
            (Kind.MALFORMED, "service: a malformed answer, not done", lambda: self._malformed(after_doing=False)),
            (Kind.MALFORMED, "service: a malformed answer, done", lambda: self._malformed(after_doing=True)),
            (Kind.MALFORMED, "service: a deploy", self._deploy),
            (Kind.LOST, "service: no answer, done later", self._late),
            (Kind.LOST, "service: no answer, twice", lambda: self._service(Reset(), route=CALLS[0], times=2)),
            (Kind.CLOCK, "machine: its clock is set", machine.soon_set_clock),
            (Kind.CLOCK, "machine: its clock is wrong at the start", machine.set_clock_anyhow),
            (Kind.LOCK, "machine: the database is locked", machine.soon_lock),
            (Kind.POOL, "machine: names are looked up slowly", machine.soon_slow_names),
            (Kind.DISK, "machine: the disk is full", machine.soon_fill_disk),
            (Kind.PICTURES, "service: a picture is too large", self._too_large_a_picture),
            (Kind.PICTURES, "service: an odd answer to a picture, done", self._odd),
            (Kind.PICTURES, "Discord: an attachment is not there", lambda: self._no_attachment(404)),
            (Kind.PICTURES, "Discord: an attachment is not handed out", lambda: self._no_attachment(503)),
            (Kind.PICTURES, "Discord: cut at an attachment", self._cut_attachment),
            (Kind.PICTURES, "Discord: half an attachment", self._half_an_attachment),
        )
        self._places = [(name, place) for kind, name, place in more if kind in self.kinds]
        if Kind.COMMON in self.kinds:
            self._places += common
            self._places += free_faults(services, chance, free)
        self._begin()

    def phrases(self) -> list[str]:
        """Words that trigger a fault if a prompt contains them."""
        return [*(ECHOED if Kind.ECHO in self.kinds else ()), *((NOISE,) if Kind.POOL in self.kinds else ())]

    def change(self) -> None:
        """Place a few more faults."""
        number = min(len(self._places), self._chance.choice((0, 1, 1, 2, 3)))
        for name, place in self._chance.sample(self._places, number):
            self.faults[name] += 1
            place()

    async def clear(self) -> None:
        """Remove all faults, except the permanent ones and the changed time of day."""
        self._discord.faults.clear()
        self._services.behave()
        await self._machine.clear()
        self._begin()

    def _begin(self) -> None:
        if Kind.ECHO in self.kinds:
            echoes(self._services)

    def _service(self, act: Act | Fate, *, route: str | None = None, times: int = 1) -> None:
        route = route or self._chance.choice((*CALLS, "ai-client.thread", "ai-client.entries", "ai-client.image"))
        fault = Fault("aithriving.*", act, times, match=is_upload) if route == UPLOADS else Fault(route, act, times)
        self._services.misbehave(fault)

    def _malformed(self, *, after_doing: bool) -> None:
        # An answer that denies the request must not come from one that was carried out.
        bodies = [name for name in BODIES if not (after_doing and name in REFUSALS)]
        route = self._chance.choice(("ai-client.thread", "ai-client.entry", "ai-client.entries"))
        self._service(malformed(self._chance.choice(bodies), after_doing=after_doing), route=route)
        if self._chance.random() < 0.3:
            self._service(malformed("404"), route="ai-client.image")

    def _deploy(self) -> None:
        self._services.misbehave(deploy(*BODIES, route="ai-client.entries", times=self._chance.choice((3, 8, 12))))

    def _late(self) -> None:
        self._services.misbehave(Fault("ai-client.entry", Late(self._chance.uniform(0.5, LATE)), times=1))

    def _paid(self, fate: Fate) -> None:
        self._service(fate, route=self._chance.choice(CALLS))

    def _busy(self) -> None:
        headers = {"Retry-After": "1"} if self._chance.random() < 0.7 else {}
        self._service(Status(429, headers=headers), route=self._chance.choice(CALLS))

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

    def _too_large_a_picture(self) -> None:
        self._service(Status(413), route=UPLOADS, times=self._chance.choice((1, 2)))

    def _odd(self) -> None:
        self._service(Body(self._chance.choice(ODD)), route=UPLOADS)

    def _no_attachment(self, status: int) -> None:
        self._discord.fail("GET", ATTACHMENTS, status=status)

    def _cut_attachment(self) -> None:
        # The bot's client repeats a download itself once.
        self._discord.cut("GET", ATTACHMENTS, times=self._chance.choice((1, 2)))

    def _half_an_attachment(self) -> None:
        async def act(call: Call) -> Reply:
            data = self._discord.world.attachments[int(call.path.split("/")[-2])].data or b""
            return Reply(200, data[: len(data) // 2], {"Content-Type": "image/jpeg"})

        self._discord.faults.place("GET", ATTACHMENTS, act)
