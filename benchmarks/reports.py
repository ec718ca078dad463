"""``python -m benchmarks.reports``: how long reports over a large ledger take.

It creates a database with a million entries of five thousand users, keeps it for the next run, and runs the queries of
``/usage report`` and ``/credits``. All entries belong to one server, which is the worst case.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figure
from bot.domain.periods import span
from bot.servers.reports import page_of
from storage import ledger, reports, tables
from storage.database import AsyncConnection, Database, migrate
from storage.ledger import Scope
from storage.migrations import known_versions
from storage.reports import DAY, By

ENTRIES, USERS, CHANNELS, DAYS = 1_000_000, 5_000, 40, 365
SERVER = 81384788765712384
NOW = 1_767_225_600_000
ENGINES = ("ai-client/stable-diffusion-xl-1024-v0-9", "aithriving/sd-1.6", "aithriving/core")
FAILURES = 0.05
AT_ONCE = 20_000

FOLDER = Path(tempfile.gettempdir()) / "easel-benchmark"
"""The folder where databases are kept for the next run."""

Ask = Callable[[AsyncConnection], Awaitable[Any]]


def entries(number: int, *, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Ledger entries of one server over the last year: a few users with many, many with few."""
    chance = random.Random(seed)
    users = [chance.randrange(10**17, 10**18) for _ in range(USERS)]
    channels = [chance.randrange(10**17, 10**18) for _ in range(CHANNELS)]
    requests = round(number / (3 - FAILURES))
    job, position, user, channel = 0, 0, users[0], channels[0]
    for submission in range(1, requests + 1):
        at = NOW - DAYS * DAY + DAYS * DAY * submission // (requests + 1)
        position = position + 1 if position < 3 and chance.random() < 0.4 and submission > 1 else 0
        if position == 0:
            job, user, channel = job + 1, users[int(USERS * chance.random() ** 2)], chance.choice(channels)
        engine = chance.choice(ENGINES)
        known: dict[str, Any] = {
            "submission_id": submission,
            "user_id": user,
            "server_id": SERVER,
            "engine": engine,
            "exact": True,
            "raw_amount": None,
            "note": None,
            "counted_at": at,
            "created_at": at,
            "granted": 0,
            "job_id": job,
            "channel_id": channel,
            "position": position,
            "images": None,
            "outcome": None,
        }
        yield {**known, "kind": "hold", "amount": 6000}
        if chance.random() < FAILURES:
            yield {**known, "kind": "release", "amount": -6000, "outcome": "failed", "note": "a benchmark"}
            continue
        cost, exact = chance.randrange(1000, 6000), engine != ENGINES[1]
        yield {**known, "kind": "capture", "amount": cost, "exact": exact, "raw_amount": cost, "images": 1}
        yield {**known, "kind": "release", "amount": -6000}


def database_file(folder: Path, number: int) -> Path:
    """The file of the database with ``count`` entries, in the current schema."""
    return folder / f"reports-{known_versions()[-1]}-{number}.db"


async def make(path: Path, number: int) -> None:
    """Create the database."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    await migrate(f"sqlite+aiosqlite:///{part}")
    database = await Database.open(f"sqlite+aiosqlite:///{part}")
    every = entries(number)
    try:
        while some := list(islice(every, AT_ONCE)):
            async with database.write() as tx:
                await tx.execute(tables.ledger.insert(), some)
    finally:
        await database.close()
    part.rename(path)


def questions(user: int) -> dict[str, Ask]:
    """The timed operations by name: each one runs all queries of one answer."""
    found: dict[str, Ask] = {}
    for period in ("this month", "last month", "all time"):
        asked = span(period, NOW - DAY)
        scopes = {"one server": Scope(SERVER, None, asked.since, asked.until)}
        scopes["all servers"] = Scope(None, None, asked.since, asked.until)
        for place, scope in scopes.items():
            for by in By:
                found[f"/usage report, {by}, {place}, {period}"] = first_page(by, scope)
    month = NOW - 30 * DAY
    mine = Scope(None, user, month, NOW)
    return found | {
        "/usage user, all time": lambda conn: reports.report(conn, By.ENGINE, Scope(SERVER, user), limit=10),
        "/credits, this month": lambda conn: reports.report(conn, By.ENGINE, mine, limit=25),
        "/credits, all time": lambda conn: reports.report(conn, By.ENGINE, Scope(None, user), limit=25),
        "/credits, by day": lambda conn: reports.spent_by_time(conn, mine, DAY),
        "a limit's check": lambda conn: ledger.without_grants(conn, since=month, user_id=user, server_id=SERVER),
    }


def first_page(by: By, scope: Scope) -> Ask:
    """The figures of a report and of its chart."""

    async def ask(conn: AsyncConnection) -> None:
        assert (await page_of(conn, by, scope, 1, NOW)).totals.spent

    return ask


async def biggest_spender(database: Database) -> int:
    """The user with the most entries to add up."""
    async with database.read() as conn:
        (line,) = (await reports.report(conn, By.USER, Scope(SERVER), limit=1)).lines
    return int(line.key or 0)


async def milliseconds_of(database: Database, ask: Ask) -> float:
    """The duration of one call."""
    start = time.perf_counter()
    async with database.read() as conn:
        await ask(conn)
    return (time.perf_counter() - start) * 1000


async def report_figures(entries: int, rounds: int) -> list[Figure]:
    """Milliseconds of each report, for ``python -m benchmarks``."""
    path = database_file(FOLDER, entries)
    if not path.exists():
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
    """Merge reports over the same period into one line, except those by user, which take longest."""
    if not question.startswith("/usage report"):
        return question
    command, by, place, period = question.split(", ")
    return f"{command} by {'user' if by == By.USER else 'engine, day or channel'}, {place}, {period}"


def _goal(group: str) -> str:
    return "≤ 20" if "month" in group else "≤ 200" if "all time" in group else ""


async def run(path: Path, rounds: int) -> None:
    """Time everything and print one line each."""
    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    try:
        print(f"{'milliseconds':60} median    p95  worst")
        for name, ask in questions(await biggest_spender(database)).items():
            took = [await milliseconds_of(database, ask) for _ in range(rounds)]
            took.sort()
            p95 = took[min(len(took) - 1, round(0.95 * len(took)))]
            print(f"{name:60} {statistics.median(took):6.1f} {p95:6.1f} {took[-1]:6.1f}", flush=True)
    finally:
        await database.close()


def main(words: Sequence[str] | None = None) -> None:
    """Create the database if it is missing, and time its reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args(words)
    path = database_file(arguments.folder, arguments.entries)
    if not path.exists():
        print(f"Making {path} …", flush=True)
        asyncio.run(make(path, arguments.entries))
    asyncio.run(run(path, arguments.rounds))


if __name__ == "__main__":
    main()
