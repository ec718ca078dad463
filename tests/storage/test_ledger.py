"""The ledger: nothing is written twice, and sums match the entries."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from storage import ledger, tables
from storage.database import AsyncConnection, Database, StorageError
from storage.ledger import EntryKind, Totals
from tests.storage.rows import NOW, SERVER, USER, add_job, add_submission, count

OTHER, ELSEWHERE = USER + 1, SERVER + 1


async def hold(
    tx: AsyncConnection,
    submission_id: int,
    amount: int = 5000,
    *,
    user_id: int = USER,
    server_id: int | None = SERVER,
    engine: str = "aithriving/core",
    at: int = NOW,
) -> None:
    await ledger.hold(tx, ledger.Hold(submission_id, engine, amount), user_id=user_id, server_id=server_id, at=at)


async def test_a_capture_replaces_the_hold_and_counts_at_the_time_of_the_hold(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        await hold(tx, id_, 5000)
        assert await ledger.spent_and_held(tx, since=NOW, user_id=USER) == 5000
        await ledger.capture(tx, id_, amount=6200, exact=False, raw_amount=3100, at=NOW + 100)
        assert await ledger.spent_and_held(tx, since=NOW, user_id=USER) == 6200
        assert await ledger.spent_and_held(tx, since=NOW + 1, user_id=USER) == 0
        entries = (await ledger.costs_of(tx, job_id))[id_]
    assert [(entry.kind, entry.amount) for entry in entries] == [
        (EntryKind.HOLD, 5000),
        (EntryKind.CAPTURE, 6200),
        (EntryKind.RELEASE, -5000),
    ]
    assert {(entry.user_id, entry.server_id, entry.engine) for entry in entries} == {(USER, SERVER, "aithriving/core")}
    assert [entry.counted_at for entry in entries] == [NOW] * 3
    assert [entry.created_at for entry in entries] == [NOW, NOW + 100, NOW + 100]
    assert (entries[1].exact, entries[1].raw_amount) == (False, 3100)


async def test_a_release_makes_it_free(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        await hold(tx, id_)
        await ledger.release(tx, id_, at=NOW + 5, note="refused by the provider")
        assert await ledger.spent_and_held(tx, since=0) == 0
        entry = (await ledger.costs_of(tx, job_id))[id_][1]
    assert (entry.kind, entry.amount, entry.note) == (EntryKind.RELEASE, -5000, "refused by the provider")


async def test_a_reopened_submission_can_be_captured_once_after_its_release(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        id_ = await add_submission(tx, job_id)
        await hold(tx, id_)
        await ledger.release(tx, id_, at=NOW + 5)
        with pytest.raises(StorageError):
            await ledger.capture(tx, id_, amount=4000, exact=True, raw_amount=4000, at=NOW + 9)
        await ledger.capture(tx, id_, amount=4000, exact=True, raw_amount=4000, at=NOW + 9, reopened=True)
        with pytest.raises(StorageError):
            await ledger.capture(tx, id_, amount=4000, exact=True, raw_amount=4000, at=NOW + 9, reopened=True)
        assert await ledger.spent_and_held(tx, since=0) == 4000
        entries = (await ledger.costs_of(tx, job_id))[id_]
    assert [(entry.kind, entry.amount) for entry in entries] == [
        (EntryKind.HOLD, 5000),
        (EntryKind.RELEASE, -5000),
        (EntryKind.CAPTURE, 4000),
    ]
    assert [entry.outcome for entry in entries] == [None, None, None]


@pytest.mark.parametrize("first", ["capture", "release"])
@pytest.mark.parametrize("second", ["capture", "release"])
async def test_a_submission_ends_once_even_if_the_error_is_ignored(database: Database, first: str, second: str) -> None:
    async def end(tx: AsyncConnection, how: str) -> None:
        if how == "capture":
            await ledger.capture(tx, 1, amount=4000, exact=True, raw_amount=None, at=NOW)
        else:
            await ledger.release(tx, 1, at=NOW)

    async with database.write() as tx:
        await hold(tx, 1)
        await end(tx, first)
        entries = await count(tx, tables.ledger)
        with pytest.raises(StorageError, match="already"):
            await end(tx, second)
    async with database.read() as conn:
        assert await count(conn, tables.ledger) == entries
        assert await ledger.spent_and_held(conn, since=0) == (4000 if first == "capture" else 0)


async def test_a_hold_is_written_once(database: Database) -> None:
    async with database.write() as tx:
        await hold(tx, 1)
        with pytest.raises(StorageError, match="already"):
            await hold(tx, 1, 7000)
        assert await ledger.spent_and_held(tx, since=0) == 5000


async def test_a_submission_without_a_hold_cannot_end(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(StorageError, match="no hold"):
            await ledger.capture(tx, 1, amount=1, exact=True, raw_amount=None, at=NOW)
        with pytest.raises(StorageError, match="no hold"):
            await ledger.release(tx, 1, at=NOW)
        assert await count(tx, tables.ledger) == 0


async def test_negative_amounts_are_refused(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(ValueError, match="below zero"):
            await hold(tx, 1, -1)
        await hold(tx, 1, 0)
        with pytest.raises(ValueError, match="below zero"):
            await ledger.capture(tx, 1, amount=-1, exact=True, raw_amount=None, at=NOW)
        await ledger.capture(tx, 1, amount=0, exact=True, raw_amount=0, at=NOW)
        with pytest.raises(ValueError, match="below zero"):
            await ledger.grant(tx, user_id=USER, server_id=SERVER, amount=-1, note=None, at=NOW)


async def test_grants_and_adjustments_are_not_spending(database: Database) -> None:
    async with database.write() as tx:
        await ledger.grant(tx, user_id=USER, server_id=SERVER, amount=100_000, note="a prize", at=NOW)
        await ledger.adjust(tx, user_id=USER, server_id=SERVER, amount=-25_000, note="too much", at=NOW + 1)
        await hold(tx, 1, 5000)
        assert await ledger.spent_and_held(tx, since=0, user_id=USER) == 5000
        assert await ledger.totals(tx, user_id=USER) == Totals(0, 0, 0, 5000, 0)
        # They are still stored, for computing a balance.
        given = select(func.sum(tables.ledger.c.amount)).where(tables.ledger.c.submission_id.is_(None))
        assert (await tx.execute(given)).scalar_one() == 75_000


async def test_sums_can_be_by_user_by_server_by_both_or_total(database: Database) -> None:
    async with database.write() as tx:
        await hold(tx, 1, 1_000)
        await hold(tx, 2, 20_000, server_id=ELSEWHERE)
        await hold(tx, 3, 300_000, user_id=OTHER)
        await hold(tx, 4, 4_000_000, user_id=OTHER, server_id=None)
        await hold(tx, 5, 50_000_000, at=NOW - 1)
        for expected, scope in (
            (4_321_000, {}),
            (21_000, {"user_id": USER}),
            (301_000, {"server_id": SERVER}),
            (1_000, {"user_id": USER, "server_id": SERVER}),
            (0, {"user_id": USER + 7}),
        ):
            assert await ledger.spent_and_held(tx, since=NOW, **scope) == expected
            assert (await ledger.totals(tx, since=NOW, **scope)).in_flight == expected
        assert (await ledger.totals(tx)).in_flight == 54_321_000


async def test_totals_keep_exact_and_estimated_amounts_apart(database: Database) -> None:
    async with database.write() as tx:
        for id_ in range(1, 6):
            await hold(tx, id_, 5000)
        await ledger.capture(tx, 1, amount=6000, exact=True, raw_amount=None, at=NOW)
        await ledger.capture(tx, 2, amount=400, exact=False, raw_amount=None, at=NOW)
        await ledger.capture(tx, 3, amount=700, exact=False, raw_amount=None, at=NOW)
        await ledger.release(tx, 4, at=NOW)
        expected = Totals(spent=7100, spent_exact=6000, spent_estimated=1100, in_flight=5000, captures=3)
        assert await ledger.totals(tx, user_id=USER) == expected
        assert await ledger.totals(tx, since=NOW + 1) == Totals(0, 0, 0, 0, 0)


async def test_the_costs_of_a_job_are_those_of_its_submissions_only(database: Database) -> None:
    async with database.write() as tx:
        job_id, other = await add_job(tx), await add_job(tx)
        first = await add_submission(tx, job_id, position=0)
        await add_submission(tx, job_id, position=1)
        foreign = await add_submission(tx, other)
        for id_ in (first, foreign):
            await hold(tx, id_)
        costs = await ledger.costs_of(tx, job_id)
        assert costs.keys() == {first}
