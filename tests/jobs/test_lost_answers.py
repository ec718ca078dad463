"""A paid call whose answer was lost: it is looked for, sent once more at most, and never given up as unsent."""

from __future__ import annotations

import asyncio

import pytest

from bot.jobs.provider_text import as_stored, provider_text
from bot.jobs.submission import QUEUED_TOO_LONG
from bot.providers.base import Handle, ImageRequest, PollResult, Waiting
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, Reason, Refused, Unreachable
from storage import reconcile, reports
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop


async def test_a_lost_answer_is_found_and_never_sent_again(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", None, "found")
    workshop.provider.enqueue("find", "found")
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED


async def test_a_lost_submit_is_looked_for_twice_over_a_minute_before_it_is_sent_again(workshop: Workshop) -> None:
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


async def test_a_look_that_proves_nothing_is_made_again(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", None, *(Unreachable() for _ in range(20)), None, Unreachable())
    job_id = await workshop.imagine()
    workshop.provider.enqueue("find", "found")
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


async def test_a_service_that_comes_back_at_the_last_moment_is_asked_until_it_is_sure(workshop: Workshop) -> None:
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


async def test_what_is_found_late_has_its_time_to_be_made(workshop: Workshop) -> None:
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


async def test_what_is_neither_found_nor_surely_absent_is_unknown_and_not_sent_again(workshop: Workshop) -> None:
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


async def test_a_submit_whose_answer_is_always_lost_is_sent_twice_and_then_unknown(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", *(OutcomeUnknown() for _ in range(20)))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 2
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert await listed_as_unknown(workshop) == [job_id]


async def test_after_the_last_sending_it_is_looked_for_longer(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown(), OutcomeUnknown())
    # It is not there when the first minute after the second sending is over, and there two minutes later.
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
async def test_what_was_sent_once_never_ends_as_not_sent(workshop: Workshop, answers: list[Exception]) -> None:
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
async def test_a_refusal_of_the_second_sending_does_not_hide_that_the_first_arrived(
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
        # It is not there at once.
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


async def test_what_was_refused_and_is_not_found_either_is_unknown_and_told_as_refused(workshop: Workshop) -> None:
    refusal = Refused(said="No.")
    workshop.provider.enqueue("submit", OutcomeUnknown(), refusal)
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.problems == as_stored(provider_text(workshop.provider.label, refusal))
    assert submission.handle is not None, "it can be asked for again"
    assert workshop.provider.calls("submit") == 2


async def test_what_could_not_be_sent_again_for_an_hour_is_looked_for_before_it_ends(workshop: Workshop) -> None:
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
async def test_an_error_of_our_own_after_it_was_sent_does_not_lose_it(workshop: Workshop, call: str) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown() if call == "find" else RuntimeError("a bug"))
    workshop.provider.enqueue("find", *([RuntimeError("a bug")] if call == "find" else []), None, "found")
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.provider.calls("submit") == 1


async def test_what_was_sent_once_is_not_cancelled_as_unsent(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown(), Busy(retry_after=600.0))
    job_id = await workshop.imagine()
    await workshop.start()
    while workshop.provider.calls("submit") < 2 or (await workshop.submission(job_id)).status.value != "queued":
        await asyncio.sleep(0)
    await workshop.service.cancel(ADA, job_id)
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.handle is None, "what its author gave up is not asked for again"
    assert await listed_as_unknown(workshop) == [job_id]
    assert (await workshop.totals()).in_flight == 0


@pytest.mark.parametrize(
    "refused", [[], [Refused(said="The key is wrong.", operator=True)]], ids=["at once", "after a refused look"]
)
async def test_what_arrives_before_it_is_sent_again_is_taken(workshop: Workshop, refused: list[Exception]) -> None:
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


async def test_a_lost_answer_of_an_engine_that_cannot_look_is_unknown_and_free(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    workshop.provider.enqueue("submit", OutcomeUnknown())
    job_id = await workshop.imagine()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert (await workshop.totals()).in_flight == 0
