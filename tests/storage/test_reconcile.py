"""Reconciliation: correct books agree, and each kind of error is reported in one line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, update

from storage import endings, ledger, reconcile, retention, submissions, tables
from storage.database import AsyncConnection, Database
from storage.ledger import Totals
from storage.reconcile import Beyond, Standing
from storage.records import UNFINISHED, JobStatus, SubmissionStatus
from tests.storage.rows import NOW, SERVER, USER, add_job, add_submission

ENGINE = "aithriving/core"
QUEUED, RENDERING, DONE = SubmissionStatus.QUEUED, SubmissionStatus.RENDERING, SubmissionStatus.DONE
FAILED, UNKNOWN = SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN
_LEDGER = tables.ledger.c


async def put(tx: AsyncConnection, status: SubmissionStatus, job: JobStatus, *, server_id: int | None = SERVER) -> int:
    """Insert a submission in this status, with the ledger entries that it should have; its id is also its job's."""
    job_id = await add_job(tx, status=job, server_id=server_id)
    id_ = await add_submission(tx, job_id)
    await ledger.hold(tx, ledger.Hold(id_, ENGINE, 6000), user_id=USER, server_id=server_id, at=NOW)
    if status is not QUEUED:
        await submissions.move_submission(tx, id_, QUEUED, status, at=NOW + 5, why="a test")
    if status is DONE:
        await ledger.capture(tx, id_, amount=7500, exact=True, raw_amount=7500, at=NOW)
    elif status not in UNFINISHED:
        await ledger.release(tx, id_, at=NOW)
    return id_


async def put_one_of_each(tx: AsyncConnection) -> None:
    """Insert submissions 1 to 5, each of a job with the same number."""
    await put(tx, QUEUED, JobStatus.WORKING)
    await put(tx, RENDERING, JobStatus.WORKING, server_id=None)
    await put(tx, DONE, JobStatus.DELIVERED)
    await put(tx, FAILED, JobStatus.READY)
    await put(tx, UNKNOWN, JobStatus.UNDELIVERED)
    await ledger.grant(tx, user_id=USER, server_id=SERVER, amount=1000, note=None, at=NOW)
    await ledger.adjust(tx, user_id=USER, server_id=None, amount=-500, note=None, at=NOW)


async def test_correct_books_agree_and_open_or_unknown_requests_are_listed(database: Database) -> None:
    async with database.write() as tx:
        await put_one_of_each(tx)
    async with database.read() as conn:
        books = await reconcile.reconcile(conn)
    assert books.differences == []
    assert (books.submissions, books.entries) == (5, 11)
    assert books.totals == Totals(spent=7500, spent_exact=7500, spent_estimated=0, in_flight=12_000, captures=1)
    assert books.standing == [
        Standing(1, 1, ENGINE, QUEUED, NOW, 6000),
        Standing(2, 2, ENGINE, RENDERING, NOW + 5, 6000),
        Standing(5, 5, ENGINE, UNKNOWN, NOW + 5, 6000),
    ]


async def test_a_charge_beyond_the_ledger_is_reported_by_request(database: Database) -> None:
    async with database.write() as tx:
        await put_one_of_each(tx)
        # In the service's own millicredits: those of 3 were captured. 1 and 2 are not over yet.
        for id_, charged in {1: 1000, 2: 1000, 3: 7500, 4: 0, 5: 6000}.items():
            await tx.execute(update(tables.submissions).where(tables.submissions.c.id == id_).values(charged=charged))
        assert (await reconcile.reconcile(tx)).beyond == [Beyond(5, 5, ENGINE, UNKNOWN, 6000, 0)]
        await tx.execute(update(tables.submissions).where(tables.submissions.c.id == 3).values(charged=15_000))
        books = await reconcile.reconcile(tx)
    assert books.beyond == [Beyond(3, 3, ENGINE, DONE, 15_000, 7500), Beyond(5, 5, ENGINE, UNKNOWN, 6000, 0)]
    assert books.differences == [], "the books agree although the money is lost"


async def test_a_request_that_was_sent_twice_is_reported_while_only_one_bill_is_known(database: Database) -> None:
    async with database.write() as tx:
        await put_one_of_each(tx)
        await tx.execute(update(tables.submissions).where(tables.submissions.c.id.in_([1, 3])).values(sendings=2))
        await tx.execute(update(tables.submissions).where(tables.submissions.c.id == 3).values(charged=7500))
        books = await reconcile.reconcile(tx)
    assert books.beyond == [Beyond(3, 3, ENGINE, DONE, 7500, 7500)], "the first one is not over yet"
    assert books.differences == []


async def test_empty_books_agree(database: Database) -> None:
    async with database.read() as conn:
        books = await reconcile.reconcile(conn)
    assert (books.submissions, books.entries, books.standing, books.differences) == (0, 0, [], [])


async def test_the_entries_of_deleted_jobs_still_agree(database: Database) -> None:
    async with database.write() as tx:
        await put_one_of_each(tx)
        await endings.end_free(tx, UNFINISHED, UNKNOWN, at=NOW, why="", problems=[])
        await tx.execute(update(tables.jobs).values(status=JobStatus.DELIVERED.value, ended_at=NOW))
        assert await retention.delete_jobs(tx, NOW + 1, limit=9) == 5
        books = await reconcile.reconcile(tx)
    assert (books.submissions, books.entries, books.differences) == (0, 13, [])


def entry(**values: Any) -> Callable[[AsyncConnection], Awaitable[object]]:
    given = {"kind": "hold", "user_id": USER, "server_id": SERVER, "engine": ENGINE, "amount": 0}
    statement = insert(tables.ledger).values({**given, "counted_at": NOW, "created_at": NOW, **values})
    return lambda tx: tx.execute(statement)


def changed(submission_id: int, kind: str, **values: Any) -> Callable[[AsyncConnection], Awaitable[object]]:
    where = (_LEDGER.submission_id == submission_id, _LEDGER.kind == kind)
    return lambda tx: tx.execute(update(tables.ledger).where(*where).values(values))


def without(submission_id: int, *kinds: str) -> Callable[[AsyncConnection], Awaitable[object]]:
    where = (_LEDGER.submission_id == submission_id, _LEDGER.kind.in_(kinds))
    return lambda tx: tx.execute(delete(tables.ledger).where(*where))


def status(submission_id: int, value: str) -> Callable[[AsyncConnection], Awaitable[object]]:
    statement = update(tables.submissions).where(tables.submissions.c.id == submission_id)
    return lambda tx: tx.execute(statement.values(status=value))


def job_status(job_id: int, value: str) -> Callable[[AsyncConnection], Awaitable[object]]:
    statement = update(tables.jobs).where(tables.jobs.c.id == job_id)
    return lambda tx: tx.execute(statement.values(status=value))


def reopened(submission_id: int) -> Callable[[AsyncConnection], Awaitable[object]]:
    statement = update(tables.submissions).where(tables.submissions.c.id == submission_id)
    return lambda tx: tx.execute(statement.values(reopened_at=NOW))


def both(*changes: Callable[[AsyncConnection], Awaitable[object]]) -> Callable[[AsyncConnection], Awaitable[object]]:
    async def all_of_them(tx: AsyncConnection) -> None:
        for change in changes:
            await change(tx)

    return all_of_them


SUMS = "the ledger"
WRONGS: dict[str, tuple[Callable[[AsyncConnection], Awaitable[object]], list[tuple[str, str]]]] = {
    "no entries": (
        without(4, "hold", "release"),
        [("submission 4 of job 4 (failed)", "no entries")],
    ),
    "no hold, and a release of nothing": (
        without(4, "hold"),
        [("submission 4 of job 4 (failed)", "no hold"), (SUMS, "6000")],
    ),
    "a hold that is open after the end": (
        without(4, "release"),
        [("submission 4 of job 4 (failed)", "not released once"), (SUMS, "18000")],
    ),
    "a release of a part": (
        changed(3, "release", amount=-5999),
        [("submission 3 of job 3 (done)", "not of the whole hold"), (SUMS, "12001")],
    ),
    "one that is asked for again, without the release of its end": (
        reopened(1),
        [("submission 1 of job 1 (queued)", "was reopened"), (SUMS, "6000")],
    ),
    "one that is asked for again though it failed, and was paid for": (
        both(reopened(4), entry(submission_id=4, kind="capture", amount=1)),
        [("submission 4 of job 4 (failed)", "was captured")],
    ),
    "a release before the end": (
        entry(submission_id=1, kind="release", amount=-6000),
        [("submission 1 of job 1 (queued)", "its hold was released"), (SUMS, "6000")],
    ),
    "done for nothing": (
        without(3, "capture"),
        [("submission 3 of job 3 (done)", "was not captured once")],
    ),
    "paid for without an end": (
        entry(submission_id=2, kind="capture", amount=1, server_id=None),
        [("submission 2 of job 2 (rendering)", "was captured")],
    ),
    "paid for though it failed": (
        entry(submission_id=4, kind="capture", amount=1),
        [("submission 4 of job 4 (failed)", "was captured")],
    ),
    "a capture below zero": (
        changed(3, "capture", amount=-1),
        [("submission 3 of job 3 (done)", "below zero")],
    ),
    "grants that are not given back": (
        changed(5, "hold", granted=1000),
        [("submission 5 of job 5 (unknown)", "held of grants was released")],
    ),
    "more grants than were held": (
        changed(3, "capture", granted=1),
        [("submission 3 of job 3 (done)", "more of grants")],
    ),
    "somebody else pays": (
        changed(3, "capture", user_id=USER + 1),
        [("submission 3 of job 3 (done)", "another person")],
    ),
    "another server pays": (
        changed(2, "hold", server_id=SERVER),
        [("submission 2 of job 2 (rendering)", "another server")],
    ),
    "another operation": (
        changed(5, "release", operation="inpaint"),
        [("submission 5 of job 5 (unknown)", "two operations")],
    ),
    "another engine": (
        changed(5, "release", engine="another"),
        [("submission 5 of job 5 (unknown)", "another engine")],
    ),
    "two periods": (
        changed(5, "release", counted_at=NOW + 1),
        [("submission 5 of job 5 (unknown)", "two periods")],
    ),
    "an open hold of what is gone": (
        entry(submission_id=99, amount=6000),
        [("submission 99", "not those of one that has ended"), (SUMS, "18000")],
    ),
    "a capture without a hold": (
        entry(submission_id=99, kind="capture", amount=6000),
        [("submission 99", "not those of one that has ended")],
    ),
    "an entry of an unknown kind": (
        entry(kind="tip", amount=1),
        [("entry 12 (tip)", "unknown kind")],
    ),
    "an entry of no submission": (
        entry(kind="capture", amount=1),
        [("entry 12 (capture)", "no submission")],
    ),
    "a grant for a submission": (
        entry(kind="grant", submission_id=1, amount=1),
        [("entry 12 (grant)", "names a submission")],
    ),
    "a job that nobody finishes": (
        job_status(4, "working"),
        [("job 4 (working)", "nothing in it is unfinished")],
    ),
    "a job that ended too early": (
        job_status(1, "ready"),
        [("job 1 (ready)", "something in it is unfinished")],
    ),
    "an end without its entries": (
        status(2, "done"),
        [
            ("submission 2 of job 2 (done)", "not released once"),
            ("job 2 (working)", "nothing in it is unfinished"),
            (SUMS, "6000"),
        ],
    ),
}


@pytest.mark.parametrize("name", WRONGS)
async def test_every_error_is_found(database: Database, name: str) -> None:
    spoil, expected = WRONGS[name]
    async with database.write() as tx:
        await put_one_of_each(tx)
        assert (await reconcile.reconcile(tx)).differences == []
        await spoil(tx)
        found = (await reconcile.reconcile(tx)).differences
    assert [difference.subject for difference in found] == [subject for subject, _ in expected]
    for difference, (_, words) in zip(found, expected, strict=True):
        assert words in difference.wrong


async def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(database: Database) -> None:
    async def statements(tx: AsyncConnection) -> int:
        asked: list[str] = []

        def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            asked.append(statement)

        event.listen(tx.sync_connection, "before_cursor_execute", note)
        await reconcile.reconcile(tx)
        event.remove(tx.sync_connection, "before_cursor_execute", note)
        return len(asked)

    async with database.write() as tx:
        few = await statements(tx)
        for _ in range(20):
            await put_one_of_each(tx)
            await put(tx, FAILED, JobStatus.WORKING)
        assert len((await reconcile.reconcile(tx)).differences) == 20
        assert await statements(tx) == few
