"""Kills the bot: before and after each kind of call that it makes, around each commit, and at random moments."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from chaos.engines import FREE, Free
from fakes.discord.bot_process import BotProcess
from fakes.discord.constants import Kind
from fakes.discord.faults import Cut
from fakes.discord.loopback import Discord
from fakes.discord.model import World
from fakes.discord.requests import Call, Reply
from fakes.services import Call as ServiceCall
from fakes.services import Fault as ServiceFault
from fakes.services import StandIn
from fakes.services.exchange import Exchange
from fakes.services.faults import cut

AROUND_A_COMMIT = 0.06
"""Seconds within which the bot commits the result of an answer, or is about to."""


class Side(StrEnum):
    """The moment of a call at which the bot dies."""

    LOST = "before it arrived"
    UNHEARD = "after it was done, before the answer"
    MIDWAY = "in the middle of the upload"
    ANSWERED = "just after the answer"


@dataclass(frozen=True, slots=True)
class Place:
    """A call that the bot makes. For a call to an image service, ``method`` is empty and ``pattern`` is the route.

    ``files``: only with files, or only without them; None: both. ``late``: made only after the interaction's token has
    expired. ``sharing``: made only when a user shares a result.
    """

    name: str
    method: str
    pattern: str
    files: bool | None = None
    late: bool = False
    sharing: bool = False

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(side for side in Side if side is not Side.MIDWAY or (self.files and self.method))

    @property
    def seldom(self) -> bool:
        """Whether it is made at most once per life."""
        return self.late or self.sharing or self.pattern == "/users/@me"

    def fits_service(self, call: ServiceCall) -> bool:
        return self.files in (None, bool(call.files))

    def fits(self, call: Call, world: World) -> bool:
        if self.files not in (None, call.content_type.startswith("multipart")):
            return False
        answered = world.tokens.get(call.params.get("webhook_token", ""))
        return not self.sharing or answered is None or answered.kind is Kind.COMPONENT


SHARED = Place("Discord: upload of a shared result", "PATCH", "/webhooks/*", files=True, sharing=True)
PLACES = (
    Place("Discord: login", "GET", "/users/@me"),
    Place("Discord: the first answer", "POST", "/interactions/*"),
    Place("Discord: edit of a card", "PATCH", "/webhooks/*", files=False),
    Place("Discord: upload of a result", "PATCH", "/webhooks/*", files=True),
    SHARED,
    Place("Discord: deletion of a card", "DELETE", "/webhooks/*"),
    Place("Discord: edit by the bot itself", "PATCH", "/channels/*", late=True),
    Place("Discord: opening direct messages", "POST", "/users/@me/channels", late=True),
    Place("Discord: a new message", "POST", "/channels/*/messages", late=True),
    Place("Discord: download of an attached photo", "GET", "/attachments/*"),
    Place("ai-client: opening a thread", "", "ai-client.thread"),
    Place("ai-client: the paid request", "", "ai-client.entry"),
    Place("ai-client: a poll", "", "ai-client.entries"),
    Place("ai-client: a download", "", "ai-client.image"),
    Place("aithriving: the paid request (basic)", "", "aithriving.basic"),
    Place("aithriving: the paid request (core)", "", "aithriving.core"),
    Place("aithriving: the paid request with a picture", "", "aithriving.*", files=True),
)
LOOKING = Place("Discord: looking for a lost message", "GET", "/channels/*/messages")
"""A rare call, so its trap stays set for many lives."""
POINTS = tuple((place, side) for place in PLACES for side in place.sides)


def free_points(kinds: Collection[Free]) -> list[tuple[Place, Side]]:
    """The calls of these free services, each with its moments."""
    routes = [route for kind in sorted(kinds) for route in (FREE[kind].make, FREE[kind].free[0], *FREE[kind].files)]
    return [(place, side) for route in routes for place in (Place(route, "", route),) for side in place.sides]


@dataclass(slots=True)
class _Trap:
    """Waits for a matching call, after skipping the first ``skip`` of them."""

    place: Place
    world: World
    skip: int
    armed: bool = True

    def springs(self) -> bool:
        """Count a matching call; return whether it is the one to kill at."""
        if not self.armed:
            return False
        self.skip -= 1
        self.armed = self.skip >= 0
        return not self.armed

    def at_discord(self, call: Call) -> bool:
        return self.place.fits(call, self.world) and self.springs()

    def at_service(self, call: ServiceCall) -> bool:
        return self.place.fits_service(call) and self.springs()

    def disarm(self) -> None:
        self.armed = False


class Killer:
    """Kills the bot once per life and records where."""

    def __init__(self, discord: Discord, services: StandIn, bot: BotProcess, chance: random.Random) -> None:
        self._discord = discord
        self._services = services
        self._bot = bot
        self._chance = chance
        self.struck = asyncio.Event()
        """Set from a kill until the next start."""
        self.where: Counter[str] = Counter()
        """The number of kills, by place and side."""

    @property
    def kills(self) -> int:
        return self.where.total()

    def strike(self, where: str) -> None:
        """Kill the bot with ``kill -9``, unless it is already dead."""
        if self.struck.is_set() or not self._bot.running:
            return
        self.struck.set()
        self.where[where] += 1
        self._bot.kill()
        self._discord.world.changes.notify()

    def lie_in_wait(self, place: Place, side: Side, *, skip: int = 0) -> Callable[[], None]:
        """Set a trap at such a call, after the first ``skip`` of them. Returns a function that removes it."""
        name, trap = f"{place.name}, {side.value}", _Trap(place, self._discord.world, skip)
        if place.method:
            self._at_discord(trap, side, name)
        else:
            self._at_service(trap, side, name)
        return trap.disarm

    def _soon(self, name: str) -> None:
        delay = self._chance.uniform(0, AROUND_A_COMMIT)
        asyncio.get_running_loop().call_later(delay, self.strike, name)

    def _at_discord(self, trap: _Trap, side: Side, name: str) -> None:
        async def act(call: Call) -> Reply | None:
            if side is Side.ANSWERED:
                self._soon(name)
                return None
            self.strike(name)
            if side is Side.LOST:
                raise Cut
            return None

        moments = {Side.LOST: "before", Side.UNHEARD: "after", Side.MIDWAY: "body", Side.ANSWERED: "after"}
        self._discord.faults.place(
            trap.place.method, trap.place.pattern, act, when=moments[side], match=trap.at_discord, times=1
        )

    def _at_service(self, trap: _Trap, side: Side, name: str) -> None:
        async def act(exchange: Exchange) -> web.StreamResponse:
            if side is Side.LOST:
                self.strike(name)
                return cut(exchange.request, reset=True)
            if side is Side.UNHEARD:
                # The service carries out a request that has arrived, even if the client is gone.
                self.strike(name)
                return await exchange.proceed()
            answer = await exchange.proceed()
            self._soon(name)
            return answer

        self._services.misbehave(ServiceFault(trap.place.pattern, act, times=1, match=trap.at_service))
