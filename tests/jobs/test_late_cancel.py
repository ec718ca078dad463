"""Cancel at awkward moments: while a request is being sent, is refused, is lost, or waits for a busy service."""

from __future__ import annotations

import asyncio

import pytest

from bot.jobs.cancellation import PARTLY_CANCELLED, PARTLY_STOPPING, STOPPING
from bot.jobs.polling import TIMED_OUT
from bot.jobs.provider_text import MISSING_IMAGES, STOPPED
from bot.providers.base import Failed, Gone, Handle, Waiting
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from storage.records import SubmissionStatus
from tests.doubles.free_provider import FreeProvider
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop

CANCELLED, UNKNOWN = SubmissionStatus.CANCELLED, SubmissionStatus.UNKNOWN


class QueueProvider(FreeProvider):
    """A service that gives a request its id when it accepts it, so it can stop nothing before that."""

    def __init__(self, *, polled: bool = True) -> None:
        super().__init__(polled=polled)
        self.stopped: list[Handle] = []
        self.finds_lost_submits = False

    async def cancel(self, handle: Handle) -> bool:
        await super().cancel(handle)
        if "sent" not in handle:
            raise Refused(Reason.BAD_HANDLE)
        self.stopped.append(handle)
        return True


async def cancelled_while_sending(workshop: Workshop, provider: FreeProvider, *answers: object) -> int:
    """Cancel a job while its request is being sent, which then gets these answers."""
    answered = asyncio.Event()
    provider.enqueue("submit", answered, *answers)
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    await provider.called("cancel")
    answered.set()
    await workshop.finish()
    return job_id


async def test_a_restart_stops_what_was_cancelled_before_it(make_workshop: MakeWorkshop) -> None:
    """The service could not be reached when Cancel was pressed, and then the bot was killed."""
    provider = QueueProvider()
    workshop = await make_workshop(provider)
    polled = asyncio.Event()
    provider.enqueue("poll", polled)
    provider.enqueue("cancel", Unreachable())
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("poll")
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    await provider.called("cancel")
    assert provider.stopped == []
    provider.enqueue("poll", Failed(Reason.CANCELLED))
    await workshop.restart()
    await workshop.finish()
    assert len(provider.stopped) == 1
    assert (await workshop.submission(job_id)).status is CANCELLED


async def test_a_restart_does_not_send_again_what_was_cancelled_before_it(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("submit", asyncio.Event())
    provider.enqueue("cancel", Unreachable())
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    await workshop.service.cancel(ADA, job_id)
    await provider.called("cancel")
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is CANCELLED
    assert provider.calls("submit") == 1


async def test_what_is_accepted_after_cancel_is_stopped(make_workshop: MakeWorkshop) -> None:
    provider = QueueProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("poll", Failed(Reason.CANCELLED))
    job_id = await cancelled_while_sending(workshop, provider)
    assert len(provider.stopped) == 1
    assert (await workshop.submission(job_id)).status is CANCELLED


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (Busy(), CANCELLED),
        (Unreachable(), CANCELLED),
        (OutcomeUnknown(), UNKNOWN),
        (Refused(Reason.MODERATED), SubmissionStatus.FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_was_not_accepted_is_not_sent_again_after_cancel(
    make_workshop: MakeWorkshop, answer: ProviderError, end: SubmissionStatus
) -> None:
    provider = QueueProvider()
    workshop = await make_workshop(provider)
    job_id = await cancelled_while_sending(workshop, provider, answer)
    assert provider.calls("submit") == 1
    ended = await workshop.submission(job_id)
    assert ended.status is end
    if end is UNKNOWN:
        assert ended.handle is None, "an operator who looks for unknown requests again must not have it made again"


async def test_what_did_not_arrive_is_not_sent_again_after_cancel(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    job_id = await cancelled_while_sending(workshop, provider, OutcomeUnknown())
    assert provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is CANCELLED


async def test_what_the_service_forgot_is_not_made_again_after_cancel(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    gone = asyncio.Event()
    provider.enqueue("poll", Waiting(), gone, Gone(sure=True))
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("poll")
    await workshop.service.cancel(ADA, job_id)
    await provider.called("cancel")
    gone.set()
    await workshop.finish()
    assert provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is CANCELLED


async def test_cancel_does_not_wait_until_a_busy_service_takes_requests_again(make_workshop: MakeWorkshop) -> None:
    """It makes room there, so it is most useful then."""
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    stopped = asyncio.Event()
    provider.enqueue("poll", stopped, Failed(Reason.CANCELLED))
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("poll")
    provider.enqueue("submit", Busy(retry_after=600))
    other = await workshop.imagine(BEN)
    workshop.worker.wake()
    while provider.calls("submit") < 2:
        await asyncio.sleep(0)
    began = workshop.clock.monotonic()
    await workshop.service.cancel(ADA, job_id)
    await provider.called("cancel")
    assert workshop.clock.monotonic() - began < 10
    stopped.set()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is CANCELLED
    assert (await workshop.submission(other)).status is SubmissionStatus.DONE


async def test_of_two_engines_only_the_one_that_can_stop_is_stopped(make_workshop: MakeWorkshop) -> None:
    free, paid = FreeProvider(), ScriptedProvider(name="paid")
    workshop = await make_workshop(free, paid)
    stopped, finishing = asyncio.Event(), asyncio.Event()
    free.enqueue("poll", stopped, Failed(Reason.CANCELLED))
    paid.enqueue("poll", finishing)
    job_id = await workshop.imagine(engines=("scripted/brush", "paid/brush"))
    await workshop.start()
    await free.called("poll")
    await paid.called("poll")
    assert await workshop.service.cancel(ADA, job_id) == PARTLY_STOPPING()
    await free.called("cancel")
    stopped.set()
    finishing.set()
    await workshop.finish()
    view = await workshop.view(job_id)
    assert [each.record.status for each in view.submissions] == [CANCELLED, SubmissionStatus.DONE]


async def test_what_was_dropped_unsent_does_not_count_as_being_stopped(make_workshop: MakeWorkshop) -> None:
    free, paid = FreeProvider(), ScriptedProvider(name="paid")
    workshop = await make_workshop(free, paid)
    prepared, finishing = asyncio.Event(), asyncio.Event()
    free.enqueue("prepare", prepared)
    paid.enqueue("poll", finishing)
    job_id = await workshop.imagine(engines=("scripted/brush", "paid/brush"))
    await workshop.start()
    await free.called("prepare")
    await paid.called("poll")
    assert await workshop.service.cancel(ADA, job_id) == PARTLY_CANCELLED(dropped=1, all=2)
    prepared.set()
    finishing.set()
    await workshop.finish()
    assert free.calls("submit") == 0


async def test_fewer_images_after_cancel_are_explained(make_workshop: MakeWorkshop) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    stopped = asyncio.Event()
    provider.enqueue("poll", stopped, finished(images=3, millicredits=0))
    job_id = await workshop.imagine(images=4)
    await workshop.start()
    await provider.called("poll")
    await workshop.service.cancel(ADA, job_id)
    await provider.called("cancel")
    stopped.set()
    await workshop.finish()
    view = await workshop.view(job_id)
    assert len(view.images) == 3
    assert [problem.code for problem in view.submissions[0].problems] == [MISSING_IMAGES.code, STOPPED.code]


@pytest.mark.parametrize("so_far", [1, 0])
async def test_what_takes_too_long_is_stopped_and_its_images_so_far_are_kept(
    make_workshop: MakeWorkshop, so_far: int
) -> None:
    provider = FreeProvider()
    provider.patience = 60
    workshop = await make_workshop(provider)

    async def poll(handle: Handle, request: object = None) -> object:
        if not provider.calls("cancel"):
            return Waiting()
        return finished(images=so_far, millicredits=0) if so_far else Failed(Reason.CANCELLED)

    provider.poll = poll  # type: ignore[method-assign, assignment]  # It never ends by itself.
    job_id = await workshop.imagine(images=4)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert provider.calls("cancel") == 1
    assert len(view.images) == so_far
    problems = [problem.code for problem in view.submissions[0].problems]
    assert problems == ([MISSING_IMAGES.code, TIMED_OUT.code] if so_far else [TIMED_OUT.code])
    assert view.submissions[0].record.status is (SubmissionStatus.DONE if so_far else UNKNOWN)


@pytest.mark.parametrize(
    "answer", [OutcomeUnknown(), Unreachable(), Busy(), NotFound()], ids=lambda each: type(each).__name__
)
async def test_a_cancelled_request_that_did_not_arrive_is_not_sent_again(
    make_workshop: MakeWorkshop, answer: ProviderError
) -> None:
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    job_id = await cancelled_while_sending(workshop, provider, answer)
    assert (await workshop.submission(job_id)).status is CANCELLED
    assert provider.calls("submit") == 1


async def test_a_cancelled_request_that_the_service_forgot_is_not_sent_again(make_workshop: MakeWorkshop) -> None:
    """It took it out of its queue, and its answer was lost."""
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    polled = asyncio.Event()
    provider.enqueue("poll", Waiting(), polled, Gone(sure=True))
    provider.enqueue("cancel", Unreachable())
    job_id = await workshop.imagine()
    await workshop.start()
    await provider.called("poll")
    await workshop.service.cancel(ADA, job_id)
    await provider.called("cancel")
    polled.set()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.CANCELLED
    assert provider.calls("submit") == 1


async def test_what_was_cancelled_before_its_service_had_it_is_stopped_then(make_workshop: MakeWorkshop) -> None:
    """A picture to start from takes a while to upload."""
    provider = FreeProvider()
    workshop = await make_workshop(provider)
    provider.enqueue("poll", Failed(Reason.CANCELLED))
    await cancelled_while_sending(workshop, provider)
    assert [handle for call, handle in provider.history if call == "cancel"][-1] == {"number": 1, "sent": True}


async def test_what_is_given_up_is_stopped(make_workshop: MakeWorkshop) -> None:
    """It would keep the operator's machine busy, and Again would put a second one behind it."""
    provider = FreeProvider()
    provider.patience = 60
    workshop = await make_workshop(provider)
    provider.enqueue("poll", *[Waiting(place=3)] * 500)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert provider.calls("cancel") == 1
