"""Workshop: the real job service, worker, database and files, with a scripted provider and a clock that skips waiting.

Use it to test a job between the command and its delivery: there is no Discord in it. It is the fastest harness that
runs the worker.

    async def test_a_busy_provider(workshop: Workshop) -> None:
        workshop.provider.enqueue("submit", Busy("Later."))     # tests/doubles/provider.py: what a call answers
        job_id = await workshop.imagine(prompt="a fox")
        await workshop.finish()                                 # until nothing is left to do
        assert workshop.delivered == [job_id]
        assert await workshop.steps(job_id) == ["queued", "submitting", …]

* ``make_workshop(provider, …, limits=…)`` takes other providers; ``open_workshop`` takes a real adapter and the
  stand-in.
* ``workshop.restart()`` simulates a new process; ``start_until_ready`` leaves a job ready but undelivered.
* ``workshop.clock`` advances only when a task waits, or by ``advance``.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.jobs.image_files import Previews
from bot.jobs.limits import Limits
from bot.jobs.new_jobs import NewJobs
from bot.jobs.results import Results
from bot.jobs.service import JobService
from bot.jobs.sources import Sources
from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.jobs.worker import Worker
from bot.providers.base import Provider
from bot.servers.settings import Servers
from fakes.services import StandIn, flat
from storage import ledger
from storage import submissions as rows
from storage.database import Database
from storage.images import ImageFiles
from storage.pools import Pools
from storage.records import DeliveryMethod, Submission
from tests.doubles.clock import SkippingClock
from tests.doubles.places import anywhere
from tests.doubles.provider import ScriptedProvider

ADA = Origin(user_id=1, user_name="ada", server_id=10, channel_id=100, file_limit=10 * 2**20)
BEN = Origin(user_id=2, user_name="ben", server_id=10, channel_id=100, file_limit=10 * 2**20)


@dataclass
class Workshop:
    """The whole bot below the cogs. :meth:`restart` simulates a new process."""

    database: Database
    files: ImageFiles
    clock: SkippingClock
    providers: Mapping[str, Provider]
    limits: Limits
    delivered: list[int] = field(default_factory=list)
    changes: dict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def __post_init__(self) -> None:
        # An attribute, so that a test can replace the delivery with a failing one.
        self.deliver: Callable[[int], Awaitable[None]] = self._deliver
        self._compose()

    def _compose(self) -> None:
        self.jobs = JobStore(self.database, self.providers, self.clock, kept_days=365)
        self.new_jobs = NewJobs(self.jobs, self.limits, self.clock)
        self.sources = Sources(self.jobs, self.files, self.clock)
        self.worker = Worker(
            jobs=self.jobs,
            files=self.files,
            sources=self.sources,
            clock=self.clock,
        )
        self.servers = Servers(self.database, self.limits, self.clock, place=anywhere)
        self.service = JobService(
            store=self.jobs,
            sources=self.sources,
            new_jobs=self.new_jobs,
            worker=self.worker,
            clock=self.clock,
            servers=self.servers,
            defaults=lambda _: (),
            ask_above=lambda _: None,
            default_engine=lambda: next(iter(self.jobs.engines)),
        )
        self.results = Results(
            store=self.jobs,
            service=self.service,
            servers=self.servers,
            files=self.files,
            previews=Previews(self.database, self.files),
        )

    async def start(self) -> None:
        """Start the worker, with deliveries recorded here."""
        await self.worker.start(changed=self.changed_card, deliver=self._delivered)

    def changed_card(self, job_id: int) -> None:
        """Record that a job's card has changed."""
        self.changes[job_id].set()

    async def _delivered(self, job_id: int) -> None:
        await self.deliver(job_id)

    async def _deliver(self, job_id: int) -> None:
        if await self.jobs.delivered(job_id, by=DeliveryMethod.TOKEN):
            self.delivered.append(job_id)

    async def start_until_ready(self, job_id: int) -> None:
        """Start the worker and return when the job is ready and its delivery hangs, as before a crash."""
        hanging = asyncio.Event()

        async def hang(_: int) -> None:
            hanging.set()
            await asyncio.Event().wait()

        self.deliver = hang
        await self.start()
        await hanging.wait()
        self.deliver = self._deliver

    @property
    def provider(self) -> ScriptedProvider:
        provider = next(iter(self.providers.values()))
        assert isinstance(provider, ScriptedProvider)
        return provider

    async def imagine(self, origin: Origin = ADA, prompt: str = "a lighthouse", **options: object) -> int:
        plan = self.service.check(origin, ImagineOptions(prompt=prompt, **options))  # type: ignore[arg-type]  # the options of a test are written as a person would type them
        card = CardAddress(origin.channel_id, 1000, "token", self.clock.now() + 900_000)
        return await self.service.imagine(origin, plan, card)

    async def changed(self, job_id: int) -> None:
        """Wait until the job's card has changed."""
        await self.changes[job_id].wait()

    async def finish(self) -> None:
        """Run until nothing is left to do."""
        if self.worker._dispatcher is None:
            await self.start()
        await self.worker.idle()

    async def restart(self) -> None:
        """Simulate a crash: a new process starts on the same files."""
        await self.worker.stop(0)
        self._compose()
        await self.start()

    async def view(self, job_id: int) -> JobView:
        return await self.jobs.view(job_id)

    async def submission(self, job_id: int) -> Submission:
        async with self.database.read() as connection:
            return (await rows.submissions_of(connection, job_id))[0]

    async def steps(self, job_id: int) -> list[str]:
        async with self.database.read() as connection:
            return [event.new_status.value for event in await rows.events_of(connection, job_id)]

    async def totals(self, origin: Origin = ADA) -> ledger.Totals:
        async with self.database.read() as connection:
            return await ledger.totals(connection, user_id=origin.user_id)


MakeWorkshop = Callable[..., Awaitable[Workshop]]


@pytest.fixture
async def make_workshop(migrated: Path, tmp_path: Path, pools: Pools) -> AsyncIterator[MakeWorkshop]:
    made: list[Workshop] = []

    async def make(*providers: Provider, limits: Limits | None = None) -> Workshop:
        path = tmp_path / "easel.db"
        if not path.exists():
            await asyncio.to_thread(shutil.copy, migrated, path)
        workshop = Workshop(
            database=await Database.open(f"sqlite+aiosqlite:///{path}"),
            files=ImageFiles(tmp_path / "images", pools),
            clock=SkippingClock(),
            providers={provider.engines[0].provider: provider for provider in providers or (ScriptedProvider(),)},
            limits=limits or Limits(),
        )
        made.append(workshop)
        return workshop

    yield make
    for workshop in made:
        await workshop.worker.stop(0)
        await workshop.database.close()


@pytest.fixture
async def workshop(make_workshop: MakeWorkshop) -> Workshop:
    return await make_workshop()


@pytest.fixture
async def open_workshop(migrated: Path, tmp_path: Path, pools: Pools) -> AsyncIterator[MakeWorkshop]:
    """Open workshops with real providers; they are closed at the end."""
    made: list[Workshop] = []

    async def open_one(*providers: Provider) -> Workshop:
        path = tmp_path / f"{len(made)}.db"
        await asyncio.to_thread(shutil.copy, migrated, path)
        workshop = Workshop(
            database=await Database.open(f"sqlite+aiosqlite:///{path}"),
            files=ImageFiles(tmp_path / "images", pools),
            clock=SkippingClock(),
            providers={provider.name: provider for provider in providers},
            limits=Limits(),
        )
        made.append(workshop)
        return workshop

    yield open_one
    for workshop in made:
        await workshop.worker.stop(0)
        await workshop.database.close()
        for provider in workshop.providers.values():
            await provider.close()


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """The image services, with no rendering time."""
    async with StandIn(seconds=(0, 0), painter=flat) as server:
        yield server


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advance the loop's clock by ``seconds``: every timeout in between is due at once."""
    loop = asyncio.get_running_loop()
    true_time = loop.time
    ahead = 0.0

    def pass_seconds(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    monkeypatch.setattr(loop, "time", lambda: true_time() + ahead)
    return pass_seconds
