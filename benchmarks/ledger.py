"""How long the reports take over a large ledger, as figures; what is asked stands in :mod:`benchmarks.reports`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.reports import biggest_spender, make, milliseconds_of, questions
from storage.database import Database
from storage.reports import By

_KEPT = Path(tempfile.gettempdir()) / "easel-benchmark"


async def reports(entries: int, rounds: int) -> list[Figure]:
    """Milliseconds of each report. The database is made once and kept for the next time."""
    path = _KEPT / f"reports-{entries}.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        await make(path, entries)
    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    took: dict[str, list[float]] = {}
    try:
        for name, ask in questions(await biggest_spender(database)).items():
            took.setdefault(_group(name), []).extend([await milliseconds_of(database, ask) for _ in range(rounds)])
    finally:
        await database.close()
    return [
        figure("reports", f"{group}, {entries:,} entries", "ms", values, _goal(group)) for group, values in took.items()
    ]


def _group(question: str) -> str:
    """Reports over the same time are one line, but for those by user, which take longest."""
    if not question.startswith("/usage report"):
        return question
    command, by, place, period = question.split(", ")
    return f"{command} by {'user' if by == By.USER else 'engine, day or channel'}, {place}, {period}"


def _goal(group: str) -> str:
    return "≤ 20" if "month" in group else "≤ 200" if "all time" in group else ""
