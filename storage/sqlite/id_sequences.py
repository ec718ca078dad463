"""The ids that were handed out: SQLite's own record of the last one of each table, which must never go back.

An id stands on cards, in buttons and in the names of files long after its row is gone. Whoever got it again would act
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
"""The tables in which no id is ever given twice."""

# What is given after a copy was made and before it is put back, where nothing tells how much that was.
_LEFT_OUT = 1_000_000
# The present file may be gone, or be a new one, or one copy is put back twice. So each restore also begins above all
# that could have been given until then: more ids a second than any bot has ever given for long, since before the first.
_MOST_A_SECOND = 4
_BEFORE_THE_FIRST = 1_735_689_600  # 2025-01-01, Unix seconds


def last_ids(path: Path) -> dict[str, int]:
    """The last id that each table of the file has given; nothing if it is not there or cannot be read. Blocks.

    The file and what is beside it stay as they are: what stands in its log alone is not seen.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            return {str(name): int(last) for name, last in connection.execute("SELECT name, seq FROM sqlite_sequence")}
    except (sqlite3.Error, TypeError, ValueError):
        return {}


def recorded(connection: Connection) -> dict[str, int]:
    """The last id that each table has given, by this transaction."""
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'").first()
    if found is None:
        return {}
    rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
    return {str(name): int(last) for name, last in rows}


def raise_to(connection: Connection, least: Mapping[str, int]) -> None:
    """Have each of these tables go on above its id at least; those that are none of ours any more are left out."""
    for name, last in least.items():
        if name not in NEVER_REUSED:
            continue
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name)
        )
        # A table that never had a row has no record yet.
        if changed.rowcount == 0:
            connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


def pass_over(connection: Connection, given: Mapping[str, int], at: int) -> None:
    """Go on above every id that could have been given until `at` (Unix milliseconds), and well above those `given`."""
    own = recorded(connection)
    possible = (at // 1000 - _BEFORE_THE_FIRST) * _MOST_A_SECOND
    raise_to(
        connection,
        {name: max(max(own.get(name, 0), given.get(name, 0)) + _LEFT_OUT, possible) for name in NEVER_REUSED},
    )
