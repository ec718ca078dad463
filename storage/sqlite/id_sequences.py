"""Manages the highest id that each table has assigned, as SQLite records it. It must never decrease.

Cards, buttons and file names contain ids long after the row is deleted. If an id were reused, an old button would act
on another person's job.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from storage import tables

NEVER_REUSED = tuple(
    table.name for table in tables.metadata.sorted_tables if table.dialect_options["sqlite"]["autoincrement"]
)
"""The tables that never reuse an id."""

# The ids to skip for the time between a backup and its restore, if their number is unknown.
_LEFT_OUT = 1_000_000
# The current file may be missing or new, or a backup may be restored twice. So each restore also skips every id that
# could have been assigned by then: at a higher rate than any bot sustains, counted from before the first release.
_MOST_A_SECOND = 4
_BEFORE_THE_FIRST = 1_735_689_600  # 2025-01-01, Unix seconds


def last_ids(path: Path) -> dict[str, int]:
    """Return the highest id that each table of the file has assigned. Empty if the file is unreadable. Blocks.

    Nothing is written, so ids that are only in the log are not included.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            return {str(name): int(last) for name, last in connection.execute("SELECT name, seq FROM sqlite_sequence")}
    except (sqlite3.Error, TypeError, ValueError):
        return {}


def recorded(connection: Connection) -> dict[str, int]:
    """Return the highest id that each table has assigned, as seen in this transaction."""
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'").first()
    if found is None:
        return {}
    rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
    return {str(name): int(last) for name, last in rows}


def raise_to(connection: Connection, least: Mapping[str, int]) -> None:
    """Make each of these tables continue above its id. Tables that no longer exist are ignored."""
    for name, last in least.items():
        if name not in NEVER_REUSED:
            continue
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name)
        )
        # A table that never had a row has no record.
        if changed.rowcount == 0:
            connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


def skip_past(connection: Connection, given: Mapping[str, int], at: int) -> None:
    """Skip every id that could have been assigned until `at` (Unix milliseconds), and a margin above `given`."""
    own = recorded(connection)
    possible = (at // 1000 - _BEFORE_THE_FIRST) * _MOST_A_SECOND
    raise_to(
        connection,
        {name: max(max(own.get(name, 0), given.get(name, 0)) + _LEFT_OUT, possible) for name in NEVER_REUSED},
    )
