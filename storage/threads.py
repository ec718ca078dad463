"""Threads: a user's titled lines of work in a place, one of them the current one.

A place is a server's id, or 0 for direct messages and user installs. Times are Unix milliseconds (UTC).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.searching import folded
from storage.settings import upsert

_THREADS = tables.threads.c
_CURRENT = tables.current_threads.c

_DIGITS = len(str(tables.INT64_END))

UNTITLED = "Untitled"
"""What a thread is called whose title came from a prompt that was deleted."""

# Made once: to put a statement together takes longer than to carry it out. The columns to be written are those that are
# given with it.
_GET_THREAD = select(tables.threads).where(_THREADS.id == bindparam("thread"), _THREADS.user_id == bindparam("user"))
_HERE = (_CURRENT.user_id == bindparam("user"), _CURRENT.place_id == bindparam("place"))
_CURRENT_THREAD = select(tables.threads).join(tables.current_threads, _CURRENT.thread_id == _THREADS.id).where(*_HERE)
_TITLES = select(_THREADS.id, _THREADS.title).where(_THREADS.id.in_(bindparam("threads", expanding=True)))
_ADD_THREAD = insert(tables.threads).returning(_THREADS.id)
_TITLED = update(tables.threads).where(_THREADS.id == bindparam("thread"))
_TOUCH = update(tables.threads).where(_THREADS.id == bindparam("thread"))


@dataclass(frozen=True, slots=True)
class Thread:
    """A line of work; `updated_at` is when it was last worked on, `titled_by` the job whose prompt named it."""

    id: int
    user_id: int
    place_id: int
    title: str
    created_at: int
    updated_at: int
    titled_by: int | None = None


async def open_thread(tx: AsyncConnection, *, user_id: int, place_id: int, title: str, at: int) -> int:
    """Open a thread, make it the user's current one in that place, and return its id."""
    row = {"user_id": user_id, "place_id": place_id, "title": title, "created_at": at, "updated_at": at}
    thread_id = int((await tx.execute(_ADD_THREAD, row)).scalar_one())
    await _set_current(tx, user_id, place_id, thread_id)
    return thread_id


async def use_thread(tx: AsyncConnection, *, user_id: int, place_id: int, thread_id: int) -> bool:
    """Make the thread the user's current one in that place; False if it is not theirs or of another place."""
    theirs = select(_THREADS.id).where(
        _THREADS.id == thread_id, _THREADS.user_id == user_id, _THREADS.place_id == place_id
    )
    if (await tx.execute(theirs)).first() is None:
        return False
    await _set_current(tx, user_id, place_id, thread_id)
    return True


async def leave_thread(tx: AsyncConnection, *, user_id: int, place_id: int) -> None:
    """From now on the user has no current thread in that place."""
    here = delete(tables.current_threads).where(_CURRENT.user_id == user_id, _CURRENT.place_id == place_id)
    await tx.execute(here)


async def current_thread(conn: AsyncConnection, user_id: int, place_id: int) -> Thread | None:
    """The user's current thread in that place, if there is one."""
    row = (await conn.execute(_CURRENT_THREAD, {"user": user_id, "place": place_id})).mappings().first()
    return None if row is None else Thread(**row)


async def get_thread(conn: AsyncConnection, thread_id: int, user_id: int) -> Thread | None:
    """The thread, if there is one of this id and it is the user's."""
    row = (await conn.execute(_GET_THREAD, {"thread": thread_id, "user": user_id})).mappings().first()
    return None if row is None else Thread(**row)


async def named_thread(conn: AsyncConnection, user_id: int, place_id: int, wanted: str) -> Thread | None:
    """The user's thread in that place of this id, or else of this title; None if there is not just one.

    The very title counts more than one that differs in accents or letter case.
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
    """The titles of the threads by their ids."""
    if not thread_ids:
        return {}
    return {row.id: row.title for row in await conn.execute(_TITLES, {"threads": list(thread_ids)})}


def _of(user_id: int, place_id: int) -> tuple[ColumnElement[bool], ...]:
    return _THREADS.user_id == user_id, _THREADS.place_id == place_id


async def find_threads(conn: AsyncConnection, user_id: int, place_id: int, text: str, limit: int = 25) -> list[Thread]:
    """The user's threads in that place whose title holds the text in any form, last worked on first."""
    statement = (
        select(tables.threads)
        .where(_THREADS.user_id == user_id, _THREADS.place_id == place_id)
        .order_by(_THREADS.updated_at.desc(), _THREADS.id.desc())
    )
    wanted = folded(text)
    if not wanted:
        statement = statement.limit(limit)
    # Compared here: databases do not agree on letter case beyond ASCII, and these are one person's rows only.
    rows = (await conn.execute(statement)).mappings()
    found = (Thread(**row) for row in rows if wanted in folded(row["title"]))
    return [thread for thread, _ in zip(found, range(limit), strict=False)]


async def threads_of(
    conn: AsyncConnection, user_id: int, place_id: int, *, limit: int, offset: int = 0
) -> list[Thread]:
    """The user's threads in that place, last worked on first."""
    statement = (
        select(tables.threads)
        .where(_THREADS.user_id == user_id, _THREADS.place_id == place_id)
        .order_by(_THREADS.updated_at.desc(), _THREADS.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [Thread(**row) for row in (await conn.execute(statement)).mappings()]


async def count_threads(conn: AsyncConnection, user_id: int, place_id: int) -> int:
    """How many threads the user has in that place."""
    statement = select(func.count(_THREADS.id)).where(_THREADS.user_id == user_id, _THREADS.place_id == place_id)
    return int((await conn.execute(statement)).scalar_one())


async def rename(tx: AsyncConnection, thread_id: int, user_id: int, title: str) -> bool:
    """Give the user's thread another title; False if they have no such thread."""
    theirs = update(tables.threads).where(_THREADS.id == thread_id, _THREADS.user_id == user_id)
    return int((await tx.execute(theirs.values(title=title, titled_by=None))).rowcount) > 0


async def titled(tx: AsyncConnection, thread_id: int, job_id: int) -> None:
    """Record that the thread has its title from the prompt of this job."""
    await tx.execute(_TITLED, {"thread": thread_id, "titled_by": job_id})


async def forget_titles(tx: AsyncConnection, job_ids: Select[tuple[int]] | Collection[int]) -> None:
    """Take the titles away that came from the prompts of these jobs."""
    theirs = update(tables.threads).where(_THREADS.titled_by.in_(job_ids))
    await tx.execute(theirs.values(title=UNTITLED, titled_by=None))


async def touch(tx: AsyncConnection, thread_id: int, at: int) -> None:
    """Record that the thread was worked on."""
    await tx.execute(_TOUCH, {"thread": thread_id, "updated_at": at})


async def _set_current(tx: AsyncConnection, user_id: int, place_id: int, thread_id: int) -> None:
    await upsert(tx, tables.current_threads, {"user_id": user_id, "place_id": place_id}, {"thread_id": thread_id})
