"""Stores which servers were welcomed, so that no server is welcomed twice. Times are Unix milliseconds (UTC)."""

from __future__ import annotations

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_WELCOMES = tables.welcomes.c


async def has_jobs(conn: AsyncConnection, server_id: int) -> bool:
    """Return whether anybody has used the bot in the server."""
    return bool((await conn.execute(select(exists().where(tables.jobs.c.server_id == server_id)))).scalar_one())


async def claim(tx: AsyncConnection, server_id: int, *, at: int, not_since: int | None) -> bool:
    """Record that the server is welcomed at ``at``. Returns whether the caller may welcome it.

    A known server may be welcomed again if that did not happen since ``not_since``; None: never again.
    """
    mine = _WELCOMES.server_id == server_id
    before = (await tx.execute(select(_WELCOMES.welcomed_at).where(mine))).scalar_one_or_none()
    if before is None:
        await tx.execute(insert(tables.welcomes).values(server_id=server_id, welcomed_at=at))
        return True
    if not_since is None or before > not_since:
        return False
    await tx.execute(update(tables.welcomes).where(mine).values(welcomed_at=at))
    return True
