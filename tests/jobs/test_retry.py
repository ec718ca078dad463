"""``retry``: requests that failed for a reason that the operator can fix are fetched again and never sent again."""

from __future__ import annotations

import pytest

from bot.jobs.late_images import decode_result, encode_result
from bot.providers.base import Cost, Failed, Finished, GeneratedImage, Gone
from bot.providers.errors import OutcomeUnknown, Reason, Refused, Unreachable
from bot.providers.operations import Size
from storage import endings, reconcile, reports
from storage import submissions as rows
from storage.endings import Reopened
from storage.ledger import Scope
from storage.records import JobStatus, SubmissionStatus
from storage.reports import By, Waits, report
from tests.doubles.provider import ScriptedProvider, png
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop

pytestmark = pytest.mark.slow

DONE, UNKNOWN = SubmissionStatus.DONE, SubmissionStatus.UNKNOWN
ELSEWHERE = Refused(said="Not from there.", detail="http://cdn.lan:9000", operator=True, setting="IMAGE_HOSTS")
STORED = Finished(
    (GeneratedImage(url="http://cdn.lan/1.png", seed=7, filtered=True, size=Size(8, 8), expected_bytes=len(png())),),
    Cost(5000, exact=True),
    beyond=1000,
)


async def lost(workshop: Workshop, *errors: Exception) -> int:
    """A job whose image could not be fetched; its card shows the outcome."""
    workshop.provider.enqueue("poll", STORED)
    workshop.provider.enqueue("fetch", *errors)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is UNKNOWN
    assert workshop.delivered == [job_id]
    workshop.provider._answers["fetch"].clear()
    return job_id


async def retry(workshop: Workshop) -> Reopened:
    """Stop the bot, run retry as the operator, and start the bot."""
    await workshop.worker.stop(0)
    async with workshop.database.write() as tx:
        reopened = await endings.reopen(tx, ["scripted"], at=workshop.clock.now())
        assert (await reconcile.reconcile(tx)).differences == []
    await workshop.restart()
    await workshop.finish()
    async with workshop.database.read() as connection:
        assert (await reconcile.reconcile(connection)).differences == []
    return reopened


def test_a_results_details_are_stored_and_read() -> None:
    encoded = encode_result(STORED, why="a host")
    assert encoded is not None
    assert decode_result(encoded) == STORED
    assert encode_result(Finished((GeneratedImage(data=png()),), Cost(1, exact=True))) is None


@pytest.mark.parametrize(
    ("errors", "setting", "details"),
    [
        ([ELSEWHERE], "IMAGE_HOSTS", ("http://cdn.lan:9000",)),
        ([Refused(said="Too large.", detail="40 MiB", setting="IMAGE_MAX_MIB")], "IMAGE_MAX_MIB", ("40 MiB",)),
        ([Unreachable()] * 50, None, ()),
    ],
    ids=["host", "size", "away"],
)
async def test_an_image_is_delivered_once_the_cause_is_fixed(
    workshop: Workshop, errors: list[Exception], setting: str | None, details: tuple[str, ...]
) -> None:
    job_id = await lost(workshop, *errors)
    before = await workshop.submission(job_id)
    assert (before.charged, before.waits_for) == (6000, setting)
    assert before.handle is not None
    async with workshop.database.read() as connection:
        waiting = await reports.waiting(connection, ["scripted"])
    assert waiting == ([Waits("scripted", setting, 1, details)] if setting else [])

    workshop.clock.advance(3 * 86_400)
    assert await retry(workshop) == Reopened(1, 1, 0)
    view = await workshop.view(job_id)
    assert (view.job.status, view.submissions[0].record.status) == (JobStatus.DELIVERED, DONE)
    assert workshop.delivered == [job_id, job_id]
    assert len(view.images) == 1
    assert workshop.provider.calls("submit") == 1
    assert ((await workshop.totals()).spent, view.held) == (5000, 0)
    assert view.submissions[0].record.waits_for is None


async def test_a_report_counts_it_once(workshop: Workshop) -> None:
    await lost(workshop, ELSEWHERE)
    scope = Scope(server_id=ADA.server_id)
    async with workshop.database.read() as connection:
        assert (await report(connection, By.USER, scope)).totals.failed == 1
    await retry(workshop)
    async with workshop.database.read() as connection:
        after = (await report(connection, By.USER, scope)).totals
    assert (after.failed, after.jobs, after.spent, after.in_flight) == (0, 1, 5000, 0)


async def test_time_spent_as_unknown_does_not_count_as_a_duration(workshop: Workshop) -> None:
    job_id = await lost(workshop, ELSEWHERE)
    workshop.clock.advance(3 * 86_400)
    await retry(workshop)
    async with workshop.database.read() as connection:
        assert await rows.durations(connection, (await workshop.submission(job_id)).engine) == []


async def test_an_image_is_fetched_by_its_address_if_the_service_forgot_the_request(workshop: Workshop) -> None:
    job_id = await lost(workshop, ELSEWHERE)
    workshop.provider.enqueue("poll", *[Gone()] * 1000)
    await retry(workshop)
    view = await workshop.view(job_id)
    assert [image.seed for image in view.images] == [7]
    assert view.captured == 5000
    async with workshop.database.read() as connection:
        (beyond,) = (await reconcile.reconcile(connection)).beyond
    assert (beyond.charged, beyond.captured) == (6000, 5000)


async def test_a_second_failure_is_unknown_again_and_can_be_retried(workshop: Workshop) -> None:
    job_id = await lost(workshop, ELSEWHERE)
    for _ in range(2):
        workshop.provider.enqueue("poll", STORED)
        workshop.provider.enqueue("fetch", ELSEWHERE)
        await retry(workshop)
        submission = await workshop.submission(job_id)
        assert (submission.status, submission.waits_for) == (UNKNOWN, "IMAGE_HOSTS")
        assert ((await workshop.totals()).spent, (await workshop.totals()).in_flight) == (0, 0)
    await retry(workshop)
    assert (await workshop.submission(job_id)).status is DONE


async def test_a_lost_request_can_be_found_later(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", *[Unreachable()] * 200)
    job_id = await workshop.imagine()
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is UNKNOWN
    await retry(workshop)
    assert (await workshop.submission(job_id)).status is DONE
    assert workshop.provider.calls("submit") == 1


async def test_requests_that_cannot_or_must_not_be_retried_stay_unknown(make_workshop: MakeWorkshop) -> None:
    one = ScriptedProvider(images_per_submission=1)
    workshop = await make_workshop(one, ScriptedProvider(polled=False, name="other"))
    deleted = await lost(workshop, ELSEWHERE)
    await workshop.results.delete(ADA, deleted)
    assert (await workshop.submission(deleted)).result is None
    one.enqueue("poll", Failed(Reason.REFUSED, "No."))
    failed = await workshop.imagine(engine="scripted/brush")
    other = workshop.providers["other"]
    assert isinstance(other, ScriptedProvider)
    other.enqueue("submit", OutcomeUnknown())
    elsewhere = await workshop.imagine(engine="other/brush")
    await workshop.finish()
    assert await retry(workshop) == Reopened(0, 0, 2)
    assert (await workshop.submission(failed)).status is SubmissionStatus.FAILED
    assert (await workshop.submission(elsewhere)).status is UNKNOWN


async def test_only_the_lost_one_of_several_is_retried(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(images_per_submission=1))
    workshop.provider.enqueue("fetch", ELSEWHERE)
    workshop.provider.enqueue("poll", STORED)
    job_id = await workshop.imagine(images=3)
    await workshop.finish()
    assert len((await workshop.view(job_id)).images) == 2
    assert await retry(workshop) == Reopened(1, 1, 0)
    assert len((await workshop.view(job_id)).images) == 3
    assert (await workshop.totals()).spent == 15_000
