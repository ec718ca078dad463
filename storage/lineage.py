"""Which jobs were made from which, and which unfinished one a message belongs to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import UNSHOWN, JobStatus

_JOBS = tables.jobs.c


async def children(conn: AsyncConnection, job_id: int) -> list[int]:
    """The ids of the jobs that were made from this one and are still there, oldest first."""
    there = _JOBS.status != JobStatus.DELETED.value
    statement = select(_JOBS.id).where(_JOBS.parent_id == job_id, there).order_by(_JOBS.id)
    return list((await conn.execute(statement)).scalars())


async def unfinished_of_message(conn: AsyncConnection, message_id: int) -> int | None:
    """The id of the job whose card this message is, if that is not finished."""
    unfinished = _JOBS.status.in_([status.value for status in UNSHOWN])
    statement = select(_JOBS.id).where(unfinished, _JOBS.message_id == message_id).limit(1)
    found: int | None = (await conn.execute(statement)).scalar_one_or_none()
    return found
