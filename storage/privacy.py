"""Reads or deletes everything stored about a person.

After a deletion the amounts stay in the ledger: under the person's id until the current periods are over, then under a
random number. Times are Unix milliseconds (UTC).
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
_SOURCES = tables.sources.c
_EVENTS = tables.events.c
_LEDGER = tables.ledger.c
_DEPARTURES = tables.departures.c

_UNFINISHED = (JobStatus.WORKING.value, JobStatus.READY.value)
_COMPACT_DUE = "compact due"
# A credential of the bot, and the id of another person.
_NOT_THEIRS = frozenset({_JOBS.interaction_token, _SOURCES.author_id})
# What a person may know of pictures of theirs that others started from.
_OF_OTHERS = (_SOURCES.kind, _SOURCES.width, _SOURCES.height, _SOURCES.bytes, _SOURCES.created_at, _SOURCES.used_at)
_OF_A_PERSON = (
    tables.jobs,
    tables.sources,
    tables.threads,
    tables.current_threads,
    tables.user_settings,
    tables.hints,
)


@dataclass(frozen=True, slots=True)
class Summary:
    """The amount of data about a person.

    `unfinished` jobs are in progress or about to be delivered. `pictures` are those that they started from.
    """

    jobs: int
    unfinished: int
    images: int
    pictures: int
    threads: int
    has_settings: bool
    has_hints: bool

    @property
    def anything(self) -> bool:
        counts = self.jobs, self.images, self.pictures, self.threads
        return any(counts) or self.has_settings or self.has_hints


async def summary(conn: AsyncConnection, user_id: int) -> Summary:
    """Count what is stored about this person."""

    async def count(statement: Select[Any]) -> int:
        return int((await conn.execute(select(func.count()).select_from(statement.subquery()))).scalar_one())

    theirs = select(_JOBS.id).where(_JOBS.user_id == user_id)
    return Summary(
        jobs=await count(theirs),
        unfinished=await count(theirs.where(_JOBS.status.in_(_UNFINISHED))),
        images=await count(_images_of(user_id).where(or_(_IMAGES.file.is_not(None), _IMAGES.preview.is_not(None)))),
        pictures=await count(select(_SOURCES.id).where(_SOURCES.user_id == user_id)),
        threads=await count(select(tables.threads.c.id).where(tables.threads.c.user_id == user_id)),
        has_settings=await count(select(tables.user_settings).where(tables.user_settings.c.user_id == user_id)) > 0,
        has_hints=await count(select(tables.hints).where(tables.hints.c.user_id == user_id)) > 0,
    )


async def everything(conn: AsyncConnection, user_id: int) -> dict[str, list[dict[str, Any]]]:
    """Return every row about this person, by table: rows with their id, and parts of their jobs. Oldest first.

    What others did with pictures of theirs, or as admins, is returned without the others' ids.
    """
    found = {}
    for table in tables.metadata.sorted_tables:
        if "user_id" in table.c:
            found[table.name] = await _rows(conn, table, select(*_shown(table)).where(table.c.user_id == user_id))
    limits = (tables.quotas.c.subject == Subject.USER.value) & (tables.quotas.c.subject_id == user_id)
    found["quotas"] = await _rows(conn, tables.quotas, select(tables.quotas).where(limits))
    # Changes by admins that concern the person, without the admin.
    log = tables.admin_log
    about = type_coerce(log.c.details, Text).contains(f'"{user_id}"', autoescape=True)
    acts = select(*(column for column in log.c if column is not log.c.user_id)).where(about, log.c.user_id != user_id)
    found["admin_log"] += await _rows(conn, log, acts)
    for job in found["jobs"]:
        job["options"] = _without_authors(job["options"])
    used = select(*_OF_OTHERS).where(_SOURCES.author_id == user_id, _SOURCES.user_id != user_id)
    found["sources"] += await _rows(conn, tables.sources, used)
    found["images"] = await _rows(conn, tables.images, _images_of(user_id))
    events = select(tables.events).join(tables.submissions).where(_SUBMISSIONS.user_id == user_id)
    found["events"] = await _rows(conn, tables.events, events)
    return found


async def delete_all(tx: AsyncConnection, user_id: int, *, due_at: int) -> list[str]:
    """Delete the person's jobs, pictures, threads, settings and hints. Returns the names of the files to remove now.

    Pictures of theirs that others started from stay, but no longer say whose they are. Their ledger entries lose their
    notes now, and the person's id at `due_at`. The caller must check that none of their jobs is unfinished.
    """
    files = [
        name
        for row in (await tx.execute(_images_of(user_id))).mappings()
        for name in (row["file"], row["preview"])
        if name is not None
    ]
    theirs = select(_SOURCES.file).where(_SOURCES.user_id == user_id, _SOURCES.file.is_not(None))
    files += (await tx.execute(theirs)).scalars()
    for table in _OF_A_PERSON:
        await tx.execute(delete(table).where(table.c.user_id == user_id))
    await _forget_author(tx, user_id)
    await tx.execute(update(tables.ledger).where(_LEDGER.user_id == user_id).values(note=None))
    last = (await tx.execute(select(func.max(_LEDGER.id)).where(_LEDGER.user_id == user_id))).scalar_one()
    if last is not None:
        await _anonymise_later(tx, user_id, last_entry=last, due_at=due_at)
    await _mark_compact_due(tx)
    return files


async def _forget_author(tx: AsyncConnection, user_id: int) -> None:
    """Erase this person's id from what others started from pictures of theirs."""
    pictures = select(_SOURCES.id).where(_SOURCES.author_id == user_id)
    started = select(_JOBS.id, _JOBS.options).where(or_(_JOBS.source_id.in_(pictures), _JOBS.mask_id.in_(pictures)))
    for job in (await tx.execute(started)).all():
        changed = update(tables.jobs).where(_JOBS.id == job.id).values(options=_without_authors(job.options))
        await tx.execute(changed)
    await tx.execute(update(tables.sources).where(_SOURCES.author_id == user_id).values(author_id=None))


def _without_authors(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a job, without the id of the person whose picture it starts from."""
    pictures = {name: options[name] for name in ("source", "mask") if options.get(name)}
    return options | {name: picture | {"author_id": None} for name, picture in pictures.items()}


async def _anonymise_later(tx: AsyncConnection, user_id: int, *, last_entry: int, due_at: int) -> None:
    # A person who deletes everything twice is anonymised once, at the later time.
    mine = _DEPARTURES.user_id == user_id
    before = (await tx.execute(select(_DEPARTURES.due_at).where(mine))).scalar_one_or_none()
    await tx.execute(delete(tables.departures).where(mine))
    row = {"user_id": user_id, "last_entry": last_entry, "due_at": max(due_at, before or 0)}
    await tx.execute(insert(tables.departures).values(row))


async def anonymise(tx: AsyncConnection, now: int) -> int:
    """Replace the ids of people whose time is over by random negative numbers. Returns the number of people."""
    over = (await tx.execute(select(tables.departures).where(_DEPARTURES.due_at <= now))).all()
    for departure in over:
        entries = (_LEDGER.user_id == departure.user_id) & (_LEDGER.id <= departure.last_entry)
        await tx.execute(update(tables.ledger).where(entries).values(user_id=-1 - secrets.randbits(62)))
        await tx.execute(delete(tables.departures).where(_DEPARTURES.user_id == departure.user_id))
    if over:
        await _mark_compact_due(tx)
    return len(over)


async def compact_due(conn: AsyncConnection) -> str | None:
    """Return a token of the last deletion if the files may still contain deleted rows, else None."""
    return await settings.get_state(conn, _COMPACT_DUE) or None


async def compacted(tx: AsyncConnection, due: str) -> None:
    """Record that the files are compacted up to this token. A later deletion stays due."""
    if await compact_due(tx) == due:
        await settings.set_state(tx, _COMPACT_DUE, "")


async def _mark_compact_due(tx: AsyncConnection) -> None:
    await settings.set_state(tx, _COMPACT_DUE, secrets.token_hex(8))


def _images_of(user_id: int) -> Select[Any]:
    return select(tables.images).join(tables.submissions).where(_SUBMISSIONS.user_id == user_id)


def _shown(table: Table) -> Iterable[Any]:
    return (column for column in table.c if column not in _NOT_THEIRS)


async def _rows(conn: AsyncConnection, table: Table, statement: Select[Any]) -> list[dict[str, Any]]:
    ordered = statement.order_by(*table.primary_key)
    return [dict(row) for row in (await conn.execute(ordered)).mappings()]
