"""How long a picture that jobs start from lives: recorded with the job, deleted with it or by age, never too early."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.domain.options import ImagineOptions
from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.place import CardAddress, Origin
from bot.errors import UserError
from bot.jobs import sources as jobs_sources
from bot.jobs.image_files import Previews
from bot.jobs.new_jobs import SOURCE_GONE
from bot.providers.operations import Operation
from bot.retention import Ages, Deleted, apply_retention
from storage import images, jobs, ledger, sources
from storage.ledger import Scope
from storage.records import JobStatus, StoredSource, SubmissionStatus
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, Workshop

WEEK = Ages(image_days=7, job_days=40)


async def attached(
    workshop: Workshop, origin: Origin = ADA, kind: SourceKind = SourceKind.ATTACHED, *, shade: int | None = None
) -> SourcePicture:
    """Store a picture that a person attaches now. Two are the same only if they have the same ``shade``."""
    size = (320, 256)
    picture = Image.effect_noise(size, 90) if shade is None else Image.new("L", size, shade)

    async def download(path: Path) -> None:
        await asyncio.to_thread(picture.save, path, "PNG")

    await workshop.files.prepare()
    return await workshop.sources.receive(origin.user_id, download, kind=kind)


async def start_from(
    workshop: Workshop,
    source: SourcePicture,
    *,
    mask: SourcePicture | None = None,
    origin: Origin = ADA,
    images: int = 1,
    proposed: bool = False,
) -> int:
    """Add a job that starts from this picture."""
    plan = workshop.service.check(origin, ImagineOptions(prompt="a lighthouse", images=images))
    mask_id = None if mask is None else mask.id
    requests = tuple(
        replace(request, operation=Operation.INPAINT, source=source.id, mask=mask_id) for request in plan.requests
    )
    options = replace(plan.options, operation=Operation.INPAINT, source=source, mask=mask)
    card = CardAddress(origin.channel_id, 1000, "token", workshop.clock.now() + 900_000)
    whole = replace(plan, options=options, requests=requests)
    return await workshop.service.imagine(origin, whole, card, proposed=proposed)


async def stored(workshop: Workshop, source: SourcePicture) -> StoredSource | None:
    async with workshop.database.read() as connection:
        return await sources.get(connection, source.id)


async def has_file(workshop: Workshop, name: str) -> bool:
    return await asyncio.to_thread(workshop.files.path(name).exists)


async def name_of(workshop: Workshop, source: SourcePicture) -> str:
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
    assert (job.source_id, job.mask_id) == (picture.id, mask.id)
    assert (await workshop.view(plain)).job.source_id is None
    for source in (picture, mask):
        found = await stored(workshop, source)
        assert found is not None
        assert found.used_at == job.created_at
    async with workshop.database.read() as connection:
        entries = [entry async for some in ledger.entries(connection, Scope()) for entry in some]
    operations = {(entry.job_id, entry.operation) for entry in entries}
    assert operations == {(job_id, "inpaint"), (plain, None)}


async def test_nothing_is_stored_if_the_picture_is_gone(workshop: Workshop) -> None:
    picture = await attached(workshop)
    assert await tidied(workshop, after_days=1.1) == Deleted(images=0, jobs=0, tokens=0, pictures=1)
    with pytest.raises(UserError) as error:
        await start_from(workshop, picture)
    assert codes(error.value) == [SOURCE_GONE.code]
    async with workshop.database.read() as connection:
        assert await jobs.jobs_with_status(connection, list(JobStatus)) == []
    assert (await workshop.totals()).in_flight == 0


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


async def test_the_picture_of_an_old_result_is_no_stray(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    (image,) = (await workshop.view(job_id)).images
    file = workshop.files.path(image.file or "")
    long_ago = workshop.clock.now() / 1000 - 100 * 86_400
    await asyncio.to_thread(os.utime, file, (long_ago, long_ago))
    picture = await workshop.sources.of_image(ADA, job_id, 1)
    # As if its record had not been added yet.
    before = int((long_ago + 1) * 1000)
    assert await name_of(workshop, picture) not in await workshop.files.strays(set(), before)


async def test_a_picture_that_is_attached_again_is_stored_once_and_kept_for_another_day(workshop: Workshop) -> None:
    picture = await attached(workshop, shade=9)
    workshop.clock.advance(0.9 * 86_400)
    assert await attached(workshop, shade=9) == picture
    name = await name_of(workshop, picture)
    assert await workshop.files.pools.files.run(os.listdir, workshop.files.path(name).parent) == [name]
    assert (await tidied(workshop, after_days=0.9)).pictures == 0
    assert (await tidied(workshop, after_days=0.2)).pictures == 1
    assert (await attached(workshop, shade=9)).id != picture.id


async def test_the_oldest_unused_picture_of_a_person_makes_room(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_sources, "UNUSED_AT_MOST", 2)
    used = await attached(workshop)
    await start_from(workshop, used)
    other = await attached(workshop, BEN)
    mine = [await attached(workshop) for _ in range(2)]
    name = await name_of(workshop, mine[0])
    mine.append(await attached(workshop))
    left = [each for each in (used, other, *mine) if await stored(workshop, each) is not None]
    assert left == [used, other, *mine[1:]]
    assert not await has_file(workshop, name)


async def test_a_job_whose_picture_is_missing_on_the_disk_fails_for_free(workshop: Workshop) -> None:
    """As after a backup was restored without the folder of images."""
    picture = await attached(workshop)
    await workshop.files.remove(await name_of(workshop, picture))
    job_id = await start_from(workshop, picture)
    await workshop.finish()
    (submission,) = (await workshop.view(job_id)).submissions
    assert submission.record.status is SubmissionStatus.FAILED
    assert [problem.code for problem in submission.problems] == [SOURCE_GONE.code]
    assert (await workshop.totals()).spent == 0
    assert workshop.provider.requests == []
