"""Threads: titled groups of a user's jobs in one place, one of them the current thread, with their totals.

A place is a server's id, or 0 for direct messages and user installs. Times are Unix milliseconds (UTC), amounts are
millicredits.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.jobs import folded
from storage.ledger import EntryKind
from storage.records import UNLISTED, UNSHOWN, JobStatus
from storage.settings import upsert

_THREADS = tables.threads.c
_CURRENT = tables.current_threads.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c
_LEDGER = tables.ledger.c

_DIGITS = len(str(tables.INT64_END))

UNTITLED = "Untitled"
"""The title of a thread that was named after a deleted prompt."""

# Built once: building a statement takes longer than running it. An update writes the columns given at execution.
_GET_THREAD = select(tables.threads).where(_THREADS.id == bindparam("thread"), _THREADS.user_id == bindparam("user"))
_HERE = (_CURRENT.user_id == bindparam("user"), _CURRENT.place_id == bindparam("place"))
_CURRENT_THREAD = select(tables.threads).join(tables.current_threads, _CURRENT.thread_id == _THREADS.id).where(*_HERE)
_OTHERS = tables.threads.alias("others")
HAS_OTHERS = exists().where(
    _OTHERS.c.user_id == _THREADS.user_id, _OTHERS.c.place_id == _THREADS.place_id, _OTHERS.c.id != _THREADS.id
)
"""Whether the thread's user has other threads in its place. Otherwise its title distinguishes nothing."""
_TITLES = select(_THREADS.id, _THREADS.title).where(_THREADS.id.in_(bindparam("threads", expanding=True)), HAS_OTHERS)
_ADD_THREAD = insert(tables.threads).returning(_THREADS.id)
_TITLED = update(tables.threads).where(_THREADS.id == bindparam("thread"))
_TOUCH = update(tables.threads).where(_THREADS.id == bindparam("thread"))


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread. `updated_at` is when it was last used, `titled_by` the job whose prompt is its title."""

    id: int
    user_id: int
    place_id: int
    title: str
    created_at: int
    updated_at: int
    titled_by: int | None = None


@dataclass(frozen=True, slots=True)
class ThreadTotals:
    """The number of a thread's existing jobs and images, and the cost of all of its jobs.

    `undelivered` jobs wait in /history. `estimated` is part of `spent`; `held` belongs to unfinished requests.
    """

    jobs: int = 0
    unfinished: int = 0
    undelivered: int = 0
    images: int = 0
    spent: int = 0
    estimated: int = 0
    held: int = 0


async def open_thread(tx: AsyncConnection, *, user_id: int, place_id: int, title: str, at: int) -> int:
    """Open a thread, make it the user's current one in that place, and return its id."""
    row = {"user_id": user_id, "place_id": place_id, "title": title, "created_at": at, "updated_at": at}
    thread_id = int((await tx.execute(_ADD_THREAD, row)).scalar_one())
    await _set_current(tx, user_id, place_id, thread_id)
    return thread_id


async def use_thread(tx: AsyncConnection, *, user_id: int, place_id: int, thread_id: int, at: int) -> bool:
    """Make the thread the user's current one in that place, used at this time.

    False if it is not theirs or is in another place.
    """
    theirs = select(_THREADS.id).where(
        _THREADS.id == thread_id, _THREADS.user_id == user_id, _THREADS.place_id == place_id
    )
    if (await tx.execute(theirs)).first() is None:
        return False
    await _set_current(tx, user_id, place_id, thread_id)
    await touch(tx, thread_id, at)
    return True


async def leave_thread(tx: AsyncConnection, *, user_id: int, place_id: int) -> None:
    """Unset the user's current thread in that place."""
    here = delete(tables.current_threads).where(_CURRENT.user_id == user_id, _CURRENT.place_id == place_id)
    await tx.execute(here)


async def current_thread(conn: AsyncConnection, user_id: int, place_id: int) -> Thread | None:
    """The user's current thread in that place, or None."""
    row = (await conn.execute(_CURRENT_THREAD, {"user": user_id, "place": place_id})).mappings().first()
    return None if row is None else Thread(**row)


async def get_thread(conn: AsyncConnection, thread_id: int, user_id: int) -> Thread | None:
    """The thread with this id, or None if it does not exist or is not the user's."""
    row = (await conn.execute(_GET_THREAD, {"thread": thread_id, "user": user_id})).mappings().first()
    return None if row is None else Thread(**row)


async def named_thread(conn: AsyncConnection, user_id: int, place_id: int, wanted: str) -> Thread | None:
    """The user's thread in that place with this id, or else with this title; None unless exactly one matches.

    An exact title takes precedence over one that differs in accents or letter case.
    """
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= _DIGITS and int(wanted) < tables.INT64_END:
        thread = await get_thread(conn, int(wanted), user_id)
        if thread is not None and thread.place_id == place_id:
            return thread
    title = " ".join(wanted.split())
    rows = (await conn.execute(select(tables.threads).where(*_of(user_id, place_id)))).mappings()
    every = [Thread(**row) for row in rows]
    named = [each for each in every if each.title == title]
    named = named or [each for each in every if folded(each.title) == folded(title)]
    return named[0] if len(named) == 1 else None


async def titles(conn: AsyncConnection, thread_ids: Collection[int]) -> dict[int, str]:
    """The titles of those of the threads whose user has several threads in that place, by id."""
    if not thread_ids:
        return {}
    return {row.id: row.title for row in await conn.execute(_TITLES, {"threads": list(thread_ids)})}


def _of(user_id: int, place_id: int) -> tuple[ColumnElement[bool], ...]:
    return _THREADS.user_id == user_id, _THREADS.place_id == place_id


async def find_threads(conn: AsyncConnection, user_id: int, place_id: int, text: str, limit: int = 25) -> list[Thread]:
    """The user's threads in that place whose title contains the text, most recently used first."""
    statement = (
        select(tables.threads).where(*_of(user_id, place_id)).order_by(_THREADS.updated_at.desc(), _THREADS.id.desc())
    )
    wanted = folded(text)
    if not wanted:
        statement = statement.limit(limit)
    # Compared in Python, because databases differ in letter case beyond ASCII and one person has few rows.
    rows = (await conn.execute(statement)).mappings()
    found = (Thread(**row) for row in rows if wanted in folded(row["title"]))
    return [thread for thread, _ in zip(found, range(limit), strict=False)]


async def threads_of(
    conn: AsyncConnection, user_id: int, place_id: int, *, limit: int, offset: int = 0
) -> list[Thread]:
    """The user's threads in that place, most recently used first."""
    statement = (
        select(tables.threads)
        .where(*_of(user_id, place_id))
        .order_by(_THREADS.updated_at.desc(), _THREADS.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [Thread(**row) for row in (await conn.execute(statement)).mappings()]


async def count_threads(conn: AsyncConnection, user_id: int, place_id: int) -> int:
    """The number of threads that the user has in that place."""
    statement = select(func.count(_THREADS.id)).where(*_of(user_id, place_id))
    return int((await conn.execute(statement)).scalar_one())


async def rename(tx: AsyncConnection, thread_id: int, user_id: int, title: str) -> bool:
    """Change the title of the user's thread; False if they have no such thread."""
    theirs = update(tables.threads).where(_THREADS.id == thread_id, _THREADS.user_id == user_id)
    return int((await tx.execute(theirs.values(title=title, titled_by=None))).rowcount) > 0


async def titled(tx: AsyncConnection, thread_id: int, job_id: int) -> None:
    """Record that the thread is named after the prompt of this job."""
    await tx.execute(_TITLED, {"thread": thread_id, "titled_by": job_id})


async def forget_titles(tx: AsyncConnection, job_ids: Select[tuple[int]] | Collection[int]) -> None:
    """Remove the titles of threads that are named after the prompts of these jobs."""
    theirs = update(tables.threads).where(_THREADS.titled_by.in_(job_ids))
    await tx.execute(theirs.values(title=UNTITLED, titled_by=None))


async def delete_untitled(tx: AsyncConnection, thread_ids: Collection[int]) -> None:
    """Delete those of the threads that have no jobs and were named after a prompt that is deleted."""
    empty = ~exists().where(_JOBS.thread_id == _THREADS.id)
    untitled = and_(_THREADS.title == UNTITLED, _THREADS.titled_by.is_(None))
    await tx.execute(delete(tables.threads).where(_THREADS.id.in_(thread_ids), untitled, empty))


async def touch(tx: AsyncConnection, thread_id: int, at: int) -> None:
    """Record that the thread was used."""
    await tx.execute(_TOUCH, {"thread": thread_id, "updated_at": at})


async def totals(conn: AsyncConnection, thread_ids: Collection[int]) -> dict[int, ThreadTotals]:
    """The totals of each of these threads."""
    mine = _JOBS.thread_id.in_(thread_ids)
    there = _JOBS.status.not_in([status.value for status in UNLISTED])
    unfinished = _JOBS.status.in_([status.value for status in UNSHOWN])
    jobs = (
        select(
            _JOBS.thread_id,
            func.count(case((there, _JOBS.id))),
            func.count(case((unfinished, _JOBS.id))),
            func.count(case((_JOBS.status == JobStatus.UNDELIVERED.value, _JOBS.id))),
        )
        .where(mine)
        .group_by(_JOBS.thread_id)
    )
    images = (
        select(_JOBS.thread_id, func.count(_IMAGES.id))
        .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
        .join(tables.images, _IMAGES.submission_id == _SUBMISSIONS.id)
        .where(mine, there)
        .group_by(_JOBS.thread_id)
    )
    captured = _LEDGER.kind == EntryKind.CAPTURE.value
    estimated = and_(captured, _LEDGER.exact == False)  # noqa: E712 - a column, not a value
    held = _LEDGER.kind.in_((EntryKind.HOLD.value, EntryKind.RELEASE.value))
    money = (
        select(_JOBS.thread_id, *(func.sum(case((of, _LEDGER.amount), else_=0)) for of in (captured, estimated, held)))
        .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
        .join(tables.ledger, _LEDGER.submission_id == _SUBMISSIONS.id)
        .where(mine)
        .group_by(_JOBS.thread_id)
    )
    done = {thread_id: ThreadTotals() for thread_id in thread_ids}
    for thread_id, every, open_ones, undelivered in await conn.execute(jobs):
        done[thread_id] = replace(done[thread_id], jobs=every, unfinished=open_ones, undelivered=undelivered)
    for thread_id, made in await conn.execute(images):
        done[thread_id] = replace(done[thread_id], images=made)
    for thread_id, *amounts in await conn.execute(money):
        spent, guessed, in_flight = map(int, amounts)
        done[thread_id] = replace(done[thread_id], spent=spent, estimated=guessed, held=in_flight)
    return done


async def delete_thread(tx: AsyncConnection, thread_id: int, user_id: int) -> list[str] | None:
    """Delete the user's thread with its jobs and their images; the ledger keeps its entries.

    Returns the names of the files to remove now, or None if they have no such thread. The caller makes sure that none
    of its jobs is unfinished.
    """
    theirs = and_(_THREADS.id == thread_id, _THREADS.user_id == user_id)
    if (await tx.execute(select(_THREADS.id).where(theirs))).first() is None:
        return None
    files = (
        select(_IMAGES.file, _IMAGES.preview)
        .join(tables.submissions, _SUBMISSIONS.id == _IMAGES.submission_id)
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(_JOBS.thread_id == thread_id)
    )
    names = [name for row in await tx.execute(files) for name in row if name is not None]
    await tx.execute(delete(tables.jobs).where(_JOBS.thread_id == thread_id))
    await tx.execute(delete(tables.threads).where(theirs))
    return names


async def _set_current(tx: AsyncConnection, user_id: int, place_id: int, thread_id: int) -> None:
    await upsert(tx, tables.current_threads, {"user_id": user_id, "place_id": place_id}, {"thread_id": thread_id})
