"""The last id that each table gave, as SQLite records it. It must never decrease.

An id is on cards, in buttons and in file names long after its row is gone. If it were given again, an old button would
act on another person's job.
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
"""The tables that never give an id twice."""

# Ids that may have been given between a backup and its restore, if nothing tells how many.
_LEFT_OUT = 1_000_000
# The current file may be missing or new, or a backup is restored twice. So each restore also starts above every id that
# could have been given by then: more ids a second than any bot gives for long, counted from before the first one.
_MOST_A_SECOND = 4
_BEFORE_THE_FIRST = 1_735_689_600  # 2025-01-01, Unix seconds


def last_ids(path: Path) -> dict[str, int]:
    """The last id that each table of the file gave; empty if the file is missing or cannot be read. Blocks.

    Nothing is written, so ids that are only in the log are not seen.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            return {str(name): int(last) for name, last in connection.execute("SELECT name, seq FROM sqlite_sequence")}
    except (sqlite3.Error, TypeError, ValueError):
        return {}


def recorded(connection: Connection) -> dict[str, int]:
    """The last id that each table gave, as seen in this transaction."""
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'").first()
    if found is None:
        return {}
    rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
    return {str(name): int(last) for name, last in rows}


def raise_to(connection: Connection, least: Mapping[str, int]) -> None:
    """Make each of these tables continue above its id; tables that no longer exist are ignored."""
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
    """Continue above every id that could have been given until `at` (Unix milliseconds), and well above `given`."""
    own = recorded(connection)
    possible = (at // 1000 - _BEFORE_THE_FIRST) * _MOST_A_SECOND
    raise_to(
        connection,
        {name: max(max(own.get(name, 0), given.get(name, 0)) + _LEFT_OUT, possible) for name in NEVER_REUSED},
    )
