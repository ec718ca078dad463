"""The bot's last life: it is not killed, and the slow scenarios run in it.

Meanwhile, bystanders run ordinary commands and what they see is recorded: the faults of others must not affect them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from chaos.editors import Editors
from chaos.fault_mix import Kind
from chaos.machine_faults import DAY, MINUTE, SECOND, Machine
from chaos.outcomes import number_of
from chaos.service_faults import ECHOED, LATE, LOST_AFTER, NOISE, Spite
from chaos.users import AI_CLIENT, BASIC, CORE, SD3, VARYING, Ask, Crowd
from fakes.discord.constants import EVERYTHING
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import NotOfferedError, Person
from fakes.services import Call, Fate, Fault, StandIn

FIRST_ANSWER = 3.0
"""Seconds that Discord allows for the first response."""
HELD_UP, HELD_UP_WITH_PHOTO = 20.0, 240.0
"""Seconds after which a bystander counts as held up; their images take two.

A photo waits behind the images of others that have to be encoded, for a thread of the lowest priority. On a busy
machine this takes long.
"""
EVERY = 0.4
"""Seconds between two commands of bystanders."""
EDIT_EVERY = 1.0
"""Seconds between two edits, whose pictures take processor time."""
FOR = 8.0
"""Seconds for which bystanders run commands."""
DEPLOY = 6.0
"""Seconds for which a service sends malformed answers during a deployment."""
DISK_FULL_FROM, DISK_FULL_FOR = 1.0, 1.2
"""After how many seconds the disk is full, and for how many."""
DISK_FULL_UNTIL = DISK_FULL_FROM + DISK_FULL_FOR + 0.5
LOCKED = 4.0
"""Seconds for which another program holds the database: longer than Discord waits for a first response."""


@dataclass(slots=True)
class Noted:
    """The observations from the last life. ``unconcerned`` are the commands of bystanders."""

    unconcerned: list[Ask] = field(default_factory=list)
    shown_after: dict[Ask, float] = field(default_factory=dict)
    """Seconds from the command to the images in its card."""
    charged_twice: list[Ask] = field(default_factory=list)
    """Commands whose request had to be sent again though it had arrived: two bills are unavoidable."""
    unanswered: list[str] = field(default_factory=list)
    """Commands and presses without a response within three seconds."""

    def waiting(self, now: float) -> list[Ask]:
        """Commands of bystanders that can still be shown in time; ``now`` is from the monotonic clock."""
        due = [ask for ask in self.unconcerned if ask not in self.shown_after]
        return [ask for ask in due if now < ask.asked_at + _patience(ask)]

    def wrong(self) -> list[str]:
        """Commands of bystanders whose images did not appear in the card, or not in time."""
        found = []
        for ask in self.unconcerned:
            after = self.shown_after.get(ask)
            if after is None or after > _patience(ask):
                how = "never in its card" if after is None else f"after {after:.0f} s"
                found.append(f"number {ask.number} ({ask.engine}{', private' if ask.private else ''}): {how}")
        return found


class LastLife:
    """Runs the scenarios of these ``kinds``; ``heavy`` is the number of large images of some jobs."""

    def __init__(
        self,
        crowd: Crowd,
        editors: Editors,
        discord: Discord,
        services: StandIn,
        machine: Machine,
        kinds: Collection[Kind],
        chance: random.Random,
        *,
        heavy: int,
    ) -> None:
        self._crowd = crowd
        self._editors = editors
        self._discord = discord
        self._services = services
        self._machine = machine
        self._kinds = kinds
        self._chance = chance
        self._heavy = heavy
        self._watches: set[asyncio.Task[None]] = set()
        self.noted = Noted()

    async def happen(self) -> None:
        """Run all scenarios concurrently."""
        happenings: dict[Kind, Callable[[], Awaitable[None]]] = {
            Kind.MALFORMED: self._malformed,
            Kind.LOST: self._losses,
            Kind.CLOCK: self._clock,
            Kind.LOCK: self._lock,
            Kind.POOL: self._pool,
            Kind.DISK: self._disk,
            Kind.ECHO: self._echoes,
            Kind.SHARE: self._shares,
        }
        wanted = [happen() for kind, happen in happenings.items() if kind in self._kinds]
        await asyncio.gather(self._unconcerned(), self._edits(), *wanted)

    @property
    def waits(self) -> bool:
        """Whether a bystander may still get their images in time."""
        return bool(self.noted.waiting(time.monotonic()))

    async def follow(self) -> None:
        """Record when bystanders see their images, until cancelled."""
        while True:
            for ask in self.noted.unconcerned:
                card = ask.card
                if ask not in self.noted.shown_after and card is not None and card.pictures:
                    self.noted.shown_after[ask] = time.monotonic() - ask.asked_at
            await asyncio.sleep(0.1)

    async def end(self) -> None:
        """Press Share again on each shared result, then wait until every due response has arrived or is late."""
        if Kind.SHARE in self._kinds:
            for ask in [ask for ask in self._crowd.shareable() if ask.shared]:
                await self._crowd.share(ask)
        await asyncio.gather(*self._watches)

    # --- people -----------------------------------------------------------------------------------------------------

    async def _unconcerned(self) -> None:
        began = time.monotonic()
        while time.monotonic() < began + FOR:
            engine = self._chance.choice((AI_CLIENT, BASIC, CORE, SD3))
            # A photo cannot be stored while the disk is full, and its author is told so.
            attached = engine in VARYING and time.monotonic() > began + DISK_FULL_UNTIL
            asked = await self._ask(engine=engine, words="paper", attached=attached)
            self.noted.unconcerned.append(asked)
            await asyncio.sleep(EVERY)

    async def _ask(
        self,
        *,
        engine: str = AI_CLIENT,
        images: int = 1,
        words: str = "paper",
        where: Channel | None = None,
        attached: bool = False,
    ) -> Ask:
        asked = await self._crowd.ask(engine=engine, images=images, words=words, where=where, attached=attached)
        self._watch(asked.handle)
        return asked

    async def _type(self, person: Person, command: str, **options: object) -> None:
        place = self._crowd.guilds[0].channel("pictures")
        try:
            self._watch(await person.slash(place, command, **options))
        except NotOfferedError:
            self.noted.unanswered.append(f"{command}: not offered")

    def _watch(self, handle: Handle) -> None:
        self._watches.add(asyncio.create_task(self._answered(handle)))

    async def _answered(self, handle: Handle) -> None:
        try:
            async with asyncio.timeout(FIRST_ANSWER):
                await handle.acknowledged()
        except TimeoutError:
            handle.miss()
            self.noted.unanswered.append(handle.what)

    # --- faults -----------------------------------------------------------------------------------------------------

    async def _malformed(self) -> None:
        for names, times in ((("404",), 1), (("busy",), None), ((), None)):
            spite = Spite(self._services, len(self._crowd.asks) + 1)
            spite.answers_oddly(*names, times=times, lasting=DEPLOY)
            await self._ask()

    async def _losses(self) -> None:
        spite = Spite(self._services, len(self._crowd.asks) + 1)
        spite.loses_each_request()
        await self._ask()
        spite = Spite(self._services, len(self._crowd.asks) + 1)
        spite.holds_the_request()
        self.noted.charged_twice.append(await self._ask())
        # A third failure in a row would open the circuit breaker.
        await self._success()
        spite = Spite(self._services, len(self._crowd.asks) + 1)
        spite.loses_the_answer(late=LATE, silent_for=LOST_AFTER + 2.0)
        await self._ask()

    async def _success(self) -> None:
        """Let ai-client succeed once."""
        asked = await self._ask()
        self.noted.unconcerned.append(asked)
        with contextlib.suppress(TimeoutError):  # the audit notices a missing result
            async with asyncio.timeout(HELD_UP):
                await asked.handle.until(lambda seen: bool(seen.pictures))

    async def _clock(self) -> None:
        for _ in range(4):
            # These are rendering while the clock is set.
            slowly = Fault("ai-client.entry", Fate(seconds=3.0), match=_with_number(len(self._crowd.asks) + 1))
            self._services.misbehave(slowly)
            self.noted.unconcerned.append(await self._ask())
        for pause, step in (
            (1.2, -16 * MINUTE - 2 * SECOND),
            (0.6, -120 * SECOND),
            (0.6, 16 * MINUTE),
            (0.4, -16 * MINUTE),
            (0.4, DAY),
            (0.6, -DAY),
            (0.4, 2 * SECOND),
            (2.0, -120 * SECOND),
        ):
            await asyncio.sleep(pause)
            self._machine.set_clock(step)

    async def _lock(self) -> None:
        admin = self._discord.user("admin")
        self._crowd.guilds[0].member(admin.user).permissions = EVERYTHING
        await asyncio.sleep(3.5)
        locked = asyncio.create_task(self._machine.lock(LOCKED))
        await asyncio.sleep(0.3)
        user = self._discord.user("user9")
        await self._type(user, "thread new", title="Kites")
        await self._type(admin, "server set", refused_words="zebra, quagga")
        await self._type(admin, "quota set", images=10)
        await self._type(user, "settings set", images=1)
        await self._type(user, "history")
        await self._type(user, "credits")
        await self._type(admin, "usage report")
        await locked

    async def _pool(self) -> None:
        # In a server with a low file size limit, so that each image is encoded again and again.
        where = self._crowd.guilds[-1].channel("pictures")
        for _ in range(6):
            await self._ask(images=self._heavy, words=NOISE, where=where)
        await asyncio.sleep(1.0)
        await self._machine.slow_names(1.0, 2.0)

    async def _disk(self) -> None:
        await asyncio.sleep(DISK_FULL_FROM)
        # Shorter than the first backoff, so that the second attempt succeeds.
        await self._machine.fill_disk(DISK_FULL_FOR)

    async def _edits(self) -> None:
        until = time.monotonic() + FOR
        while time.monotonic() < until:
            asked = await self._crowd.edit()
            for handle in [asked.handle, *await self._editors.step()]:
                self._watch(handle)
            await asyncio.sleep(EDIT_EVERY)

    async def _echoes(self) -> None:
        for words in ECHOED:
            for engine in (BASIC, CORE, AI_CLIENT, BASIC):
                await self._ask(engine=engine, words=words)

    async def _shares(self) -> None:
        for _ in range(3):
            await self._crowd.share_new()
            await asyncio.sleep(1.5)


def _with_number(number: int) -> Callable[[Call], bool]:
    return lambda call: number_of(call) == number


def _patience(ask: Ask) -> float:
    """Seconds until the author of this command counts as held up."""
    return HELD_UP_WITH_PHOTO if ask.attached else HELD_UP
