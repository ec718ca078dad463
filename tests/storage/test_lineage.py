"""What jobs were made from, and what was made from them."""

from __future__ import annotations

from typing import Any

from storage import jobs, lineage, sources
from storage.database import AsyncConnection, Database
from storage.lineage import Made
from storage.records import JobStatus, SourceKind
from tests.storage.rows import NOW, USER, add_image, add_job, add_submission


async def add_source(tx: AsyncConnection, **said: Any) -> int:
    values: dict[str, Any] = {
        "user_id": USER,
        "kind": SourceKind.ATTACHED,
        "file": sources.new_name("image/png"),
        "media_type": "image/png",
        "width": 1024,
        "height": 768,
        "bytes": 1_500_000,
        "digest": "0" * 64,
        "created_at": NOW,
    } | said
    return await sources.add(tx, sources.NewSource(**values))


async def add_result(tx: AsyncConnection, **said: Any) -> tuple[int, int]:
    """A delivered job and its image."""
    job_id = await add_job(tx, status=JobStatus.DELIVERED, **said)
    return job_id, await add_image(tx, await add_submission(tx, job_id))


async def test_a_line_ends_at_the_first_picture(database: Database) -> None:
    async with database.write() as tx:
        photo = await add_source(tx)
        first, image = await add_result(tx, source_id=photo)
        copy = await add_source(tx, kind=SourceKind.RESULT, job_id=first, image_id=image)
        second, _ = await add_result(tx, source_id=copy)
        third, _ = await add_result(tx, parent_id=second)
        line = await lineage.ancestors(tx, third, limit=10)
    assert line == [Made(first, None, photo, None), Made(second, first, copy, image), Made(third, second, None, None)]


async def test_a_repetition_was_made_from_the_repeated_job(database: Database) -> None:
    async with database.write() as tx:
        first, image = await add_result(tx)
        copy = await add_source(tx, kind=SourceKind.RESULT, job_id=first, image_id=image)
        second, _ = await add_result(tx, source_id=copy, parent_id=first)
        again, _ = await add_result(tx, source_id=copy, parent_id=second)
        photo = await add_source(tx)
        attached, _ = await add_result(tx, source_id=photo)
        repeated, _ = await add_result(tx, source_id=photo, parent_id=attached)
        assert [made.job_id for made in await lineage.ancestors(tx, again, limit=10)] == [first, second, again]
        assert [made.job_id for made in await lineage.ancestors(tx, repeated, limit=10)] == [attached, repeated]
        below = await lineage.descendants(tx, first, limit=10)
    assert [(made.job_id, made.parent) for made in below] == [(second, first), (again, second)]


async def test_the_image_counts_more_than_the_job_whose_words_were_used(database: Database) -> None:
    async with database.write() as tx:
        first, image = await add_result(tx)
        other, _ = await add_result(tx)
        copy = await add_source(tx, kind=SourceKind.RESULT, job_id=first, image_id=image)
        job_id, _ = await add_result(tx, source_id=copy, parent_id=other)
        assert [made.parent for made in await lineage.ancestors(tx, job_id, limit=10)] == [None, first]
        assert await lineage.descendants(tx, other, limit=10) == []


async def test_descendants_come_generation_by_generation(database: Database) -> None:
    async with database.write() as tx:
        root, image = await add_result(tx)
        copy = await add_source(tx, kind=SourceKind.RESULT, job_id=root, image_id=image)
        child, _ = await add_result(tx, parent_id=root)
        grandchild, _ = await add_result(tx, parent_id=child)
        late, _ = await add_result(tx, source_id=copy)
        await add_result(tx)
        found = await lineage.descendants(tx, root, limit=10)
        assert [made.job_id for made in found] == [child, late, grandchild]
        assert [made.job_id for made in await lineage.descendants(tx, root, limit=2)] == [child, late]
        assert [made.job_id for made in await lineage.descendants(tx, root, limit=1)] == [child]


async def test_both_ways_are_bounded(database: Database) -> None:
    async with database.write() as tx:
        ids = [await add_job(tx)]
        for _ in range(30):
            ids.append(await add_job(tx, parent_id=ids[-1]))
        line = await lineage.ancestors(tx, ids[-1], limit=5)
        assert [made.job_id for made in line] == ids[-6:]
        assert [made.job_id for made in await lineage.descendants(tx, ids[0], limit=7)] == ids[1:8]
        assert await lineage.ancestors(tx, 10_000, limit=5) == []


async def test_a_circle_ends(database: Database) -> None:
    """No circle can be made today. Rows of a repaired or older database must not hang the bot."""
    async with database.write() as tx:
        one = await add_job(tx)
        two = await add_job(tx, parent_id=one)
        await jobs.update_job(tx, one, parent_id=two)
        assert {made.job_id for made in await lineage.ancestors(tx, one, limit=10)} == {one, two}
        assert [made.job_id for made in await lineage.descendants(tx, one, limit=10)] == [two]
