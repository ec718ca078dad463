"""Every kind of limit holds for a hundred concurrent jobs, and grants are exact under any sequence of events."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bot.domain.options import ImagineOptions
from bot.domain.periods import Period
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import plan, read_command
from bot.errors import UserError
from bot.jobs.image_fetcher import KeptImage
from bot.jobs.limits import LimitKind, Limits, from_grants, in_force
from bot.jobs.new_jobs import NewJobs
from bot.jobs.store import JobStore
from bot.providers.base import Cost, FetchedImage
from bot.providers.operations import Size
from bot.servers.settings import Servers
from storage import jobs as rows
from storage import ledger, submissions
from storage.database import Database, migrate
from storage.reconcile import reconcile
from storage.records import UNFINISHED, JobStatus, Submission, SubmissionStatus
from storage.settings import Quota, Subject
from tests.doubles.clock import SkippingClock
from tests.doubles.places import anywhere
from tests.doubles.provider import ScriptedProvider

Result = TypeVar("Result")

PRICE = 5_000
SERVER, ROLE = 10, 700
CARD = CardAddress(100, 1000, "token", 2**60)
GRACE = Origin(user_id=9, user_name="grace", server_id=SERVER, channel_id=100, file_limit=2**20, manage_server=True)
FREELY = Limits(jobs_per_user=1000)


def person(user_id: int, *roles: int) -> Origin:
    return replace(GRACE, user_id=user_id, manage_server=False, role_ids=frozenset(roles))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quota", "people", "images", "allowed"),
    [
        (Quota(Subject.SERVER, credits=10 * PRICE), range(1, 101), 1, 10),
        (Quota(Subject.DEFAULT, credits=10 * PRICE), [1], 1, 10),
        (Quota(Subject.ROLE, ROLE, credits=7 * PRICE), [1], 1, 7),
        (Quota(Subject.USER, 1, credits=3 * PRICE), [1], 1, 3),
        (Quota(Subject.DEFAULT, credits=PRICE), range(1, 21), 1, 20),
        (Quota(Subject.DEFAULT, jobs=4), [1], 1, 4),
        (Quota(Subject.SERVER, jobs=2), [1, 2], 1, 4),
        (Quota(Subject.DEFAULT, images=2), [1], 3, 0),
        (Quota(Subject.DEFAULT, images=2), [1], 2, 100),
    ],
    ids=[
        "server",
        "default",
        "role",
        "user",
        "each person",
        "unfinished",
        "unfinished of each",
        "images",
        "images fit",
    ],
)
async def test_limits_hold_for_a_hundred_concurrent_jobs(
    tmp_path: Path, quota: Quota, people: list[int], images: int, allowed: int
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'easel.db'}"
    await migrate(url)
    # Two writing connections, as of two processes: the database itself must enforce the limit.
    databases = [await Database.open(url) for _ in range(2)]
    clock, provider = SkippingClock(), ScriptedProvider()
    stores = [JobStore(database, {"scripted": provider}, clock, kept_days=365) for database in databases]
    crowd = [NewJobs(store, FREELY, clock) for store in stores]
    servers = Servers(databases[0], FREELY, clock, place=anywhere)
    limits = {name: value for name in ("credits", "images", "jobs") if (value := getattr(quota, name)) is not None}
    await servers.set_quota(GRACE, quota.subject, quota.subject_id, **limits)
    wanted = plan(
        read_command(ImagineOptions(prompt="a lighthouse", images=images)), stores[0].engines, "scripted/brush"
    )
    who = list(people)

    async def ask(number: int) -> bool:
        try:
            await crowd[number % 2].add(person(who[number % len(who)], ROLE), wanted, CARD)
        except UserError:
            return False
        return True

    answers = await asyncio.gather(*(ask(number) for number in range(100)))
    assert sum(answers) == allowed
    for database in databases:
        await database.close()


async def test_a_hundred_concurrent_jobs_do_not_spend_a_grant_twice(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'easel.db'}"
    await migrate(url)
    databases = [await Database.open(url) for _ in range(2)]
    clock, provider = SkippingClock(), ScriptedProvider()
    stores = [JobStore(database, {"scripted": provider}, clock, kept_days=365) for database in databases]
    crowd = [NewJobs(store, FREELY, clock) for store in stores]
    servers = Servers(databases[0], FREELY, clock, place=anywhere)
    await servers.set_quota(GRACE, Subject.DEFAULT, 0, credits=2 * PRICE + 1000)
    await servers.grant(GRACE, 1, 3 * PRICE, None)
    wanted = plan(read_command(ImagineOptions(prompt="a lighthouse")), stores[0].engines, "scripted/brush")
    asked = (crowd[number % 2].add(person(1), wanted, CARD) for number in range(100))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, int) for answer in answers) == 5, (
        "2.2 within the period's limit, and 3 from the grant"
    )
    balance = await servers.balance(GRACE, 1)
    assert balance.left == 3 * PRICE - (5 * PRICE - 2 * PRICE - 1000) == 1000
    for database in databases:
        await database.close()


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=10), st.data())
def test_spending_from_grants_is_split_exactly(holds: list[int], data: st.DataObject) -> None:
    granted = data.draw(st.integers(0, sum(holds)))
    parts = from_grants(granted, holds)
    assert sum(parts) == granted
    assert all(0 <= part <= hold for part, hold in zip(parts, holds, strict=True))


limit = st.one_of(st.none(), st.integers(0, 9))
quotas = st.builds(
    Quota, st.sampled_from(Subject), st.integers(0, 3), credits=limit, images=limit, jobs=limit, free_images=limit
)


@given(st.lists(quotas, unique_by=lambda quota: (quota.subject, quota.subject_id)), st.frozensets(st.integers(1, 3)))
def test_a_personal_limit_comes_before_the_best_role_before_the_default(
    every: list[Quota], roles: frozenset[int]
) -> None:
    limits = in_force(FREELY, user_id=1, role_ids=roles, server_id=SERVER, quotas=every)
    own = next((quota.credits for quota in every if (quota.subject, quota.subject_id) == (Subject.USER, 1)), None)
    theirs = [
        quota.credits
        for quota in every
        if quota.subject is Subject.ROLE and quota.subject_id in roles and quota.credits is not None
    ]
    default = [q.credits for q in every if q.subject is Subject.DEFAULT and q.credits is not None]
    expected = own if own is not None else max(theirs) if theirs else max(default) if default else None
    assert [limit.most for limit in limits.of(LimitKind.SERVER_USER)] == ([] if expected is None else [expected])


class QuotaMachine(RuleBasedStateMachine):
    """Limits, grants and jobs in any order on the real database. The balance must match a simple model."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "easel.db"
        shutil.copy(self.template, path)
        self.runner = asyncio.Runner()
        self.database = self.run(Database.open(f"sqlite+aiosqlite:///{path}"))
        self.clock = SkippingClock()
        self.jobs = JobStore(
            self.database, {"scripted": ScriptedProvider(images_per_submission=1)}, self.clock, kept_days=365
        )
        self.new_jobs = NewJobs(self.jobs, FREELY, self.clock)
        self.servers = Servers(self.database, FREELY, self.clock, place=anywhere)
        self.given = dict.fromkeys((1, 2), 0)
        self.limit: int | None = None

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @rule(amount=st.integers(0, 30_000))
    def set_limit(self, amount: int) -> None:
        self.run(self.servers.set_quota(GRACE, Subject.DEFAULT, 0, credits=amount))
        self.limit = amount

    @rule()
    def clear_limit(self) -> None:
        if self.limit is not None:
            self.run(self.servers.clear_quota(GRACE, Subject.DEFAULT, 0))
            self.limit = None

    @rule(period=st.sampled_from(Period))
    def set_period(self, period: Period) -> None:
        self.run(self.servers.set_rules(GRACE, {"period": period}))

    @rule(user=st.sampled_from((1, 2)), amount=st.integers(-12_000, 12_000))
    def grant(self, user: int, amount: int) -> None:
        with suppress(UserError):
            self.run(self.servers.grant(GRACE, user, amount, None))
            self.given[user] += amount

    @rule(user=st.sampled_from((1, 2)), images=st.integers(1, 3))
    def ask(self, user: int, images: int) -> None:
        wanted = plan(read_command(ImagineOptions(prompt="a fox", images=images)), self.jobs.engines, "scripted/brush")
        before = self.run(self.left(user))
        try:
            self.run(self.new_jobs.add(person(user), wanted, CARD))
        except UserError:
            assert self.limit is not None
        else:
            assert self.run(self.left(user)) <= before
            if self.limit is None:
                assert self.run(self.left(user)) == before

    @rule(pick=st.integers(0, 100), cost=st.integers(0, 9_000))
    def finish(self, pick: int, cost: int) -> None:
        open_ones = self.run(self.unfinished())
        if open_ones:
            submission = open_ones[pick % len(open_ones)]
            fetched = FetchedImage("image/png", Size(8, 8), 100)
            image = KeptImage(position=0, file=f"{submission.id}.png", fetched=fetched, seed=1, filtered=False)
            self.run(self.jobs.steps.done(submission, [image], Cost(cost, exact=True), seconds=1, problems=None))

    @rule(pick=st.integers(0, 100))
    def fail(self, pick: int) -> None:
        open_ones = self.run(self.unfinished())
        if open_ones:
            submission = open_ones[pick % len(open_ones)]
            self.run(self.jobs.steps.ended_free(submission, SubmissionStatus.FAILED, why="a test", problems=[]))

    @rule(days=st.sampled_from((0.4, 3, 20)))
    def let_time_pass(self, days: float) -> None:
        self.clock.advance(days * 86_400)

    @invariant()
    def the_balance_is_exact(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        async with self.database.read() as conn:
            assert (await reconcile(conn)).differences == []
            for user, given in self.given.items():
                balance = await ledger.balance(conn, user_id=user, server_id=SERVER)
                assert balance.given == given
                assert 0 <= balance.used <= given, "nobody spends more than their limits and grants"
                jobs = await rows.jobs_with_status(conn, list(JobStatus))
                entries = [
                    entry
                    for job in jobs
                    if job.user_id == user
                    for costs in (await ledger.costs_of(conn, job.id)).values()
                    for entry in costs
                ]
                assert balance.used == sum(entry.granted for entry in entries)
                for entry in entries:
                    assert abs(entry.granted) <= abs(entry.amount)

    async def left(self, user: int) -> int:
        async with self.database.read() as conn:
            return (await ledger.balance(conn, user_id=user, server_id=SERVER)).left

    async def unfinished(self) -> list[Submission]:
        async with self.database.read() as conn:
            return await submissions.with_status(conn, UNFINISHED)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()


@pytest.mark.slow
def test_grants_are_exact_under_any_sequence(migrated: Path) -> None:
    QuotaMachine.template = migrated
    run_state_machine_as_test(
        QuotaMachine,
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
