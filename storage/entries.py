"""The ledger's entries one by one, for a table that somebody takes away."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind, LedgerEntry
from storage.reports import Scope

_LEDGER = tables.ledger.c
_AT_ONCE = 2000


async def entries(conn: AsyncConnection, scope: Scope) -> AsyncIterator[list[LedgerEntry]]:
    """Every entry of the scope in the order in which they count, some at a time."""
    statement = select(tables.ledger).order_by(_LEDGER.counted_at, _LEDGER.id).limit(_AT_ONCE)
    statement = statement.where(*scope.conditions())
    after: LedgerEntry | None = None
    while True:
        page = statement
        if after is not None:
            later = and_(_LEDGER.counted_at == after.counted_at, _LEDGER.id > after.id)
            page = page.where(_LEDGER.counted_at >= after.counted_at, or_(_LEDGER.counted_at > after.counted_at, later))
        rows = (await conn.execute(page, scope.values)).mappings().all()
        if not rows:
            return
        found = [LedgerEntry(**{**row, "kind": EntryKind(row["kind"])}) for row in rows]
        yield found
        after = found[-1]
