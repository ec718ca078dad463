"""Reports match a simple count of the same ledger entries, and read only indexes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from storage import jobs, ledger, reports, submissions, tables, threads
from storage.database import AsyncConnection, Database
from storage.ledger import Scope
from storage.records import UNFINISHED, JobStatus, SubmissionStatus
from storage.reports import DAY, HOUR, By, Figures
from storage.settings import acts
from tests.storage.rows import CHANNEL, NOW, SERVER, USER, add_image, add_job, add_submission, address
from tests.storage.test_query_plans import plan_of

QUEUED, DONE = SubmissionStatus.QUEUED, SubmissionStatus.DONE
FAILED, CANCELLED, UNKNOWN = SubmissionStatus.FAILED, SubmissionStatus.CANCELLED, SubmissionStatus.UNKNOWN
ELSEWHERE = SERVER + 1
ENGINES = ("aithriving/core", "aithriving/sd-1.6")


async def request(
    tx: AsyncConnection, job_id: int, position: int, status: SubmissionStatus, said: dict[str, Any], *, exact: bool
) -> None:
    """A request for 6 credits, of which 4 are charged if it finished."""
    user, server, at = said["user_id"], said["server_id"], said["at"]
    id_ = await add_submission(tx, job_id, position=position, user_id=user, engine=said["engine"], at=at)
    held = ledger.Hold(id_, said["engine"], 6000, operation=said.get("operation"))
    await ledger.hold(tx, held, user_id=user, server_id=server, at=at)
    if status is QUEUED:
        return
    await submissions.move_submission(tx, id_, QUEUED, status, at=at, why="a test")
    if status is DONE:
        await add_image(tx, id_, at=at)
        await ledger.capture(tx, id_, amount=4000, exact=exact, raw_amount=4000, at=at)
    elif status not in UNFINISHED:
        await ledger.release(tx, id_, at=at, note="a test")


one_job = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from((1, 2, 3)),
        "server_id": st.sampled_from((SERVER, ELSEWHERE, None)),
        "channel_id": st.sampled_from((CHANNEL, CHANNEL + 1)),
        "engine": st.sampled_from(ENGINES),
        "operation": st.sampled_from((None, "text_to_image", "inpaint")),
        "at": st.integers(NOW, NOW + 3 * DAY),
        "exact": st.booleans(),
        "statuses": st.lists(st.sampled_from(SubmissionStatus), min_size=1, max_size=3),
    }
)


def expected(every: list[dict[str, Any]], scope: Scope, key: Callable[[dict[str, Any]], Any]) -> dict[Any, Figures]:
    """The same figures, counted one by one."""
    found: dict[Any, dict[str, int]] = {}
    for one in every:
        if scope.server_id not in (None, one["server_id"]) or scope.user_id not in (None, one["user_id"]):
            continue
        if not (scope.since or 0) <= one["at"] < (scope.until or 2**62):
            continue
        line = found.setdefault(key(one), dict.fromkeys(reports.NAMES, 0))
        line["jobs"] += 1
        for status in one["statuses"]:
            if status is DONE:
                line["exact" if one["exact"] else "estimated"] += 4000
                line["images"] += 1
            elif status in (FAILED, UNKNOWN, CANCELLED):
                line["cancelled" if status is CANCELLED else "failed"] += 1
                line["given_back"] += 6000
            else:
                line["in_flight"] += 6000
    return {key: Figures(**line) for key, line in found.items()}


KEYS: dict[By, Callable[[dict[str, Any]], Any]] = {
    By.USER: lambda one: one["user_id"],
    By.ENGINE: lambda one: one["engine"],
    By.CHANNEL: lambda one: one["channel_id"],
    By.DAY: lambda one: one["at"] // DAY,
    By.OPERATION: lambda one: one["operation"] or "text_to_image",
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    every=st.lists(one_job, max_size=8),
    server_id=st.sampled_from((SERVER, None)),
    user_id=st.sampled_from((None, None, 1)),
    span=st.sampled_from(((None, None), (NOW, NOW + DAY), (NOW + DAY, None))),
)
@pytest.mark.slow
def test_the_figures_match_the_entries(
    migrated: Path,
    every: list[dict[str, Any]],
    server_id: int | None,
    user_id: int | None,
    span: tuple[int | None, int | None],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(migrated, Path(folder) / "easel.db"))
        asyncio.run(compare(address(path), every, Scope(server_id, user_id, *span)))


def begun(step: int, one: dict[str, Any]) -> int:
    """The start of the hour or day in which this job began."""
    return int(one["at"]) // step * step


async def compare(url: str, every: list[dict[str, Any]], scope: Scope) -> None:
    database = await Database.open(url)
    async with database.write() as tx:
        for one in every:
            place = {name: one[name] for name in ("user_id", "server_id", "channel_id", "at")}
            job_id = await add_job(tx, **place)
            for position, status in enumerate(one["statuses"]):
                await request(tx, job_id, position, status, one, exact=one["exact"])
        for by, key in KEYS.items():
            wanted = expected(every, scope, key)
            found = await reports.report(tx, by, scope)
            assert {line.key: line.figures for line in found.lines} == wanted
            assert found.count == len(wanted)
            for name in reports.NAMES:
                assert getattr(found.totals, name) == sum(getattr(line, name) for line in wanted.values())
            spent = [line.figures.spent for line in found.lines]
            assert by is By.DAY or spent == sorted(spent, reverse=True)
            for first in range(len(wanted)):
                some = await reports.report(tx, by, scope, limit=2, offset=first)
                assert some == replace(found, lines=found.lines[first : first + 2])
            assert (await reports.report(tx, by, scope, limit=2, offset=len(wanted))).lines == []
        whole = expected(every, scope, lambda _: 0).get(0, Figures())
        for step in (HOUR, DAY):
            times = await reports.spent_by_time(tx, scope, step)
            assert [each.start for each in times] == sorted({each.start for each in times})
            assert sum(each.exact for each in times) == whole.exact
            assert sum(each.estimated for each in times) == whole.estimated
            by_step = expected(every, scope, partial(begun, step))
            assert {each.start: each.exact + each.estimated for each in times} == {
                start: figures.spent for start, figures in by_step.items() if figures.images
            }
        paid = [one["at"] for one in every if DONE in one["statuses"] and expected([one], scope, lambda _: 0)]
        assert await reports.first_spent(tx, scope) == min(paid, default=None)
    await database.close()


async def test_spending_is_counted_by_thread(database: Database) -> None:
    async with database.write() as tx:
        for number in range(3):
            thread = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title=f"walrus {number}", at=NOW)
            said = {"user_id": USER, "server_id": SERVER, "engine": ENGINES[0], "at": NOW + number}
            job_id = await add_job(tx, thread_id=thread, at=NOW + number)
            for position in range(number):
                await request(tx, job_id, position, DONE, said, exact=True)
        found = await reports.spent_by_thread(tx, Scope(None, USER), limit=9)
        assert found == [("walrus 2", 8000), ("walrus 1", 4000)]
        assert await reports.spent_by_thread(tx, Scope(None, USER), limit=1) == found[:1]
        assert await reports.spent_by_thread(tx, Scope(None, USER, NOW + 2), limit=9) == found[:1]
        assert await reports.spent_by_thread(tx, Scope(None, USER + 1), limit=9) == []


async def test_the_figures_outlive_the_jobs(database: Database) -> None:
    said = {"user_id": USER, "server_id": SERVER, "engine": ENGINES[0], "at": NOW}
    async with database.write() as tx:
        job_id = await add_job(tx, status=JobStatus.DELIVERED)
        await request(tx, job_id, 0, DONE, said, exact=True)
        await request(tx, job_id, 1, FAILED, said, exact=True)
        before = await reports.report(tx, By.CHANNEL, Scope(SERVER))
        await tx.execute(delete(tables.jobs))
        assert await reports.report(tx, By.CHANNEL, Scope(SERVER)) == before
    assert before.totals == Figures(exact=4000, jobs=1, images=1, failed=1, given_back=6000)


async def test_every_entry_of_a_request_has_its_operation(database: Database) -> None:
    async with database.write() as tx:
        for number, (operation, status) in enumerate(((None, DONE), ("inpaint", DONE), ("inpaint", FAILED))):
            said = {"user_id": USER, "server_id": SERVER, "engine": ENGINES[0], "at": NOW, "operation": operation}
            await request(tx, await add_job(tx), number, status, said, exact=True)
        found = await reports.report(tx, By.OPERATION, Scope(SERVER))
        assert {line.key: line.figures.spent for line in found.lines} == {"text_to_image": 4000, "inpaint": 4000}
        assert {line.key: line.figures.failed for line in found.lines} == {"text_to_image": 0, "inpaint": 1}
        kept = [entry.operation async for some in ledger.entries(tx, Scope(SERVER)) for entry in some]
        # A hold, a capture and a release; the failed one has no capture.
        assert (kept.count(None), kept.count("inpaint")) == (3, 5)


async def test_every_entry_is_exported_once_in_order(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ENTRIES_AT_ONCE", 3)
    async with database.write() as tx:
        for number in range(1, 11):
            at = NOW + number // 4
            await ledger.hold(tx, ledger.Hold(number, ENGINES[0], 6000), user_id=USER, server_id=SERVER, at=at)
            await ledger.capture(tx, number, amount=4000, exact=True, raw_amount=4000, at=at + 5)
        await ledger.grant(tx, user_id=USER, server_id=ELSEWHERE, amount=1, note=None, at=NOW)
    async with database.read() as conn:
        found = [entry async for some in ledger.entries(conn, Scope(SERVER)) for entry in some]
        everything = [entry async for some in ledger.entries(conn, Scope()) for entry in some]
    assert [(entry.counted_at, entry.id) for entry in found] == sorted((entry.counted_at, entry.id) for entry in found)
    assert len({entry.id for entry in found}) == len(found) == 30
    assert len(everything) == 31


Ask = Callable[[AsyncConnection], Awaitable[Any]]
SCOPES = {
    "a server's month": Scope(SERVER, None, NOW, NOW + 30 * DAY),
    "a server's all": Scope(SERVER),
    "all servers' month": Scope(None, None, NOW, NOW + 30 * DAY),
    "all": Scope(),
    "a person's month": Scope(SERVER, USER, NOW, NOW + 30 * DAY),
    "a person's all": Scope(SERVER, USER),
}


async def walk(conn: AsyncConnection, scope: Scope) -> None:
    async for _ in ledger.entries(conn, scope):
        pass


@pytest.mark.parametrize("by", list(By))
@pytest.mark.parametrize("name", list(SCOPES))
async def test_a_report_reads_only_indexes(database: Database, name: str, by: By) -> None:
    plan = await plan_of(database, lambda conn: reports.report(conn, by, SCOPES[name]))
    read = [step for step in plan if " ledger " in step or " submissions " in step]
    assert not [step for step in read if step.startswith("SCAN")], plan
    # Captures and releases come from covering indexes; holds are found by their submissions, which are few.
    covered = [step for step in read if "COVERING INDEX" in step and " ledger " in step]
    assert len(covered) == 2, plan
    assert any("submission_id=?" in step for step in read), plan
    if "month" in name:
        assert all("counted_at>?" in step for step in covered if "user_id=?" not in step), plan


ASKED: dict[str, Ask] = {
    "spent by time": lambda conn: reports.spent_by_time(conn, Scope(SERVER, None, NOW, NOW + 30 * DAY), HOUR),
    "spent by time of all": lambda conn: reports.spent_by_time(conn, Scope(), DAY),
    "spent by thread": lambda conn: reports.spent_by_thread(conn, Scope(None, USER), limit=9),
    "first spent": lambda conn: reports.first_spent(conn, Scope(SERVER)),
    "first spent of a person": lambda conn: reports.first_spent(conn, Scope(None, USER)),
    "entries": lambda conn: walk(conn, Scope(SERVER)),
    "entries of all": lambda conn: walk(conn, Scope()),
    "balance": lambda conn: ledger.balance(conn, user_id=USER, server_id=SERVER),
    "without_grants": lambda conn: ledger.without_grants(conn, since=NOW, user_id=USER, server_id=SERVER),
    "unfinished": lambda conn: reports.unfinished(conn, server_id=SERVER, limit=9),
    "unknown": lambda conn: reports.unknown(conn, server_id=SERVER, since=NOW, limit=9),
    "failures": lambda conn: reports.failures_of(conn, user_id=USER, server_id=SERVER, limit=9),
    "acts": lambda conn: acts(conn, SERVER, limit=9),
    "running jobs": lambda conn: jobs.count_running(conn, USER, server_id=SERVER),
    "list of running jobs": lambda conn: jobs.running_jobs(conn, USER, server_id=SERVER, limit=9),
}


@pytest.mark.parametrize("name", list(ASKED))
async def test_other_queries_do_not_scan_tables_either(database: Database, name: str) -> None:
    plan = await plan_of(database, ASKED[name])
    # Intermediate results of a statement, such as the sums of each user, do not count.
    scanned = {step.split()[1] for step in plan if step.startswith("SCAN")}
    assert not scanned & tables.metadata.tables.keys(), plan
