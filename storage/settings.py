"""Stores settings of people and servers, limits, the log of admins' changes, and the bot's state, as plain JSON.

Times are Unix milliseconds (UTC), credits are integer millicredits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Insert, Table, Update, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_USERS = tables.user_settings.c
_SERVERS = tables.server_settings.c
_QUOTAS = tables.quotas.c
_LOG = tables.admin_log.c
_STATE = tables.state.c


async def upsert(tx: AsyncConnection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write the values to the row with this key. Inserts the row if it does not exist."""
    changing, adding = _upsert(table, tuple(key), tuple(values))
    changed = await tx.execute(changing, {**{f"its_{name}": value for name, value in key.items()}, **values})
    if changed.rowcount == 0:
        await tx.execute(adding, {**key, **values})


# Cached: building a statement takes longer than running it.
@lru_cache
def _upsert(table: Table, key: tuple[str, ...], values: tuple[str, ...]) -> tuple[Update, Insert]:
    its = and_(*(table.c[name] == bindparam(f"its_{name}") for name in key))
    changing = update(table).where(its).values({name: bindparam(name) for name in values})
    return changing, insert(table)


async def _replace(
    tx: AsyncConnection, table: Table, key: Mapping[str, Any], settings: dict[str, Any], at: int
) -> None:
    """Store the settings, or delete the row if they are empty."""
    if settings:
        await upsert(tx, table, key, {"settings": settings, "updated_at": at})
    else:
        await tx.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))


# --- people -------------------------------------------------------------------------------------------------------


async def of_users(conn: AsyncConnection) -> dict[int, dict[str, Any]]:
    """Return the settings of all people, by id."""
    return {row.user_id: row.settings for row in await conn.execute(select(_USERS.user_id, _USERS.settings))}


async def set_user(tx: AsyncConnection, user_id: int, settings: dict[str, Any], *, at: int) -> None:
    """Replace a person's settings."""
    await _replace(tx, tables.user_settings, {"user_id": user_id}, settings, at)


# --- servers ------------------------------------------------------------------------------------------------------


async def of_servers(conn: AsyncConnection) -> dict[int, dict[str, Any]]:
    """Return the settings of all servers, by id."""
    return {row.server_id: row.settings for row in await conn.execute(select(_SERVERS.server_id, _SERVERS.settings))}


async def of_server(conn: AsyncConnection, server_id: int) -> dict[str, Any]:
    """Return the settings of the server, which may be empty."""
    statement = select(_SERVERS.settings).where(_SERVERS.server_id == server_id)
    settings: dict[str, Any] | None = (await conn.execute(statement)).scalar_one_or_none()
    return settings or {}


async def set_server(tx: AsyncConnection, server_id: int, settings: dict[str, Any], *, at: int) -> None:
    """Replace a server's settings."""
    await _replace(tx, tables.server_settings, {"server_id": server_id}, settings, at)


# --- limits of a server -------------------------------------------------------------------------------------------


class Subject(StrEnum):
    """The kinds of subjects that a limit applies to."""

    SERVER = "server"
    """All people together."""
    DEFAULT = "default"
    """Each person without another limit."""
    ROLE = "role"
    """Each person with the role."""
    USER = "user"


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one subject: credits per period, images per job, unfinished jobs. None: no limit.

    ``free_images`` is the number of images per period with engines that do not charge.
    """

    subject: Subject
    subject_id: int = 0
    credits: int | None = None
    images: int | None = None
    jobs: int | None = None
    free_images: int | None = None

    @property
    def empty(self) -> bool:
        """Whether it has no limits."""
        return all(limit is None for limit in (self.credits, self.images, self.jobs, self.free_images))


# Built once: building a statement takes longer than running it.
_FOR_PERSON = select(tables.quotas).where(
    _QUOTAS.server_id == bindparam("server"),
    or_(_QUOTAS.subject != Subject.USER.value, _QUOTAS.subject_id == bindparam("user")),
)


async def quotas(conn: AsyncConnection) -> dict[int, list[Quota]]:
    """Return the limits of all servers, by server id."""
    found: dict[int, list[Quota]] = {}
    for row in (await conn.execute(select(tables.quotas))).mappings():
        found.setdefault(row["server_id"], []).append(_quota(row))
    return found


async def quotas_of(conn: AsyncConnection, server_id: int) -> list[Quota]:
    """Return the limits of the server: its own, then the default, then those of roles and people by id."""
    statement = select(tables.quotas).where(_QUOTAS.server_id == server_id)
    found = [_quota(row) for row in (await conn.execute(statement)).mappings()]
    return sorted(found, key=lambda quota: (list(Subject).index(quota.subject), quota.subject_id))


async def quotas_for(conn: AsyncConnection, server_id: int, user_id: int) -> list[Quota]:
    """Return the limits of the server, without those of other people."""
    rows = (await conn.execute(_FOR_PERSON, {"server": server_id, "user": user_id})).mappings()
    return [_quota(row) for row in rows]


async def set_quota(tx: AsyncConnection, server_id: int, quota: Quota, *, at: int) -> None:
    """Replace the limits of the subject. An empty quota deletes them."""
    key = {"server_id": server_id, "subject": quota.subject.value, "subject_id": quota.subject_id}
    if quota.empty:
        await tx.execute(delete(tables.quotas).where(*(_QUOTAS[name] == value for name, value in key.items())))
        return
    limits = {
        "credits": quota.credits,
        "images": quota.images,
        "jobs": quota.jobs,
        "free_images": quota.free_images,
    }
    await upsert(tx, tables.quotas, key, {**limits, "updated_at": at})


def _quota(row: Mapping[Any, Any]) -> Quota:
    return Quota(
        Subject(row["subject"]), row["subject_id"], row["credits"], row["images"], row["jobs"], row["free_images"]
    )


# --- changes by admins --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdminAct:
    """One change: the admin, the command, the time, and details as plain JSON."""

    id: int
    server_id: int
    user_id: int
    what: str
    details: dict[str, Any]
    at: int


async def log_act(
    tx: AsyncConnection, *, server_id: int, user_id: int, what: str, details: dict[str, Any], at: int
) -> None:
    """Add a change to the log, in the same transaction as the change."""
    row = {"server_id": server_id, "user_id": user_id, "what": what, "details": details, "at": at}
    await tx.execute(insert(tables.admin_log).values(row))


async def acts(conn: AsyncConnection, server_id: int, *, before: int | None = None, limit: int) -> list[AdminAct]:
    """Return the latest changes in the server, newest first; with ``before``, only those older than that id."""
    statement = select(tables.admin_log).where(_LOG.server_id == server_id).order_by(_LOG.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_LOG.id < before)
    return [AdminAct(**row) for row in (await conn.execute(statement)).mappings()]


# --- the bot's state ----------------------------------------------------------------------------------------------


async def get_state(conn: AsyncConnection, name: str) -> Any:
    """Return a value that survives restarts, or None."""
    return (await conn.execute(select(_STATE.value).where(_STATE.name == name))).scalar_one_or_none()


async def set_state(tx: AsyncConnection, name: str, value: Any) -> None:
    """Replace the value with this name. Raises ValueError for None, which means no value."""
    if value is None:
        raise ValueError("None cannot be stored: it means that there is no value")
    await upsert(tx, tables.state, {"name": name}, {"value": value})
