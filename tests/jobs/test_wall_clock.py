"""The wall clock is set ahead or back at the worst moments: nothing is lost, paid twice or delayed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bot.jobs.circuit_breaker import FAILURES, SHORTEST
from bot.jobs.view import CONFIRMABLE
from bot.providers.base import Waiting
from bot.providers.errors import Busy, OutcomeUnknown, Refused, Unreachable
from storage import jobs as rows
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop

pytestmark = pytest.mark.slow

HOUR, DAY = 3600.0, 86_400.0
EITHER_WAY = pytest.mark.parametrize("step", [15 * 60.0, -120.0, 400 * DAY, -400 * DAY], ids=lambda step: f"{step:g} s")


def when(provider: ScriptedProvider, call: str, act: Callable[[], None], *, number: int = 1) -> None:
    """Run an action when the provider gets the n-th of these calls."""
    real = provider._next

    async def _next(name: str, handle: object) -> object:
        answer = await real(name, handle)  # type: ignore[arg-type]  # what it is called with
        if name == call and provider.calls(call) == number:
            act()
        return answer

    provider._next = _next  # type: ignore[method-assign,assignment]  # the provider of a test


async def left_rendering(workshop: Workshop, *, call: str = "poll") -> int:
    """A job that was sent before the process ended."""
    workshop.provider.enqueue(call, asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called(call)
    await workshop.worker.stop(0)
    return job_id


# --- while the bot runs -------------------------------------------------------------------------------------------


@EITHER_WAY
async def test_a_clock_change_while_rendering_neither_ends_nor_delays_the_job(workshop: Workshop, step: float) -> None:
    workshop.provider.enqueue("poll", Waiting(), Waiting())
    when(workshop.provider, "poll", lambda: workshop.clock.set_wall(step))
    job_id = await workshop.imagine()
    began = workshop.clock.monotonic()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.DONE
    assert workshop.clock.monotonic() - began < 60
    assert submission.sent_at is not None
    assert submission.finished_at is not None
    assert 0 < submission.finished_at - submission.sent_at < 60_000, "the durations learned now and at the next start"


@EITHER_WAY
async def test_a_clock_change_during_the_paid_call_teaches_no_wrong_duration(
    make_workshop: MakeWorkshop, step: float
) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    when(workshop.provider, "submit", lambda: workshop.clock.set_wall(step))
    when(workshop.provider, "submit", lambda: workshop.clock.advance(7))
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.sent_at is not None
    assert submission.finished_at is not None
    assert 6_900 < submission.finished_at - submission.sent_at < 9_000
    model = await workshop.jobs.durations.of(workshop.provider.requests[0])
    assert model.mark() == (1, 1)
    assert 5 < model.distribution().usual < 11


@EITHER_WAY
async def test_a_clock_change_while_looking_for_a_lost_submit_causes_no_early_resend(
    workshop: Workshop, step: float
) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    sent: list[float] = []
    real = workshop.provider.submit

    async def submit(*given: object) -> object:
        sent.append(workshop.clock.monotonic())
        return await real(*given)  # type: ignore[arg-type]  # what it is called with

    workshop.provider.submit = submit  # type: ignore[assignment,method-assign]  # the provider of a test
    when(workshop.provider, "find", lambda: workshop.clock.set_wall(step))
    await workshop.imagine()
    await workshop.finish()
    assert len(sent) <= 2
    assert sent[-1] - sent[0] >= workshop.provider.lost_after or len(sent) == 1
    assert sent[-1] - sent[0] < 2 * workshop.provider.lost_after


@EITHER_WAY
async def test_a_clock_change_does_not_move_a_postponed_submit(workshop: Workshop, step: float) -> None:
    workshop.provider.enqueue("prepare", Busy(retry_after=30), Unreachable())
    when(workshop.provider, "prepare", lambda: None)
    job_id = await workshop.imagine()
    began = workshop.clock.monotonic()
    postpone = workshop.jobs.steps.postpone

    async def postponed(*given: object, **named: object) -> bool:
        stored = await postpone(*given, **named)  # type: ignore[arg-type]  # what it is called with
        workshop.clock.set_wall(step)
        return stored

    workshop.jobs.steps.postpone = postponed  # type: ignore[method-assign]  # the moment after it was stored
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert 30 <= workshop.clock.monotonic() - began < 60


async def test_a_clock_set_ahead_does_not_end_the_wait_in_the_queue(workshop: Workshop) -> None:
    workshop.provider.enqueue("prepare", *(Unreachable() for _ in range(3)))
    job_id = await workshop.imagine()
    began = workshop.clock.monotonic()
    await workshop.start()
    workshop.clock.set_wall(2 * HOUR)
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.clock.monotonic() - began < 120


async def test_a_clock_set_back_does_not_prolong_the_wait_in_the_queue(workshop: Workshop) -> None:
    workshop.provider.enqueue("prepare", *(Unreachable() for _ in range(1000)))
    job_id = await workshop.imagine()
    began = workshop.clock.monotonic()
    await workshop.start()
    workshop.clock.set_wall(-DAY)
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.FAILED
    assert HOUR <= workshop.clock.monotonic() - began < 1.5 * HOUR


@EITHER_WAY
async def test_a_clock_change_does_not_affect_an_outages_duration(make_workshop: MakeWorkshop, step: float) -> None:
    provider = ScriptedProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", *(Refused(said="The key is wrong.", operator=True) for _ in range(FAILURES)))
    for number in range(FAILURES):
        await workshop.imagine(BEN if number else ADA)
        await workshop.finish()
    workshop.clock.set_wall(step)
    (outage,) = workshop.worker.outages()
    assert outage.seconds == pytest.approx(SHORTEST, abs=5)
    workshop.clock.advance(SHORTEST - 10)
    assert workshop.worker.outages()
    workshop.clock.advance(11)
    assert workshop.worker.outages() == []


@EITHER_WAY
async def test_a_clock_change_does_not_make_a_job_look_older(workshop: Workshop, step: float) -> None:
    held = asyncio.Event()
    workshop.provider.enqueue("poll", Waiting(), held)
    job_id = await workshop.imagine()
    await workshop.start()
    while workshop.provider.calls("poll") < 2:
        await asyncio.sleep(0.001)
    workshop.clock.set_wall(step)
    progress = (await workshop.service.view(job_id)).progress
    assert progress.started_at is not None
    assert 0 <= workshop.clock.now() - progress.started_at <= 50_000
    held.set()
    await workshop.finish()


# --- after a restart ----------------------------------------------------------------------------------------------


@EITHER_WAY
async def test_after_a_restart_a_wrong_clock_does_not_end_rendering_jobs(workshop: Workshop, step: float) -> None:
    job_id = await left_rendering(workshop)
    workshop.clock.set_wall(step)
    workshop.provider.enqueue("poll", *(Waiting() for _ in range(5)))
    began = workshop.clock.monotonic()
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.clock.monotonic() - began < 120, "nor does it delay anybody"


async def test_after_a_restart_a_hanging_job_is_given_up_after_some_time_and_polls(workshop: Workshop) -> None:
    job_id = await left_rendering(workshop)
    workshop.clock.advance(DAY)
    workshop.provider.enqueue("poll", *(Waiting() for _ in range(1000)))
    began, polls = workshop.clock.monotonic(), workshop.provider.calls("poll")
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert 100 <= workshop.clock.monotonic() - began < 600
    assert 3 <= workshop.provider.calls("poll") - polls < 60


async def test_after_a_restart_an_impossible_duration_teaches_nothing(workshop: Workshop) -> None:
    job_id = await left_rendering(workshop)
    workshop.clock.set_wall(DAY)
    workshop.provider.enqueue("poll", Waiting(), Waiting(), finished())
    await workshop.restart()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.DONE
    assert submission.finished_at is None, "unknown after downtime"
    assert (await workshop.jobs.durations.of(workshop.provider.requests[0])).known == 0


@EITHER_WAY
async def test_after_a_restart_a_lost_submit_is_looked_for_over_real_time(workshop: Workshop, step: float) -> None:
    await left_rendering(workshop, call="submit")
    workshop.clock.set_wall(step)
    began = workshop.clock.monotonic()
    sent: list[float] = []
    when(workshop.provider, "submit", lambda: sent.append(workshop.clock.monotonic()), number=2)
    await workshop.restart()
    await workshop.finish()
    assert not sent or workshop.provider.lost_after <= sent[0] - began < 2 * workshop.provider.lost_after


@EITHER_WAY
async def test_after_a_restart_a_postponed_submit_is_soon_due(workshop: Workshop, step: float) -> None:
    workshop.provider.enqueue("prepare", Busy(retry_after=50))
    job_id = await workshop.imagine()
    await workshop.start()
    while (await workshop.submission(job_id)).next_attempt_at is None:
        await asyncio.sleep(0.001)
    await workshop.worker.stop(0)
    workshop.clock.set_wall(step)
    began = workshop.clock.monotonic()
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.clock.monotonic() - began < 90


async def test_after_a_restart_a_queued_submission_is_tried_before_it_is_given_up(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    workshop.clock.set_wall(DAY)
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


async def test_after_a_restart_a_waiting_submission_is_given_up_sooner_but_not_at_once(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    workshop.clock.advance(DAY)
    workshop.provider.enqueue("prepare", *(Unreachable() for _ in range(1000)))
    began = workshop.clock.monotonic()
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.FAILED
    assert 500 < workshop.clock.monotonic() - began < HOUR


async def test_after_a_restart_an_earlier_ready_result_is_looked_for(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.start_until_ready(job_id)
    assert not workshop.jobs.ready_before(await workshop.jobs.job(job_id))
    # The clock was ahead before and is right now, so the job seems to have become ready in this process.
    workshop.clock.set_wall(-DAY)
    await workshop.restart()
    async with workshop.database.read() as connection:
        job = await rows.get_job(connection, job_id)
    assert job is not None
    assert workshop.jobs.ready_before(job)
    await workshop.finish()
    assert (await workshop.jobs.job(job_id)).status is JobStatus.DELIVERED


# --- prices -------------------------------------------------------------------------------------------------------


async def test_a_price_can_be_confirmed_for_as_long_as_the_card_says(workshop: Workshop) -> None:
    from tests.jobs.test_proposals import CARD, Watched

    watched = Watched(workshop)
    running = asyncio.create_task(watched.service.proposals.run(workshop.changed_card))
    job_id = await watched.propose()
    while not watched.service.proposals.waiting:
        await asyncio.sleep(0.001)
    workshop.clock.set_wall(HOUR)
    await watched.service.proposals.lapse_due()
    await watched.service.proposals.confirm(ADA, job_id, CARD, private=False)
    assert await watched.status(job_id) is JobStatus.WORKING
    # And no longer, if the clock was set back.
    other = await watched.propose()
    while other not in watched.service.proposals.waiting:
        await asyncio.sleep(0.001)
    workshop.clock.set_wall(-DAY)
    began = workshop.clock.monotonic()
    await watched.service.proposals.lapse_due()
    while await watched.status(other) is not JobStatus.LAPSED:
        await asyncio.sleep(0.001)
    assert workshop.clock.monotonic() - began <= CONFIRMABLE / 1000 + 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
