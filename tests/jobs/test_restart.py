"""A restart resumes all unfinished work, oldest first, in a few transactions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.options import ImagineOptions
from bot.domain.requests import encode_request
from bot.jobs.cancellation import CANCELLED
from bot.jobs.polling import NOT_HEARD
from bot.jobs.provider_text import INTERRUPTED, NOT_OFFERED, UNKNOWN, as_stored
from bot.providers.errors import Busy, OutcomeUnknown, Reason, Unreachable
from storage import jobs as rows
from storage import ledger, reconcile, submissions
from storage.database import AsyncConnection
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop
from tests.storage.rows import add_job

QUEUED, SUBMITTING, RENDERING = SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING
LONG = 24 * 3600.0


async def left_behind(workshop: Workshop, ages: list[int], status: SubmissionStatus) -> list[int]:
    """Create a killed process's submissions, one for each age in seconds; return their ids in that order."""
    plan = workshop.service.check(ADA, ImagineOptions(prompt="a lighthouse"))
    request = plan.requests[0]
    provider = request.engine.partition("/")[0]
    options, ids = plan.options.to_json(), []
    async with workshop.database.write() as tx:
        for age in ages:
            at = workshop.clock.now() - age * 1000
            job_id = await add_job(tx, user_id=age, server_id=10, options=options, at=at)
            asked = submissions.Asked(request.engine, provider, encode_request(request))
            (id_,) = await submissions.add_submissions(tx, job_id, [asked], user_id=age, at=at)
            await ledger.hold(tx, ledger.Hold(id_, request.engine, 5000), user_id=age, server_id=10, at=at)
            if status is not QUEUED:
                await submissions.move_submission(
                    tx, id_, QUEUED, status, at=at, why="sent", sent_at=at, handle={"number": id_}
                )
            ids.append(id_)
    return ids


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Workshop], Counter[str]]:
    """Count the transactions of a workshop's database from now on."""

    def count(workshop: Workshop) -> Counter[str]:
        seen: Counter[str] = Counter()
        for name in ("read", "write"):
            monkeypatch.setattr(workshop.database, name, counting(name, getattr(workshop.database, name), seen))
        return seen

    def counting(
        name: str, real: Callable[[], AbstractAsyncContextManager[AsyncConnection]], seen: Counter[str]
    ) -> Callable[[], AbstractAsyncContextManager[AsyncConnection]]:
        @asynccontextmanager
        async def transaction() -> AsyncIterator[AsyncConnection]:
            seen[name] += 1
            async with real() as connection:
                yield connection

        return transaction

    return count


@pytest.mark.parametrize("number", [3, 60])
@pytest.mark.parametrize("status", [SUBMITTING, RENDERING])
async def test_everything_is_resumed_oldest_first_in_one_transaction(
    workshop: Workshop, counted: Callable[[Workshop], Counter[str]], number: int, status: SubmissionStatus
) -> None:
    # Not in the order of their ids: the older of two may have been written later.
    ages = [(position * 7) % number + 1 for position in range(number)]
    ids = await left_behind(workshop, ages, status)
    seen = counted(workshop)
    await workshop.start()
    assert seen == {"write": 1}, "independent of their number"
    oldest_first = [id_ for _, id_ in sorted(zip(ages, ids, strict=True), reverse=True)]
    (lane,) = workshop.worker._slots.values()
    assert list(lane.running) == oldest_first
    async with workshop.database.read() as connection:
        marked = await rows.jobs_with_status(connection, (JobStatus.WORKING,))
    assert {job.resumed_at for job in marked} == {workshop.clock.now()}
    assert all(workshop.changes[job.id].is_set() for job in marked), "the cards show it"


async def test_the_queue_is_read_at_once_and_started_oldest_first(
    workshop: Workshop, counted: Callable[[Workshop], Counter[str]]
) -> None:
    workshop.provider.jobs = 20
    ages = list(range(1, 41))
    ids = await left_behind(workshop, ages, QUEUED)
    seen = counted(workshop)
    await workshop.worker._resume()
    await workshop.worker._start_due()
    assert seen == {"write": 1, "read": 1}
    (lane,) = workshop.worker._slots.values()
    assert list(lane.running) == ids[::-1][:20]
    assert [submission.id for submission in workshop.worker._queue.waiting] == ids[::-1][20:]


async def test_the_queue_is_not_read_again_after_each_job(
    workshop: Workshop, counted: Callable[[Workshop], Counter[str]]
) -> None:
    workshop.provider.jobs = 1
    await left_behind(workshop, list(range(1, 6)), QUEUED)
    await workshop.worker._resume()
    seen = counted(workshop)
    await workshop.worker._start_due()
    assert seen["read"] == 1
    (lane,) = workshop.worker._slots.values()
    for waiting in (3, 2, 1):
        lane.running.clear()
        await workshop.worker._start_due()
        assert (len(lane.running), len(workshop.worker._queue.waiting)) == (1, waiting)
    assert seen["read"] == 1
    workshop.worker.wake()
    await workshop.worker._start_due()
    assert seen["read"] == 2


@pytest.mark.slow
async def test_resumed_work_keeps_to_the_rate(workshop: Workshop) -> None:
    workshop.provider.rate = 10.0
    ids = await left_behind(workshop, list(range(100, 140)), RENDERING)
    times: list[int] = []
    real = workshop.provider.poll

    async def poll(handle: Any, request: Any = None) -> Any:
        times.append(workshop.clock.now())
        return await real(handle, request)

    workshop.provider.poll = poll  # type: ignore[method-assign]  # the provider of a test
    await workshop.restart()
    await workshop.finish()
    assert len(times) == len(ids)
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= 99, "two within a tenth of a second are a burst"
    assert len(workshop.delivered) == len(ids)


async def with_one_gone(make_workshop: MakeWorkshop, *statuses: SubmissionStatus) -> tuple[Workshop, list[int]]:
    """A workshop that starts without a provider that has jobs in these statuses."""
    here, gone = ScriptedProvider(name="here"), ScriptedProvider(name="gone")
    workshop = await make_workshop(here, gone)
    jobs = [await workshop.imagine(engine="gone/brush") for _ in statuses]
    async with workshop.database.write() as tx:
        for job_id, status in zip(jobs, statuses, strict=True):
            (one,) = await submissions.submissions_of(tx, job_id)
            await submissions.move_submission(
                tx,
                one.id,
                QUEUED,
                status,
                at=workshop.clock.now(),
                why="sent",
                sent_at=workshop.clock.now(),
                handle={"number": one.id},
                sendings=1,
            )
    workshop.providers = {"here": here}
    return workshop, jobs


async def test_unsent_work_of_a_missing_provider_ends_free_with_a_message(make_workshop: MakeWorkshop) -> None:
    workshop, (sent,) = await with_one_gone(make_workshop, RENDERING)
    workshop.providers = {"here": ScriptedProvider(name="here"), "gone": ScriptedProvider(name="gone")}
    workshop._compose()
    waiting, other = await workshop.imagine(engine="gone/brush"), await workshop.imagine(engine="here/brush")
    workshop.providers = {"here": workshop.providers["here"]}
    await workshop.restart()
    await workshop.finish()
    ended = await workshop.submission(waiting)
    assert (ended.status, await workshop.steps(waiting)) == (SubmissionStatus.FAILED, ["queued", "failed"])
    assert ended.problems == as_stored(NOT_OFFERED())
    assert (await workshop.submission(other)).status is SubmissionStatus.DONE
    assert sorted(workshop.delivered) == [waiting, other]
    assert (await workshop.submission(sent)).status is RENDERING
    async with workshop.database.read() as connection:
        assert (await reconcile.reconcile(connection)).differences == []


@pytest.mark.parametrize("status", [QUEUED, SUBMITTING, RENDERING])
async def test_sent_work_of_a_missing_provider_waits_for_it(
    make_workshop: MakeWorkshop, status: SubmissionStatus
) -> None:
    workshop, (job_id,) = await with_one_gone(make_workshop, status)
    for _ in range(2):
        with capture_logs() as lines:
            await workshop.restart()
            await workshop.finish()
        missing = [line for line in lines if line["event"] == "provider.missing"]
        assert [(line["provider"], line["submissions"]) for line in missing] == [("gone", 1)]
        assert (await workshop.submission(job_id)).status is status
        view = await workshop.view(job_id)
        assert view.submissions[0].provider_missing
        assert view.held == 5000
        workshop.clock.advance(LONG)
    back = ScriptedProvider(name="gone")
    back.enqueue("find", *["found"] * 3)
    workshop.providers = {**workshop.providers, "gone": back}
    await workshop.restart()
    await workshop.finish()
    assert workshop.delivered == [job_id]
    assert back.calls("submit") == 0
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


@pytest.mark.parametrize("status", [QUEUED, SUBMITTING, RENDERING])
async def test_work_that_waits_for_a_missing_provider_can_be_cancelled(
    make_workshop: MakeWorkshop, status: SubmissionStatus
) -> None:
    workshop, (job_id,) = await with_one_gone(make_workshop, status)
    await workshop.restart()
    assert (await workshop.view(job_id)).can_cancel
    assert await workshop.service.cancel(ADA, job_id) == CANCELLED()
    await workshop.finish()
    ended = await workshop.submission(job_id)
    assert (ended.status, ended.handle) == (SubmissionStatus.UNKNOWN, None)
    assert workshop.delivered == [job_id]
    assert (await workshop.totals()).in_flight == 0


# --- a crash at each step -----------------------------------------------------------------------------------------


async def test_a_restart_while_queued_sends_it_once(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.restart()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert workshop.delivered == [job_id]


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_restart_while_submitting_looks_before_a_resend(workshop: Workshop, arrived: bool) -> None:
    never = asyncio.Event()
    workshop.provider.enqueue("submit", never)
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    if arrived:
        workshop.provider.enqueue("find", "found")
    await workshop.restart()
    await workshop.finish()
    assert workshop.provider.calls("submit") == (1 if arrived else 2)
    view = await workshop.view(job_id)
    assert view.job.status is JobStatus.DELIVERED
    assert view.job.resumed_at is not None
    assert view.captured == 5000


async def test_a_restart_while_submitting_to_an_engine_without_lookup_is_unknown(
    make_workshop: MakeWorkshop,
) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    workshop.provider.enqueue("submit", asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    await workshop.restart()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    assert workshop.delivered == [job_id]


async def test_a_restart_while_rendering_continues_to_poll(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("poll")
    await workshop.restart()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert workshop.delivered == [job_id]


async def test_a_restart_before_the_delivery_delivers(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.start_until_ready(job_id)
    await workshop.restart()
    await workshop.finish()
    assert workshop.delivered == [job_id]


async def test_stopping_waits_for_a_paid_call_and_keeps_its_response(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False))
    release = asyncio.Event()
    workshop.provider.enqueue("submit", release)
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    stopping = asyncio.create_task(workshop.worker.stop(130))
    await asyncio.sleep(0)
    release.set()
    await stopping
    view = await workshop.view(job_id)
    assert view.submissions[0].record.status is SubmissionStatus.DONE
    assert view.job.status is JobStatus.READY


async def test_restarts_do_not_add_resends(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    for sending in (1, 2, 2, 2):
        workshop.provider.enqueue("submit", asyncio.Event())
        await workshop.restart()
        while workshop.provider.calls("submit") < sending:
            await asyncio.sleep(0)
        assert (await workshop.submission(job_id)).sendings == sending
        # Each time the process dies before the response arrives, or while it looks for the request.
    await workshop.finish()
    assert workshop.provider.calls("submit") == 2
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.handle is not None


async def test_a_submit_that_was_refused_before_a_restart_does_not_count(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", *(Busy(retry_after=60) for _ in range(5)))
    job_id = await workshop.imagine()
    await workshop.start()
    for number in range(1, 6):
        while workshop.provider.calls("submit") < number or (await workshop.submission(job_id)).attempts < number:
            await asyncio.sleep(0)
        assert (await workshop.submission(job_id)).sendings == 0
        await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


# --- after a long downtime ----------------------------------------------------------------------------------------


async def test_a_lost_submit_is_looked_for_however_long_ago_it_was_sent(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    await workshop.worker.stop(0)
    workshop.clock.advance(LONG)
    # The network comes up a moment after the bot does.
    workshop.provider.enqueue("find", Unreachable(), Unreachable(), "found")
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.provider.calls("submit") == 1


async def test_downtime_does_not_count_as_looking(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", asyncio.Event())
    await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("submit")
    await workshop.worker.stop(0)
    workshop.clock.advance(LONG)
    # The service listed it only a while after the bot came back.
    workshop.provider.enqueue("find", None, None, "found")
    began = workshop.clock.now()
    await workshop.restart()
    await workshop.finish()
    assert workshop.provider.calls("submit") == 1
    assert workshop.clock.now() - began >= workshop.provider.lost_after * 1000


async def test_a_result_rendered_during_a_long_downtime_is_fetched(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("poll")
    await workshop.worker.stop(0)
    workshop.clock.advance(LONG)
    workshop.provider.enqueue("poll", Unreachable(), Unreachable())
    await workshop.restart()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE


@pytest.mark.slow
async def test_work_at_a_service_that_stays_down_after_a_downtime_is_given_up(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", asyncio.Event())
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("poll")
    await workshop.worker.stop(0)
    workshop.clock.advance(LONG)
    workshop.provider.enqueue("poll", *(Unreachable() for _ in range(1000)))
    began = workshop.clock.now()
    await workshop.restart()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert [problem["code"] for problem in submission.problems or ()] == [NOT_HEARD.code, "provider.unreachable"]
    assert workshop.clock.now() - began >= 600_000
    assert (await workshop.totals()).in_flight == 0


async def test_what_a_restart_interrupted_is_not_blamed_on_the_image_service(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    workshop = await make_workshop(provider)
    asked = asyncio.Event()
    provider.enqueue("submit", asked)
    interrupted = await workshop.imagine()
    await workshop.start()
    await provider.called("submit")
    await workshop.restart()
    provider.enqueue("submit", OutcomeUnknown(Reason.NO_ANSWER))
    lost = await workshop.imagine()
    await workshop.finish()
    for job_id, problem in ((interrupted, INTERRUPTED), (lost, UNKNOWN)):
        submission = await workshop.submission(job_id)
        assert submission.status is SubmissionStatus.UNKNOWN
        assert submission.problems == as_stored(problem())
    assert provider.calls("submit") == 2, "no paid call is repeated"
