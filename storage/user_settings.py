"""What people set for themselves, as plain JSON by the person's id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_SETTINGS = tables.user_settings.c


async def every(conn: AsyncConnection) -> dict[int, dict[str, Any]]:
    """Everybody's settings by their ids."""
    statement = select(_SETTINGS.user_id, _SETTINGS.settings)
    return {row.user_id: row.settings for row in await conn.execute(statement)}


async def put(tx: AsyncConnection, user_id: int, settings: dict[str, Any], *, at: int) -> None:
    """Set a person's settings in place of those they had; without any, nothing is kept. `at` is Unix milliseconds."""
    mine = _SETTINGS.user_id == user_id
    if not settings:
        await tx.execute(delete(tables.user_settings).where(mine))
        return
    changed = await tx.execute(update(tables.user_settings).where(mine).values(settings=settings, updated_at=at))
    if changed.rowcount == 0:
        row = {"user_id": user_id, "settings": settings, "updated_at": at}
        await tx.execute(insert(tables.user_settings).values(row))
