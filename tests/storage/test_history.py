"""A user's history: searchable in any script, by engine and by thread, and never including another user's jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from storage import images, jobs, ledger, tables, threads
from storage.database import AsyncConnection, Database
from storage.jobs import WORDS_AT_MOST, JobFilter, folded, pattern, words_of
from storage.migrations import known_versions
from storage.records import JobStatus
from storage.sqlite.connection import connect
from storage.sqlite.upgrade import upgrade
from storage.threads import ThreadTotals
from tests.storage.database_files import made_at
from tests.storage.rows import NOW, SERVER, USER, add_done, add_image, add_job, add_submission, count

PROMPTS = ("Straße bei Nacht", "Кот 100%", "a snake_case", "a back\\slash", "Ночь, \n  кот")


async def found(database: Database, user_id: int = USER, **wanted: object) -> list[str]:
    async with database.read() as conn:
        sought = JobFilter(**wanted)  # type: ignore[arg-type]  # a test says any part of it
        made = await jobs.jobs_of(conn, user_id, sought, limit=100)
        assert await jobs.count_jobs(conn, user_id, sought) == len(made)
    return [job.options["prompt"] for job in made]


async def hold(tx: AsyncConnection, submission_id: int) -> None:
    await ledger.hold(tx, ledger.Hold(submission_id, "a/one", 5000), user_id=USER, server_id=SERVER, at=NOW)


@pytest.mark.parametrize(
    ("words", "prompts"),
    [
        ("STRASSE", ["Straße bei Nacht"]),
        ("кОТ", ["Ночь, \n  кот", "Кот 100%"]),
        ("ночь, кот", ["Ночь, \n  кот"]),
        ("100%", ["Кот 100%"]),
        ("%", ["Кот 100%"]),
        ("_", ["a snake_case"]),
        ("\\", ["a back\\slash"]),
        ("a_s", []),
        ("prompt", []),
        (" ", list(reversed(PROMPTS))),
        ("'; drop table jobs; --", []),
    ],
)
async def test_jobs_are_found_by_words_in_their_prompt(database: Database, words: str, prompts: list[str]) -> None:
    async with database.write() as tx:
        for age, prompt in enumerate(PROMPTS):
            await add_job(tx, options={"prompt": prompt, "engine": "x"}, at=NOW + age)
    assert await found(database, words=words) == prompts


OTHER_FORMS = ["a café in İstanbul", "a cafe\u0301 in I\u0307stanbul", "a ＣＡＦÉ in Istanbul"]


@pytest.mark.parametrize(
    "words", ["café", "cafe\u0301", "CAFÉ", "cafe", "ｃａｆé", "istanbul", "İstanbul", "in ISTANBUL"]
)
async def test_words_are_found_in_every_unicode_form(database: Database, words: str) -> None:
    async with database.write() as tx:
        for prompt in OTHER_FORMS:
            await add_job(tx, options={"prompt": prompt, "engine": "x"})
    assert len(await found(database, words=words)) == len(OTHER_FORMS)


def test_combining_marks_that_are_letters_are_kept() -> None:
    assert folded("が") != folded("か")
    assert folded("กี") != folded("ก")


def test_a_search_is_bounded_and_escaped() -> None:
    assert pattern("50%_\\") == "%50\\%\\_\\\\%"
    assert len(words_of({"prompt": "x" * 10_000})) == WORDS_AT_MOST
    assert len(pattern("%" * 10_000)) <= 2 * WORDS_AT_MOST + 2
    assert words_of({}) == ""


async def test_only_the_users_own_existing_jobs_latest_first(database: Database) -> None:
    async with database.write() as tx:
        for prompt, said in (
            ("first", {}),
            ("private", {"private": True, "server_id": None}),
            ("gone", {"status": JobStatus.DELETED}),
            ("never", {"status": JobStatus.LAPSED}),
            ("kept", {"status": JobStatus.UNDELIVERED}),
            ("foreign", {"user_id": USER + 1}),
        ):
            await add_job(tx, options={"prompt": prompt}, **said)
    assert await found(database) == ["kept", "private", "first"]
    assert await found(database, USER + 1) == ["foreign"]
    async with database.read() as conn:
        page = await jobs.jobs_of(conn, USER, JobFilter(), limit=1, offset=1)
    assert [job.options["prompt"] for job in page] == ["private"]


async def test_engine_and_thread_filter_the_history(database: Database) -> None:
    async with database.write() as tx:
        thread = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        both = await add_job(tx, options={"prompt": "both"}, thread_id=thread)
        for position, engine in enumerate(("a/one", "a/two")):
            await add_submission(tx, both, position=position, engine=engine)
        await add_submission(tx, await add_job(tx, options={"prompt": "one"}), engine="a/one")
    assert await found(database, engine="a/one") == ["one", "both"]
    assert await found(database, engine="a/two") == ["both"]
    assert await found(database, engine="a/%") == []
    assert await found(database, thread_id=thread) == ["both"]
    assert await found(database, thread_id=thread, engine="a/one", words="bot") == ["both"]
    assert await found(database, USER + 1, thread_id=thread) == []


async def test_the_images_of_a_thread_come_by_job_in_the_order_of_the_card(database: Database) -> None:
    async with database.write() as tx:
        thread = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        made = []
        for _ in range(2):
            job = await add_job(tx, thread_id=thread)
            for position in (1, 0):
                submission = await add_submission(tx, job, position=position)
                made += [(job, position, place, await add_image(tx, submission, place)) for place in (1, 0)]
        deleted = await add_job(tx, thread_id=thread, status=JobStatus.DELETED)
        await add_image(tx, await add_submission(tx, deleted))
        await add_image(tx, await add_submission(tx, await add_job(tx)))
        expected = [(job, image) for job, _, _, image in sorted(made, key=lambda row: (-row[0], row[1], row[2]))]
        every = await images.images_of_thread(tx, USER, thread, limit=100)
        assert [(job, image.id) for job, image in every] == expected
        page = await images.images_of_thread(tx, USER, thread, limit=3, offset=3)
        assert [(job, image.id) for job, image in page] == expected[3:6]
        assert await images.images_of_thread(tx, USER + 1, thread, limit=100) == []


async def test_the_work_in_threads_is_counted(database: Database) -> None:
    async with database.write() as tx:
        one = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        other = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="dogs", at=NOW)
        for status, exact, ended in (
            (JobStatus.DELIVERED, True, True),
            (JobStatus.UNDELIVERED, False, True),
            (JobStatus.DELETED, True, True),
            (JobStatus.WORKING, True, False),
            (JobStatus.LAPSED, True, None),
        ):
            job = await add_job(tx, thread_id=one, status=status)
            if ended is None:
                continue
            submission = (
                await add_done(tx, job, sent_at=NOW, finished_at=NOW) if ended else await add_submission(tx, job)
            )
            await hold(tx, submission)
            if ended:
                await ledger.capture(tx, submission, amount=4000, exact=exact, raw_amount=4000, at=NOW)
                await add_image(tx, submission)
                await add_image(tx, submission, 1)
        done = await threads.totals(tx, [one, other])
    assert done[one] == ThreadTotals(
        jobs=3, unfinished=1, undelivered=1, images=4, spent=12_000, estimated=4000, held=5000
    )
    assert done[other] == ThreadTotals()


async def test_a_thread_is_deleted_with_its_jobs_and_the_ledger_stays(database: Database) -> None:
    async with database.write() as tx:
        one = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        other = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="dogs", at=NOW)
        for thread in (one, other):
            job = await add_job(tx, thread_id=thread, status=JobStatus.DELIVERED)
            submission = await add_submission(tx, job)
            await add_image(tx, submission)
            await hold(tx, submission)
        assert await threads.delete_thread(tx, one, USER + 1) is None
        assert await threads.delete_thread(tx, 999, USER) is None
        assert await count(tx, tables.jobs) == 2
        await tx.execute(update(tables.images).values(preview=tables.images.c.file + "-small"))
        assert await threads.delete_thread(tx, one, USER) == ["1-0.png", "1-0.png-small"]
        assert await count(tx, tables.jobs) == await count(tx, tables.images) == 1
        assert await count(tx, tables.ledger) == 2
        assert await threads.get_thread(tx, one, USER) is None
        current = await threads.current_thread(tx, USER, SERVER)
        assert current is not None
        assert current.id == other


def test_older_jobs_are_found_by_their_words_too(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0003")
    connection = connect(path)
    columns = "user_id, status, options, channel_id, file_limit, created_at, updated_at"
    for prompt in ("Straße", 'a "quoted" one'):
        row = (USER, "delivered", json.dumps({"prompt": prompt}), 1, 1, NOW, NOW)
        connection.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - fixed text
    connection.commit()
    connection.close()
    upgrade(path)
    connection = connect(path)
    assert connection.execute("SELECT words FROM jobs ORDER BY id").fetchall() == [("strasse",), ('a "quoted" one',)]
    connection.close()
    assert "0004" in known_versions()


async def test_only_the_owner_can_rename_a_thread(database: Database) -> None:
    async with database.write() as tx:
        one = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        assert not await threads.rename(tx, one, USER + 1, "mine")
        assert await threads.rename(tx, one, USER, "dogs")
        thread = await threads.get_thread(tx, one, USER)
    assert thread is not None
    assert thread.title == "dogs"


async def test_threads_are_paged_and_a_user_can_leave_the_current_one(database: Database) -> None:
    async with database.write() as tx:
        for age in range(5):
            await threads.open_thread(tx, user_id=USER, place_id=SERVER, title=str(age), at=NOW + age)
        await threads.open_thread(tx, user_id=USER, place_id=0, title="elsewhere", at=NOW)
        assert await threads.count_threads(tx, USER, SERVER) == 5
        page = await threads.threads_of(tx, USER, SERVER, limit=2, offset=2)
        assert [thread.title for thread in page] == ["2", "1"]
        await threads.leave_thread(tx, user_id=USER, place_id=SERVER)
        assert await threads.current_thread(tx, USER, SERVER) is None
        assert await threads.current_thread(tx, USER, 0) is not None


async def test_a_preview_is_recorded_once_and_only_beside_its_file(database: Database) -> None:
    async with database.write() as tx:
        submission = await add_submission(tx, await add_job(tx))
        one, other = [await add_image(tx, submission, place, at=NOW + place) for place in (0, 1)]
        assert [image.id for image in await images.without_preview(tx, (0, 0), before=NOW + 2, limit=9)] == [one, other]
        assert [image.id for image in await images.without_preview(tx, (NOW, one), before=NOW + 2, limit=9)] == [other]
        assert [image.id for image in await images.without_preview(tx, (0, 0), before=NOW + 1, limit=9)] == [one]
        assert await images.set_preview(tx, one, "one.webp")
        assert not await images.set_preview(tx, one, "again.webp")
        await images.forget_files(tx, [other])
        assert not await images.set_preview(tx, other, "other.webp")
        assert await images.without_preview(tx, (0, 0), before=NOW + 2, limit=9) == []
        assert await images.image_files(tx) == {f"{submission}-0.png", "one.webp"}
        assert await images.old_previews(tx, NOW + 1, limit=9) == [], "otherwise it would be created twice"
        await images.forget_files(tx, [one])
        assert [image.id for image in await images.old_previews(tx, NOW + 1, limit=9)] == [one]
        assert await images.old_previews(tx, NOW, limit=9) == []
        await images.forget_previews(tx, [one])
        assert await images.old_previews(tx, NOW + 1) == []
        assert await images.get_image(tx, 999) is None
