"""Small facts that survive a restart, by name, as plain JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_STATE = tables.state.c


async def get(conn: AsyncConnection, name: str) -> Any:
    """The value of this name, or None."""
    return (await conn.execute(select(_STATE.value).where(_STATE.name == name))).scalar_one_or_none()


async def put(tx: AsyncConnection, name: str, value: Any) -> None:
    """Set the value of this name. Raises ValueError for None, which means that there is no value."""
    if value is None:
        raise ValueError("None cannot be stored: it means that there is no value")
    changed = await tx.execute(update(tables.state).where(_STATE.name == name).values(value=value))
    if changed.rowcount == 0:
        await tx.execute(insert(tables.state).values(name=name, value=value))
