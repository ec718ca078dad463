"""Which jobs were made from which, which unfinished one a message belongs to, and where a private one was shared."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.jobs import move_job
from storage.records import UNSHOWN, DeliveryMethod, Job, JobStatus, ShareState, job_of

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


async def begin_share(tx: AsyncConnection, job_id: int, *, server_id: int, channel_id: int, message_id: int) -> bool:
    """Record that the images are about to be put into this message; False if they were, or may have been, before."""
    begun = (
        update(tables.jobs)
        .where(_JOBS.id == job_id, _JOBS.share_state.is_(None), _JOBS.status != JobStatus.DELETED.value)
        .values(
            share_state=ShareState.POSTING.value,
            share_server_id=server_id,
            share_channel_id=channel_id,
            share_message_id=message_id,
        )
    )
    return int((await tx.execute(begun)).rowcount) > 0


async def finish_share(tx: AsyncConnection, job_id: int, *, message_id: int, at: int) -> Job | None:
    """The images are in that message: what was undelivered is delivered now. Returns the job, None if there is none."""
    of_this = (_JOBS.id == job_id) & (_JOBS.share_message_id == message_id)
    await tx.execute(update(tables.jobs).where(of_this).values(share_state=ShareState.POSTED.value, updated_at=at))
    by = DeliveryMethod.SHARE.value
    await move_job(tx, job_id, JobStatus.UNDELIVERED, JobStatus.DELIVERED, at=at, delivered_by=by, attempting=None)
    row = (await tx.execute(select(tables.jobs).where(_JOBS.id == job_id))).mappings().first()
    return None if row is None else job_of(row)


async def undo_share(tx: AsyncConnection, job_id: int, *, message_id: int) -> None:
    """The images are surely not in that message, so it can be shared anew."""
    of_this = (_JOBS.id == job_id) & (_JOBS.share_message_id == message_id)
    nothing = dict.fromkeys(("share_state", "share_server_id", "share_channel_id", "share_message_id"))
    await tx.execute(update(tables.jobs).where(of_this).values(nothing))
