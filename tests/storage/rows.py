"""Rows for tests. A test sets only the values that it depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select

from storage import images, jobs, sources, submissions
from storage.database import AsyncConnection
from storage.records import JobStatus, SourceKind, SubmissionStatus

USER, SERVER, CHANNEL = 80351110224678912, 81384788765712384, 381870553235193857
NOW = 1_767_225_600_000


def address(path: Path) -> str:
    """The address of the database in this file."""
    return f"sqlite+aiosqlite:///{path}"


async def add_job(tx: AsyncConnection, **said: Any) -> int:
    """Add a job that works for USER in SERVER."""
    values: dict[str, Any] = {
        "thread_id": None,
        "parent_id": None,
        "user_id": USER,
        "server_id": SERVER,
        "status": JobStatus.WORKING,
        "options": {"prompt": "a lighthouse on a cliff"},
        "private": False,
        "spoiler": False,
        "channel_id": CHANNEL,
        "message_id": None,
        "interaction_token": "a-token",
        "token_expires_at": NOW + 900_000,
        "bot_present": True,
        "file_limit": 10_485_760,
        "at": NOW,
    } | said
    return await jobs.add_job(tx, jobs.NewJob(created_at=values.pop("at"), **values))


async def add_submission(tx: AsyncConnection, job_id: int, **said: Any) -> int:
    """Add a queued submission of the job."""
    one: dict[str, Any] = {
        "engine": "aithriving/core",
        "provider": "aithriving",
        "request": {"prompt": "a lighthouse on a cliff"},
        "position": 0,
        "user_id": USER,
        "at": NOW,
    } | said
    asked = submissions.Asked(one.pop("engine"), one.pop("provider"), one.pop("request"))
    (id_,) = await submissions.add_submissions(tx, job_id, [asked], first=one.pop("position"), **one)
    return id_


async def add_done(tx: AsyncConnection, job_id: int, *, sent_at: int, finished_at: int, **said: Any) -> int:
    """Add a submission of the job that has succeeded."""
    submission_id = await add_submission(tx, job_id, **said)
    steps: tuple[tuple[SubmissionStatus, SubmissionStatus, dict[str, int]], ...] = (
        (SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, {"sent_at": sent_at}),
        (SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING, {}),
        (SubmissionStatus.RENDERING, SubmissionStatus.DONE, {"finished_at": finished_at}),
    )
    for old, new, columns in steps:
        assert await submissions.move_submission(tx, submission_id, old, new, at=finished_at, why="a test", **columns)
    return submission_id


async def add_image(tx: AsyncConnection, submission_id: int, position: int = 0, **said: Any) -> int:
    """Add an image of the submission."""
    values: dict[str, Any] = {
        "file": f"{submission_id}-{position}.png",
        "media_type": "image/png",
        "width": 1024,
        "height": 768,
        "bytes": 1_500_000,
        "seed": None,
        "filtered": False,
        "at": NOW,
    } | said
    at = values.pop("at")
    (id_,) = await images.add_images(tx, submission_id, [images.NewImage(position=position, **values)], at=at)
    return id_


async def add_source(tx: AsyncConnection, name: str = "s1.jpg", **said: Any) -> int:
    """Add a picture that USER attached."""
    values: dict[str, Any] = {
        "user_id": USER,
        "kind": SourceKind.ATTACHED,
        "file": name,
        "media_type": "image/jpeg",
        "width": 4000,
        "height": 3000,
        "bytes": 2_000_000,
        "digest": f"the digest of {name}",
        "created_at": NOW,
    } | said
    return await sources.add(tx, sources.NewSource(**values))


async def count(conn: AsyncConnection, table: Table) -> int:
    """The number of rows in the table."""
    return int((await conn.execute(select(func.count()).select_from(table))).scalar_one())
