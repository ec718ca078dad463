"""Proposals: only their authors confirm them, and they lapse by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress
from bot.errors import UserError
from bot.jobs import cancellation
from bot.jobs import proposals as jobs_proposals
from bot.jobs.circuit_breaker import FAILURES
from bot.jobs.image_files import Previews
from bot.jobs.limits import TOO_EXPENSIVE, TOO_MANY_JOBS, LimitKind, Limits
from bot.jobs.new_jobs import ENGINE_GONE, LAPSED_KEPT, PROPOSED_AT_MOST, TooManyJobs
from bot.jobs.service import JobService
from bot.jobs.store import NOT_YOURS, OLD_CARD
from bot.jobs.view import CONFIRMABLE
from bot.providers.errors import Refused
from bot.retention import Ages, apply_retention
from storage import tables, threads
from storage.errors import StorageError
from storage.records import Job, JobStatus, LapseReason
from tests.doubles.provider import ScriptedProvider
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop

CARD = CardAddress(100, 2000, "a fresh token", 2**50)


class Watched:
    """The proposals of a workshop, which lapse while :meth:`Proposals.run` runs."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop

    @property
    def service(self) -> JobService:
        return self.workshop.service

    @property
    def changed(self) -> list[int]:
        """The jobs whose cards have changed."""
        return [job_id for job_id, change in self.workshop.changes.items() if change.is_set()]

    async def propose(self, prompt: str = "a {red, blue} car", *, private: bool = False) -> int:
        plan = self.service.check(ADA, ImagineOptions(prompt=prompt, private=private))
        card = CardAddress(100, 1000, "token", self.workshop.clock.now() + 900_000)
        return await self.service.imagine(ADA, plan, card, proposed=True)

    async def status(self, job_id: int) -> JobStatus:
        return (await self.workshop.jobs.job(job_id)).status


@pytest.fixture
async def watched(workshop: Workshop) -> Watched:
    return Watched(workshop)


@pytest.fixture
async def running(watched: Watched) -> AsyncIterator[Watched]:
    task = asyncio.create_task(watched.service.proposals.run(watched.workshop.changed_card))
    while watched.service.proposals.may_wait(0, ADA.user_id):
        await asyncio.sleep(0)  # Until it has read the stored ones.
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_proposal_cannot_be_confirmed_during_its_authors_outage(watched: Watched) -> None:
    """A request that the person could not make now cannot be confirmed either."""
    workshop = watched.workshop
    job_id = await watched.propose()
    fault = Refused(said="Invalid API key, it says.", operator=True)
    workshop.provider.enqueue("submit", *(fault for _ in range(FAILURES)))
    for _ in range(FAILURES):
        await workshop.imagine(ADA)
        await workshop.finish()
    assert len(workshop.worker.outages(ADA.user_id)) == 1
    with pytest.raises(UserError):
        await watched.service.proposals.confirm(ADA, job_id, CardAddress(100, 1000, "token", 2**60), private=False)
    assert await watched.status(job_id) is JobStatus.PROPOSED


async def test_a_proposal_shows_its_price_and_holds_nothing(watched: Watched) -> None:
    job_id = await watched.propose()
    view = await watched.workshop.view(job_id)
    assert view.submissions == ()
    assert [request.prompts[0].text for request in view.planned] == ["a red car", "a blue car"]
    assert str(view.price) == "10 credits"
    assert (view.held, view.captured) == (0, 0)
    assert (await watched.workshop.totals()).in_flight == 0
    await watched.workshop.finish()
    assert watched.workshop.provider.history == []


async def test_a_confirmed_proposal_becomes_a_job_like_any_other(watched: Watched) -> None:
    job_id = await watched.propose()
    await watched.service.proposals.confirm(ADA, job_id, CARD, private=False)
    job = await watched.workshop.jobs.job(job_id)
    assert (job.status, job.message_id, job.interaction_token) == (JobStatus.WORKING, 2000, "a fresh token")
    assert job.options == ImagineOptions("a {red, blue} car").to_json()
    assert (await watched.workshop.totals()).in_flight == 10_000
    await watched.workshop.finish()
    assert (await watched.workshop.totals()).spent == 10_000
    assert await watched.status(job_id) is JobStatus.DELIVERED


async def test_only_the_author_can_confirm(watched: Watched) -> None:
    job_id = await watched.propose()
    with pytest.raises(UserError) as refused:
        await watched.service.proposals.confirm(BEN, job_id, CARD, private=False)
    assert codes(refused.value) == [NOT_YOURS.code]
    assert await watched.status(job_id) is JobStatus.PROPOSED


async def test_of_many_concurrent_confirmations_one_counts(watched: Watched) -> None:
    job_id = await watched.propose()
    answers = await asyncio.gather(
        *(watched.service.proposals.confirm(ADA, job_id, CARD, private=False) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, Job) for answer in answers) == 1
    assert sum(isinstance(answer, UserError) for answer in answers) == 4
    assert (await watched.workshop.totals()).in_flight == 10_000


async def test_a_confirmation_over_the_limit_leaves_the_proposal_waiting(make_workshop: MakeWorkshop) -> None:
    watched = Watched(await make_workshop(limits=Limits(user_daily=12_000)))
    first, second = await watched.propose(), await watched.propose()
    await watched.service.proposals.confirm(ADA, first, CARD, private=False)
    with pytest.raises(UserError) as refused:
        await watched.service.proposals.confirm(ADA, second, CARD, private=False)
    assert codes(refused.value) == [TOO_EXPENSIVE[LimitKind.USER_DAILY].code]
    assert await watched.status(second) is JobStatus.PROPOSED
    assert (await watched.workshop.totals()).in_flight == 10_000


async def test_proposals_do_not_count_as_running_jobs(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(limits=Limits(jobs_per_user=1))
    watched = Watched(workshop)
    first, second = await watched.propose(), await watched.propose()
    await watched.service.proposals.confirm(ADA, first, CARD, private=False)
    with pytest.raises(TooManyJobs) as refused:
        await watched.service.proposals.confirm(ADA, second, CARD, private=False)
    assert codes(refused.value) == [TOO_MANY_JOBS.code]
    assert [view.job.id for view in refused.value.running] == [first]
    assert await watched.status(second) is JobStatus.PROPOSED
    await watched.propose()


async def test_of_too_many_proposals_the_oldest_lapses(watched: Watched) -> None:
    watched.service.proposals._changed = watched.workshop.changed_card
    every = [await watched.propose() for _ in range(PROPOSED_AT_MOST)]
    assert watched.changed == []
    last = await watched.propose()
    assert watched.changed == [every[0]]
    job = await watched.workshop.jobs.job(every[0])
    assert (job.status, job.lapse_reason) == (JobStatus.LAPSED, LapseReason.REPLACED)
    assert {await watched.status(job_id) for job_id in [*every[1:], last]} == {JobStatus.PROPOSED}
    with pytest.raises(UserError) as refused:
        await watched.service.proposals.confirm(ADA, every[0], CARD, private=False)
    assert codes(refused.value) == [jobs_proposals.NOT_WAITING.code]


async def test_a_private_job_is_confirmed_only_in_a_private_card_and_the_other_way_round(watched: Watched) -> None:
    for private in (True, False):
        job_id = await watched.propose(private=private)
        with pytest.raises(UserError) as refused:
            await watched.service.proposals.confirm(ADA, job_id, CARD, private=not private)
        assert codes(refused.value) == [OLD_CARD.code]
        assert await watched.status(job_id) is JobStatus.PROPOSED


async def test_it_is_known_without_io_whether_a_proposal_waits_for_a_person(watched: Watched) -> None:
    proposals = watched.service.proposals
    job_id = await watched.propose()
    assert proposals.may_wait(99, ADA.user_id), "unknown until the stored ones have been read"
    await proposals.lapse_due()
    other = await watched.propose()
    assert [proposals.may_wait(each, ADA.user_id) for each in (job_id, other, 99)] == [True, True, False]
    assert not proposals.may_wait(job_id, BEN.user_id)
    await proposals.confirm(ADA, job_id, CARD, private=False)
    await watched.service.cancel(ADA, other)
    assert [proposals.may_wait(each, ADA.user_id) for each in (job_id, other)] == [False, False]


async def test_after_a_restart_the_cards_of_waiting_proposals_are_shown_again(watched: Watched) -> None:
    """The earlier process may have ended before it showed them."""
    job_id = await watched.propose()
    task = asyncio.create_task(watched.service.proposals.run(watched.workshop.changed_card))
    while not watched.changed:
        await asyncio.sleep(0)
    task.cancel()
    assert watched.changed == [job_id]
    assert await watched.status(job_id) is JobStatus.PROPOSED


async def test_a_proposal_lapses_in_time_and_its_card_shows_it(running: Watched) -> None:
    began = running.workshop.clock.monotonic()
    job_id = await running.propose()
    while not running.changed:
        await asyncio.sleep(0)
    assert running.changed == [job_id]
    job = await running.workshop.jobs.job(job_id)
    assert (job.status, job.lapse_reason) == (JobStatus.LAPSED, LapseReason.EXPIRED)
    assert job.interaction_token == "token", "this updates the card"
    assert CONFIRMABLE / 1000 <= running.workshop.clock.monotonic() - began < 900


async def test_a_proposal_that_expired_while_the_bot_was_down_lapses_soon_after_the_start(watched: Watched) -> None:
    job_id = await watched.propose()
    watched.workshop.clock.advance(3600)
    began = watched.workshop.clock.monotonic()
    watched.workshop._compose()
    task = asyncio.create_task(watched.service.proposals.run(watched.workshop.changed_card))
    while await watched.status(job_id) is not JobStatus.LAPSED:
        await asyncio.sleep(0)
    task.cancel()
    assert 60 <= watched.workshop.clock.monotonic() - began < 90, "the bot can only guess how long it really waited"


async def test_an_expired_proposal_cannot_be_confirmed_even_before_it_lapses(watched: Watched) -> None:
    watched.service.proposals._changed = watched.workshop.changed_card
    job_id = await watched.propose()
    watched.workshop.clock.advance(CONFIRMABLE / 1000)
    with pytest.raises(UserError) as refused:
        await watched.service.proposals.confirm(ADA, job_id, CARD, private=False)
    assert codes(refused.value) == [jobs_proposals.EXPIRED.code]
    assert await watched.status(job_id) is JobStatus.LAPSED
    assert watched.changed == [job_id]
    with pytest.raises(UserError) as refused:
        await watched.service.proposals.confirm(ADA, job_id, CARD, private=False)
    assert codes(refused.value) == [jobs_proposals.EXPIRED.code]


async def test_a_proposal_for_a_removed_engine_cannot_be_confirmed(watched: Watched) -> None:
    job_id = await watched.propose()
    watched.workshop.jobs.engines.clear()
    with pytest.raises(UserError) as refused:
        await watched.service.proposals.confirm(ADA, job_id, CARD, private=False)
    assert codes(refused.value) == [ENGINE_GONE.code]
    assert await watched.status(job_id) is JobStatus.PROPOSED


async def test_a_failing_database_stops_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await watched.propose()
    proposed = watched.workshop.new_jobs.proposed
    failures = iter([StorageError("The disk is full."), ZeroDivisionError("a made-up fault")])

    async def failing() -> object:
        for failure in failures:
            raise failure
        return await proposed()

    monkeypatch.setattr(watched.workshop.new_jobs, "proposed", failing)
    task = asyncio.create_task(watched.service.proposals.run(watched.workshop.changed_card))
    while await watched.status(job_id) is not JobStatus.LAPSED:
        await asyncio.sleep(0)
    task.cancel()
    assert "The disk is full." in caplog.text
    assert "a made-up fault" in caplog.text


async def test_a_missing_provider_key_breaks_no_card(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider())
    watched = Watched(workshop)
    job_id = await watched.propose()
    workshop.jobs.providers = {}
    view = await workshop.view(job_id)
    assert view.engines == ()
    assert len(view.prices) == 2


async def everything(workshop: Workshop) -> str:
    """Everything that is stored about jobs and threads."""
    async with workshop.database.read() as connection:
        found = [(await connection.execute(select(table))).all() for table in (tables.jobs, tables.threads)]
    return repr([[tuple(row) for row in rows] for rows in found])


async def test_repeatedly_cancelled_proposals_do_not_pile_up(watched: Watched) -> None:
    sizes, job_id = [], 0
    for number in range(40):
        job_id = await watched.propose(f"a {{red, blue}} car {number} {'x' * 1000}")
        assert await watched.service.cancel(ADA, job_id) == cancellation.CANCELLED()
        sizes.append(len(await everything(watched.workshop)))
    kept = PROPOSED_AT_MOST + LAPSED_KEPT
    assert max(sizes[kept:]) <= max(sizes[: kept + 1]) + 100
    # The latest can still be reopened with its buttons.
    assert await watched.status(job_id) is JobStatus.LAPSED
    assert "car 0 " not in await everything(watched.workshop)


async def test_nothing_of_a_lapsed_proposal_is_kept_beyond_a_day(watched: Watched) -> None:
    workshop = watched.workshop
    kept = await workshop.imagine(prompt="a fox")
    await workshop.finish()
    await watched.propose("a {red, blue} car")
    plan = workshop.service.check(BEN, ImagineOptions(prompt="a {heliotrope, pink} flower"))
    card = CardAddress(100, 1000, "token", workshop.clock.now() + 900_000)
    await workshop.service.imagine(BEN, plan, card, proposed=True)
    workshop.clock.advance(15 * 60)
    await watched.service.proposals.lapse_due()
    await tidied(workshop, hours=23)
    assert "heliotrope" in await everything(workshop)
    await tidied(workshop, hours=2)
    left = await everything(workshop)
    assert "heliotrope" not in left, "not even the title of the thread that it opened"
    assert "car" not in left
    assert await watched.status(kept) is JobStatus.DELIVERED
    async with workshop.database.read() as connection:
        assert await threads.count_threads(connection, BEN.user_id, BEN.place_id) == 0
        assert await threads.count_threads(connection, ADA.user_id, ADA.place_id) == 1


async def tidied(workshop: Workshop, *, hours: float) -> None:
    """Run the hourly chore after this many hours."""
    workshop.clock.advance(hours * 3600)
    ages = Ages(image_days=7, job_days=365)
    await apply_retention(
        workshop.database, workshop.files, Previews(workshop.database, workshop.files), workshop.clock, ages
    )
