"""A paid call whose response was lost: it is looked for, sent again at most once, and never ends as unsent."""

from __future__ import annotations

import asyncio

import pytest

from bot.jobs.provider_text import QUEUED_TOO_LONG, as_stored, provider_text
from bot.providers.base import Handle, ImageRequest, PollResult, Waiting
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, Reason, Refused, Unreachable
from storage import reconcile, reports
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop

pytestmark = pytest.mark.slow


async def test_a_request_that_is_found_is_never_sent_again(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", None, "found")
    workshop.provider.enqueue("find", "found")
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_a_lost_submit_is_looked_for_twice_over_a_minute_before_a_resend(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()
    began = workshop.clock.now()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 2
    assert workshop.provider.calls("find") >= 2
    assert workshop.clock.now() - began >= 60_000
    names = [name for name, _ in workshop.provider.history]
    assert names.index("find") > names.index("submit")
    assert (await workshop.view(job_id)).captured == 5000


async def test_an_inconclusive_lookup_is_repeated(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", None, *(Unreachable() for _ in range(20)), None, Unreachable())
    job_id = await workshop.imagine()
    workshop.provider.enqueue("find", "found")
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


@pytest.mark.slow
async def test_the_lookup_continues_if_the_service_recovers_at_the_last_moment(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()
    began = workshop.clock.now()
    answers: list[Handle | None] = [None]

    async def find(handle: Handle) -> Handle | None:
        if workshop.clock.now() - began < (workshop.provider.patience - 3) * 1000:
            raise Unreachable
        return answers.pop() if answers else handle

    workshop.provider.find = find  # type: ignore[method-assign]  # the provider of a test
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.provider.calls("submit") == 1


@pytest.mark.slow
async def test_a_request_found_late_gets_the_full_time_to_finish(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()
    began = workshop.clock.now()
    patience = workshop.provider.patience * 1000
    polls = 0

    async def find(handle: Handle) -> Handle | None:
        if workshop.clock.now() - began < patience - 3000:
            raise Unreachable
        return handle

    async def poll(handle: Handle, request: ImageRequest | None = None) -> PollResult:
        nonlocal polls
        polls += 1
        return Waiting() if workshop.clock.now() - began < patience + 60_000 else finished()

    workshop.provider.find = find  # type: ignore[method-assign]  # the provider of a test
    workshop.provider.poll = poll  # type: ignore[method-assign]  # the provider of a test
    await workshop.finish()
    assert polls > 1
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


@pytest.mark.slow
async def test_a_request_neither_found_nor_provably_absent_ends_as_unknown(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", None, *(Unreachable() for _ in range(1000)))
    began = workshop.clock.now()
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.handle == {"number": 1}
    assert workshop.clock.now() - began >= workshop.provider.patience * 1000


async def listed_as_unknown(workshop: Workshop) -> list[int]:
    """The jobs with an unknown outcome. /usage jobs and reconcile must list the same ones."""
    async with workshop.database.read() as connection:
        told = [one.job_id for one in await reports.unknown(connection, server_id=ADA.server_id, since=0, limit=9)]
        books = await reconcile.reconcile(connection)
    assert books.differences == []
    assert [one.job_id for one in books.standing if one.status is SubmissionStatus.UNKNOWN] == told
    return told


async def test_a_submit_whose_response_is_always_lost_is_sent_twice_and_then_unknown(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", *(OutcomeUnknown() for _ in range(20)))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 2
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert await listed_as_unknown(workshop) == [job_id]


async def test_the_lookup_after_the_last_resend_lasts_longer(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown(), OutcomeUnknown())
    # A minute after the resend it is still missing; two minutes later it is there.
    workshop.provider.enqueue("find", *(None for _ in range(9)), "found")
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 2
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


@pytest.mark.parametrize(
    "answers",
    [
        [Refused(said="No.")],
        [*(NotFound() for _ in range(20))],
        [*(Unreachable() for _ in range(200))],
        [*(Busy(retry_after=600.0) for _ in range(20))],
    ],
    ids=["refused", "not found", "away", "busy"],
)
async def test_a_request_that_was_sent_never_ends_as_unsent(workshop: Workshop, answers: list[Exception]) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown(), *answers)
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.problems != as_stored(QUEUED_TOO_LONG())
    assert await listed_as_unknown(workshop) == [job_id]


@pytest.mark.parametrize(
    "refusals",
    [[Refused(said="No.")], [Refused(Reason.WRONG_KEY, operator=True)], [NotFound() for _ in range(20)]],
    ids=["refused", "wrong key", "not found"],
)
@pytest.mark.parametrize("restart", [False, True], ids=["", "restarted"])
async def test_a_refused_resend_does_not_hide_that_the_first_call_arrived(
    workshop: Workshop, refusals: list[Exception], *, restart: bool
) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown(), *refusals)
    job_id = await workshop.imagine()
    looking = asyncio.Event()
    refused = 0

    async def find(handle: Handle) -> Handle | None:
        submission = await workshop.submission(job_id)
        if submission.sendings < 2 or submission.status is not SubmissionStatus.SUBMITTING:
            return None
        nonlocal refused
        refused += 1
        if restart and refused == 1:
            looking.set()
            await asyncio.Event().wait()
        # It does not show up immediately.
        return handle if refused > 2 else None

    workshop.provider.find = find  # type: ignore[method-assign]  # the provider of a test
    await workshop.start()
    if restart:
        async with asyncio.timeout(10):
            await looking.wait()
        await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.provider.calls("submit") <= 1 + len(refusals)
    assert (await workshop.view(job_id)).captured == 5000


async def test_a_refused_resend_that_is_not_found_ends_as_unknown_with_the_refusal(workshop: Workshop) -> None:
    refusal = Refused(said="No.")
    workshop.provider.enqueue("submit", OutcomeUnknown(), refusal)
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.problems == as_stored(provider_text(workshop.provider.label, refusal))
    assert submission.handle is not None, "it can be asked for again"
    assert workshop.provider.calls("submit") == 2


async def test_a_request_that_waited_an_hour_to_be_resent_is_looked_up_before_it_ends(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()
    began = workshop.clock.now()

    async def find(handle: Handle) -> Handle | None:
        if (await workshop.submission(job_id)).status is SubmissionStatus.SUBMITTING:
            return None
        if workshop.clock.now() - began < 3_700_000:
            raise Unreachable
        return handle

    workshop.provider.find = find  # type: ignore[method-assign]  # the provider of a test
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.provider.calls("submit") == 1


@pytest.mark.parametrize("call", ["submit", "find"])
async def test_a_bug_after_the_call_does_not_lose_the_request(workshop: Workshop, call: str) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown() if call == "find" else RuntimeError("a bug"))
    workshop.provider.enqueue("find", *([RuntimeError("a bug")] if call == "find" else []), None, "found")
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.provider.calls("submit") == 1


async def test_a_request_that_was_sent_is_not_cancelled_as_unsent(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown(), Busy(retry_after=600.0))
    job_id = await workshop.imagine()
    await workshop.start()
    while workshop.provider.calls("submit") < 2 or (await workshop.submission(job_id)).status.value != "queued":
        await asyncio.sleep(0)
    await workshop.service.cancel(ADA, job_id)
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.handle is None, "a cancelled request is not looked for again"
    assert await listed_as_unknown(workshop) == [job_id]
    assert (await workshop.totals()).in_flight == 0


@pytest.mark.parametrize(
    "refused", [[], [Refused(said="The key is wrong.", operator=True)]], ids=["at once", "after a refused look"]
)
async def test_a_request_that_arrives_before_the_resend_is_taken(workshop: Workshop, refused: list[Exception]) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()

    async def find(handle: Handle) -> Handle | None:
        if (await workshop.submission(job_id)).status is not SubmissionStatus.QUEUED:
            return None
        if refused:
            raise refused.pop()
        return handle

    workshop.provider.find = find  # type: ignore[method-assign]  # the provider of a test
    await workshop.finish()
    assert (await workshop.steps(job_id))[-3:] == ["queued", "rendering", "done"]
    assert workshop.provider.calls("submit") == 1


async def test_a_lost_response_of_an_engine_without_lookup_is_unknown_and_free(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert (await workshop.totals()).in_flight == 0
