"""The lineage of jobs: from which job or picture each one was made, and what was made from it.

A job was made from the job whose image it started from, or else from the job that it repeats or edits. A repetition
starts from the same picture or image as the repeated job, and was made from that job.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import JobStatus

_JOBS = tables.jobs.c
_SOURCES = tables.sources.c
_PARENTS = tables.jobs.alias("parents")
_THEIRS = tables.sources.alias("theirs")


class Made(NamedTuple):
    """What a job was made from.

    ``parent`` is the job, or None. ``source_id`` is the picture that the job started from, and ``image_id`` is the
    image that this picture is a copy of; both may be None.
    """

    job_id: int
    parent: int | None
    source_id: int | None
    image_id: int | None


# Built once: building a statement takes longer than running it.
_PARENT: ColumnElement[Any] = case(
    (_PARENTS.c.source_id == _JOBS.source_id, _JOBS.parent_id),
    # Another person's record of the same image.
    (_THEIRS.c.image_id == _SOURCES.image_id, _JOBS.parent_id),
    else_=func.coalesce(_SOURCES.job_id, _JOBS.parent_id),
)
_MADE: Select[Any] = (
    select(_JOBS.id, _PARENT, _JOBS.source_id, _SOURCES.image_id)
    .select_from(tables.jobs)
    .outerjoin(tables.sources, _SOURCES.id == _JOBS.source_id)
    .outerjoin(_PARENTS, _PARENTS.c.id == _JOBS.parent_id)
    .outerjoin(_THEIRS, _THEIRS.c.id == _PARENTS.c.source_id)
    .order_by(_JOBS.id)
)


async def ancestors(conn: AsyncConnection, job_id: int, *, limit: int) -> list[Made]:
    """Return the job after its ancestors, the first one first; at most ``limit`` of them, the nearest ones."""
    line: dict[int, Made] = {}
    wanted: int | None = job_id
    while wanted is not None and wanted not in line and len(line) <= limit:
        row = (await conn.execute(_MADE.where(_JOBS.id == wanted))).first()
        if row is None:
            break
        line[wanted] = made = Made(*row)
        wanted = made.parent
    return list(line.values())[::-1]


async def parent(conn: AsyncConnection, job_id: int) -> int | None:
    """Return the job that this one was made from, or None."""
    row = (await conn.execute(_MADE.where(_JOBS.id == job_id))).first()
    return None if row is None else Made(*row).parent


async def children(conn: AsyncConnection, job_id: int) -> list[int]:
    """Return the ids of the existing jobs that were made from this one, oldest first."""
    there = _JOBS.status != JobStatus.DELETED.value
    rows = await conn.execute(_made_from({job_id}).where(there))
    return [Made(*row).job_id for row in rows]


async def descendants(conn: AsyncConnection, job_id: int, *, limit: int) -> list[Made]:
    """Return what was made from the job, generation by generation, each oldest first; at most ``limit`` jobs."""
    every: list[Made] = []
    seen = {job_id}
    generation = {job_id}
    while generation and len(every) < limit:
        found = await _children(conn, generation, limit - len(every))
        every += (made for made in found if made.job_id not in seen)
        generation = {made.job_id for made in found} - seen
        seen |= generation
    return every


async def _children(conn: AsyncConnection, parents: Collection[int], limit: int) -> list[Made]:
    return [Made(*row) for row in await conn.execute(_made_from(parents).limit(limit))]


def _made_from(parents: Collection[int]) -> Select[Any]:
    candidates = union(
        select(_JOBS.id).where(_JOBS.parent_id.in_(parents)),
        select(_JOBS.id).join(tables.sources, _SOURCES.id == _JOBS.source_id).where(_SOURCES.job_id.in_(parents)),
    )
    return _MADE.where(_JOBS.id.in_(candidates), _PARENT.in_(parents))
