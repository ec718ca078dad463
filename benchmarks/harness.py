"""The benchmarks' harness: a loopback Discord in this process, the bot and the image services each in their own.

Everything is measured from outside. Discord records when a command arrived, when it was acknowledged, each edit, and
when the images were shown. The services record when a job was done, and each poll.

    async with Harness(Conditions(seconds=(8, 13))) as harness:
        await harness.start()
        await harness.warm_up()
        trace = await harness.imagine(user=1, prompt="a fox")
        await harness.until_shown(1)
        trace.shown - trace.asked
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import aiohttp

from benchmarks.kinds import ENGINES, POLLS, Kind, settings
from benchmarks.services import Pictures
from fakes.discord.bot_process import REPOSITORY, BotProcess
from fakes.discord.faults import Faults, Moment
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Attachment, Channel, Guild, Message, Upload
from fakes.discord.requests import Call, Reply

PATIENCE = 600.0
WARM = 1_000_000
"""The id of a user who is not measured."""
# Discord's rate limit on edits: requests per interaction token, and seconds.
_EDITS, _EDITS_SECONDS = 5, 2.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """``seconds``: range of a job's duration. ``rate``: requests a second (None: unlimited). Latencies: seconds.

    ``jobs`` is how many submissions may be rendered at once. ``servers`` is how many of this kind of service there are.
    ``preview`` is the size of live previews in bytes.
    """

    seconds: tuple[float, float] = (8.0, 13.0)
    rate: float | None = 10.0
    provider_latency: float = 0.05
    discord_latency: float = 0.05
    pictures: Pictures = Pictures.SMALL
    seed: int = 1
    kind: Kind = Kind.AI_CLIENT
    servers: int = 1
    preview: int = 0
    jobs: int = 10_000


@dataclass(slots=True)
class Trace:
    """One command or press as seen from outside. Times are Unix seconds."""

    prompt: str
    asked: float
    written: float = 0.0
    """When its event was written to the gateway's connection."""
    acknowledged: float = 0.0
    answered: float = 0.0
    """When the deferred answer was filled in."""
    edits: int = 0
    shown: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    interaction: int = 0
    """The id of the interaction."""


@dataclass(frozen=True, slots=True)
class Served:
    """The services' records: when each job was done, by prompt, and the times of the polls of each submission.

    ``busy`` are the begins and ends of the renderings of each server. All times are Unix seconds.
    """

    done: dict[str, float]
    polls: dict[str, list[float]]
    busy: list[list[tuple[float, float]]]


class DiscordTiming(Faults):
    """Adds Discord's latency and its rate limit on edits."""

    def __init__(self, discord: Discord, latency: float) -> None:
        super().__init__(discord.world.changes)
        self.latency = latency
        self._edits: dict[str, deque[float]] = {}

    async def at(self, moment: Moment, call: Call) -> Reply | None:
        if moment is Moment.BEFORE:
            if self.latency:
                await asyncio.sleep(self.latency)
            if call.method == "PATCH" and (wait := self._too_soon(call.params.get("webhook_token"))):
                body = {"message": "You are being rate limited.", "retry_after": wait, "global": False}
                headers = {"Retry-After": "1", "X-RateLimit-Remaining": "0", "Via": "1.1 google"}
                return Reply(429, body, {**headers, "X-RateLimit-Reset-After": f"{wait:.3f}"})
        return await super().at(moment, call)

    def _too_soon(self, token: str | None) -> float:
        if token is None:
            return 0.0
        latest = self._edits.setdefault(token, deque(maxlen=_EDITS))
        now = time.monotonic()
        if len(latest) == _EDITS and now - latest[0] < _EDITS_SECONDS:
            return _EDITS_SECONDS - (now - latest[0])
        latest.append(now)
        return 0.0


class Program(StrEnum):
    """The program to run: the bot, the bot with an event loop monitor, or a bot on discord.py that only defers."""

    PLAIN = "bot"
    WATCHED = "benchmarks.measured_bot"
    BARE = "benchmarks.baseline_bot"


class Harness:
    """Use as ``async with Harness(conditions) as harness``, then :meth:`start` the bot."""

    def __init__(
        self,
        conditions: Conditions,
        *,
        program: Program = Program.WATCHED,
        policy: str = "easel",
        profile: Path | None = None,
    ) -> None:
        self.conditions = conditions
        self.discord = Discord()
        self.discord.world.changes.patience = PATIENCE
        self.discord.world.keep_files = False
        life = DiscordTiming(self.discord, conditions.discord_latency)
        self.discord.faults = self.discord.server.faults = life
        self.channel: Channel = self.discord.guild("Studio").channel("pictures")
        self.traces: dict[int, Trace] = {}
        self.shown = 0
        self.ready_at = 0.0
        self._program = program
        self._policy = policy
        self._profile = profile
        self._exits = AsyncExitStack()
        self._told = self.discord.world.tell
        self.discord.world.tell = self._notes
        self.discord.gateway.written = self._note_written

    async def __aenter__(self) -> Self:
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="easel-bench-")))
        self.stalls = folder / "stalls.txt"
        self.stalls.touch()
        self.answers = folder / "answers.txt"
        self.answers.touch()
        await self._exits.enter_async_context(self.discord)
        self.urls = (await self._serve()).split()
        self.services = self.urls[0]
        self.http = await self._exits.enter_async_context(aiohttp.ClientSession())
        rate = self.conditions.rate
        more = {
            "AI_CLIENT_RATE": str(1000 if rate is None else rate),
            "AI_CLIENT_JOBS": str(self.conditions.jobs),
            "AITHRIVING_RATE": str(1000 if rate is None else rate),
            "JOBS_PER_USER": "1000",
            **settings(self.conditions.kind, self.urls),
        }
        self.bot = BotProcess(self.discord, folder / "data", self.services, more=more, program=self._words())
        await self._exits.enter_async_context(self.bot)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    def _words(self) -> tuple[str, ...]:
        if self._program is Program.PLAIN:
            return (self._program, "run")
        if self._program is Program.BARE:
            files = ("--stalls", str(self.stalls), "--answers", str(self.answers))
            return (self._program, *files, "--gateway", self.discord.world.gateway_url)
        low, high = self.conditions.seconds
        told: dict[str, object] = {
            "stalls": self.stalls,
            "answers": self.answers,
            "policy": self._policy,
            "latency": self.conditions.provider_latency,
        }
        if self._profile is not None:
            told["profile"] = self._profile
        words = [word for name, value in told.items() for word in (f"--{name}", str(value))]
        return (self._program, *words, "--seed", str(self.conditions.seed), "--seconds", str(low), str(high))

    async def _serve(self) -> str:
        low, high = self.conditions.seconds
        words = ["--seconds", str(low), str(high), "--latency", str(self.conditions.provider_latency)]
        words += ["--seed", str(self.conditions.seed), "--pictures", self.conditions.pictures]
        words += ["--servers", str(self.conditions.servers), "--preview", str(self.conditions.preview)]
        if self.conditions.rate is not None:
            words += ["--rate", str(self.conditions.rate)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.services", *words, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
        )

        async def stop() -> None:
            process.terminate()
            await process.wait()

        self._exits.push_async_callback(stop)
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, "the image services did not start"
        return line.decode().strip()

    # --- actions ----------------------------------------------------------------------------------------------------

    async def start(self) -> float:
        """Start the bot; return the seconds until the gateway sent READY."""
        began = time.perf_counter()
        await self.bot.ready()
        return time.perf_counter() - began

    async def at_work(self) -> None:
        """Wait until the bot has resumed unfinished jobs and accepts commands."""
        await self.bot.said("worker.resumed")

    async def imagine(
        self, user: int, prompt: str, *, images: int = 1, engine: str | None = None, picture: Upload | None = None
    ) -> Trace:
        """Run /imagine as a user, who may attach a picture. The engine is one of the measured kind of service."""
        engine = engine or ENGINES[self.conditions.kind]
        person = self.discord.user(f"user{user}")
        more = {} if picture is None else {"picture": picture}
        handle = await person.slash(self.channel, "imagine", prompt=prompt, engine=engine, images=images, **more)
        return self.follow(handle, prompt)

    def follow(self, handle: Handle, prompt: str = "") -> Trace:
        """Trace the response to what a user just did."""
        number = handle.interaction.id
        trace = self.traces[number] = Trace(prompt, time.time(), interaction=number)
        return trace

    async def warm_up(self) -> None:
        """Run one command first, so that the bot is measured as one that has run for a while."""
        await self.until_acknowledged([await self.imagine(WARM, "a warm-up")])
        await asyncio.sleep(0.5)

    async def until_shown(self, count: int) -> None:
        """Wait until the images of ``count`` commands are shown."""
        await self.discord.until(lambda: self.shown >= count, f"{count} results; there are {self.shown}")

    async def until_acknowledged(self, traces: Sequence[Trace]) -> None:
        """Wait until all of these are acknowledged."""
        await self.discord.until(lambda: all(trace.acknowledged for trace in traces), "all to be answered")

    def _note_written(self, payload: dict[str, Any]) -> None:
        if payload["t"] == "INTERACTION_CREATE" and (trace := self.traces.get(int(payload["d"]["id"]))) is not None:
            trace.written = time.time()

    def _notes(self, event: str, channel: Channel | None, guild: Guild | None, message: Message | None) -> None:
        self._told(event, channel, guild, message)
        if message is None or message.interaction is None:
            return
        trace = self.traces.get(message.interaction.id)
        if trace is None:
            return
        now = time.time()
        if event == "MESSAGE_CREATE" and not trace.acknowledged:
            trace.acknowledged = now
        elif event == "MESSAGE_UPDATE":
            trace.edits += 1
            trace.answered = trace.answered or now
            if not trace.shown and any(not _is_preview(each) for each in message.body.attachments):
                trace.shown = now
                self.shown += 1
                trace.over.set()

    # --- results ----------------------------------------------------------------------------------------------------

    async def served(self) -> Served:
        """The services' records so far."""
        served = Served({}, {}, [])
        for url in self.urls:
            async with self.http.get(f"{url}/_control") as answer:
                told: Any = await answer.json()
            for call in told["calls"]:
                if call["route"] in POLLS:
                    served.polls.setdefault(call["path"], []).append(call["at"] / 1000)
            over = [each for each in told["renderings"] if each["over"]]
            served.done.update({each["prompt"]: each["ended_at"] / 1000 for each in over})
            served.busy.append([(each["began_at"] / 1000, each["ended_at"] / 1000) for each in over])
        return served

    async def calls(self) -> Counter[str]:
        """The number of calls to each route of the services so far."""
        async with self.http.get(f"{self.services}/_control") as answer:
            told: Any = await answer.json()
        return Counter(call["route"] for call in told["calls"])


def _is_preview(attachment: Attachment) -> bool:
    """Whether it is the unfinished image that a card shows while it waits."""
    return attachment.filename.startswith("preview.")
