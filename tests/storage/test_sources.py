"""The pictures that requests start from: found again, kept while they are needed, and deleted with what needs them."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from storage import images, jobs, retention, sources, tables
from storage.database import AsyncConnection, Database
from storage.records import UNSHOWN, JobStatus, SourceKind, StoredSource
from tests.storage.rows import NOW, USER, add_image, add_job, add_source, add_submission, count

OTHER = USER + 1
DAY = 86_400_000


async def stored(tx: AsyncConnection, source_id: int) -> StoredSource:
    found = await sources.get(tx, source_id)
    assert found is not None
    return found


async def removals(tx: AsyncConnection) -> set[str]:
    return set((await tx.execute(select(tables.removals.c.file))).scalars())


async def due(tx: AsyncConnection, *, now: int, days: int = 7) -> list[int]:
    found = await sources.due(tx, used_before=now - days * DAY, added_before=now - DAY, limit=99)
    return sorted(source.id for source in found)


def test_names_are_new_and_tell_the_type() -> None:
    names = {sources.new_name("image/jpeg") for _ in range(9)}
    assert len(names) == 9
    assert all(name.startswith("s") and name.endswith(".jpg") for name in names)
    with pytest.raises(ValueError, match="image/gif"):
        sources.new_name("image/gif")


async def test_a_picture_is_read_as_it_was_added(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        image_id = await add_image(tx, await add_submission(tx, job_id))
        origin = {"image_id": image_id, "job_id": job_id, "author_id": OTHER}
        source_id = await add_source(tx, "s2.png", kind=SourceKind.RESULT, transparent=True, **origin)
    async with database.read() as conn:
        found = await stored(conn, source_id)
        assert found == StoredSource(
            id=source_id,
            user_id=USER,
            kind=SourceKind.RESULT,
            image_id=image_id,
            job_id=job_id,
            author_id=OTHER,
            file="s2.png",
            media_type="image/jpeg",
            width=4000,
            height=3000,
            bytes=2_000_000,
            transparent=True,
            digest="the digest of s2.png",
            created_at=NOW,
            used_at=None,
        )
        assert await sources.get(conn, source_id + 1) is None
        assert await sources.get_all(conn, [source_id, 99]) == {source_id: found}
        assert await sources.by_image(conn, image_id, user_id=USER) == found
        assert await sources.by_image(conn, image_id, user_id=OTHER) is None


async def test_the_same_picture_is_found_again_only_with_the_same_origin(database: Database) -> None:
    said = {"digest": "abc", "author_id": OTHER, "kind": SourceKind.MESSAGE}
    async with database.write() as tx:
        mine = await add_source(tx, "s1.jpg", **said)
        await add_source(tx, "s2.jpg", user_id=OTHER, **said)

        async def again(
            user_id: int = USER, kind: SourceKind = SourceKind.MESSAGE, author_id: int | None = OTHER
        ) -> bool:
            found = await sources.by_digest(tx, "abc", user_id=user_id, kind=kind, author_id=author_id)
            return found is not None and found.id == mine

        assert await again()
        assert not await again(user_id=OTHER)
        assert not await again(kind=SourceKind.ATTACHED)
        assert not await again(kind=SourceKind.MASK)
        assert not await again(author_id=None)
        await sources.forget_files(tx, [mine])
        assert not await again(), "a picture without its file is of no use"


async def test_the_latest_pictures_are_those_last_used_or_added(database: Database) -> None:
    async with database.write() as tx:
        old = await add_source(tx, "s1.jpg", created_at=NOW - 9)
        gone = await add_source(tx, "s2.jpg", created_at=NOW - 8)
        await add_source(tx, "s3.jpg", created_at=NOW - 7, kind=SourceKind.MASK)
        await add_source(tx, "s4.jpg", created_at=NOW - 6, user_id=OTHER)
        new = await add_source(tx, "s5.jpg", created_at=NOW - 5)
        await sources.forget_files(tx, [gone])
        assert [source.id for source in await sources.latest(tx, USER, limit=9)] == [new, old]
        assert await sources.touch(tx, [old], at=NOW)
        assert [source.id for source in await sources.latest(tx, USER, limit=9)] == [old, new]
        assert [source.id for source in await sources.latest(tx, USER, limit=1)] == [old]


async def test_a_job_starts_only_from_pictures_that_have_a_file(database: Database) -> None:
    async with database.write() as tx:
        there, gone = await add_source(tx, "s1.jpg"), await add_source(tx, "s2.jpg")
        await add_job(tx, source_id=gone)
        await sources.forget_files(tx, [gone])
        assert not await sources.touch(tx, [there, gone], at=NOW + 5)
        assert not await sources.touch(tx, [there, 99], at=NOW + 5)
        assert (await stored(tx, there)).used_at is None
        assert await sources.touch(tx, [there], at=NOW + 5)
        assert (await stored(tx, there)).used_at == NOW + 5
        assert await sources.touch(tx, [], at=NOW + 6)


async def test_a_job_knows_its_picture_and_its_mask(database: Database) -> None:
    async with database.write() as tx:
        picture = await add_source(tx, "s1.jpg")
        mask = await add_source(tx, "s2.png", kind=SourceKind.MASK)
        both = await add_job(tx, source_id=picture, mask_id=mask)
        bare = await add_job(tx)
        assert await sources.of_job(tx, both) == (await stored(tx, picture), await stored(tx, mask))
        assert await sources.of_job(tx, bare) == await sources.of_job(tx, 99) == (None, None)
        job = await jobs.get_job(tx, both)
        assert job is not None
        assert (job.source_id, job.mask_id) == (picture, mask)


async def test_unused_pictures_are_due_after_a_day_and_used_ones_later(database: Database) -> None:
    async with database.write() as tx:
        unused, used = await add_source(tx, "s1.jpg"), await add_source(tx, "s2.jpg")
        await sources.touch(tx, [used], at=NOW + 3 * DAY)
        assert await due(tx, now=NOW + DAY) == []
        assert await due(tx, now=NOW + DAY + 1) == [unused]
        assert await due(tx, now=NOW + 10 * DAY) == [unused]
        assert await due(tx, now=NOW + 10 * DAY + 1) == [unused, used]
        names = await sources.forget_files(tx, [unused, used])
        assert set(names) == await removals(tx) == {"s1.jpg", "s2.jpg"}
        assert await due(tx, now=NOW + 99 * DAY) == []
        assert await count(tx, tables.sources) == 0


async def test_a_picture_that_is_brought_again_is_kept_as_if_it_were_new(database: Database) -> None:
    async with database.write() as tx:
        unused, used = await add_source(tx, "s1.jpg"), await add_source(tx, "s2.jpg")
        await sources.touch(tx, [used], at=NOW)
        for source_id in (unused, used):
            await sources.renew(tx, source_id, at=NOW + 20 * DAY)
        assert await due(tx, now=NOW + 21 * DAY) == []
        assert await due(tx, now=NOW + 21 * DAY + 1) == [unused, used]


async def test_only_so_many_unused_pictures_of_a_person_are_kept(database: Database) -> None:
    async with database.write() as tx:
        ids = [await add_source(tx, f"s{number}.jpg", created_at=NOW + number) for number in range(5)]
        await add_source(tx, "s9.jpg", user_id=OTHER)
        await add_image(tx, await add_submission(tx, await add_job(tx, source_id=ids[0])))
        await sources.forget_files(tx, [ids[1]])
        assert await sources.unused_beyond(tx, USER, keep=3) == []
        assert await sources.unused_beyond(tx, USER, keep=1) == [ids[3], ids[2]]


@pytest.mark.parametrize("column", ["source_id", "mask_id"])
@pytest.mark.parametrize("status", list(JobStatus))
async def test_a_picture_of_a_job_without_images_is_unused_once_the_job_was_shown(
    database: Database, status: JobStatus, column: str
) -> None:
    async with database.write() as tx:
        picture = await add_source(tx)
        await sources.touch(tx, [picture], at=NOW)
        await add_submission(tx, await add_job(tx, status=status, **{column: picture}))
        assert await sources.unused_beyond(tx, USER, keep=0) == ([] if status in UNSHOWN else [picture])


@pytest.mark.parametrize("column", ["source_id", "mask_id"])
@pytest.mark.parametrize("status", list(JobStatus))
async def test_no_file_is_deleted_while_a_job_needs_it(database: Database, status: JobStatus, column: str) -> None:
    async with database.write() as tx:
        picture = await add_source(tx)
        await sources.touch(tx, [picture], at=NOW)
        await add_job(tx, status=JobStatus.DELIVERED, **{column: picture})
        await add_job(tx, status=status, **{column: picture})
        assert await due(tx, now=NOW + 99 * DAY) == ([] if status in UNSHOWN else [picture])


async def test_the_record_stays_while_a_job_refers_to_it(database: Database) -> None:
    async with database.write() as tx:
        picture, mask = await add_source(tx, "s1.jpg"), await add_source(tx, "s2.png", kind=SourceKind.MASK)
        first = await add_job(tx, status=JobStatus.DELIVERED, source_id=picture, mask_id=mask)
        second = await add_job(tx, status=JobStatus.DELIVERED, source_id=picture)
        await sources.forget_files(tx, [picture, mask])
        bare = await stored(tx, picture)
        assert (bare.file, bare.digest) == (None, None)
        await jobs.update_job(tx, first, ended_at=NOW - 2)
        await jobs.update_job(tx, second, ended_at=NOW - 1)
        assert await retention.delete_jobs(tx, NOW, limit=1) == 1
        assert await sources.get(tx, mask) is None
        assert await sources.get(tx, picture) == bare
        assert await retention.delete_jobs(tx, NOW, limit=1) == 1
        assert await sources.get(tx, picture) is None


async def test_a_deleted_job_takes_its_pictures_with_it(database: Database) -> None:
    async with database.write() as tx:
        picture, mask = await add_source(tx, "s1.jpg"), await add_source(tx, "s2.png", kind=SourceKind.MASK)
        first = await add_job(tx, source_id=picture, mask_id=mask)
        second = await add_job(tx, source_id=picture)
        assert await sources.release(tx, first) == ["s2.png"]
        assert await sources.of_job(tx, first) == (None, None)
        assert (await stored(tx, picture)).file == "s1.jpg", "another job started from it"
        assert await sources.release(tx, second) == ["s1.jpg"]
        assert await sources.release(tx, second) == await sources.release(tx, 99) == []
        assert await count(tx, tables.sources) == 0
        assert await removals(tx) == {"s1.jpg", "s2.png"}


async def test_a_picture_outlives_the_result_that_it_came_from(database: Database) -> None:
    async with database.write() as tx:
        job_id = await add_job(tx)
        image_id = await add_image(tx, await add_submission(tx, job_id))
        picture = await add_source(tx, kind=SourceKind.RESULT, image_id=image_id, job_id=job_id)
        child = await add_job(tx, source_id=picture, parent_id=job_id)
        await tx.execute(delete(tables.jobs).where(tables.jobs.c.id == job_id))
        left = await stored(tx, picture)
        assert (left.image_id, left.job_id, left.file) == (None, None, "s1.jpg")
        await tx.execute(delete(tables.sources))
        job = await jobs.get_job(tx, child)
        assert job is not None
        assert job.source_id is None


async def test_files_of_pictures_are_no_strays(database: Database) -> None:
    async with database.write() as tx:
        picture = await add_source(tx, "s1.jpg")
        await add_image(tx, await add_submission(tx, await add_job(tx)), file="1.png")
        assert await images.image_files(tx) == {"s1.jpg", "1.png"}
        await sources.forget_files(tx, [picture])
        assert await images.image_files(tx) == {"1.png"}
