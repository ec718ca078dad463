"""What goes wrong around stored pictures: files that are lost, disks that are full, deletions at the wrong moment."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from bot.domain.pictures import SourceKind, SourcePicture
from bot.errors import UserError
from bot.jobs.sources import IMAGE_GONE, UNUSED_AT_MOST, UPLOADS_AT_ONCE
from bot.providers.base import ImageRequest
from bot.providers.errors import Reason, Refused
from bot.providers.operations import Operation, PictureRules, Size
from storage import images, privacy, sources
from storage.errors import StorageError
from storage.records import StoredSource, SubmissionStatus
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, Workshop
from tests.jobs.test_sources import attached, has_file, name_of, start_from, stored

pytestmark = pytest.mark.slow


async def files_of(workshop: Workshop) -> list[str]:
    """The names of all files in the folder of the images."""
    folder = workshop.files.path("x").parent
    return await asyncio.to_thread(lambda: sorted(each.name for each in folder.iterdir()))


async def test_a_picture_whose_file_was_lost_is_stored_again(workshop: Workshop) -> None:
    first = await attached(workshop, shade=7)
    await workshop.files.remove(await name_of(workshop, first))
    again = await attached(workshop, shade=7)
    assert await has_file(workshop, await name_of(workshop, again))


async def test_an_image_whose_copy_was_lost_is_linked_again(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    first = await workshop.sources.of_image(BEN, job_id, 1)
    await workshop.files.remove(await name_of(workshop, first))
    again = await workshop.sources.of_image(BEN, job_id, 1)
    assert await has_file(workshop, await name_of(workshop, again))


async def test_a_full_disk_while_a_picture_is_downloaded_is_a_storage_failure(workshop: Workshop) -> None:
    async def download(path: Path) -> None:
        await asyncio.to_thread(path.write_bytes, b"the beginning")
        raise OSError(errno.ENOSPC, "No space left on device")

    await workshop.files.prepare()
    with pytest.raises(StorageError):
        await workshop.sources.receive(ADA.user_id, download, kind=SourceKind.ATTACHED)
    assert await files_of(workshop) == []


async def test_an_image_that_is_deleted_while_it_is_linked_is_gone(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await workshop.imagine()
    await workshop.finish()
    keep = workshop.files.keep

    async def deleted_meanwhile(aside: Path, name: str) -> Path:
        async with workshop.database.write() as tx:
            names = await privacy.delete_all(tx, ADA.user_id, due_at=0)
            await images.add_removals(tx, names)
        for each in names:
            await workshop.files.remove(each)
        return await keep(aside, name)

    monkeypatch.setattr(workshop.files, "keep", deleted_meanwhile)
    with pytest.raises(UserError) as error:
        await workshop.sources.of_image(BEN, job_id, 1)
    assert codes(error.value) == [IMAGE_GONE.code]
    # Nobody has the deleted image any more.
    assert await files_of(workshop) == []


async def test_a_picture_that_is_deleted_while_it_is_recognised_is_stored_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await attached(workshop, shade=7)
    renewed = workshop.sources._renewed

    async def deleted_meanwhile(known: StoredSource | None) -> object:
        async with workshop.database.write() as tx:
            names = await sources.forget_files(tx, [first.id])
        for each in names:
            await workshop.files.remove(each)
        return await renewed(known)

    monkeypatch.setattr(workshop.sources, "_renewed", deleted_meanwhile)
    again = await attached(workshop, shade=7)
    assert await has_file(workshop, await name_of(workshop, again))


async def test_pictures_of_jobs_that_were_never_sent_are_bounded_too(workshop: Workshop) -> None:
    made = []
    for shade in range(UNUSED_AT_MOST + 3):
        picture = await attached(workshop, shade=shade)
        made.append(picture)
        workshop.clock.advance(1)
        await workshop.service.cancel(ADA, await start_from(workshop, picture, proposed=True))
    left = [each for picture in made if (each := await stored(workshop, picture)) is not None and each.file is not None]
    assert len(left) <= UNUSED_AT_MOST + 1


async def test_a_picture_of_a_waiting_job_never_makes_room(workshop: Workshop) -> None:
    waiting = await attached(workshop, shade=255)
    await start_from(workshop, waiting)
    for shade in range(UNUSED_AT_MOST + 3):
        workshop.clock.advance(1)
        await attached(workshop, shade=shade)
    assert await has_file(workshop, await name_of(workshop, waiting))


async def test_a_prepared_file_that_cannot_be_deleted_does_not_hide_the_result(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unlink = Path.unlink

    def read_only(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith(("upload.", "mask.")):
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, missing_ok)

    job_id = await start_from(workshop, await attached(workshop), mask=await attached(workshop, kind=SourceKind.MASK))
    monkeypatch.setattr(Path, "unlink", read_only)
    await workshop.finish()
    assert workshop.delivered == [job_id]
    assert "submission.crashed" not in caplog.text


async def test_the_picture_leaves_room_for_a_large_mask(workshop: Workshop) -> None:
    """Some people attach a photo as the mask, and a mask cannot be compressed with loss."""
    limit, side = 5 << 20, 1536
    engine = workshop.provider.engines[0]
    rules = PictureRules(bytes=limit, ratio=None)
    workshop.jobs.engines[engine.id] = replace(engine, operation=Operation.INPAINT, picture=rules)

    async def received(kind: SourceKind, picture: Image.Image) -> SourcePicture:
        async def download(path: Path) -> None:
            await asyncio.to_thread(picture.save, path, "PNG")

        return await workshop.sources.receive(ADA.user_id, download, kind=kind)

    await workshop.files.prepare()
    channels = [Image.effect_noise((side, side), 3) for _ in range(3)]
    source = await received(SourceKind.ATTACHED, Image.merge("RGB", channels))
    mask = await received(SourceKind.MASK, Image.effect_noise((side, side), 200))
    request = ImageRequest(engine.id, (), Size(side, side), operation=Operation.INPAINT, source=source.id, mask=mask.id)
    async with workshop.sources.prepared(request, 1) as pictures:
        assert pictures is not None
        assert pictures.mask is not None
        assert pictures.mask.bytes > 1 << 20
        assert pictures.source.bytes + pictures.mask.bytes < limit


async def test_a_request_of_an_earlier_version_is_left_to_the_provider(workshop: Workshop) -> None:
    job_id = await start_from(workshop, await attached(workshop))
    workshop.provider.enqueue("submit", Refused(Reason.RETIRED, operator=True))
    workshop.jobs.engines.clear()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert (submission.status, (await workshop.totals()).in_flight) == (SubmissionStatus.FAILED, 0)
    assert workshop.provider.calls("submit") == 1


async def test_nobody_waits_for_the_many_pictures_of_somebody_else(workshop: Workshop) -> None:
    started, finished = asyncio.Event(), asyncio.Event()

    async def slow(path: Path) -> None:
        started.set()
        await finished.wait()
        await asyncio.to_thread(Image.new("L", (320, 256), 5).save, path, "PNG")

    await workshop.files.prepare()
    receive = partial(workshop.sources.receive, ADA.user_id, slow, kind=SourceKind.ATTACHED)
    waiting = [asyncio.create_task(receive()) for _ in range(2 * UPLOADS_AT_ONCE)]
    await started.wait()
    try:
        async with asyncio.timeout(30):
            await attached(workshop, BEN)
    finally:
        finished.set()
    # The same picture is stored once, even if it is brought several times at once.
    assert len(set(await asyncio.gather(*waiting))) == 1
