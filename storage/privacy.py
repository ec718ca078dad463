"""All that is stored on a person: to be handed to them, or deleted.

Amounts stay in the ledger when a person has everything deleted: under their id for a while, then under a number that
is nobody's. Times are Unix milliseconds (UTC).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, Text, delete, func, insert, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import settings, tables
from storage.records import JobStatus
from storage.settings import Subject

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c
_EVENTS = tables.events.c
_LEDGER = tables.ledger.c
_DEPARTURES = tables.departures.c

_RUNNING = (JobStatus.WORKING.value, JobStatus.READY.value)
_COMPACT_DUE = "compact due"
# Whoever holds it can speak in the bot's name for a while: it is ours and says nothing about the person.
_CREDENTIALS = frozenset({_JOBS.interaction_token})


@dataclass(frozen=True, slots=True)
class Belongings:
    """How much is stored on a person. `running` jobs are those that are worked on or about to be shown."""

    jobs: int
    running: int
    images: int
    threads: int
    has_settings: bool

    @property
    def anything(self) -> bool:
        return bool(self.jobs or self.images or self.threads or self.has_settings)


async def belongings(conn: AsyncConnection, user_id: int) -> Belongings:
    """How much there is of this person."""

    async def count(statement: Select[Any]) -> int:
        return int((await conn.execute(select(func.count()).select_from(statement.subquery()))).scalar_one())

    theirs = select(_JOBS.id).where(_JOBS.user_id == user_id)
    return Belongings(
        jobs=await count(theirs),
        running=await count(theirs.where(_JOBS.status.in_(_RUNNING))),
        images=await count(_images_of(user_id).where(or_(_IMAGES.file.is_not(None), _IMAGES.preview.is_not(None)))),
        threads=await count(select(tables.threads.c.id).where(tables.threads.c.user_id == user_id)),
        has_settings=await count(select(tables.user_settings).where(tables.user_settings.c.user_id == user_id)) > 0,
    )


async def everything(conn: AsyncConnection, user_id: int) -> dict[str, list[dict[str, Any]]]:
    """Every row on this person, by table: those that name them, and the parts of their jobs. Oldest first."""
    found = {}
    for table in tables.metadata.sorted_tables:
        if "user_id" in table.c:
            found[table.name] = await _rows(conn, table, select(*_shown(table)).where(table.c.user_id == user_id))
    limits = (tables.quotas.c.subject == Subject.USER.value) & (tables.quotas.c.subject_id == user_id)
    found["quotas"] = await _rows(conn, tables.quotas, select(tables.quotas).where(limits))
    # What admins did about the person; which admin it was is none of theirs.
    log = tables.admin_log
    about = type_coerce(log.c.details, Text).contains(f'"{user_id}"', autoescape=True)
    acts = select(*(column for column in log.c if column is not log.c.user_id)).where(about, log.c.user_id != user_id)
    found["admin_log"] += await _rows(conn, log, acts)
    found["images"] = await _rows(conn, tables.images, _images_of(user_id))
    events = select(tables.events).join(tables.submissions).where(_SUBMISSIONS.user_id == user_id)
    found["events"] = await _rows(conn, tables.events, events)
    return found


async def delete_all(tx: AsyncConnection, user_id: int, *, due_at: int) -> list[str]:
    """Delete the person's jobs, threads and settings, and return the names of the files that have to go now.

    Their entries in the ledger lose their notes, and lose their id when `due_at` is over. The caller sees to it that
    none of their jobs is running.
    """
    files = [
        name
        for row in (await tx.execute(_images_of(user_id))).mappings()
        for name in (row["file"], row["preview"])
        if name is not None
    ]
    for table in (tables.jobs, tables.threads, tables.current_threads, tables.user_settings):
        await tx.execute(delete(table).where(table.c.user_id == user_id))
    await tx.execute(update(tables.ledger).where(_LEDGER.user_id == user_id).values(note=None))
    last = (await tx.execute(select(func.max(_LEDGER.id)).where(_LEDGER.user_id == user_id))).scalar_one()
    if last is not None:
        await _depart(tx, user_id, last_entry=last, due_at=due_at)
    await _remains(tx)
    return files


async def _depart(tx: AsyncConnection, user_id: int, *, last_entry: int, due_at: int) -> None:
    # Whoever leaves twice is forgotten once, when the later time has come.
    mine = _DEPARTURES.user_id == user_id
    before = (await tx.execute(select(_DEPARTURES.due_at).where(mine))).scalar_one_or_none()
    await tx.execute(delete(tables.departures).where(mine))
    row = {"user_id": user_id, "last_entry": last_entry, "due_at": max(due_at, before or 0)}
    await tx.execute(insert(tables.departures).values(row))


async def make_anonymous(tx: AsyncConnection, now: int) -> int:
    """Put a random number below 0 in place of the id of everybody whose time is over; how many they were."""
    over = (await tx.execute(select(tables.departures).where(_DEPARTURES.due_at <= now))).all()
    for departure in over:
        entries = (_LEDGER.user_id == departure.user_id) & (_LEDGER.id <= departure.last_entry)
        await tx.execute(update(tables.ledger).where(entries).values(user_id=-1 - secrets.randbits(62)))
        await tx.execute(delete(tables.departures).where(_DEPARTURES.user_id == departure.user_id))
    if over:
        await _remains(tx)
    return len(over)


async def compact_due(conn: AsyncConnection) -> str | None:
    """If the files may still hold remains of what was deleted: a sign that says since which deletion."""
    return await settings.get_state(conn, _COMPACT_DUE) or None


async def compacted(tx: AsyncConnection, due: str) -> None:
    """Record that nothing is left of what was deleted up to this sign; a later deletion stays due."""
    if await compact_due(tx) == due:
        await settings.set_state(tx, _COMPACT_DUE, "")


async def _remains(tx: AsyncConnection) -> None:
    await settings.set_state(tx, _COMPACT_DUE, secrets.token_hex(8))


def _images_of(user_id: int) -> Select[Any]:
    return select(tables.images).join(tables.submissions).where(_SUBMISSIONS.user_id == user_id)


def _shown(table: Table) -> Iterable[Any]:
    return (column for column in table.c if column not in _CREDENTIALS)


async def _rows(conn: AsyncConnection, table: Table, statement: Select[Any]) -> list[dict[str, Any]]:
    ordered = statement.order_by(*table.primary_key)
    return [dict(row) for row in (await conn.execute(ordered)).mappings()]
