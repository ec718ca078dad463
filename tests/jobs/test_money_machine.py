"""Money under any sequence of events: nobody is overcharged, and the ledger is consistent."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Row, select

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import plan, read_command
from bot.errors import UserError
from bot.jobs.image_fetcher import KeptImage
from bot.jobs.late_images import NOTHING, Later
from bot.jobs.limits import Limits
from bot.jobs.new_jobs import NewJobs
from bot.jobs.store import JobStore
from bot.providers.base import Cost, FetchedImage
from bot.providers.operations import Size
from storage import endings, images, ledger, reconcile, retention, tables
from storage import jobs as rows
from storage import submissions as submission_rows
from storage.database import Database
from storage.records import (
    ENDED,
    ON_THEIR_WAY,
    UNFINISHED,
    DeliveryMethod,
    Job,
    JobStatus,
    Submission,
    SubmissionStatus,
)
from storage.reports import DAY
from storage.sqlite import backups, restore
from tests.doubles.clock import SkippingClock
from tests.doubles.provider import ScriptedProvider

Result = TypeVar("Result")

QUEUED, SUBMITTING, RENDERING = SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING
FAILED, UNKNOWN = SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN

# An image costs 5 credits, so a job or two reach each limit. One limit at a time, or the lowest would hide the others.
LIMITS = (
    Limits(user_daily=12_000, jobs_per_user=100),
    Limits(server_monthly=17_000, jobs_per_user=100),
    Limits(bot_daily=17_000, jobs_per_user=100),
    Limits(jobs_per_user=2),
    Limits(user_daily=17_000, server_monthly=23_000, bot_daily=28_000, jobs_per_user=3),
)
PLACES = tuple(
    Origin(user_id=user, user_name="somebody", server_id=server, channel_id=100, file_limit=2**20)
    for user in (1, 2)
    for server in (10, None)
)
CARD = CardAddress(100, 1000, "token", 2**60)
picks = st.integers(min_value=0, max_value=1_000)
outcomes = st.sampled_from((FAILED, UNKNOWN))


class MoneyMachine(RuleBasedStateMachine):
    """The real jobs on a real database. Each step picks from the submissions that it can apply to."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "easel.db"
        shutil.copy(self.template, self.path)
        self.clock = SkippingClock()
        self.runner = asyncio.Runner()
        self.provider = ScriptedProvider(images_per_submission=1)
        self.limits = LIMITS[-1]
        self.open()
        # The cost of each submission that is done.
        self.captured: dict[int, int] = {}
        self.copies = 0

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def open(self) -> None:
        self.database = self.run(Database.open(f"sqlite+aiosqlite:///{self.path}"))
        self.jobs = JobStore(self.database, {"scripted": self.provider}, self.clock, kept_days=365)
        self.new_jobs = NewJobs(self.jobs, self.limits, self.clock)

    @initialize(limits=st.sampled_from(LIMITS), crowd=st.lists(st.sampled_from(PLACES), min_size=2, max_size=5))
    def begin(self, limits: Limits, crowd: list[Origin]) -> None:
        self.limits = limits
        self.restart(gone=False)
        for origin in crowd:
            self.submit(origin, number=2)

    # --- user actions -------------------------------------------------------------------------------------------

    @rule(origin=st.sampled_from(PLACES), number=st.integers(min_value=1, max_value=3))
    def submit(self, origin: Origin, number: int) -> None:
        wanted = plan(
            read_command(ImagineOptions(prompt="a lighthouse", images=number)), self.jobs.engines, "scripted/brush"
        )
        # A limit may be reached; the invariants are checked after every step.
        with suppress(UserError):
            self.run(self.new_jobs.add(origin, wanted, CARD))

    @rule(number=st.integers(min_value=2, max_value=6))
    def submit_at_once(self, number: int) -> None:
        wanted = plan(read_command(ImagineOptions(prompt="a lighthouse")), self.jobs.engines, "scripted/brush")

        async def crowd() -> None:
            asked = (self.new_jobs.add(PLACES[each % len(PLACES)], wanted, CARD) for each in range(number))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(answer, int | UserError) for answer in answers)

        self.run(crowd())

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        if job := self.pick_job(pick, JobStatus.WORKING):
            before = self.run(self.all_submissions())
            dropped, left = self.run(self.jobs.cancel(job.id))
            going_on = len(left)
            ours = [submission for submission in before if submission.job_id == job.id]
            assert dropped == sum(submission.status is QUEUED for submission in ours)
            assert going_on == sum(submission.status in ON_THEIR_WAY for submission in ours)

    @rule(origin=st.sampled_from(PLACES), amount=st.integers(min_value=0, max_value=100_000))
    def grant(self, origin: Origin, amount: int) -> None:
        async def give() -> None:
            async with self.database.write() as tx:
                at = self.clock.now()
                await ledger.grant(
                    tx, user_id=origin.user_id, server_id=origin.server_id, amount=amount, note=None, at=at
                )
                await ledger.adjust(
                    tx, user_id=origin.user_id, server_id=origin.server_id, amount=-amount // 2, note=None, at=at
                )

        self.run(give())

    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        if job := self.pick_job(pick, JobStatus.DELIVERED, JobStatus.UNDELIVERED):
            self.run(self.jobs.delete(job.id))

    # --- events of a submission ---------------------------------------------------------------------------------

    @rule(pick=picks)
    def send(self, pick: int) -> None:
        if submission := self.pick(pick, QUEUED):
            assert self.run(self.jobs.steps.sending(submission, {"number": submission.id}))

    @rule(pick=picks)
    def accept(self, pick: int) -> None:
        if submission := self.pick(pick, SUBMITTING):
            assert self.run(self.jobs.steps.accepted(submission, {"number": submission.id}, why="accepted"))

    @rule(pick=picks, seconds=st.integers(min_value=0, max_value=100))
    def postpone(self, pick: int, seconds: int) -> None:
        if submission := self.pick(pick, QUEUED, SUBMITTING):
            assert self.run(self.jobs.steps.postpone(submission, seconds=seconds, why="busy"))

    @rule(pick=picks, cost=st.integers(min_value=0, max_value=9_000), exact=st.booleans(), lacks=st.booleans())
    def finish(self, pick: int, cost: int, exact: bool, lacks: bool) -> None:
        """End it with an image. If it ``lacks`` another, it can be reopened, and is not paid for again."""
        if submission := self.pick(pick, SUBMITTING, RENDERING):
            later = Later({"images": []}, "IMAGE_HOSTS") if lacks else NOTHING
            assert self.run(self.done(submission, cost, exact=exact, later=later))
            self.captured.setdefault(submission.id, cost)

    @rule(pick=picks, status=outcomes)
    def fail(self, pick: int, status: SubmissionStatus) -> None:
        if submission := self.pick(pick, *UNFINISHED):
            assert self.run(self.jobs.steps.ended_free(submission, status, why="a test", problems=[]))

    @rule(pick=picks)
    def crash(self, pick: int) -> None:
        if submission := self.pick(pick, *UNFINISHED):
            self.run(self.jobs.steps.crashed(submission))

    @rule(pick=picks, status=st.sampled_from(sorted(UNFINISHED)))
    def come_too_late(self, pick: int, status: SubmissionStatus) -> None:
        """Apply a stale reference to an ended submission; it must change nothing."""
        if submission := self.pick(pick, *ENDED):
            believed = replace(submission, status=status)
            assert not self.run(self.jobs.steps.ended_free(believed, FAILED, why="too late", problems=[]))
            assert not self.run(self.done(believed, 9_000, exact=True))
            assert not self.run(self.jobs.steps.postpone(believed, seconds=0, why="too late"))

    @rule(pick=picks)
    def end_it_twice_at_once(self, pick: int) -> None:
        if submission := self.pick(pick, SUBMITTING, RENDERING):

            async def both() -> tuple[bool, SubmissionStatus | None]:
                free = self.jobs.steps.ended_free(submission, FAILED, why="a race", problems=[])
                return await asyncio.gather(self.done(submission, 6_000, exact=True), free)

            paid, free = self.run(both())
            assert paid == (free is None)
            if paid:
                self.captured.setdefault(submission.id, 6_000)

    # --- events of a job, and of the process --------------------------------------------------------------------

    @rule(pick=picks, kept=st.booleans())
    def show(self, pick: int, kept: bool) -> None:
        if job := self.pick_job(pick, JobStatus.READY, JobStatus.UNDELIVERED):
            assert self.run(
                self.jobs.undelivered(job.id, reasons=[])
                if kept
                else self.jobs.delivered(job.id, by=DeliveryMethod.TOKEN)
            )

    @rule(days=st.sampled_from((0.5, 1, 40)))
    def let_time_pass(self, days: float) -> None:
        self.clock.advance(days * 86_400)

    @rule()
    def tidy(self) -> None:
        async def forget() -> None:
            async with self.database.write() as tx:
                old = await images.old_images(tx, self.clock.now() - 7 * DAY, kept_before=self.clock.now() - 32 * DAY)
                await images.forget_files(tx, [image.id for image in old])
                await retention.erase_tokens(tx, self.clock.now())
                await retention.delete_jobs(tx, self.clock.now() - 32 * DAY, limit=100)

        self.run(forget())

    @rule(gone=st.booleans())
    def restart(self, gone: bool) -> None:
        """Kill the process; the next one may lack the provider."""
        self.run(self.database.close())
        self.open()
        if gone:
            self.jobs.providers = {}
        on_their_way = self.run(self.jobs.take_up(not_offered=[])).on_their_way
        assert not gone or not on_their_way
        self.jobs.providers = {"scripted": self.provider}

    @rule()
    def ask_again(self) -> None:
        """Let the operator retry all requests that are unknown or lack images."""

        async def reopen() -> None:
            async with self.database.write() as tx:
                await endings.reopen(tx, ["scripted"], at=self.clock.now())

        self.run(reopen())

    @precondition(lambda self: self.copies < 1)
    @rule()
    def copy(self) -> None:
        self.copies += 1
        backups.backup(self.path, self.path.with_name("copy.db"))
        self.then = dict(self.captured)

    @precondition(lambda self: self.copies == 1)
    @rule()
    def put_the_copy_back(self) -> None:
        self.copies += 1
        self.run(self.database.close())
        aside = self.path.with_name("aside.db")
        copy = self.path.with_name("copy.db")
        self.run(restore.restore(self.path, copy, aside=aside, problems=[], at=self.clock.now()))
        self.captured = self.then
        self.open()
        assert not [one for one in self.run(self.all_submissions()) if one.status in UNFINISHED]

    # --- invariants ---------------------------------------------------------------------------------------------

    @invariant()
    def the_books_are_right(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        async with self.database.read() as conn:
            assert (await reconcile.reconcile(conn)).differences == []
            entries = (await conn.execute(select(tables.ledger))).all()
            holding = select(tables.submissions.c.status).where(tables.submissions.c.reopened_at.is_(None))
            submissions = (await conn.execute(holding)).scalars().all()
            jobs = (await conn.execute(select(tables.jobs.c.status, tables.jobs.c.user_id))).all()
        captures = {entry.submission_id: entry.amount for entry in entries if entry.kind == "capture"}
        assert captures == self.captured, "each entry exists once"
        in_flight = sum(entry.amount for entry in entries if entry.kind in {"hold", "release"})
        open_ones = sum(status in UNFINISHED for status in submissions)
        assert in_flight == 5_000 * open_ones, "an ended submission holds nothing"
        self.check_limits(entries)
        for user in (1, 2):
            assert sum(job.user_id == user and job.status == "working" for job in jobs) <= self.limits.jobs_per_user

    def check_limits(self, entries: Sequence[Row[Any]]) -> None:
        """Check that spending and holds stay within the limit, except for captures above their hold."""
        today = datetime.fromtimestamp(self.clock.now() / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        day, month = (int(moment.timestamp() * 1000) for moment in (today, today.replace(day=1)))
        ours = [entry for entry in entries if entry.submission_id is not None]
        for limit, since, concerned in (
            *((self.limits.user_daily, day, [entry for entry in ours if entry.user_id == user]) for user in (1, 2)),
            (self.limits.server_monthly, month, [entry for entry in ours if entry.server_id == 10]),
            (self.limits.bot_daily, day, ours),
        ):
            counted = [entry for entry in concerned if entry.counted_at >= since]
            above = sum(max(0, entry.amount - 5_000) for entry in counted if entry.kind == "capture")
            assert limit is None or sum(entry.amount for entry in counted) <= limit + above

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    # --- choosing submissions -----------------------------------------------------------------------------------

    async def all_submissions(self) -> list[Submission]:
        async with self.database.read() as conn:
            return await submission_rows.with_status(conn, list(SubmissionStatus))

    def pick(self, number: int, *statuses: SubmissionStatus) -> Submission | None:
        found = [one for one in self.run(self.all_submissions()) if one.status in statuses]
        return found[number % len(found)] if found else None

    def pick_job(self, number: int, *statuses: JobStatus) -> Job | None:
        async def look() -> list[Job]:
            async with self.database.read() as conn:
                return await rows.jobs_with_status(conn, statuses)

        found = self.run(look())
        return found[number % len(found)] if found else None

    async def done(self, submission: Submission, cost: int, *, exact: bool, later: Later = NOTHING) -> bool:
        fetched = FetchedImage("image/png", Size(8, 8), 100)
        position = len(await self.jobs.steps.positions(submission))
        file = f"{submission.id}-{position}.png"
        image = KeptImage(position=position, file=file, fetched=fetched, seed=1, filtered=False)
        return await self.jobs.steps.done(submission, [image], Cost(cost, exact), seconds=1, problems=None, later=later)


@pytest.mark.slow
def test_nobody_is_overcharged_under_any_sequence(migrated: Path) -> None:
    MoneyMachine.template = migrated
    run_state_machine_as_test(
        MoneyMachine,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
