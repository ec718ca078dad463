"""Undelivered results are in the history and can be shown privately to their author."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.retention import Ages, apply_retention
from bot.ui.cards.delivery_text import IN_HISTORY, NOT_SHOWN, TOO_LARGE_HERE
from bot.ui.cards.history import KEPT_UNTIL
from bot.ui.cards.job import NOT_CHARGED
from bot.ui.cards.wording import moment
from bot.ui.delivery.undelivered import SHOWN_BEFORE
from storage import images
from storage import jobs as rows
from storage.records import DeliveryMethod, DeliveryReason, Job, JobStatus
from storage.reports import DAY
from tests.cogs.conftest import Studio, card, told
from tests.cogs.test_history import looked
from tests.cogs.test_threads import forge, seen_by
from tests.doubles.texts import shows


async def keep(studio: Studio, prompt: str = "a fox", **options: Any) -> int:
    """A finished job that is undelivered because its card was deleted."""
    result = await studio.imagine(prompt=prompt, **options)
    await studio.begun(count=options.get("images", 1))
    await studio.admin.delete(card(result).raw)
    studio.stand_in.finish_all()
    await studio.finish()
    assert (await studio.job(1)).status is JobStatus.UNDELIVERED
    return 1


def until(job: Job) -> int:
    """The time at which its files are deleted, in Unix seconds."""
    assert job.ended_at is not None
    return (job.ended_at + 365 * DAY) // 1000


async def test_an_undelivered_result_is_kept_as_long_as_its_job(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio)
    runtime, ages = studio.runtime, Ages(image_days=7, job_days=365)

    async def stored(*, after_days: int) -> bool:
        studio.clock.advance(after_days * 86_400)
        await apply_retention(runtime.database, runtime.files, runtime.previews, studio.clock, ages)
        return any(image.file is not None for image in (await runtime.jobs.view(1)).images)

    details = told(await forge(studio, studio.ada, "easel:details:1"))
    assert f"<t:{until(await studio.job(1))}:D>" in details.text
    assert await stored(after_days=8)
    assert await stored(after_days=300)
    shown = await looked(studio)
    assert len(told(await studio.press(studio.ada, shown, "Show")).images) == 1
    assert await stored(after_days=6), "it was shown six days ago"
    assert not await stored(after_days=2)


async def test_a_result_that_is_never_shown_is_deleted_with_its_job(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio)
    runtime, ages = studio.runtime, Ages(image_days=7, job_days=365)
    (image,) = (await runtime.jobs.view(1)).images
    studio.clock.advance(366 * 86_400)
    await apply_retention(runtime.database, runtime.files, runtime.previews, studio.clock, ages)
    async with runtime.database.read() as connection:
        assert await rows.get_job(connection, 1) is None
    assert image.file is not None
    assert not await asyncio.to_thread(runtime.files.path(image.file).exists)


async def test_an_undelivered_result_is_shown_on_request(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio, images=2)
    shown = await looked(studio)
    assert shows(shown.text, KEPT_UNTIL)
    assert f"<t:{until(await studio.job(1))}:D>" in shown.text
    assert shown.labels == ["Show", "Edit prompt", "Details"]
    result = told(await studio.press(studio.ada, shown, "Show"))
    assert len(result.images) == 2
    assert "12 credits" in result.text
    assert "Again" in result.labels
    job = await studio.job(1)
    assert (job.status, job.delivered_by) == (JobStatus.DELIVERED, DeliveryMethod.HISTORY)
    after = await looked(studio)
    assert after.labels == ["Again", "Edit prompt", "Details"], "no message shows it"
    once_more = told(await forge(studio, studio.ada, "easel:show:1"))
    assert shows(once_more.text, SHOWN_BEFORE)
    assert "a fox" not in seen_by(studio, studio.ben)


async def test_a_result_stays_undelivered_if_discord_refuses_images(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio)
    shown = await looked(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=400, code=20009)
    answer = told(await studio.press(studio.ada, shown, "Show"))
    assert answer.images == []
    assert shows(answer.text, NOT_SHOWN)
    assert (await studio.job(1)).status is JobStatus.UNDELIVERED
    assert len(told(await studio.press(studio.ada, shown, "Show")).images) == 1


async def test_an_undelivered_result_is_shown_after_a_restart(slow_studio: Studio) -> None:
    await keep(slow_studio)
    shown = await looked(slow_studio)
    await slow_studio.restart()
    assert len(told(await slow_studio.press(slow_studio.ada, shown, "Show")).images) == 1


async def test_an_undelivered_failure_is_shown(slow_studio: Studio) -> None:
    studio = slow_studio
    studio.stand_in.keys = frozenset({"another"})
    await studio.imagine(prompt="a fox")
    await studio.finish()
    async with studio.runtime.database.write() as tx:
        await rows.move_job(
            tx, 1, JobStatus.DELIVERED, JobStatus.UNDELIVERED, at=1, delivery_reasons=[DeliveryReason.MESSAGE_GONE]
        )
    result = told(await studio.press(studio.ada, await looked(studio), "Show"))
    assert shows(result.text, NOT_CHARGED)
    assert (await studio.job(1)).status is JobStatus.DELIVERED


async def test_an_image_that_is_too_large_is_reencoded(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio)
    shown = await looked(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=413, code=40005)
    assert len(told(await studio.press(studio.ada, shown, "Show")).images) == 1
    assert (await studio.job(1)).status is JobStatus.DELIVERED


async def test_a_result_that_never_fits_stays_undelivered(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio)
    shown = await looked(studio)
    studio.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=413, code=40005, times=2)
    said = told(await studio.press(studio.ada, shown, "Show"))
    assert shows(said.text, TOO_LARGE_HERE(count=1))
    assert shows(said.text, IN_HISTORY(date=moment(until(await studio.job(1)) * 1000, "D")))
    assert (await studio.job(1)).status is JobStatus.UNDELIVERED


async def test_a_result_that_is_no_longer_stored_is_not_offered(slow_studio: Studio) -> None:
    studio = slow_studio
    await keep(studio)
    async with studio.runtime.database.write() as tx:
        await images.forget_files(tx, [image.id for image in await images.images_of(tx, 1)])
    shown = await looked(studio)
    assert "its files are gone" in shown.text
    assert "Show" not in shown.labels
