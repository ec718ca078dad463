"""Retention by age: finished jobs are deleted, unfinished ones stay, and the ledger keeps everything."""

from __future__ import annotations

from storage import images, jobs, ledger, retention, tables, threads
from storage.database import Database
from storage.records import JobStatus
from tests.storage.rows import NOW, SERVER, USER, add_done, add_image, add_job, count

OVER = (JobStatus.DELIVERED, JobStatus.UNDELIVERED, JobStatus.LAPSED, JobStatus.DELETED)


async def test_expired_tokens_are_deleted(database: Database) -> None:
    async with database.write() as tx:
        for status in (JobStatus.LAPSED, JobStatus.WORKING):
            await add_job(tx, status=status, token_expires_at=NOW)
            await add_job(tx, status=status, token_expires_at=NOW + 1)
        assert await retention.erase_tokens(tx, NOW) == 1
        assert await retention.erase_tokens(tx, NOW) == 0
        tokens = {
            status: [job.interaction_token for job in await jobs.jobs_with_status(tx, [status])]
            for status in (JobStatus.LAPSED, JobStatus.WORKING)
        }
        assert tokens[JobStatus.LAPSED] == [None, "a-token"]
        # A clock that is ahead must not delete the only way to show a private result.
        assert tokens[JobStatus.WORKING] == ["a-token", "a-token"]


async def test_jobs_that_ended_long_ago_are_deleted_with_all_their_rows(database: Database) -> None:
    async with database.write() as tx:
        for status in JobStatus:
            job_id = await add_job(tx, status=status)
            await jobs.update_job(tx, job_id, ended_at=NOW - 1)
            id_ = await add_done(tx, job_id, sent_at=NOW - 9, finished_at=NOW - 1)
            await ledger.hold(tx, ledger.Hold(id_, "core", 1), user_id=USER, server_id=SERVER, at=NOW - 9)
            await ledger.capture(tx, id_, amount=1, exact=True, raw_amount=None, at=NOW - 1)
            await add_image(tx, id_, 0)
        fresh = await add_job(tx, status=JobStatus.DELIVERED)
        await jobs.update_job(tx, fresh, ended_at=NOW)
        # Their files still exist.
        assert await retention.delete_jobs(tx, NOW, limit=100) == 0
        await images.forget_files(tx, [image.id for image in await images.old_images(tx, NOW + 1, kept_before=NOW)])
        assert await retention.delete_jobs(tx, NOW, limit=3) == 3
        assert await retention.delete_jobs(tx, NOW, limit=3) == 1
        assert await retention.delete_jobs(tx, NOW, limit=3) == 0
        left = await jobs.jobs_with_status(tx, list(JobStatus))
        assert {job.status for job in left} == {*JobStatus} - {*OVER} | {JobStatus.DELIVERED}
        assert [job.id for job in left if job.status is JobStatus.DELIVERED] == [fresh]
        waiting = len(JobStatus) - len(OVER)
        assert [await count(tx, table) for table in (tables.submissions, tables.images)] == [waiting] * 2
        assert await count(tx, tables.events) == 4 * waiting
        assert await count(tx, tables.ledger) == 3 * len(JobStatus)


async def test_a_title_is_deleted_with_the_job_whose_prompt_it_quotes(database: Database) -> None:
    async with database.write() as tx:
        thread = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="a heliotrope", at=NOW)
        job_id = await add_job(tx, status=JobStatus.DELIVERED, thread_id=thread)
        later = await add_job(tx, status=JobStatus.DELIVERED, thread_id=thread)
        await threads.titled(tx, thread, job_id)
        await jobs.update_job(tx, job_id, ended_at=NOW - 1)
        assert await retention.delete_jobs(tx, NOW, limit=1) == 1
        left = await threads.get_thread(tx, thread, USER)
        assert left is not None
        assert left.title == threads.UNTITLED
        await jobs.update_job(tx, later, ended_at=NOW - 1)
        assert await retention.delete_jobs(tx, NOW, limit=1) == 1
        assert await threads.get_thread(tx, thread, USER) is None, "nothing is left of it"


async def test_a_thread_with_a_title_of_its_own_stays_when_it_is_empty(database: Database) -> None:
    async with database.write() as tx:
        thread = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="foxes", at=NOW)
        job_id = await add_job(tx, status=JobStatus.DELIVERED, thread_id=thread)
        await jobs.update_job(tx, job_id, ended_at=NOW - 1)
        assert await retention.delete_jobs(tx, NOW, limit=1) == 1
        assert await threads.get_thread(tx, thread, USER) is not None


async def test_the_child_of_a_deleted_job_stays(database: Database) -> None:
    async with database.write() as tx:
        parent = await add_job(tx, status=JobStatus.DELIVERED)
        await jobs.update_job(tx, parent, ended_at=NOW - 1)
        child = await add_job(tx, parent_id=parent)
        assert await retention.delete_jobs(tx, NOW, limit=1) == 1
        job = await jobs.get_job(tx, child)
        assert job is not None
        assert job.parent_id is None
