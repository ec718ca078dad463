"""How long a picture that jobs start from lives: recorded with the job, deleted with it or by age, never too early."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.errors import UserError
from bot.jobs.image_files import Previews
from bot.jobs.new_jobs import PICTURE_GONE, pictures_of
from bot.providers.base import ImageRequest
from bot.providers.operations import Operation, Size
from bot.retention import Ages, Deleted, apply_retention
from storage import images, jobs, ledger, sources
from storage.ledger import Scope
from storage.records import JobStatus, SourceKind, StoredSource
from storage.sources import NewSource
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, Workshop

WEEK = Ages(image_days=7, job_days=40)


async def attached(workshop: Workshop, origin: Origin = ADA, kind: SourceKind = SourceKind.ATTACHED) -> int:
    """Store a picture as if it had been attached now."""
    name = sources.new_name("image/jpeg")
    await workshop.files.prepare()
    await asyncio.to_thread(workshop.files.path(name).write_bytes, b"a picture")
    now = workshop.clock.now()
    async with workshop.database.write() as tx:
        return await sources.add(tx, NewSource(origin.user_id, kind, name, "image/jpeg", 64, 64, 9, name, now))


async def start_from(
    workshop: Workshop, source: int, *, mask: int | None = None, origin: Origin = ADA, images: int = 1
) -> int:
    """Add a job that starts from this picture."""
    plan = workshop.service.check(origin, ImagineOptions(prompt="a lighthouse", images=images))
    requests = tuple(
        replace(request, operation=Operation.INPAINT, source=source, mask=mask) for request in plan.requests
    )
    card = CardAddress(origin.channel_id, 1000, "token", workshop.clock.now() + 900_000)
    return await workshop.service.imagine(origin, replace(plan, requests=requests), card)


async def stored(workshop: Workshop, source: int) -> StoredSource | None:
    async with workshop.database.read() as connection:
        return await sources.get(connection, source)


async def has_file(workshop: Workshop, name: str) -> bool:
    return await asyncio.to_thread(workshop.files.path(name).exists)


async def name_of(workshop: Workshop, source: int) -> str:
    found = await stored(workshop, source)
    assert found is not None
    assert found.file is not None
    return found.file


async def tidied(workshop: Workshop, *, after_days: float) -> Deleted:
    workshop.clock.advance(after_days * 86_400)
    previews = Previews(workshop.database, workshop.files)
    return await apply_retention(workshop.database, workshop.files, previews, workshop.clock, WEEK)


async def test_a_job_is_recorded_with_its_picture_and_every_entry_with_the_operation(workshop: Workshop) -> None:
    picture, mask = await attached(workshop), await attached(workshop, kind=SourceKind.MASK)
    workshop.clock.advance(60)
    job_id = await start_from(workshop, picture, mask=mask, images=2)
    plain = await workshop.imagine()
    await workshop.finish()
    job = (await workshop.view(job_id)).job
    assert (job.source_id, job.mask_id) == (picture, mask)
    assert (await workshop.view(plain)).job.source_id is None
    for source in (picture, mask):
        found = await stored(workshop, source)
        assert found is not None
        assert found.used_at == job.created_at
    async with workshop.database.read() as connection:
        entries = [entry async for some in ledger.entries(connection, Scope()) for entry in some]
    operations = {(entry.job_id, entry.operation) for entry in entries}
    assert operations == {(job_id, "inpaint"), (plain, "text_to_image")}


async def test_nothing_is_stored_if_the_picture_is_gone(workshop: Workshop) -> None:
    picture = await attached(workshop)
    assert await tidied(workshop, after_days=1.1) == Deleted(images=0, jobs=0, tokens=0, pictures=1)
    with pytest.raises(UserError) as error:
        await start_from(workshop, picture)
    assert codes(error.value) == [PICTURE_GONE.code]
    async with workshop.database.read() as connection:
        assert await jobs.jobs_with_status(connection, list(JobStatus)) == []
    assert (await workshop.totals()).in_flight == 0


def test_the_requests_of_a_job_start_from_one_picture() -> None:
    request = ImageRequest("an/engine", (), Size(64, 64))
    one = replace(request, source=1, mask=2)
    assert pictures_of([request, request]) == (None, None)
    assert pictures_of([one, one]) == (1, 2)
    with pytest.raises(ValueError, match="2 pictures"):
        pictures_of([one, replace(request, source=3)])


async def test_a_picture_is_deleted_a_week_after_its_last_use(workshop: Workshop) -> None:
    picture = await attached(workshop)
    name = await name_of(workshop, picture)
    first = await start_from(workshop, picture)
    await workshop.finish()
    workshop.clock.advance(6 * 86_400)
    second = await start_from(workshop, picture)
    await workshop.finish()
    assert (await tidied(workshop, after_days=6)).pictures == 0
    assert await has_file(workshop, name)
    assert (await tidied(workshop, after_days=1.1)).pictures == 1
    assert not await has_file(workshop, name)
    found = await stored(workshop, picture)
    assert found is not None
    assert found.file is None, "the jobs still refer to it"
    assert (await tidied(workshop, after_days=60)).jobs == 2
    assert await stored(workshop, picture) is None
    async with workshop.database.read() as connection:
        assert await jobs.get_jobs(connection, [first, second]) == []


async def test_a_picture_is_kept_while_its_job_waits(workshop: Workshop) -> None:
    picture = await attached(workshop)
    job_id = await start_from(workshop, picture)
    assert (await tidied(workshop, after_days=400)).pictures == 0
    assert await has_file(workshop, await name_of(workshop, picture))
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED
    assert (await tidied(workshop, after_days=0)).pictures == 1


async def test_a_deleted_job_takes_its_picture_with_it_unless_another_job_started_from_it(workshop: Workshop) -> None:
    picture = await attached(workshop)
    name = await name_of(workshop, picture)
    first, second = await start_from(workshop, picture), await start_from(workshop, picture, origin=BEN)
    await workshop.finish()
    await workshop.results.delete(ADA, first)
    assert await has_file(workshop, name)
    assert await stored(workshop, picture) is not None
    await workshop.results.delete(BEN, second)
    assert not await has_file(workshop, name)
    assert await stored(workshop, picture) is None
    async with workshop.database.read() as connection:
        job = await jobs.get_job(connection, first)
        assert job is not None
        assert job.source_id is None
        assert await images.pending_removals(connection, limit=9) == []
