"""Finished jobs, for tests of code that learns from them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.requests import encode_request
from bot.providers.base import ImageRequest
from storage import jobs as rows
from storage import submissions
from storage.database import Database
from storage.records import JobStatus, SubmissionStatus


async def done(database: Database, request: ImageRequest, took: Sequence[int]) -> None:
    """Store finished submissions of this request with these durations in milliseconds, oldest first."""
    async with database.write() as tx:
        job_id = await rows.add_job(
            tx,
            rows.NewJob(
                user_id=1,
                server_id=None,
                status=JobStatus.DELIVERED,
                options={},
                channel_id=1,
                file_limit=1,
                created_at=1,
            ),
        )
        for position, milliseconds in enumerate(took):
            asked = submissions.Asked(request.engine, request.engine.partition("/")[0], encode_request(request))
            (submission_id,) = await submissions.add_submissions(tx, job_id, [asked], user_id=1, at=1, first=position)
            at = 1_000_000 * (position + 1)
            moved = await submissions.move_submission(
                tx,
                submission_id,
                SubmissionStatus.QUEUED,
                SubmissionStatus.DONE,
                at=at,
                why="a test",
                sent_at=at,
                finished_at=at + milliseconds,
            )
            assert moved
