"""``python -m playground.admin_screenshots``: takes the screenshots of docs/admins.md in the playground."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import Locator

from bot import config, logs
from fakes.services import StandIn
from playground.studio import Studio, open_studio
from storage import images, ledger, submissions
from storage import jobs as rows
from storage.database import AsyncConnection
from storage.records import EventReason, JobStatus, SubmissionStatus

if TYPE_CHECKING:
    from playground.browser import Visitor

FOLDER = Path("docs")
DAY = 86_400_000
CORE, BASIC, XL = "aithriving/core", "aithriving/sd-1.6", "ai-client/stable-diffusion-xl-1024-v0-9"
ENGINES = ((CORE, 6000, True), (BASIC, 900, False), (XL, 5000, True))
# Tall enough for a whole report.
HEIGHT = 1400


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


async def keep(visitor: Visitor, message: Locator, name: str) -> None:
    """Save a screenshot of a message."""
    await visitor.settled()
    await message.screenshot(path=FOLDER / name)


async def take() -> None:
    """Take a report, a limit, and the refusal of a user who reached it."""
    settings = config.load({"LOG_LEVEL": "warning"}, env_file=None)
    logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
    async with open_studio(settings, StandIn(seconds=None)) as studio:
        from playground.browser import visit
        from playground.live_page import open_page

        await live_through_a_month(studio)
        async with open_page(studio.world, port=0) as preview, visit(preview.url, width=1000, height=HEIGHT) as visitor:
            await visitor.become("Grace (admin)")
            await visitor.run("usage report", {"period": "30 days"})
            report = await visitor.reply(0)
            await visitor.pictures(report, 1)
            await keep(visitor, report, "admins-report.png")
            await visitor.run("quota set", {"credits": "25", "period": "month"})
            await visitor.run("quota set", {"for": "server", "credits": "600"})
            before = await visitor.messages.count()
            await visitor.run("quota show", {})
            await keep(visitor, await visitor.reply(before), "admins-quota.png")
            await visitor.become("Ada")
            before = await visitor.messages.count()
            await visitor.run("imagine", {"prompt": "a lighthouse on a cliff", "images": "4"})
            await keep(visitor, await visitor.reply(before), "admins-refusal.png")


if __name__ == "__main__":
    asyncio.run(take())
