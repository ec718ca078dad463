"""One run: the bot lives under load and is killed, again and again; in its last life it finishes everything.

async with discord(None) as loopback, services(size) as stand_in, bot(…) as process:
    run = Run(size, loopback, stand_in, process, conditions)
    await run.lives()                            # users.py asks, fault_mix.py places faults, killer.py kills
    await run.begin_last_life(open_now)          # last_life.py: what takes long, beside people without any fault
    ending = await run.end_last_life()           # audit.py then compares users, services and ledger
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos import engines
from chaos.conditions import Conditions
from chaos.editors import Editors
from chaos.engines import Free
from chaos.fault_mix import FaultMix, Kind
from chaos.killer import LOOKING, POINTS, SHARED, Killer, Place, Side, free_points
from chaos.last_life import LastLife, Noted
from chaos.machine_faults import MINUTE, YEARS, Machine
from chaos.outcomes import OVER
from chaos.photos import has_place
from chaos.service_faults import LOST_AFTER, paint
from chaos.users import Ask, Crowd
from fakes.discord.bot_process import REPOSITORY, BotProcess
from fakes.discord.loopback import Discord
from fakes.discord.model import Upload
from fakes.discord.schema import read_schema
from fakes.services import StandIn
from fakes.services.openai_images import Kind as OpenaiKind
from storage import images, jobs
from storage.database import Database
from storage.records import JobStatus

TRAP = 3.0
"""Seconds to wait for the bot to reach a trap; then it is killed wherever it is."""
SELDOM = 25
"""Traps at rare calls are renewed after this many lives."""
AT_RANDOM = 0.2
"""Fraction of kills at a random moment."""
WITHOUT_KEY = 0.05
"""Fraction of lives in which a provider key is missing."""
KEYS = {"AI_CLIENT_TOKEN": "ai-client/", "AITHRIVING_KEY": "aithriving/"}
"""The prefix of the engine ids that each key is for."""
SMALL_FILES = 3 << 19
"""File size limit of one of the servers, in bytes: large images have to be made smaller there."""
FINISHED_WITHIN = 300.0
OVER_SINCE = 3.0
"""After this many seconds without a request, trust the database if it says that nothing is unfinished."""
RESTS = re.compile(r"\bprovider\.(rests|outage) ")
"""Log lines that say that a circuit breaker is open."""
MOST = 30
"""Maximum number of commands in one life."""
AT_ONCE = 3
"""Commands sent at the same time."""
QUIET = 20.0
"""After this many seconds without a request, a result that has not been shown is undelivered or lost."""


@dataclass(frozen=True, slots=True)
class Size:
    """``kinds`` are the kinds of faults in addition to kills; ``free`` are the free services that people use too."""

    jobs: int
    kills: int
    seed: int
    kinds: frozenset[Kind] = frozenset(Kind)
    free: frozenset[Free] = frozenset()


@dataclass(frozen=True, slots=True)
class Ending:
    """How the last life ended: the exit status of the bot, and the output of ``reconcile``.

    ``noted`` is what people saw in it. ``rests`` are the lines of its log about an open circuit breaker. ``aside`` are
    files in the images folder that were started, but neither finished nor removed. ``strays`` are those of the last
    life without a record, and ``missing`` those with a record that are not there. ``places`` are the files, sent to
    Discord or stored, that say where a photo was taken.
    """

    status: int
    reconciled: int
    books: str
    noted: Noted = field(default_factory=Noted)
    rests: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


class Run:
    """The driver. Discord and the image services run in its process; the bot has its own."""

    def __init__(
        self, size: Size, discord: Discord, services: StandIn, bot: BotProcess, conditions: Conditions
    ) -> None:
        self.size = size
        self.discord = discord
        self.services = services
        self.bot = bot
        chance = random.Random(size.seed)
        crowding, killing, weathering, breaking = (random.Random(chance.random()) for _ in range(4))
        self.machine = Machine(conditions, bot.environment["DATABASE_URL"], breaking)
        self.fault_mix = FaultMix(discord, services, self.machine, size.kinds, weathering, size.free)
        self.crowd = Crowd(discord, crowding, self.fault_mix.phrases(), sorted(size.free))
        self.crowd.guilds[-1].file_limit = SMALL_FILES
        self.editors = Editors(self.crowd, random.Random(chance.random()))
        self._places: list[str] = []
        discord.server.inspect = self._inspect
        self.killer = Killer(discord, services, bot, killing)
        self._chance = random.Random(chance.random())
        self._last = LastLife(
            self.crowd,
            self.editors,
            discord,
            services,
            self.machine,
            size.kinds,
            self._chance,
            heavy=1 if size.jobs < 200 else 4,
        )
        self._lines_before = 0
        self._last_began = 0.0
        self._points: list[tuple[Place, Side]] = []
        self._started = time.monotonic()

    async def lives(self) -> None:
        """Start, load and kill the bot until there were enough commands and kills."""
        watched: list[Callable[[], None]] = []
        life = 0
        while self.killer.kills < self.size.kills or self.crowd.taken < self.size.jobs:
            if life % SELDOM == 0:
                for disarm in watched:
                    disarm()
                await self.fault_mix.clear()
                watched = [self.killer.lie_in_wait(LOOKING, side) for side in LOOKING.sides]
            rare = Kind.KEY in self.size.kinds and self._chance.random() < WITHOUT_KEY
            await self._life(without=self._chance.choice(list(KEYS)) if rare else None)
            life += 1
            if life % 20 == 0:
                self._tell()
        # Independent of the random choices: one start without a key while jobs of that provider are rendering, one
        # share that was not recorded, and one clock that is ahead by more than any retention period.
        wanted = {Kind.KEY, Kind.SHARE, Kind.CLOCK} & self.size.kinds
        if wanted and life:
            ahead = YEARS if Kind.CLOCK in wanted else 0
            self.machine.set_clock(ahead)
            # If nothing is shared, the trap never springs, and the life lasts as long as it can.
            await self._life((SHARED, Side.UNHEARD), without=next(iter(KEYS)) if Kind.KEY in wanted else None)
            self.machine.set_clock(-ahead)

    async def _life(self, point: tuple[Place, Side] | None = None, *, without: str | None = None) -> None:
        """Run one life, which ends at this ``point`` or at a random one; ``without`` is a missing setting."""
        place, side = point if point is not None else self._next_point()
        at_random = point is None and self._chance.random() < AT_RANDOM
        skip = 0 if place.seldom else self._chance.choice((0, 1, 2, 4, 6))
        disarm = None if at_random else self.killer.lie_in_wait(place, side, skip=skip)
        self.fault_mix.change()
        if await self._born(without=without):
            await self._load(late=place.late and not at_random, sharing=place.sharing and not at_random)
            await self._wait(self._chance.uniform(0.0, 2.0) if at_random else TRAP)
        self.killer.strike("at any moment")
        if disarm is not None:
            disarm()
        await self._buried()

    async def _born(self, *, without: str | None = None) -> bool:
        """Start the bot, ``without`` a setting; return False if it dies before it is connected."""
        number = self.discord.gateway.identified + 1
        self.killer.struck.clear()
        if without is not None:
            self._leave_without(without)
        whole = self.bot.environment
        self.bot.environment = {name: value for name, value in whole.items() if name != without}
        await self.bot.start()
        self.bot.environment = whole
        await self.discord.until(
            lambda: self.discord.gateway.identified >= number or self.killer.struck.is_set(), "the bot to connect"
        )
        return not self.killer.struck.is_set()

    def _leave_without(self, key: str) -> None:
        for ask in self.crowd.asks:
            ask.keyless |= ask.unfinished and ask.engine.startswith(KEYS[key])

    async def _buried(self) -> None:
        await self.bot.ended()
        await self.discord.gateway.silence()
        self.discord.gateway.forget_sessions()
        self.crowd.give_up_unanswered()
        self.editors.forget()

    def _inspect(self, upload: Upload) -> None:
        if has_place(upload.data):
            self._places.append(f"sent to Discord: {upload.filename}")

    async def _load(self, *, late: bool, sharing: bool) -> None:
        """Do what people do in one life: an equal share of all jobs, in two bursts."""
        lives_left = max(1, self.size.kills - self.killer.kills)
        # Some of the commands reach a bot that is about to die and are never accepted.
        share = min(MOST, math.ceil(1.5 * max(0, self.size.jobs - self.crowd.taken) / lives_left))
        for burst in (share - share // 2, share // 2):
            for number in range(burst):
                if self.killer.struck.is_set():
                    return
                await self.crowd.act()
                if number % AT_ONCE == AT_ONCE - 1:
                    await self._wait(0.1)
                    await self.crowd.confirm()
                    await self.editors.step()
            if burst:
                await self._wait(0.3)
            if late:
                self.discord.expire_tokens()
            await self.editors.step()
            await self.crowd.meddle()
            if sharing and Kind.SHARE in self.size.kinds:
                await self.crowd.share_new()
            elif Kind.SHARE in self.size.kinds:
                await self.crowd.share_some()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.killer.struck.wait()
        except TimeoutError:
            return

    def _next_point(self) -> tuple[Place, Side]:
        if not self._points:
            self._points = [*POINTS, *free_points(self.size.free)]
            self._chance.shuffle(self._points)
        return self._points.pop()

    # --- the last life ------------------------------------------------------------------------------------------

    async def begin_last_life(self, unsettled: Callable[[], list[Ask]]) -> None:
        """Run the slow scenarios; then, without faults, wait until everything that was accepted is finished."""
        self._tell()
        await self.fault_mix.clear()
        if Kind.CLOCK in self.size.kinds:
            # As on a machine whose clock is wrong when it starts.
            self.machine.set_clock(16 * MINUTE)
        self._lines_before, self._last_began = len(self.bot.lines), time.time()
        await self._born()
        following = asyncio.create_task(self._last.follow())
        try:
            await self._last.happen()
            await self._quiet(unsettled)
            await self._last.end()
        finally:
            following.cancel()
        self._tell()

    async def _quiet(self, unsettled: Callable[[], list[Ask]]) -> None:
        deadline = time.monotonic() + FINISHED_WITHIN
        # A job that was accepted but never shown has to appear without help.
        await asyncio.sleep(1.0)
        seen, since = -1, time.monotonic()
        database = await Database.open(self.bot.environment["DATABASE_URL"])
        try:
            # A job whose card its author never saw is not among the commands.
            while time.monotonic() < deadline:
                if not (unsettled() or self._last.waits) and await _all_over(database):
                    break
                await self.crowd.confirm()
                await asyncio.sleep(1.0)
                now = len(self.discord.calls) + len(self.services.calls)
                if now != seen:
                    # This program may have been slow itself, so the time counts from here.
                    seen, since = now, time.monotonic()
                elif time.monotonic() > since + QUIET:
                    break
                elif not self._last.waits and time.monotonic() > since + OVER_SINCE and await _all_over(database):
                    # An undelivered result is never shown without a user's action, so there is nothing to wait for.
                    break
        finally:
            await database.close()

    async def end_last_life(self) -> Ending:
        """Stop the bot and run ``reconcile``."""
        folder = self.bot.folder / "images"
        aside = sorted(path.name for path in folder.glob("*.part"))
        self.bot.terminate()
        status = await self.bot.ended()
        known = await _known_files(self.bot.environment["DATABASE_URL"])
        there = {path.name: path for path in folder.iterdir()}
        aside += sorted(name for name in there if name.endswith(".part") and name not in aside)
        # The kills of earlier lives left some, which retention deletes in time.
        strays = [name for name in there.keys() - known if there[name].stat().st_mtime > self._last_began]
        places = [*self._places, *(f"stored: {name}" for name, path in there.items() if has_place(path.read_bytes()))]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "reconcile",
            cwd=self.bot.folder,
            env={**self.bot.environment, "PYTHONPATH": str(REPOSITORY)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        books = said.decode(errors="replace").strip()
        rests = [line for line in self.bot.lines[self._lines_before :] if RESTS.search(line)]
        return Ending(
            status,
            process.returncode or 0,
            books,
            self._last.noted,
            rests,
            aside,
            strays=sorted(strays),
            missing=sorted(known - there.keys()),
            places=places,
        )

    def _tell(self) -> None:
        seconds = time.monotonic() - self._started
        print(f"{seconds:5.0f} s: {self.crowd.taken} jobs taken, {self.killer.kills} kills", flush=True)


async def _all_over(database: Database) -> bool:
    """Whether no job is being worked on."""
    async with database.read() as connection:
        return not await jobs.jobs_with_status(connection, tuple(set(JobStatus) - OVER - {JobStatus.PROPOSED}))


async def _known_files(database_url: str) -> set[str]:
    """The names of the files that should be in the images folder."""
    database = await Database.open(database_url)
    try:
        async with database.read() as connection:
            return await images.image_files(connection)
    finally:
        await database.close()


def settings(size: Size) -> dict[str, str]:
    """Settings of the bot in addition to the addresses."""
    return {
        "AI_CLIENT_RATE": "50",
        "AITHRIVING_RATE": "50",
        "AI_CLIENT_LOST_AFTER": str(LOST_AFTER),
        "JOBS_PER_USER": "1000",
        "LOG_LEVEL": "info",
    }


def services(size: Size) -> StandIn:
    """The image services: quick, with images that are mostly of one colour."""
    made = StandIn(seconds=(0.1, 1.5), seed=size.seed, painter=paint)
    # The account may use it without a limit.
    made.horde.accounts[engines.HORDE_KEY] = engines.OFTEN
    made.openai.kind = OpenaiKind.SD_CPP
    return made


def discord(openapi: Path | None) -> Discord:
    """A Discord that keeps no files and waits long, as the machine may be busy.

    Requests are checked against the file ``openapi``.
    """
    made = Discord(schema=None if openapi is None else read_schema(openapi))
    made.world.keep_files = False
    made.world.changes.patience = 120.0
    return made


def bot(size: Size, discord: Discord, services: StandIn, folder: Path, conditions: Conditions) -> BotProcess:
    """The bot's process. Errors in its log are counted and do not end the run."""
    # By host name, so that each new connection includes a lookup.
    services.services.url = services.url.replace("127.0.0.1", "localhost")
    program = ("chaos.bot", str(conditions.path), "run")
    more = settings(size) | engines.settings(size.free, services.url)
    made = BotProcess(discord, folder / "bot", services.url, more=more, program=program)
    made.errors_expected = True
    return made
