"""Services that do not charge, that answer only when the images are made, that can stop, that list their engines."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.errors import UserError
from bot.jobs.cancellation import STOPPING
from bot.jobs.circuit_breaker import ABUSE_OUTAGE, ABUSE_SECONDS
from bot.jobs.engine_refresh import AGAIN, EVERY, EngineRefresh
from bot.jobs.limits import TOO_MANY_FREE, LimitKind, Limits
from bot.jobs.polling import DOUBTED_FOR
from bot.jobs.store import CANCELLED_SENT
from bot.jobs.submission import MOST_FREE_SENDINGS
from bot.providers.base import Engine, Failed, Finished, Gone, Handle, ImageRequest, Waiting
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.operations import Operation, Pictures
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.free_provider import FreeProvider
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import ADA, BEN, MakeWorkshop


class BlockingProvider(FreeProvider):
    """One that answers only when the images are made. A cancellation ends its submit with the error ``stop``."""

    blocks = True

    def __init__(self) -> None:
        super().__init__(polled=False)
        self.stopped = asyncio.Event()
        self.stop: ProviderError = Refused(Reason.CANCELLED)

    async def progress(self, handle: Handle) -> Waiting:
        answer = await self._next("progress", handle)
        return answer if isinstance(answer, Waiting) else Waiting()

    async def submit(
        self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None
    ) -> Handle | Finished:
        answer = await super().submit(handle, request, pictures)
        if self.stopped.is_set():
            raise self.stop
        return answer

    async def cancel(self, handle: Handle) -> bool:
        self.stopped.set()
        return await super().cancel(handle)


class ToldProvider(BlockingProvider):
    """One whose response tells the progress while it arrives."""

    told_progress = True


class LearningProvider(FreeProvider):
    """One that lists its engines itself."""

    learns = True

    async def learn(self) -> tuple[Engine, ...]:
        answer = await self._next("learn", None)
        if isinstance(answer, tuple):
            self.engines = answer
        return self.engines


async def test_a_request_without_an_answer_is_sent_again(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", OutcomeUnknown(), OutcomeUnknown())
    job_id = await workshop.imagine()
    await workshop.finish()
    assert provider.calls("submit") == 3
    assert provider.calls("find") == 0
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_it_is_not_sent_again_for_ever(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", *(OutcomeUnknown() for _ in range(2 * MOST_FREE_SENDINGS)))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert provider.calls("submit") == MOST_FREE_SENDINGS
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN


async def test_a_request_that_is_found_is_not_sent_again(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("submit", OutcomeUnknown())
    provider.enqueue("find", "found")
    await workshop.imagine()
    await workshop.finish()
    assert provider.calls("submit") == 1


async def test_what_the_service_forgot_is_sent_again(make_workshop: MakeWorkshop) -> None:
    """A server that was restarted has lost its queue."""
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("poll", Gone(sure=True))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert provider.calls("submit") == 2
    assert await workshop.steps(job_id) == [
        "queued",
        "submitting",
        "rendering",
        "queued",
        "submitting",
        "rendering",
        "done",
    ]


async def test_what_the_service_does_not_know_is_soon_sent_again(make_workshop: MakeWorkshop) -> None:
    """A mistake would cost nothing but time, and the same is true of further looks."""
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("poll", *[Gone()] * 4)
    began = workshop.clock.now()
    await workshop.imagine()
    await workshop.finish()
    assert provider.calls("submit") == 2
    assert workshop.clock.now() - began < DOUBTED_FOR * 1000 / 4


async def test_a_restart_in_the_middle_of_a_blocking_request(make_workshop: MakeWorkshop) -> None:
    provider = BlockingProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("submit", asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    await workshop.restart()
    await workshop.finish()
    assert provider.calls("submit") == 2
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_the_progress_of_a_blocking_request_is_shown(make_workshop: MakeWorkshop) -> None:
    provider = BlockingProvider()
    workshop = await make_workshop(provider)
    finishing = asyncio.Event()
    provider.enqueue("submit", finishing)
    provider.enqueue("progress", Unreachable(), Waiting(percent=40, place=2))
    job_id = await workshop.imagine()
    await workshop.start()
    while workshop.worker.progress(job_id)[0].percent is None:
        await asyncio.sleep(0)
    assert workshop.worker.progress(job_id)[0].percent == 40
    finishing.set()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_progress_that_needs_no_request_does_not_use_up_the_rate(make_workshop: MakeWorkshop) -> None:
    """With a few requests a minute, it would delay every other request by minutes."""
    provider = ToldProvider()
    provider.rate = 0.1
    workshop = await make_workshop(provider)
    finishing = asyncio.Event()
    provider.enqueue("submit", finishing)
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    began = workshop.clock.monotonic()
    while provider.calls("progress") < 5:
        await asyncio.sleep(0)
    assert workshop.clock.monotonic() - began < 10
    finishing.set()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_a_bug_in_the_progress_costs_nothing(make_workshop: MakeWorkshop) -> None:
    provider = BlockingProvider()
    workshop = await make_workshop(provider)
    finishing = asyncio.Event()
    provider.enqueue("submit", finishing)
    provider.enqueue("progress", ZeroDivisionError())
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("progress")
    finishing.set()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_cancel_stops_what_is_being_made(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    stopped = asyncio.Event()
    provider.enqueue("poll", Waiting(), stopped, Failed(Reason.CANCELLED))
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("poll")
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    await provider.called("cancel")
    stopped.set()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.CANCELLED


async def test_cancel_stops_a_blocking_request(make_workshop: MakeWorkshop) -> None:
    provider = BlockingProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("submit", provider.stopped)
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.CANCELLED
    assert provider.calls("submit") == 1


async def test_a_cancelled_request_that_may_have_been_charged_has_an_unknown_end(make_workshop: MakeWorkshop) -> None:
    provider = BlockingProvider()
    provider.charges = True
    provider.stop = OutcomeUnknown(Reason.CANCELLED)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", provider.stopped)
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert [problem["code"] for problem in submission.problems or ()] == [CANCELLED_SENT.code]
    assert provider.calls("submit") == 1
    assert not workshop.worker.outages(), "that a person has changed their mind is no failure of the service"


async def test_a_service_that_does_not_stop_delivers(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    finishing = asyncio.Event()
    provider.enqueue("poll", Waiting(), finishing)
    provider.enqueue("cancel", Unreachable())
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("poll")
    await workshop.service.cancel(ADA, job_id)
    await provider.called("cancel")
    finishing.set()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_engines_are_learnt_at_the_start_hourly_and_when_one_is_missing(make_workshop: MakeWorkshop) -> None:
    provider = LearningProvider()
    workshop = await make_workshop(provider)
    brush = provider.engines[0]
    pen, quill = replace(brush, id="scripted/pen", name="Pen"), replace(brush, id="scripted/quill", name="Quill")
    refresh = EngineRefresh(workshop.jobs, workshop.clock)
    provider.enqueue("learn", (brush, pen))
    await refresh.start()
    assert set(workshop.jobs.engines_doing(Operation.TEXT_TO_IMAGE)) == {brush.id, pen.id}

    began = workshop.clock.monotonic()
    learnt = asyncio.Event()
    provider.enqueue("learn", (quill,), learnt)
    running = asyncio.create_task(refresh.run())
    while provider.calls("learn") < 3:
        await asyncio.sleep(0)
    assert workshop.clock.monotonic() - began >= EVERY - AGAIN
    # An engine that is gone keeps its name, but is no longer offered.
    assert set(workshop.jobs.engines_doing(Operation.TEXT_TO_IMAGE)) == {quill.id}
    assert set(workshop.jobs.engines) == {brush.id, pen.id, quill.id}

    provider.outdated = True
    learnt.set()
    while provider.outdated:
        await asyncio.sleep(0)
    running.cancel()


async def test_a_service_that_could_not_tell_everything_is_asked_again_soon(make_workshop: MakeWorkshop) -> None:
    """One of its servers was still starting."""

    class HalfAway(LearningProvider):
        async def learn(self) -> tuple[Engine, ...]:
            engines = await super().learn()
            self.outdated = self.calls("learn") < 3
            return engines

    provider = HalfAway()
    workshop = await make_workshop(provider)
    refresh = EngineRefresh(workshop.jobs, workshop.clock)
    began = workshop.clock.monotonic()
    await refresh.start()
    running = asyncio.create_task(refresh.run())
    while provider.calls("learn") < 3:
        await asyncio.sleep(0)
    assert workshop.clock.monotonic() - began <= 3 * AGAIN
    running.cancel()


async def test_an_engine_that_was_learnt_before_a_request_can_be_used_at_once(make_workshop: MakeWorkshop) -> None:
    """A provider whose service was away at the start asks it by itself when a request of an earlier life is due."""
    provider = LearningProvider()
    workshop = await make_workshop(provider)
    pen = replace(provider.engines[0], id="scripted/pen")
    provider.enqueue("learn", (pen,))
    await provider.learn()
    job_id = await workshop.imagine(engine=pen.id)
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_engines_of_a_service_that_is_away_are_learnt_later(make_workshop: MakeWorkshop) -> None:
    provider = LearningProvider()
    workshop = await make_workshop(provider)
    pen = replace(provider.engines[0], id="scripted/pen")
    provider.engines = ()
    provider.enqueue("learn", Unreachable(), ValueError(), (pen,))
    refresh = EngineRefresh(workshop.jobs, workshop.clock)
    await refresh.start()
    assert workshop.jobs.engines_doing(Operation.TEXT_TO_IMAGE) == {}
    running = asyncio.create_task(refresh.run())
    while provider.calls("learn") < 3:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    assert set(workshop.jobs.engines_doing(Operation.TEXT_TO_IMAGE)) == {pen.id}


@pytest.mark.parametrize("reason", [Reason.MODERATED, Reason.OUT_OF_MEMORY])
async def test_a_refusal_after_a_lost_answer_is_shown(make_workshop: MakeWorkshop, reason: Reason) -> None:
    provider = FreeProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", OutcomeUnknown(), Refused(reason))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert provider.calls("submit") == 2
    assert (await workshop.submission(job_id)).status is SubmissionStatus.FAILED


async def test_free_images_are_limited_by_number(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider, limits=Limits(free_images=3))
    provider.enqueue("submit", Refused(Reason.MODERATED))
    await workshop.imagine(images=2)  # It fails, so it does not count.
    await workshop.finish()
    await workshop.imagine(images=2)
    with pytest.raises(UserError) as refused:
        await workshop.imagine(images=2)
    (problem,) = refused.value.problems
    assert problem.code == TOO_MANY_FREE[LimitKind.FREE_DAILY].code
    assert [problem.values[name] for name in ("count", "limit", "left")] == [2, 3, 1]
    await workshop.imagine(images=1)
    await workshop.imagine(BEN, images=2)
    workshop.clock.advance(86_400)
    await workshop.imagine(images=3)


async def test_paid_images_do_not_count_as_free(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(), limits=Limits(free_images=1))
    await workshop.imagine(images=2)
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1


@pytest.mark.parametrize("when", ["submit", "poll", "images"])
async def test_a_prompt_that_counts_as_abuse_stops_that_person_alone(make_workshop: MakeWorkshop, when: str) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    answers = {
        "submit": Refused(Reason.MODERATED, abuse=True),
        "poll": Failed(Reason.MODERATED, abuse=True),
        "images": replace(finished(millicredits=0), abuse=True),
    }
    provider.enqueue("submit" if when == "submit" else "poll", answers[when])
    await workshop.imagine()
    await workshop.finish()
    with pytest.raises(UserError) as refused:
        await workshop.imagine()
    assert [problem.code for problem in refused.value.problems] == [ABUSE_OUTAGE.code]
    other = await workshop.imagine(BEN)
    await workshop.finish()
    assert (await workshop.view(other)).job.status is JobStatus.DELIVERED
    workshop.clock.advance(ABUSE_SECONDS)
    again = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.view(again)).job.status is JobStatus.DELIVERED
