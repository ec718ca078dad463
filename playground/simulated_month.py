"""A month in the life of the playground's server, for screenshots of reports."""

from __future__ import annotations

import random

from playground.studio import Studio
from storage import images, ledger, submissions
from storage import jobs as rows
from storage.database import AsyncConnection
from storage.records import EventReason, JobStatus, SubmissionStatus

DAY = 86_400_000
CORE, BASIC, XL = "aithriving/core", "aithriving/sd-1.6", "ai-client/stable-diffusion-xl-1024-v0-9"
ENGINES = ((CORE, 6000, True), (BASIC, 900, False), (XL, 5000, True))


async def live_through_a_month(studio: Studio) -> None:
    """Simulate what people did in the previous weeks."""
    chance = random.Random(5)
    now = studio.runtime.clock.now()
    people = [person.id for person in studio.world.people]
    async with studio.runtime.database.write() as tx:
        for number in range(90):
            at = now - int(24 * DAY * chance.random() ** 1.4)
            await live_once(tx, studio, chance.choices(people, (5, 3, 1))[0], at, *chance.choice(ENGINES), number)


async def live_once(
    tx: AsyncConnection, studio: Studio, user_id: int, at: int, engine: str, price: int, exact: bool, number: int
) -> None:
    """Run one job with one request; some fail."""
    server_id, channel_id = studio.world.server.id, studio.world.channel.id
    job_id = await rows.add_job(
        tx,
        rows.NewJob(
            user_id=user_id,
            server_id=server_id,
            status=JobStatus.DELIVERED,
            options={"prompt": "a lighthouse"},
            channel_id=channel_id,
            file_limit=1,
            created_at=at,
        ),
    )
    provider = engine.partition("/")[0]
    (id_,) = await submissions.add_submissions(
        tx, job_id, [submissions.Asked(engine, provider, {})], user_id=user_id, at=at
    )
    await ledger.hold(tx, ledger.Hold(id_, engine, price), user_id=user_id, server_id=server_id, at=at)
    status = SubmissionStatus.FAILED if number % 15 == 0 else SubmissionStatus.DONE
    await submissions.move_submission(tx, id_, SubmissionStatus.QUEUED, status, at=at, why=EventReason.FINISHED)
    if status is SubmissionStatus.FAILED:
        await ledger.release(tx, id_, at=at, note=EventReason.FAILED)
        return
    image = images.NewImage(0, f"{id_}.png", "image/png", width=1, height=1, bytes=1, seed=None, filtered=False)
    await images.add_images(tx, id_, [image], at=at)
    await ledger.capture(tx, id_, amount=price, exact=exact, raw_amount=price, at=at)
