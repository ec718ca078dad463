"""The files that have to go: noted with the deletion itself, so that none is forgotten, and crossed off once gone."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

_FILE = tables.removals.c.file

_ADD = tables.removals.insert().prefix_with("OR IGNORE", dialect="sqlite")


async def add(tx: AsyncConnection, files: Iterable[str]) -> None:
    """Note files whose records go in this transaction."""
    rows = [{"file": file} for file in set(files)]
    if rows:
        await tx.execute(_ADD, rows)


async def pending(conn: AsyncConnection, *, after: str = "", limit: int) -> list[str]:
    """The names of files that have to go, in order, those that come after this one."""
    statement = select(_FILE).where(after < _FILE).order_by(_FILE).limit(limit)
    return list((await conn.execute(statement)).scalars())


async def done(tx: AsyncConnection, files: Iterable[str]) -> None:
    """Cross off files that are gone."""
    rows = [{"gone": file} for file in files]
    if rows:
        await tx.execute(delete(tables.removals).where(bindparam("gone") == _FILE), rows)
