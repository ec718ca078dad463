"""One submission, from the queue to its end: sending, polling, fetching, and what is charged."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.jobs.image_fetcher import EXTENDED_DIFFERENTLY, RESHAPED, remarks
from bot.jobs.polling import DOUBTED_FOR, DOUBTED_LOOKS
from bot.jobs.provider_text import MISSING_IMAGES, SAYING
from bot.providers.base import Cost, Failed, Finished, Gone, PollResult, Waiting
from bot.providers.errors import Busy, NotFound, ProviderError, Reason, Refused, Unreachable
from bot.providers.operations import Operation
from storage import reconcile
from storage import submissions as submission_rows
from storage.records import EventReason, JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import MakeWorkshop, Workshop


async def test_a_polled_job_goes_through_every_state_and_is_charged_what_it_cost(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", Waiting(percent=40), finished(images=2, millicredits=9000))
    job_id = await workshop.imagine(images=2)
    assert (await workshop.totals()).in_flight == 10_000
    await workshop.finish()

    view = await workshop.view(job_id)
    assert view.job.status is JobStatus.DELIVERED
    assert workshop.delivered == [job_id]
    assert await workshop.steps(job_id) == ["queued", "submitting", "rendering", "done"]
    assert [image.file for image in view.images] == [f"{job_id}-0-0.png", f"{job_id}-0-1.png"]
    assert all(workshop.files.path(image.file or "").is_file() for image in view.images)
    assert (view.captured, view.held, view.exact) == (9000, 0, True)
    totals = await workshop.totals()
    assert (totals.spent, totals.in_flight) == (9000, 0)
    assert view.job.interaction_token is None


async def test_an_engine_that_answers_at_once_needs_no_poll(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False, images_per_submission=1))
    job_id = await workshop.imagine(images=3)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert len(view.submissions) == 3
    assert len(view.images) == 3
    assert workshop.provider.calls("submit") == 3
    assert workshop.provider.calls("poll") == 0
    assert workshop.delivered == [job_id]


async def test_one_of_several_fails_and_the_others_are_delivered(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False, images_per_submission=1))
    workshop.provider.enqueue("submit", Refused(said="The words were filtered."))
    job_id = await workshop.imagine(images=3)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert sorted(submission.record.status for submission in view.submissions) == ["done", "done", "failed"]
    assert view.captured == 10_000
    assert (await workshop.totals()).in_flight == 0
    failed = next(entry for entry in view.submissions if entry.record.status is SubmissionStatus.FAILED)
    assert failed.problems == (SAYING[Reason.REFUSED](label="Scripted", said="The words were filtered."),)


@pytest.mark.parametrize(
    ("call", "answer", "status"),
    [
        ("submit", Refused(said="No."), SubmissionStatus.FAILED),
        ("prepare", Refused(said="No."), SubmissionStatus.FAILED),
        ("poll", Failed(Reason.REFUSED, "It did not work."), SubmissionStatus.FAILED),
    ],
)
async def test_an_end_without_images_is_free_and_reported(
    workshop: Workshop, call: str, answer: object, status: SubmissionStatus
) -> None:
    workshop.provider.enqueue(call, answer)
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is status
    assert submission.problems
    totals = await workshop.totals()
    assert (totals.spent, totals.in_flight) == (0, 0)
    assert workshop.delivered == [job_id]


@pytest.mark.parametrize("call", ["prepare", "submit"])
@pytest.mark.parametrize("error", [Unreachable(), Busy(retry_after=30.0), Busy()])
async def test_a_request_that_certainly_did_not_arrive_is_sent_again(
    workshop: Workshop, call: str, error: Exception
) -> None:
    workshop.provider.enqueue(call, error)
    began = workshop.clock.now()
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED
    assert workshop.provider.calls(call) == 2
    # A provider thread that was opened is used again.
    assert workshop.provider.calls("prepare") == (2 if call == "prepare" else 1)
    wait = error.retry_after if isinstance(error, Busy) and error.retry_after else 1
    assert workshop.clock.now() - began >= wait * 1000


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Busy(retry_after=1), EventReason.BUSY),
        (Unreachable(), EventReason.UNREACHABLE),
        (NotFound(), EventReason.NOT_FOUND),
    ],
)
async def test_the_history_says_why_a_request_was_queued_again(
    workshop: Workshop, error: ProviderError, why: EventReason
) -> None:
    workshop.provider.enqueue("submit", error)
    job_id = await workshop.imagine()
    await workshop.finish()
    async with workshop.database.read() as connection:
        events = await submission_rows.events_of(connection, job_id)
    assert [event.why for event in events if event.new_status is SubmissionStatus.QUEUED] == [EventReason.ASKED, why]


@pytest.mark.parametrize("call", ["prepare", "submit"])
async def test_what_is_not_found_for_a_moment_is_asked_for_again(workshop: Workshop, call: str) -> None:
    workshop.provider.enqueue(call, *(NotFound() for _ in range(DOUBTED_LOOKS - 1)))
    job_id = await workshop.imagine()
    await workshop.finish()
    view = await workshop.view(job_id)
    assert (view.job.status, view.captured) == (JobStatus.DELIVERED, 5000)
    assert workshop.provider.calls(call) == DOUBTED_LOOKS
    assert workshop.provider.calls("prepare") == (DOUBTED_LOOKS if call == "prepare" else 1)


@pytest.mark.parametrize("call", ["prepare", "submit"])
async def test_what_is_never_found_fails_free_and_is_for_the_operator(
    workshop: Workshop, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    workshop.provider.enqueue(call, *(NotFound() for _ in range(50)))
    began = workshop.clock.now()
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.FAILED
    assert DOUBTED_LOOKS <= workshop.provider.calls(call) < 10
    assert DOUBTED_FOR * 1000 <= workshop.clock.now() - began < 600_000
    assert (await workshop.totals()).in_flight == 0
    assert "provider.needs_operator" in caplog.text


async def test_another_answer_in_between_ends_the_doubt(workshop: Workshop) -> None:
    moment = [NotFound() for _ in range(DOUBTED_LOOKS - 1)]
    workshop.provider.enqueue("prepare", *moment, Unreachable(), *moment)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_a_provider_that_is_never_reached_fails_after_an_hour_free(workshop: Workshop) -> None:
    workshop.provider.enqueue("prepare", *(Unreachable() for _ in range(200)))
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.FAILED
    assert workshop.provider.calls("submit") == 0
    assert (await workshop.totals()).in_flight == 0


@pytest.mark.slow
async def test_a_job_that_never_ends_is_given_up(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", *(Waiting() for _ in range(2000)))
    job_id = await workshop.imagine()
    began = workshop.clock.now()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert 600_000 <= workshop.clock.now() - began < 700_000


async def test_a_poll_that_fails_is_made_again(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", Unreachable(), Busy(retry_after=7), Refused(said="Bad key."))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED
    assert workshop.provider.calls("poll") == 4


DOUBTS = [
    Gone(),
    Failed(Reason.REFUSED, "It ended without a picture.", sure=False),
    Finished(finished().images, Cost(5000, exact=True), sure=False),
]


@pytest.mark.parametrize("doubt", DOUBTS, ids=["gone", "failed", "finished"])
async def test_a_minute_of_odd_answers_costs_no_picture(workshop: Workshop, doubt: PollResult) -> None:
    minute = [doubt] * 4
    workshop.provider.enqueue("poll", *minute, Unreachable(), *minute[:2], finished(millicredits=7000))
    job_id = await workshop.imagine()
    began = workshop.clock.now()
    await workshop.finish()
    assert (await workshop.view(job_id)).captured == 7000
    assert workshop.clock.now() - began >= 60_000


@pytest.mark.parametrize(
    ("doubt", "status"),
    list(zip(DOUBTS, (SubmissionStatus.UNKNOWN, SubmissionStatus.FAILED, SubmissionStatus.DONE), strict=True)),
    ids=["gone", "failed", "finished"],
)
async def test_an_odd_answer_that_stays_counts_after_two_minutes_and_several_looks(
    workshop: Workshop, doubt: PollResult, status: SubmissionStatus
) -> None:
    workshop.provider.enqueue("poll", *[doubt] * 1000)
    job_id = await workshop.imagine()
    began = workshop.clock.now()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is status
    assert submission.handle is not None
    assert workshop.provider.calls("poll") >= DOUBTED_LOOKS
    assert 120_000 <= workshop.clock.now() - began < 300_000
    assert (await workshop.totals()).in_flight == 0


async def test_an_answer_that_makes_sense_ends_the_doubt(workshop: Workshop) -> None:
    for _ in range(4):
        workshop.provider.enqueue("poll", *[Gone()] * 5, Waiting())
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


async def test_what_is_charged_is_stored_when_it_is_learnt_and_named_by_the_books(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", Waiting(charged=5000), asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    while workshop.provider.calls("poll") < 2:
        await asyncio.sleep(0)
    assert (await workshop.submission(job_id)).charged == 5000
    workshop.provider.enqueue("poll", *[Gone()] * 1000)
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert await beyond(workshop) == [(job_id, 5000, 0)]


async def beyond(workshop: Workshop) -> list[tuple[int, int, int]]:
    """What services charged beyond the ledger: the job, what was charged, what was captured (millicredits)."""
    async with workshop.database.read() as connection:
        books = await reconcile.reconcile(connection)
    assert books.differences == []
    return [(one.job_id, one.charged, one.captured) for one in books.beyond]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (finished(), []),
        (replace(finished(), beyond=4000), [(1, 9000, 5000)]),
        (Failed(Reason.REFUSED, "It broke.", charged=3000), [(1, 3000, 0)]),
        (Failed(Reason.REFUSED, "It broke."), []),
    ],
    ids=["paid", "twice", "for nothing", "free"],
)
async def test_the_books_name_what_was_charged_beyond_the_ledger(
    workshop: Workshop, answer: PollResult, named: list[tuple[int, int, int]]
) -> None:
    workshop.provider.enqueue("poll", answer)
    await workshop.imagine()
    await workshop.finish()
    assert await beyond(workshop) == named


async def test_a_handle_that_a_poll_teaches_is_stored_and_used(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", Waiting(handle={"number": 1, "taught": True}))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).handle == {"number": 1, "taught": True}
    assert [handle for name, handle in workshop.provider.history if name == "poll"][-1] == {"number": 1, "taught": True}


async def test_a_poll_that_fails_takes_no_percentage_away(workshop: Workshop) -> None:
    release = asyncio.Event()
    workshop.provider.enqueue("poll", Waiting(percent=40), Unreachable(), Waiting(percent=40), release)
    job_id = await workshop.imagine()
    await workshop.start()
    while workshop.provider.calls("poll") < 4:
        await asyncio.sleep(0.001)
    assert workshop.worker.progress(job_id)[0].percent == 40
    release.set()
    await workshop.finish()


async def test_an_image_that_appears_late_is_waited_for(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", Unreachable(), Unreachable())
    job_id = await workshop.imagine()
    await workshop.finish()
    assert len((await workshop.view(job_id)).images) == 1


async def test_an_image_that_is_gone_for_a_moment_is_waited_for(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", *(NotFound() for _ in range(DOUBTED_LOOKS)))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert len((await workshop.view(job_id)).images) == 1


async def test_an_image_that_stays_gone_is_given_up(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", *(NotFound() for _ in range(50)))
    began = workshop.clock.now()
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert DOUBTED_FOR * 1000 <= workshop.clock.now() - began < 300_000
    assert await beyond(workshop) == [(job_id, 5000, 0)]


async def test_received_images_are_delivered_and_missing_ones_are_reported(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", Refused(said="Not an image."))
    job_id = await workshop.imagine(images=3)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert len(view.images) == 2
    missing, reason = view.submissions[0].problems
    assert missing == MISSING_IMAGES(count=1, asked=3)
    assert reason.code == SAYING[Reason.REFUSED].code


async def test_no_image_that_can_be_fetched_is_free(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", Refused(said="Not an image."), Refused(said="Not an image."))
    job_id = await workshop.imagine(images=2)
    await workshop.finish()
    # It was paid for, so the operator has to see it.
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    totals = await workshop.totals()
    assert (totals.spent, totals.in_flight) == (0, 0)
    assert await beyond(workshop) == [(job_id, 10_000, 0)]


async def test_an_image_in_another_shape_than_asked_is_delivered_and_the_card_says_so(workshop: Workshop) -> None:
    made = finished(millicredits=5000)
    other = replace(made, images=tuple(replace(each, reshaped=True) for each in made.images))
    workshop.provider.enqueue("poll", other)
    job_id = await workshop.imagine()
    await workshop.finish()
    view = await workshop.view(job_id)
    assert (view.job.status, view.captured) == (JobStatus.DELIVERED, 5000)
    (submission,) = view.submissions
    assert submission.problems == (RESHAPED(),)
    extended = replace(submission.request, operation=Operation.OUTPAINT)
    assert remarks(extended, other) == [EXTENDED_DIFFERENTLY()]
    assert remarks(extended, made) == []
