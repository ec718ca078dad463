"""The notifications of authors about long jobs. Each is sent at most once: it is recorded before it is sent.

`at` and every other time is in Unix milliseconds (UTC).
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import Job, JobStatus, NotificationState, job_of

_JOBS = tables.jobs.c
_DUE = _JOBS.notification == NotificationState.DUE.value


async def due(conn: AsyncConnection) -> list[Job]:
    """Return the jobs whose authors are still to be notified, oldest first."""
    rows = (await conn.execute(select(tables.jobs).where(_DUE).order_by(_JOBS.id))).mappings()
    return [job_of(row) for row in rows]


async def move_notification(
    tx: AsyncConnection, job_id: int, old: NotificationState, new: NotificationState | None
) -> bool:
    """Move the notification of a delivered job from `old` to `new`. False if it is not in `old`, or the job is gone."""
    its = (_JOBS.id == job_id) & (_JOBS.notification == old.value) & (_JOBS.status == JobStatus.DELIVERED.value)
    moved = await tx.execute(update(tables.jobs).where(its).values(notification=None if new is None else new.value))
    return int(moved.rowcount) > 0


async def drop_due(tx: AsyncConnection, *, before: int | None = None) -> int:
    """Drop the notifications that are due, or only those for jobs delivered before `before`. Returns their number."""
    wanted = _DUE
    if before is not None:
        wanted &= (_JOBS.delivered_at < before) | (_JOBS.status != JobStatus.DELIVERED.value)
    return int((await tx.execute(update(tables.jobs).where(wanted).values(notification=None))).rowcount)


async def record_message(tx: AsyncConnection, job_id: int, *, channel_id: int, message_id: int) -> bool:
    """Record the message that was sent. False if the job was deleted meanwhile."""
    its = (_JOBS.id == job_id) & (_JOBS.status == JobStatus.DELIVERED.value)
    message = {"notification_channel_id": channel_id, "notification_message_id": message_id}
    return int((await tx.execute(update(tables.jobs).where(its).values(message))).rowcount) > 0
