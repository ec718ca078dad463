"""Deliveries with real jobs, files and a database, and a scripted Discord."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.jobs.limits import Limits
from bot.jobs.new_jobs import NewJobs
from bot.jobs.notifications import Notifications
from bot.jobs.service import JobService
from bot.jobs.sources import Sources
from bot.jobs.store import JobStore
from bot.jobs.worker import Worker
from bot.people.user_settings import UserSettingsStore
from bot.servers.settings import Servers
from bot.ui.cards.layout import Card
from bot.ui.delivery import progress as delivery_module
from bot.ui.delivery.attachments import Attachment, Upload
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.notifier import Notifier
from bot.ui.delivery.progress import JobCards
from storage.database import Database
from storage.images import ImageFiles
from storage.pools import Pools
from storage.records import Job
from tests.doubles.clock import SkippingClock
from tests.doubles.places import anywhere
from tests.doubles.provider import ScriptedProvider

ADA = Origin(user_id=1, user_name="ada", server_id=10, channel_id=100, file_limit=10 * 2**20)


def refused(status: int, code: int = 0) -> discord.HTTPException:
    """The exception that discord.py raises for this status and code."""
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    kind = discord.DiscordServerError if status >= 500 else kind
    response = SimpleNamespace(status=status, reason="refused", headers={})
    return kind(cast("Any", response), {"code": code, "message": "refused"})


@dataclass
class Sent:
    """One request that Discord accepted."""

    way: str
    job: Job
    card: Card | str
    """The card, or the text of a message without one."""
    uploads: Sequence[Attachment]
    kept: Sequence[str] = ()

    @property
    def says(self) -> str:
        return self.card if isinstance(self.card, str) else self.card.content


@dataclass
class Answers(Messages):
    """Accepts every request, unless an answer was enqueued for its method: an error, or an event to wait for first."""

    taken: list[Sent] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    answers: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    there: discord.Message | None = None
    files: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(5000))
    client: discord.Client | None = None
    deleted: list[int] = field(default_factory=list)
    """The messages without a card that were deleted again."""

    def enqueue(self, way: str, *answers: Any) -> None:
        self.answers[way].extend(answers)

    def _standing(self, uploads: Sequence[Attachment], kept: Collection[int]) -> dict[str, int]:
        self.files = {name: number for name, number in self.files.items() if number in kept}
        self.files |= {upload.name: next(self.numbers) for upload in uploads}
        return self.files

    async def _answer(
        self,
        way: str,
        job: Job,
        card: Card | str | None = None,
        uploads: Sequence[Attachment] = (),
        kept: Collection[int] = (),
    ) -> None:
        self.tried.append(way)
        while self.answers[way]:
            answer = self.answers[way].popleft()
            if isinstance(answer, asyncio.Event):
                await answer.wait()
            elif answer is not None:
                raise answer
            else:
                break
        if card is not None:
            self.taken.append(
                Sent(way, job, card, tuple(uploads), [name for name, number in self.files.items() if number in kept])
            )

    async def edit_by_token(
        self, job: Job, card: Card, uploads: Sequence[Attachment] = (), kept: Collection[int] = ()
    ) -> dict[str, int]:
        await self._answer("token", job, card, uploads, kept)
        return self._standing(uploads, kept)

    async def edit_by_bot(
        self, job: Job, card: Card, uploads: Sequence[Attachment] = (), kept: Collection[int] = ()
    ) -> dict[str, int]:
        await self._answer("bot", job, card, uploads, kept)
        return self._standing(uploads, kept)

    async def post(self, job: Job, card: Card, uploads: Sequence[Upload], nonce: str) -> discord.Message:
        await self._answer("post", job, card, uploads)
        return message(2000, job.channel_id)

    async def dm(self, job: Job, card: Card, uploads: Sequence[Upload], nonce: str) -> discord.Message:
        await self._answer("dm", job, card, uploads)
        return message(3000, 300)

    async def write(self, job: Job, words: str, nonce: str, *, dm: bool) -> discord.Message:
        await self._answer("tell by dm" if dm else "tell", job, words)
        return message(4000, 300 if dm else job.channel_id, deleted=self.deleted)

    async def follow_up(self, job: Job, token: str, words: str) -> None:
        await self._answer("follow up", job, words)

    async def posted(self, job: Job, *, dm: bool) -> discord.Message | None:
        await self._answer("look", job)
        return self.there


def message(number: int, channel: int, deleted: list[int] | None = None) -> discord.Message:
    async def delete() -> None:
        if deleted is not None:
            deleted.append(number)

    return cast("discord.Message", SimpleNamespace(id=number, channel=SimpleNamespace(id=channel), delete=delete))


@dataclass
class Post:
    """A delivery and its parts. The worker runs only if a test starts it."""

    database: Database
    files: ImageFiles
    clock: SkippingClock
    provider: ScriptedProvider
    discord: Answers
    jobs: JobStore
    worker: Worker
    service: JobService
    delivery: JobCards
    notifier: Notifier
    personal: UserSettingsStore
    running: list[asyncio.Task[None]] = field(default_factory=list)
    delivering: bool = True

    async def start(self) -> None:
        """Start the worker with this delivery."""
        await self.worker.start(changed=self.delivery.changed, deliver=self._deliver)

    async def _deliver(self, job_id: int) -> None:
        if self.delivering:
            await self.delivery.deliver(job_id)

    async def imagine(self, origin: Origin = ADA, *, seconds: float = 900, **options: Any) -> int:
        """A job whose token expires after this many seconds; 0 means that Discord has refused it."""
        plan = self.service.check(origin, ImagineOptions(**{"prompt": "a lighthouse", **options}))
        card = CardAddress(origin.channel_id, 1000, "aToken", self.clock.now() + int(seconds * 1000))
        job_id = await self.service.imagine(origin, plan, card)
        if not seconds:
            await self.jobs.token_over(await self.job(job_id))
        return job_id

    async def ready(self, origin: Origin = ADA, *, seconds: float = 900, **options: Any) -> int:
        """A finished job that has not been delivered."""
        job_id = await self.imagine(origin, seconds=seconds, **options)
        self.delivering = False
        await self.start()
        await self.worker.idle()
        self.delivering = True
        return job_id

    async def job(self, job_id: int) -> Job:
        return await self.jobs.job(job_id)

    def run(self) -> None:
        self.running.append(asyncio.create_task(self.delivery.run()))


@pytest.fixture
async def post(migrated: Path, tmp_path: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    await asyncio.to_thread(shutil.copy, migrated, tmp_path / "easel.db")
    url = f"sqlite+aiosqlite:///{tmp_path / 'easel.db'}"
    database, files, clock = await Database.open(url), ImageFiles(tmp_path / "images", pools), SkippingClock()
    await files.prepare()
    provider, answers, limits = ScriptedProvider(), Answers(), Limits()
    monkeypatch.setattr(delivery_module, "Messages", lambda _: answers)
    jobs = JobStore(database, {"scripted": provider}, clock, kept_days=365)
    sources = Sources(jobs, files, clock)
    worker = Worker(jobs=jobs, files=files, sources=sources, clock=clock)
    engine = next(iter(jobs.engines))
    service = JobService(
        store=jobs,
        sources=sources,
        new_jobs=NewJobs(jobs, limits, clock),
        worker=worker,
        clock=clock,
        servers=Servers(database, limits, clock, place=anywhere),
        defaults=lambda _: (),
        ask_above=lambda _: None,
        default_engine=lambda: engine,
    )
    personal = UserSettingsStore(database, lambda: jobs.engines, lambda: engine, clock)
    notifier = Notifier(Notifications(database, clock), view=service.view, settings_of=personal.of)
    delivery = JobCards(
        jobs=jobs,
        files=files,
        clock=clock,
        view=service.view,
        settings_of=personal.of,
        notifier=notifier,
        preview=worker.preview,
    )
    delivery.attach(cast("discord.Client", SimpleNamespace()))
    made = Post(database, files, clock, provider, answers, jobs, worker, service, delivery, notifier, personal)
    yield made
    for task in made.running:
        task.cancel()
    await asyncio.gather(*made.running, return_exceptions=True)
    await worker.stop(0)
    await database.close()


def ways(post: Post) -> list[str]:
    return [sent.way for sent in post.discord.taken]


async def worked(post: Post) -> None:
    await post.start()
    await post.worker.idle()
