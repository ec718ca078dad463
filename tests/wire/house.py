"""House: the real bot in the test's process, on the loopback Discord, with the image services' stand-in.

Use it for tests that depend on Discord's real behaviour: rate limits, lost responses, cut connections, order of events,
refused requests. It is the slowest harness in one process. For tests that only need some Discord, use the Studio of
tests/cogs.

    async def test_a_card_that_was_deleted(home: House, ada: Person) -> None:
        asked = await home.begun(ada)                # ada ran /imagine, the service has it, the card says so
        home.discord.delete(await asked.message())   # or home.discord.fail(...), hold(...), cut(...), limit(...)
        job = await home.done()                      # the service finishes, the bot delivers
        assert home.shown() == []

* ``home.discord`` is the loopback (fakes/discord/loopback.py), ``home.services`` the stand-in (fakes/services).
* ``home.clock`` skips waiting. ``home.later(seconds)`` lets time pass for the bot and for interaction tokens.
* The stand-in renders until ``home.done()``; ``home.only`` is the one message that shows images.
* The fixture fails the test if the bot logs an ERROR or sends what Discord would refuse.

For a bot that is killed and restarted, use BotProcess (fakes/discord/bot_process.py), as test_process.py does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot import config
from bot.app import Runtime, assembled
from bot.clock import Clock
from bot.run import logged_in
from bot.ui.cards.job import SUBMISSION_STATUS
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.discord.requests import Call
from fakes.discord.seen import Seen, look_at
from fakes.services import StandIn, flat
from storage.records import DeliveryMethod, DeliveryReason, Job, JobStatus, SubmissionStatus
from tests.doubles.clock import SkippingClock

CORE, CORE_ROUTE = "aithriving/core", "aithriving.core"
"""An engine that is never polled: its only call ends on the test's command."""
PROMPT = "a lighthouse of glass"


class HouseClock(SkippingClock):
    """Skips the waits of jobs, but not long ones, such as those of hourly tasks.

    A wait of more than ``patient_for`` seconds ends only when a test calls ``reach``.
    """

    def __init__(self) -> None:
        super().__init__(int(time.time() * 1000))
        self.patient_for = 600.0
        self._far: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        if seconds <= self.patient_for:
            await super().sleep(seconds)
            return
        come = asyncio.Event()
        self._far.append((self.milliseconds + seconds * 1000, come))
        await come.wait()

    def reach(self, seconds: float) -> None:
        """Advance the time, and end the waits that are due."""
        self.advance(seconds)
        for at, come in self._far:
            if at <= self.milliseconds:
                come.set()


@dataclass
class House:
    """The bot with its surroundings, and helpers that observe it from outside."""

    discord: Discord
    channel: Channel
    services: StandIn
    clock: HouseClock
    runtime: Runtime

    async def ask(self, person: Person, where: Channel | None = None, **options: Any) -> Handle:
        """Run /imagine and wait until the image service has the request."""
        before = len(self.services.calls_to(CORE_ROUTE))
        asked = await person.slash(where or self.channel, "imagine", prompt=PROMPT, engine=CORE, **options)
        await asked.acknowledged()
        await self.services.called(CORE_ROUTE, before + 1)
        return asked

    async def begun(self, person: Person, where: Channel | None = None, **options: Any) -> Handle:
        """Run /imagine and wait until the image service has the request and the card says so."""
        asked = await self.ask(person, where, **options)
        await asked.until(lambda seen: str(SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]) in seen.text)
        return asked

    def later(self, seconds: float) -> None:
        """Advance the time for the bot and for the age of interactions at Discord."""
        self.discord.world.age_of_interactions -= seconds
        self.clock.reach(seconds)

    async def done(self, number: int = 1) -> Job:
        """Finish the images and wait until the bot has delivered everything. Returns job ``number``."""
        self.services.finish_all()
        async with asyncio.timeout(self.discord.world.changes.patience):
            await self.runtime.worker.idle()
        return await self.runtime.jobs.job(number)

    def shown(self) -> list[Seen]:
        """All messages that show images now."""
        said = [look_at(one) for one in self.discord.world.everything_said() if not one.deleted]
        return [seen for seen in said if seen.pictures]

    @property
    def only(self) -> Seen:
        """The only message that shows images."""
        (seen,) = self.shown()
        return seen

    def tried(self, method: str, ending: str = "") -> list[int | None]:
        """The statuses of Discord's responses to requests of this kind."""
        return [call.status for call in self.discord.called(method, ending)]


@asynccontextmanager
async def at_discord(
    discord: Discord, folder: Path, more: Mapping[str, str] | None = None, clock: Clock | None = None
) -> AsyncIterator[Runtime]:
    """The bot, logged in but not connected. The caller has to restore the bot's two addresses of Discord."""
    environ = {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": discord.url,
        "DATA_DIR": str(folder),
        "AITHRIVING_KEY": "made-up-key",
        "DEFAULT_ENGINE": CORE,
        **(more or {}),
    }
    settings = config.load(environ, env_file=None)
    async with assembled(settings, clock=clock or HouseClock()) as runtime, logged_in(runtime):
        yield runtime


@asynccontextmanager
async def house(discord: Discord, channel: Channel, folder: Path) -> AsyncIterator[House]:
    """The running bot. The caller has to restore the bot's two addresses of Discord."""
    clock = HouseClock()
    async with (
        StandIn(seconds=None, painter=flat) as services,
        at_discord(discord, folder, {"AITHRIVING_URL": services.url}, clock) as runtime,
    ):
        connected = asyncio.create_task(runtime.client.connect())
        await discord.gateway.ready()
        async with runtime.working(grace=0):
            yield House(discord, channel, services, clock, runtime)
        await runtime.client.close()
        await connected


ADDRESSES = ((Route, "BASE"), (DiscordWebSocket, "DEFAULT_GATEWAY"))
"""The attributes that the bot changes when it logs in to another API than Discord's own."""

BY_TOKEN, BY_BOT, BY_POST, BY_DM = (
    DeliveryMethod.TOKEN,
    DeliveryMethod.BOT_EDIT,
    DeliveryMethod.NEW_MESSAGE,
    DeliveryMethod.DIRECT_MESSAGE,
)
OVER = DeliveryReason.TOKEN_EXPIRED
POST = "/channels/{channel_id}/messages"


def has_files(call: Call) -> bool:
    return call.content_type.startswith("multipart")


def how(job: Job) -> tuple[JobStatus, DeliveryMethod | None, tuple[DeliveryReason, ...]]:
    """The outcome of a delivery: the job's status, the method, and the reasons why other methods failed."""
    return job.status, job.delivered_by, job.delivery_reasons
