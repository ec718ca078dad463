"""Bulk updates follow the rules of single ones: one event each, holds released, finished jobs ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import update

from storage import endings, jobs, ledger, reconcile, submissions, tables
from storage.database import AsyncConnection, Database
from storage.endings import Reopened
from storage.records import ENDED, ON_THEIR_WAY, UNFINISHED, JobStatus, SubmissionStatus
from tests.storage.rows import NOW, SERVER, USER, add_image, add_job, add_submission

QUEUED, SUBMITTING, RENDERING = SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING
DONE, FAILED, UNKNOWN = SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN
LATER = NOW + 60_000
_SUBMISSIONS = tables.submissions

TOLD = [{"code": "told", "values": {}}]


async def put(
    tx: AsyncConnection, *statuses: SubmissionStatus, provider: str = "aithriving", job: JobStatus = JobStatus.WORKING
) -> tuple[int, list[int]]:
    """Create a job with submissions in these statuses, each with a hold and the ledger entry of its status."""
    job_id = await add_job(tx, status=job)
    ids = []
    for position, status in enumerate(statuses):
        id_ = await add_submission(tx, job_id, position=position, provider=provider)
        held = ledger.Hold(id_, "aithriving/core", 6000, operation="image_to_image")
        await ledger.hold(tx, held, user_id=USER, server_id=SERVER, at=NOW)
        if status is not QUEUED:
            await submissions.move_submission(tx, id_, QUEUED, status, at=NOW, why="a test", next_attempt_at=NOW)
        if status is DONE:
            await ledger.capture(tx, id_, amount=5000, exact=True, raw_amount=5000, at=NOW)
        elif status in ENDED:
            await ledger.release(tx, id_, at=NOW)
        ids.append(id_)
    return job_id, ids


async def statuses(tx: AsyncConnection, job_id: int) -> list[SubmissionStatus]:
    return [submission.status for submission in await submissions.submissions_of(tx, job_id)]


async def job_status(tx: AsyncConnection, job_id: int) -> JobStatus:
    job = await jobs.get_job(tx, job_id)
    assert job is not None
    return job.status


async def test_all_unfinished_submissions_end_with_an_event_and_a_released_hold(database: Database) -> None:
    async with database.write() as tx:
        job_id, ids = await put(tx, QUEUED, SUBMITTING, RENDERING, DONE, FAILED)
        count = await endings.end_free(tx, UNFINISHED, UNKNOWN, at=LATER, why="a fire", problems=TOLD)
        assert count == 3
        assert await statuses(tx, job_id) == [UNKNOWN, UNKNOWN, UNKNOWN, DONE, FAILED]
        ended = (await submissions.submissions_of(tx, job_id))[:3]
        assert all((one.ended_at, one.problems, one.next_attempt_at) == (LATER, TOLD, None) for one in ended)
        last = {event.submission_id: event for event in await submissions.events_of(tx, job_id)}
        assert [(last[id_].old_status, last[id_].why, last[id_].at) for id_ in ids[:3]] == [
            (old, "a fire", LATER) for old in (QUEUED, SUBMITTING, RENDERING)
        ]
        assert [last[id_].why for id_ in ids[3:]] == ["a test", "a test"]
        costs = await ledger.costs_of(tx, job_id)
        assert [[entry.kind.value for entry in costs[id_]] for id_ in ids] == [
            ["hold", "release"],
            ["hold", "release"],
            ["hold", "release"],
            ["hold", "capture", "release"],
            ["hold", "release"],
        ]
        released = costs[ids[0]][1]
        assert (released.amount, released.counted_at, released.created_at) == (-6000, NOW, LATER)
        assert (released.user_id, released.server_id, released.engine) == (USER, SERVER, "aithriving/core")
        assert (released.exact, released.note, released.operation) == (True, "a fire", "image_to_image")
        job = await jobs.get_job(tx, job_id)
        assert job is not None
        assert (job.status, job.ended_at) == (JobStatus.READY, LATER)
        assert await endings.end_free(tx, UNFINISHED, UNKNOWN, at=LATER, why="again", problems=TOLD) == 0


@pytest.mark.parametrize(
    ("old", "providers", "expected"),
    [
        (ON_THEIR_WAY, [], {"here": [QUEUED, FAILED], "gone": [QUEUED, FAILED]}),
        (ON_THEIR_WAY, ["here"], {"here": [QUEUED, RENDERING], "gone": [QUEUED, FAILED]}),
        ({QUEUED}, ["here", "other"], {"here": [QUEUED, RENDERING], "gone": [FAILED, RENDERING]}),
        (UNFINISHED, ["here", "gone"], {"here": [QUEUED, RENDERING], "gone": [QUEUED, RENDERING]}),
    ],
)
async def test_only_matching_submissions_end_and_a_job_continues_with_the_others(
    database: Database,
    old: set[SubmissionStatus],
    providers: list[str],
    expected: Mapping[str, list[SubmissionStatus]],
) -> None:
    async with database.write() as tx:
        found = {name: (await put(tx, QUEUED, RENDERING, provider=name))[0] for name in ("here", "gone")}
        await endings.end_free(tx, old, FAILED, at=LATER, why="", problems=[], unless_provider_in=providers)
        for name, job_id in found.items():
            assert await statuses(tx, job_id) == expected[name]
            assert await job_status(tx, job_id) is JobStatus.WORKING


async def test_a_job_that_was_shown_or_deleted_does_not_become_ready(database: Database) -> None:
    async with database.write() as tx:
        others = [status for status in JobStatus if status is not JobStatus.WORKING]
        made = [(await put(tx, DONE, job=status))[0] for status in others]
        await put(tx, QUEUED)
        await endings.end_free(tx, {QUEUED}, FAILED, at=LATER, why="", problems=[])
        assert [await job_status(tx, job_id) for job_id in made] == others


async def test_only_unfinished_submissions_can_be_ended(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match="not an end"):
            await endings.end_free(tx, {QUEUED}, RENDERING, at=NOW, why="", problems=[])
        with pytest.raises(ValueError, match="not an end"):
            await endings.end_free(tx, {DONE}, FAILED, at=NOW, why="", problems=[])


@pytest.mark.parametrize(("sent", "ended"), [(True, [QUEUED, FAILED]), (False, [FAILED, QUEUED]), (None, [FAILED] * 2)])
async def test_sent_submissions_are_distinguished_from_unsent_ones(
    database: Database, sent: bool | None, ended: list[SubmissionStatus]
) -> None:
    async with database.write() as tx:
        job_id, ids = await put(tx, QUEUED, QUEUED)
        await submissions.move_submission(tx, ids[1], QUEUED, QUEUED, at=NOW, sendings=1, handle={"thread": "x"})
        await endings.end_free(tx, {QUEUED}, FAILED, at=LATER, why="", problems=[], sent=sent, forget_handle=True)
        assert await statuses(tx, job_id) == ended
        (_, second) = await submissions.submissions_of(tx, job_id)
        assert (second.handle is None) == (ended[1] is FAILED)


@pytest.mark.parametrize("status", JobStatus)
async def test_unknown_submissions_with_a_handle_are_reopened(database: Database, status: JobStatus) -> None:
    async with database.write() as tx:
        job_id, ids = await put(tx, UNKNOWN, UNKNOWN, FAILED, DONE, job=status)
        for id_ in (ids[0], ids[2]):
            await tx.execute(update(_SUBMISSIONS).where(_SUBMISSIONS.c.id == id_).values(handle={"thread": "x"}))
        reopened = await endings.reopen(tx, ["aithriving"], at=LATER)
        shown = status in (JobStatus.WORKING, JobStatus.READY, JobStatus.DELIVERED, JobStatus.UNDELIVERED)
        assert reopened == Reopened(*((1, 1, 1) if shown else (0, 0, 2)))
        assert await statuses(tx, job_id) == [RENDERING if shown else UNKNOWN, UNKNOWN, FAILED, DONE]
        assert await job_status(tx, job_id) is (JobStatus.WORKING if shown else status)
        first = (await submissions.submissions_of(tx, job_id))[0]
        assert (first.reopened_at, first.ended_at is None) == (LATER if shown else None, shown)
        if shown:
            last = [event for event in await submissions.events_of(tx, job_id) if event.submission_id == ids[0]][-1]
            assert (last.old_status, last.new_status, last.why) == (UNKNOWN, RENDERING, "reopened")
            assert await endings.reopen(tx, [], at=LATER) == Reopened(0, 0, 1)


async def lacking(tx: AsyncConnection, *others: SubmissionStatus) -> tuple[int, int]:
    """A shown job whose first submission is done and lacks an image. Returns both ids."""
    job_id, (id_, *_) = await put(tx, DONE, *others, job=JobStatus.DELIVERED)
    await add_image(tx, id_)
    stored: dict[str, Any] = {
        "handle": {"thread": "x"},
        "result": {"why": "cdn.lan"},
        "waits_for": "IMAGE_HOSTS",
        "problems": TOLD,
    }
    await submissions.move_submission(tx, id_, DONE, DONE, at=NOW, **stored)
    return job_id, id_


async def test_done_submissions_that_lack_images_are_reopened(database: Database) -> None:
    async with database.write() as tx:
        job_id, _ = await lacking(tx, DONE, FAILED)
        before = (await submissions.submissions_of(tx, job_id))[0]
        assert await endings.reopen(tx, ["other"], at=LATER) == Reopened(0, 0, 0, incomplete=1)
        assert await endings.reopen(tx, ["aithriving"], at=LATER) == Reopened(1, 1, 0)
        assert await statuses(tx, job_id) == [RENDERING, DONE, FAILED]
        assert await job_status(tx, job_id) is JobStatus.WORKING
        after = (await submissions.submissions_of(tx, job_id))[0]
        assert (after.problems, after.result, after.waits_for) == (before.problems, before.result, before.waits_for)
        assert (await reconcile.reconcile(tx)).differences == []


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_was_reopened_for_its_missing_images_ends_as_done(
    database: Database, *, cancelled: bool
) -> None:
    async with database.write() as tx:
        job_id, _ = await lacking(tx)
        await endings.reopen(tx, ["aithriving"], at=LATER)
        if cancelled:
            ended = await endings.end_free(
                tx, ON_THEIR_WAY, UNKNOWN, at=LATER, why="", problems=[], of_job=job_id, forget_handle=True
            )
        else:
            ended = await endings.finish_reopened(tx, at=LATER, why="")
        assert ended == 1
        (submission,) = await submissions.submissions_of(tx, job_id)
        assert (submission.status, submission.problems) == (DONE, TOLD)
        assert (submission.result is None) is cancelled
        assert await job_status(tx, job_id) is JobStatus.READY
        assert (await reconcile.reconcile(tx)).differences == []


async def test_jobs_with_sent_submissions_are_marked_as_resumed(database: Database) -> None:
    async with database.write() as tx:
        marked = {(await put(tx, QUEUED, SUBMITTING))[0], (await put(tx, DONE, RENDERING))[0]}
        await put(tx, QUEUED)
        await put(tx, DONE, job=JobStatus.READY)
        assert await endings.mark_resumed(tx, LATER) == 2
        resumed = {job.id: job.resumed_at for job in await jobs.jobs_with_status(tx, list(JobStatus))}
        assert {id_ for id_, at in resumed.items() if at == LATER} == marked
        assert sum(at is None for at in resumed.values()) == 2
