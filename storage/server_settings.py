"""What a server's admins set for it, as plain JSON by the server's id, and the log of all that they changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_SETTINGS = tables.server_settings.c
_LOG = tables.admin_log.c


@dataclass(frozen=True, slots=True)
class AdminAct:
    """One change: who made it, what it was, when (Unix milliseconds, UTC). The details are plain JSON."""

    id: int
    server_id: int
    user_id: int
    what: str
    details: dict[str, Any]
    at: int


async def every(conn: AsyncConnection) -> dict[int, dict[str, Any]]:
    """The settings of all servers by their ids."""
    statement = select(_SETTINGS.server_id, _SETTINGS.settings)
    return {row.server_id: row.settings for row in await conn.execute(statement)}


async def get(conn: AsyncConnection, server_id: int) -> dict[str, Any]:
    """The settings of the server; nothing where none were made."""
    statement = select(_SETTINGS.settings).where(_SETTINGS.server_id == server_id)
    settings: dict[str, Any] | None = (await conn.execute(statement)).scalar_one_or_none()
    return settings or {}


async def put(tx: AsyncConnection, server_id: int, settings: dict[str, Any], *, at: int) -> None:
    """Set the server's settings in place of those it had; without any, nothing is kept."""
    its = _SETTINGS.server_id == server_id
    if not settings:
        await tx.execute(delete(tables.server_settings).where(its))
        return
    changed = await tx.execute(update(tables.server_settings).where(its).values(settings=settings, updated_at=at))
    if changed.rowcount == 0:
        row = {"server_id": server_id, "settings": settings, "updated_at": at}
        await tx.execute(insert(tables.server_settings).values(row))


async def note(
    tx: AsyncConnection, *, server_id: int, user_id: int, what: str, details: dict[str, Any], at: int
) -> None:
    """Add a change to the log, in the transaction that makes it."""
    row = {"server_id": server_id, "user_id": user_id, "what": what, "details": details, "at": at}
    await tx.execute(insert(tables.admin_log).values(row))


async def acts(conn: AsyncConnection, server_id: int, *, before: int | None = None, limit: int) -> list[AdminAct]:
    """The latest changes in the server, newest first; with `before`, those older than the one of that id."""
    statement = select(tables.admin_log).where(_LOG.server_id == server_id).order_by(_LOG.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_LOG.id < before)
    return [AdminAct(**row) for row in (await conn.execute(statement)).mappings()]
