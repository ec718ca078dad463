"""Threads: one is current in each place, and a user reaches only their own."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from storage import jobs, tables, threads
from storage.database import Database
from storage.threads import Thread
from tests.storage.rows import NOW, SERVER, USER, add_job, count


async def test_a_new_thread_is_the_current_one_of_its_place(database: Database) -> None:
    async with database.write() as tx:
        assert await threads.current_thread(tx, USER, SERVER) is None
        await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="lighthouses", at=NOW)
        second = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW + 1)
        private = await threads.open_thread(tx, user_id=USER, place_id=0, title="secrets", at=NOW + 2)
    async with database.read() as conn:
        assert await threads.current_thread(conn, USER, SERVER) == Thread(
            id=second, user_id=USER, place_id=SERVER, title="cats", created_at=NOW + 1, updated_at=NOW + 1
        )
        in_messages = await threads.current_thread(conn, USER, 0)
        assert in_messages is not None
        assert in_messages.id == private
        assert await threads.current_thread(conn, USER + 1, SERVER) is None
        assert await count(conn, tables.current_threads) == 2


async def test_a_user_returns_to_an_earlier_thread_of_their_own_in_that_place_only(database: Database) -> None:
    async with database.write() as tx:
        first = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="lighthouses", at=NOW)
        second = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        foreign = await threads.open_thread(tx, user_id=USER + 1, place_id=SERVER, title="dogs", at=NOW)
        elsewhere = await threads.open_thread(tx, user_id=USER, place_id=0, title="secrets", at=NOW)
        for wrong in (foreign, elsewhere, 999):
            assert not await threads.use_thread(tx, user_id=USER, place_id=SERVER, thread_id=wrong, at=NOW)
        current = await threads.current_thread(tx, USER, SERVER)
        assert current is not None
        assert current.id == second
        assert await threads.use_thread(tx, user_id=USER, place_id=SERVER, thread_id=first, at=NOW + 5)
        current = await threads.current_thread(tx, USER, SERVER)
        assert current is not None
        assert (current.id, current.updated_at) == (first, NOW + 5)


async def test_a_title_is_read_only_if_the_user_has_several_threads_in_that_place(database: Database) -> None:
    async with database.write() as tx:
        one = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW)
        await threads.open_thread(tx, user_id=USER, place_id=0, title="elsewhere", at=NOW)
        await threads.open_thread(tx, user_id=USER + 1, place_id=SERVER, title="somebody else's", at=NOW)
        assert await threads.titles(tx, [one]) == {}
        other = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="dogs", at=NOW)
        assert await threads.titles(tx, [one, other]) == {one: "cats", other: "dogs"}


async def test_only_the_owner_gets_a_thread(database: Database) -> None:
    async with database.write() as tx:
        id_ = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="lighthouses", at=NOW)
        mine = await threads.get_thread(tx, id_, USER)
        assert mine is not None
        assert mine.title == "lighthouses"
        assert await threads.get_thread(tx, id_, USER + 1) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["Straße bei Nacht", "Кот 100%", "Leuchttürme"]),
        ("LEUCHT", ["Leuchttürme"]),
        ("кОТ", ["Кот 100%"]),
        ("STRASSE", ["Straße bei Nacht"]),
        ("100%", ["Кот 100%"]),
        ("%", ["Кот 100%"]),
        ("_", []),
        ("e", ["Straße bei Nacht", "Leuchttürme"]),
    ],
)
async def test_threads_are_found_by_a_part_of_their_title(database: Database, text: str, found: list[str]) -> None:
    async with database.write() as tx:
        for age, title in enumerate(("Leuchttürme", "Кот 100%", "Straße bei Nacht")):
            await threads.open_thread(tx, user_id=USER, place_id=SERVER, title=title, at=NOW + age)
        await threads.open_thread(tx, user_id=USER + 1, place_id=SERVER, title="e 100% foreign", at=NOW)
        await threads.open_thread(tx, user_id=USER, place_id=0, title="e 100% elsewhere", at=NOW)
    async with database.read() as conn:
        assert [thread.title for thread in await threads.find_threads(conn, USER, SERVER, text)] == found
        assert [thread.title for thread in await threads.find_threads(conn, USER, SERVER, text, limit=1)] == found[:1]


async def test_the_most_recently_used_thread_comes_first(database: Database) -> None:
    async with database.write() as tx:
        first = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="lighthouses", at=NOW)
        await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="cats", at=NOW + 1)
        await threads.touch(tx, first, NOW + 2)
        titles = [thread.title for thread in await threads.find_threads(tx, USER, SERVER, "")]
    assert titles == ["lighthouses", "cats"]


async def test_the_jobs_of_a_deleted_thread_stay(database: Database) -> None:
    async with database.write() as tx:
        id_ = await threads.open_thread(tx, user_id=USER, place_id=SERVER, title="lighthouses", at=NOW)
        job_id = await add_job(tx, thread_id=id_)
        await tx.execute(delete(tables.threads))
        job = await jobs.get_job(tx, job_id)
        assert job is not None
        assert job.thread_id is None
        assert await threads.current_thread(tx, USER, SERVER) is None
