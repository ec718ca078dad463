"""Image ids are never reused: a preview's name would refer to another user's image."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import create_engine, delete, text

from storage import tables
from storage.database import Database, migrate
from storage.migrations import upgrade
from tests.storage.rows import add_image, add_job, add_submission, address


async def test_ids_are_not_reused_after_a_deletion(database: Database) -> None:
    async with database.write() as tx:
        first = await add_image(tx, await add_submission(tx, await add_job(tx)))
        await tx.execute(delete(tables.jobs))
        again = await add_image(tx, await add_submission(tx, await add_job(tx)))
    assert again > first


def test_ids_are_not_reused_after_a_deletion_before_the_migration(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, to="0005")
        for job in (1, 2):
            connection.execute(
                text(
                    "INSERT INTO jobs (id, user_id, status, options, channel_id, file_limit, created_at, updated_at) "
                    "VALUES (:job, 1, 'delivered', '{\"prompt\": \"a fox\"}', 1, 1, 1, 1)"
                ),
                {"job": job},
            )
            connection.execute(
                text(
                    "INSERT INTO submissions (id, job_id, position, user_id, engine, provider, status, request, "
                    "created_at, updated_at) VALUES (:job, :job, 0, 1, 'a/b', 'a', 'done', '{}', 1, 1)"
                ),
                {"job": job},
            )
            for position in range(10):
                connection.execute(
                    text(
                        "INSERT INTO images (submission_id, position, media_type, width, height, bytes, created_at) "
                        "VALUES (:job, :position, 'image/png', 1, 1, 1, 1)"
                    ),
                    {"job": job, "position": position},
                )
        highest = connection.execute(text("SELECT max(id) FROM images")).scalar_one()
        connection.execute(text("DELETE FROM images WHERE submission_id = 2"))
        connection.execute(text("DELETE FROM submissions WHERE id = 2"))
        connection.execute(text("DELETE FROM jobs WHERE id = 2"))
    engine.dispose()
    asyncio.run(migrate(address(path)))

    async def another() -> int:
        database = await Database.open(address(path))
        try:
            async with database.write() as tx:
                return await add_image(tx, await add_submission(tx, await add_job(tx)))
        finally:
            await database.close()

    assert asyncio.run(another()) > highest


def test_everything_that_users_can_reference_has_ids_that_are_never_reused() -> None:
    """Buttons, commands and file names refer to these ids."""
    for table in (tables.threads, tables.jobs, tables.submissions, tables.images):
        assert table.dialect_options["sqlite"]["autoincrement"], table.name
