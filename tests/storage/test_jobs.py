"""Jobs and submissions: stored values are read back, and a status changes only once."""

from __future__ import annotations

import asyncio
from dataclasses import fields

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from storage import images as image_rows
from storage import jobs, submissions, tables
from storage.database import Database
from storage.records import ENDED, DeliveryMethod, Event, Job, JobStatus, StoredImage, Submission, SubmissionStatus
from tests.storage.rows import CHANNEL, NOW, USER, add_done, add_image, add_job, add_submission, count

QUEUED, SUBMITTING, RENDERING = SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING
DONE, FAILED = SubmissionStatus.DONE, SubmissionStatus.FAILED


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (Job, tables.jobs),
        (Submission, tables.submissions),
        (StoredImage, tables.images),
        (Event, tables.events),
    ],
)
def test_a_record_has_one_field_for_each_column(record: type, table: object) -> None:
    assert isinstance(table, type(tables.jobs))
    assert [field.name for field in fields(record)] == [column.name for column in table.columns]


async def test_a_job_is_read_back_as_it_was_written(database: Database) -> None:
    options = {"prompt": "ein Leuchtturm, 灯台 🗼", "seed": 4_294_967_295, "size": None, "images": 2}
    async with database.write() as tx:
        first = await add_job(tx)
        second = await add_job(tx, parent_id=first, options=options, private=True, server_id=None, bot_present=False)
    async with database.read() as conn:
        job = await jobs.get_job(conn, second)
        assert job is not None
        assert (job.id, job.parent_id, job.status, job.options) == (second, first, JobStatus.WORKING, options)
        assert (job.private, job.spoiler, job.bot_present) == (True, False, False)
        assert (job.user_id, job.server_id, job.channel_id) == (USER, None, CHANNEL)
        assert (job.created_at, job.updated_at, job.ended_at, job.delivered_at) == (NOW, NOW, None, None)
        assert await jobs.get_job(conn, second + 1) is None


async def test_the_repr_of_a_record_does_not_show_its_token(database: Database) -> None:
    async with database.write() as tx:
        job = await jobs.get_job(tx, await add_job(tx, interaction_token="a-secret-token"))
    assert job is not None
    assert job.interaction_token == "a-secret-token"
    assert "a-secret-token" not in f"{job} {job!r}"


async def test_a_submission_is_read_back_with_its_first_event(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        second = await add_submission(tx, job_id, position=1, at=NOW + 1)
        first = await add_submission(tx, job_id, request={"prompt": "ein Leuchtturm"})
    async with database.read() as conn:
        one, two = await submissions.submissions_of(conn, job_id)
        assert (one.id, two.id) == (first, second)
        assert (one.status, one.request, one.handle, one.attempts) == (QUEUED, {"prompt": "ein Leuchtturm"}, None, 0)
        events = [
            (event.submission_id, event.old_status, event.new_status, event.at)
            for event in await submissions.events_of(conn, job_id)
        ]
        assert events == [(second, None, QUEUED, NOW + 1), (first, None, QUEUED, NOW)]


async def test_a_job_has_no_two_submissions_at_one_position(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        await add_submission(tx, job_id)
    with pytest.raises(IntegrityError):
        async with database.write() as tx:
            await add_submission(tx, job_id)


async def test_each_step_of_a_submission_adds_an_event(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
    async with database.write() as tx:
        assert await submissions.move_submission(
            tx, id_, QUEUED, SUBMITTING, at=NOW + 1, why="claimed", sent_at=NOW + 1, handle={"guid": "x"}, attempts=1
        )
        assert await submissions.move_submission(
            tx, id_, SUBMITTING, QUEUED, at=NOW + 2, why="429", next_attempt_at=NOW + 9
        )
        assert await submissions.move_submission(
            tx, id_, QUEUED, FAILED, at=NOW + 3, why="too old", problems=[{"code": "told", "values": {}}]
        )
    async with database.read() as conn:
        (submission,) = await submissions.submissions_of(conn, job_id)
        assert (submission.status, submission.handle, submission.attempts) == (FAILED, {"guid": "x"}, 1)
        assert (submission.updated_at, submission.ended_at) == (NOW + 3, NOW + 3)
        assert submission.problems == [{"code": "told", "values": {}}]
        assert [
            (event.old_status, event.new_status, event.at, event.why)
            for event in await submissions.events_of(conn, job_id)
        ][1:] == [
            (QUEUED, SUBMITTING, NOW + 1, "claimed"),
            (SUBMITTING, QUEUED, NOW + 2, "429"),
            (QUEUED, FAILED, NOW + 3, "too old"),
        ]


async def test_a_step_from_the_wrong_status_changes_nothing(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        before = await submissions.submissions_of(tx, job_id)
        assert not await submissions.move_submission(tx, id_, RENDERING, DONE, at=NOW + 1, why="finished", attempts=7)
        assert not await submissions.move_submission(tx, id_ + 1, QUEUED, SUBMITTING, at=NOW + 1, why="claimed")
        assert await submissions.submissions_of(tx, job_id) == before
        assert await count(tx, tables.events) == 1


async def test_one_of_many_concurrent_claims_gets_the_submission(database: Database, url: str) -> None:
    other = await Database.open(url)
    async with database.write() as tx:
        id_ = await add_submission(tx, await add_job(tx))

    async def claim(through: Database) -> bool:
        async with through.write() as tx:
            return await submissions.move_submission(tx, id_, QUEUED, SUBMITTING, at=NOW, why="claimed")

    claims = await asyncio.gather(*(claim(through) for _ in range(20) for through in (database, other)))
    assert sum(claims) == 1
    async with database.read() as conn:
        assert await count(conn, tables.events) == 2
    await other.close()


async def test_columns_can_be_set_under_the_guard_without_a_step(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        assert await submissions.move_submission(tx, id_, QUEUED, QUEUED, at=NOW + 5, handle={"guid": "prepared"})
        assert not await submissions.move_submission(tx, id_, SUBMITTING, SUBMITTING, at=NOW + 6, handle=None)
        (submission,) = await submissions.submissions_of(tx, job_id)
        assert (submission.handle, submission.updated_at, submission.ended_at) == ({"guid": "prepared"}, NOW + 5, None)
        assert await count(tx, tables.events) == 1


@pytest.mark.parametrize("end", sorted(ENDED))
async def test_an_ended_submission_cannot_change(database: Database, end: SubmissionStatus) -> None:
    async with database.write() as tx:
        id_ = await add_submission(tx, await add_job(tx))
        assert await submissions.move_submission(tx, id_, QUEUED, end, at=NOW, why="a test")
        with pytest.raises(ValueError, match="is an end"):
            await submissions.move_submission(tx, id_, end, QUEUED, at=NOW, why="once more")


async def test_a_guard_cannot_be_bypassed(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        with pytest.raises(ValueError, match="status"):
            await jobs.update_job(tx, job_id, status="delivered")  # type: ignore[call-arg]  # refused by the types, and at run time
        with pytest.raises(ValueError, match="job_id"):
            await submissions.move_submission(tx, id_, QUEUED, FAILED, at=NOW, why="", job_id=7)
        with pytest.raises(ValueError, match="delivery_methods"):
            await jobs.update_job(tx, job_id, delivery_methods="misspelt")  # type: ignore[call-arg]  # the same


async def test_a_job_moves_from_any_of_the_given_statuses(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        assert not await jobs.move_job(tx, job_id, JobStatus.READY, JobStatus.DELIVERED, at=NOW + 1)
        assert await jobs.move_job(tx, job_id, JobStatus.WORKING, JobStatus.READY, at=NOW + 2)
        job = await jobs.get_job(tx, job_id)
        assert job is not None
        assert (job.status, job.ended_at, job.interaction_token) == (JobStatus.READY, NOW + 2, "a-token")
        either = (JobStatus.READY, JobStatus.UNDELIVERED)
        assert await jobs.move_job(
            tx, job_id, either, JobStatus.DELIVERED, at=NOW + 3, delivered_by=DeliveryMethod.TOKEN
        )
        assert not await jobs.move_job(tx, job_id, either, JobStatus.DELIVERED, at=NOW + 4)
        job = await jobs.get_job(tx, job_id)
        assert job is not None
        assert (job.status, job.ended_at, job.delivered_at) == (JobStatus.DELIVERED, NOW + 2, NOW + 3)
        assert (job.interaction_token, job.delivered_by) == (None, DeliveryMethod.TOKEN)


async def test_the_queue_returns_due_submissions_oldest_first(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        late = await add_submission(tx, job_id, position=0, at=NOW + 50)
        early = await add_submission(tx, job_id, position=1, at=NOW + 10)
        twin = await add_submission(tx, job_id, position=2, at=NOW + 10)
        waits = await add_submission(tx, job_id, position=3, at=NOW)
        sent = await add_submission(tx, job_id, position=4, at=NOW)
        await submissions.move_submission(tx, waits, QUEUED, QUEUED, at=NOW, why="", next_attempt_at=NOW + 1000)
        await submissions.move_submission(tx, sent, QUEUED, SUBMITTING, at=NOW, why="claimed")
    async with database.read() as conn:
        assert [one.id for one in await submissions.queued(conn, due=(), limit=10)] == [early, twin, late]
        assert [one.id for one in await submissions.queued(conn, due=[waits, sent], limit=2)] == [waits, early]
        assert await submissions.next_attempts(conn) == {waits: NOW + 1000}
        assert [one.id for one in await submissions.queued(conn, due=(), limit=2)] == [early, twin], (
            "of one person and provider"
        )
        both = await submissions.with_status(conn, (QUEUED, SUBMITTING))
        assert [one.id for one in both] == [waits, sent, early, twin, late]
        assert [one.id for one in await submissions.with_status(conn, (QUEUED, SUBMITTING), limit=2)] == [waits, sent]


async def test_running_jobs_are_the_users_working_ones(database: Database) -> None:
    async with database.write() as tx:
        for status in JobStatus:
            await add_job(tx, status=status)
        await add_job(tx, user_id=USER + 1)
        later = await add_job(tx)
        assert await jobs.count_running(tx, USER) == 2
        assert await jobs.count_running(tx, USER + 2) == 0
        listed = await jobs.running_jobs(tx, USER, limit=9)
        assert {job.status for job in listed} == {JobStatus.WORKING}
        assert [job.id for job in listed][1:] == [later]
        assert len(await jobs.running_jobs(tx, USER, limit=1)) == 1
        assert await jobs.running_jobs(tx, USER, server_id=1, limit=9) == []
        assert [job.status for job in await jobs.proposed_by(tx, USER)] == [JobStatus.PROPOSED]
        ready = await jobs.jobs_with_status(tx, (JobStatus.READY, JobStatus.UNDELIVERED))
        assert [job.status for job in ready] == [JobStatus.READY, JobStatus.UNDELIVERED]


async def test_durations_come_from_the_latest_done_submissions_of_the_engine(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        for position, took in enumerate((7000, 8000, 9000)):
            finished = NOW + 60_000 * position
            await add_done(tx, job_id, position=position, sent_at=finished - took, finished_at=finished)
        await add_done(tx, job_id, position=3, engine="another", sent_at=NOW, finished_at=NOW + 99_000)
        await add_done(tx, job_id, position=5, sent_at=NOW, finished_at=NOW - 120_000)
        failed = await add_submission(tx, job_id, position=4)
        await submissions.move_submission(
            tx, failed, QUEUED, FAILED, at=NOW, why="a test", sent_at=NOW, finished_at=NOW + 999_000
        )
    async with database.read() as conn:
        latest = await submissions.durations(conn, "aithriving/core")
        assert [each.milliseconds for each in latest] == [9000, 8000, 7000]
        assert [each.milliseconds for each in await submissions.durations(conn, "aithriving/core", limit=2)] == [
            9000,
            8000,
        ]
        assert await submissions.durations(conn, "unheard-of") == []
        assert latest[0].request == (await submissions.submissions_of(conn, job_id))[2].request


async def test_an_id_is_never_reused(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        await tx.execute(delete(tables.jobs))
        assert await count(tx, tables.submissions) == 0
        assert await count(tx, tables.events) == 0
        again = await add_job(tx)
        assert again > job_id
        assert await add_submission(tx, again) > id_


async def test_large_integers_are_stored_exactly(database: Database) -> None:
    big = 2**63 - 1
    async with database.write() as tx:
        job = await jobs.get_job(tx, await add_job(tx, user_id=big, server_id=big - 1, message_id=big - 2))
    assert job is not None
    assert (job.user_id, job.server_id, job.message_id) == (big, big - 1, big - 2)


async def test_images_come_in_the_order_of_the_card(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        second = await add_submission(tx, job_id, position=1)
        first = await add_submission(tx, job_id, position=0)
        for id_, position in ((second, 0), (first, 1), (first, 0)):
            await add_image(tx, id_, position, seed=4_294_967_295, filtered=id_ == second)
    async with database.read() as conn:
        images = await image_rows.images_of(conn, job_id)
        assert [(image.submission_id, image.position) for image in images] == [(first, 0), (first, 1), (second, 0)]
        assert [image.filtered for image in images] == [False, False, True]
        assert images[0].seed == 4_294_967_295
        assert await image_rows.images_of(conn, job_id + 1) == []


async def test_only_old_images_that_were_shown_are_deleted(database: Database) -> None:
    async with database.write() as tx:
        for status in JobStatus:
            id_ = await add_submission(tx, await add_job(tx, status=status))
            await add_image(tx, id_, 0, file=f"{status.value}-old.png", at=NOW)
            await add_image(tx, id_, 1, file=f"{status.value}-new.png", at=NOW + 1)
    async with database.write() as tx:
        old = await image_rows.old_images(tx, NOW + 1, kept_before=NOW)
        gone = {"delivered-old.png", "lapsed-old.png", "deleted-old.png"}
        assert {image.file for image in old} == gone
        everything = await image_rows.image_files(tx)
        await image_rows.forget_files(tx, [image.id for image in old])
        assert await image_rows.old_images(tx, NOW + 1, kept_before=NOW) == []
        (kept,) = await jobs.jobs_with_status(tx, [JobStatus.UNDELIVERED])
        await jobs.update_job(tx, kept.id, ended_at=NOW)
        assert await image_rows.old_images(tx, NOW + 1, kept_before=NOW) == []
        later = await image_rows.old_images(tx, NOW + 1, kept_before=NOW + 1)
        assert [image.file for image in later] == ["undelivered-old.png"]
        assert await jobs.move_job(tx, kept.id, JobStatus.UNDELIVERED, JobStatus.DELIVERED, at=NOW + 5)
        for later_by, shown_long_ago in ((5, False), (6, True)):
            old = await image_rows.old_images(tx, NOW + later_by, kept_before=NOW + later_by)
            assert any(image.file == "undelivered-old.png" for image in old) is shown_long_ago
        assert await image_rows.image_files(tx) == everything - gone
        assert await count(tx, tables.images) == len(everything)
