"""Everything stored about a user: found in every table, and deleted from the files without a trace."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from storage import hints, ledger, privacy, settings, sources, tables, threads
from storage.database import AsyncConnection, Database
from storage.reconcile import reconcile
from storage.records import JobStatus
from tests.storage.rows import NOW, SERVER, USER, add_done, add_image, add_job, add_source, add_submission, count

OTHER = USER + 1
LATER = NOW + 40 * 86_400_000


async def live(tx: AsyncConnection, user_id: int, mark: str, number: int = 0) -> int:
    """Insert a complete job in a thread, paid for and shown; the mark is in every text that users wrote."""
    thread_id = await threads.open_thread(tx, user_id=user_id, place_id=SERVER, title=f"{mark} {number}", at=NOW)
    picture = await add_source(tx, f"s-{mark}-{thread_id}.jpg", user_id=user_id, author_id=user_id, digest=mark)
    options = {"prompt": f"{mark} {'x' * number}"}
    job_id = await add_job(tx, user_id=user_id, thread_id=thread_id, options=options, source_id=picture)
    request = {"prompts": [f"{mark} {secrets.token_hex(number % 700)}"]}
    submission = await add_done(tx, job_id, user_id=user_id, sent_at=NOW, finished_at=NOW + 9000, request=request)
    await add_image(tx, submission, file=f"{mark}-{submission}.png")
    await ledger.hold(tx, ledger.Hold(submission, "aithriving/core", 6000), user_id=user_id, server_id=SERVER, at=NOW)
    await ledger.capture(tx, submission, amount=6000, exact=True, raw_amount=None, at=NOW)
    await tx.execute(update(tables.jobs).where(tables.jobs.c.id == job_id).values(status=JobStatus.DELIVERED.value))
    return job_id


def written(path: Path) -> bytes:
    return b"".join(path.with_name(path.name + end).read_bytes() for end in ("", "-wal"))


async def test_an_export_contains_what_admins_did_about_a_user_but_not_who_did_it(database: Database) -> None:
    async with database.write() as tx:
        for about in (USER, OTHER):
            details = {"subject": "user", "id": str(about), "credits": 5}
            await settings.log_act(tx, server_id=SERVER, user_id=OTHER, what="limit", details=details, at=NOW)
        (act,) = (await privacy.everything(tx, USER))["admin_log"]
        assert act["details"]["credits"] == 5
        assert "user_id" not in act
        assert len((await privacy.everything(tx, OTHER))["admin_log"]) == 2


async def test_everything_about_a_user_is_found(database: Database) -> None:
    async with database.write() as tx:
        await live(tx, USER, "walrus")
        await live(tx, OTHER, "heron")
        await settings.set_user(tx, USER, {"text": "walrus"}, at=NOW)
        await hints.record_shown(tx, 1, hints.Hint.FIRST_RESULT, at=NOW)
        await ledger.grant(tx, user_id=USER, server_id=SERVER, amount=10, note="for the walrus", at=NOW)
    async with database.read() as connection:
        found = await privacy.everything(connection, USER)
    # If a table is added, somebody has to decide about it.
    of_nobody = {"welcomes", "state", "server_settings", "removals"}
    assert set(found) == {table.name for table in tables.metadata.sorted_tables} - of_nobody
    assert "heron" not in repr(found)
    assert {name for name, rows in found.items() if rows} >= {
        "jobs", "submissions", "events", "images", "threads", "current_threads", "user_settings", "ledger",
        "hints", "sources",
    }  # fmt: skip
    assert len(found["ledger"]) == 4
    assert "interaction_token" not in found["jobs"][0]


@pytest.mark.parametrize("seed", range(6))
async def test_deleted_data_leaves_no_trace_in_the_files(database: Database, path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(8):
        async with database.write() as tx:
            for _ in range(8):
                who = chance.choice([(USER, "walrus"), (OTHER, "heron")])
                await live(tx, *who, number=chance.randrange(900))
    async with database.write() as tx:
        await settings.set_user(tx, USER, {"text": "walrus"}, at=NOW)
        await ledger.grant(tx, user_id=USER, server_id=SERVER, amount=10, note="for the walrus", at=NOW)
    async with database.write() as tx:
        theirs = await privacy.summary(tx, USER)
        files = await privacy.delete_all(tx, USER, due_at=LATER)
        assert theirs.images == theirs.pictures == theirs.jobs
        assert len(files) == theirs.images + theirs.pictures
        assert all("walrus" in name for name in files)
        assert not (await privacy.summary(tx, USER)).anything
        due = await privacy.compact_due(tx)
    assert due is not None
    assert await database.compact()
    left = written(path)
    assert b"walrus" not in left
    assert b"heron" in left
    async with database.write() as tx:
        await privacy.compacted(tx, due)
        assert await privacy.compact_due(tx) is None
        books = await reconcile(tx)
        assert books.differences == []
        assert (await ledger.totals(tx, user_id=USER)).spent == 6000 * theirs.jobs


@pytest.mark.slow
async def test_a_concurrent_reader_keeps_the_compaction_due(database: Database, path: Path) -> None:
    async with database.write() as tx:
        await live(tx, USER, "walrus")
    async with database.read() as reader:
        await count(reader, tables.jobs)
        async with database.write() as tx:
            await privacy.delete_all(tx, USER, due_at=LATER)
        assert not await database.compact()
    assert await database.compact()
    assert b"walrus" not in written(path)


async def test_a_deletion_during_the_compaction_keeps_it_due(database: Database) -> None:
    async with database.write() as tx:
        await privacy.delete_all(tx, USER, due_at=LATER)
        due = await privacy.compact_due(tx)
        assert due is not None
        await privacy.delete_all(tx, OTHER, due_at=LATER)
        await privacy.compacted(tx, due)
        assert await privacy.compact_due(tx) not in (None, due)


async def test_hints_alone_can_be_deleted(database: Database) -> None:
    async with database.write() as tx:
        await hints.record_shown(tx, await live(tx, USER, "walrus"), hints.Hint.FIRST_RESULT, at=NOW)
        await tx.execute(delete(tables.jobs))
        await tx.execute(delete(tables.threads))
        assert (await privacy.summary(tx, USER)).anything
        await privacy.delete_all(tx, USER, due_at=LATER)
        assert not (await privacy.summary(tx, USER)).anything
        assert not await hints.was_shown(tx, USER, hints.Hint.FIRST_RESULT)


async def test_pictures_of_a_user_that_others_started_from_stay_without_the_user(database: Database) -> None:
    async with database.write() as tx:
        of_mine = await add_source(tx, "s1.jpg", user_id=OTHER, author_id=USER)
        mine = await add_source(tx, "s2.jpg", author_id=OTHER)
        await add_job(tx, user_id=OTHER, status=JobStatus.DELIVERED, source_id=mine)
        options = {"prompt": "a hat", "source": {"id": of_mine, "author_id": USER}}
        started = await add_job(tx, user_id=OTHER, options=options, source_id=of_mine)
        (exported,) = (row for row in (await privacy.everything(tx, OTHER))["jobs"] if row["id"] == started)
        assert exported["options"] == options | {"source": {"id": of_mine, "author_id": None}}
        used, own = sorted((await privacy.everything(tx, USER))["sources"], key=lambda row: "id" in row)
        assert own["id"] == mine
        assert str(OTHER) not in repr((used, own)), "what another person did is exported without the person"
        assert used["width"] == 4000
        assert {"user_id", "digest", "file", "author_id"}.isdisjoint(used)
        assert (await privacy.summary(tx, USER)).pictures == 1
        assert (await privacy.summary(tx, USER)).anything
        assert await privacy.delete_all(tx, USER, due_at=LATER) == ["s2.jpg"]
        assert not (await privacy.summary(tx, USER)).anything
        left = await sources.get(tx, of_mine)
        assert left is not None
        assert (left.file, left.author_id) == ("s1.jpg", None)
        found = {row.source_id: row.options for row in await tx.execute(select(tables.jobs))}
        assert found.keys() == {None, of_mine}
        assert found[of_mine]["source"] == {"id": of_mine, "author_id": None}


async def test_unfinished_jobs_are_counted(database: Database) -> None:
    async with database.write() as tx:
        for status in JobStatus:
            job_id = await add_job(tx, status=status)
            await add_submission(tx, job_id)
        assert (await privacy.summary(tx, USER)).unfinished == 2


async def test_amounts_are_anonymised_when_the_time_is_over(database: Database) -> None:
    async with database.write() as tx:
        await live(tx, USER, "walrus")
        await live(tx, OTHER, "heron")
        await privacy.delete_all(tx, USER, due_at=LATER)
        everybody = await ledger.totals(tx)
        assert await privacy.anonymise(tx, LATER - 1) == 0
        assert (await ledger.totals(tx, user_id=USER)).spent == 6000
        # The user came back before then; the two periods must not be mixed.
        await live(tx, USER, "newt")
        assert await privacy.anonymise(tx, LATER) == 1
        assert (await ledger.totals(tx, user_id=USER)).spent == 6000
        assert (await ledger.totals(tx)).spent == everybody.spent + 6000
        nobody = set((await tx.execute(select(tables.ledger.c.user_id))).scalars()) - {USER, OTHER}
        assert len(nobody) == 1
        assert max(nobody) < 0
        assert (await reconcile(tx)).differences == []
        assert await privacy.anonymise(tx, LATER) == 0


async def test_a_user_who_leaves_twice_is_anonymised_once_at_the_later_time(database: Database) -> None:
    async with database.write() as tx:
        await live(tx, USER, "walrus")
        await privacy.delete_all(tx, USER, due_at=LATER)
        await live(tx, USER, "newt")
        await privacy.delete_all(tx, USER, due_at=LATER - 5)
        assert await privacy.anonymise(tx, LATER - 1) == 0
        assert await privacy.anonymise(tx, LATER) == 1
        assert (await ledger.totals(tx, user_id=USER)).captures == 0


async def test_a_user_without_spending_leaves_nothing_behind(database: Database) -> None:
    async with database.write() as tx:
        await privacy.delete_all(tx, USER, due_at=LATER)
        assert await count(tx, tables.departures) == 0
        assert await settings.get_state(tx, "compact due")
