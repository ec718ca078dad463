"""What becomes of a picture that a person attached: in reports, in their export, and when they delete things."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image
from PIL.ExifTags import IFD

from bot.jobs.new_jobs import SOURCE_GONE
from bot.providers.operations import Operation
from bot.retention import Ages, apply_retention
from cogs.privacy import DELETED, STORED_PICTURES
from storage import reports
from storage.ledger import Scope
from storage.reports import By
from tests.cogs.conftest import BASIC, Shown, Studio, card, told
from tests.cogs.test_imagine_picture import photo
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

GPS = {0: b"\2\3\0\0", 1: "N", 2: (48.0, 12.0, 30.5), 3: "E", 4: (16.0, 22.0, 14.0)}


def located() -> bytes:
    """A photo that says where it was taken."""
    exif = Image.Exif()
    exif[IFD.GPSInfo] = GPS
    data = photo(exif=exif)
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(IFD.GPSInfo)
    return data


async def varied(studio: Studio) -> Shown:
    result = await studio.imagine(prompt="a lighthouse", engine=BASIC, picture=("photo.jpg", located()))
    await studio.finish()
    return card(result)


def brought(studio: Studio) -> list[Path]:
    """The files of the pictures that people brought."""
    return sorted((Path(studio.environ["DATA_DIR"]) / "images").glob("s*.jpg"))


async def test_the_export_has_the_picture_without_its_place(studio: Studio) -> None:
    await varied(studio)
    (attachment,) = told(await studio.ada.slash(studio.channel, "privacy export")).raw.attachments
    archive = ZipFile(io.BytesIO(studio.env.backend.cdn.get(attachment.url) or b""))
    (name,) = archive.namelist()[1:]
    data = archive.read(name)
    assert Image.open(io.BytesIO(data)).size == (800, 600)
    assert not Image.open(io.BytesIO(data)).getexif()
    assert b"Exif" not in data


async def test_everything_that_is_deleted_includes_the_picture(studio: Studio) -> None:
    await varied(studio)
    assert len(brought(studio)) == 1
    question = await studio.ada.slash(studio.channel, "privacy delete")
    assert shows(told(question).text, STORED_PICTURES(count=1))
    await studio.press(studio.ada, told(question), "Delete everything")
    assert shows(told(question).text, DELETED)
    assert brought(studio) == []


async def test_a_deleted_job_takes_the_picture_with_it(studio: Studio) -> None:
    first, second = await varied(studio), await varied(studio)
    assert len(brought(studio)) == 1, "the same picture is stored once"
    for result, left in ((first, 1), (second, 0)):
        question = told(await studio.press(studio.ada, result, "Delete"))
        await studio.press(studio.ada, question, "Delete for good")
        assert len(brought(studio)) == left


async def test_again_says_that_the_picture_is_gone_and_charges_nothing(studio: Studio) -> None:
    result = await varied(studio)
    runtime = studio.runtime
    studio.clock.advance(8 * 86_400)
    ages = Ages(image_days=7, job_days=365)
    await apply_retention(runtime.database, runtime.files, runtime.previews, studio.clock, ages)
    assert brought(studio) == []
    calls = len(studio.stand_in.calls)
    refused = await studio.press(studio.ada, result, "Again")
    assert shows(told(refused).text, SOURCE_GONE)
    await studio.finish()
    assert len(studio.stand_in.calls) == calls


async def test_the_report_counts_by_what_was_done(studio: Studio) -> None:
    await varied(studio)
    await studio.imagine(prompt="a lighthouse", engine=BASIC)
    await studio.finish()
    async with studio.runtime.database.read() as connection:
        found = await reports.report(connection, By.OPERATION, Scope(studio.server.id))
    assert {line.key: line.figures.jobs for line in found.lines} == {
        Operation.IMAGE_TO_IMAGE: 1,
        Operation.TEXT_TO_IMAGE: 1,
    }
