"""``/imagine`` with a picture: from the attachment to the finished image."""

from __future__ import annotations

import io
from typing import Any

import pytest
import simcord
from PIL import Image

from bot.domain.edits import CANNOT_DO, FIT_NEEDED, NAMES, OTHER_SHAPE
from bot.domain.engines import STRENGTH_WITHOUT_PICTURE
from bot.pictures.normalising import EMPTY, NO_PICTURE, OTHER_KIND, TOO_MANY_PIXELS
from bot.providers.operations import Operation
from bot.text import Message
from bot.ui.pictures import PICTURE_TOO_LARGE
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, card, told
from tests.doubles import photos
from tests.doubles.texts import shows

PATH = "/api/generate/basic/imageToImage"


def photo(width: int = 800, height: int = 600, *, exif: Image.Exif | None = None) -> bytes:
    """A JPEG photo."""
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif or Image.Exif())
    return file.getvalue()


async def varied(studio: Studio, data: bytes, name: str = "photo.jpg", **options: Any) -> simcord.InteractionResult:
    """Vary a picture, and wait until it is done."""
    result = await studio.imagine(**{"prompt": "a lighthouse", "engine": BASIC, "picture": (name, data), **options})
    await studio.finish()
    return result


def sent(studio: Studio) -> Image.Image:
    """The picture that the service received last."""
    return Image.open(io.BytesIO(studio.stand_in.calls[-1].files["init_image"].data))


async def test_a_picture_is_varied(studio: Studio) -> None:
    result = await varied(studio, photo(), strength=30)
    assert len(card(result).images) == 1
    job = await studio.job()
    assert job.status is JobStatus.DELIVERED
    assert job.source_id is not None
    assert job.options["operation"] == Operation.IMAGE_TO_IMAGE
    call = studio.stand_in.calls[-1]
    assert call.path == PATH
    assert isinstance(call.body, dict)
    assert (call.body["image_strength"], call.body["width"], call.body["height"]) == ("0.7", "768", "576")
    assert sent(studio).size == (768, 576)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_neither_the_service_nor_discord_receives_the_place_of_a_photo(studio: Studio, kind: str) -> None:
    data = photos.photo(kind, photos.quarters((384, 640)), orientation=6)
    assert photos.PLACE in data
    result = await varied(studio, data, f"photo.{kind.lower()}")
    (attachment,) = card(result).raw.attachments
    received = [studio.stand_in.calls[-1].files["init_image"].data, studio.env.backend.cdn.get(attachment.url) or b""]
    assert all(received)
    # The result carries its own settings, so only what the photo says of its place counts there.
    assert not [trace for trace in photos.METADATA if trace in received[0]]
    assert photos.PLACE not in received[1]
    picture = sent(studio)
    assert picture.width > picture.height, "it was not turned upright"


async def test_the_first_frame_of_an_animation_is_used(studio: Studio) -> None:
    frames = [Image.new("RGB", (640, 640), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    await varied(studio, file.getvalue(), "dance.gif")
    pixel = sent(studio).convert("RGB").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 200 > 50 > pixel[2]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.png", b"", EMPTY),
        ("noise.png", bytes(range(256)), NO_PICTURE),
        ("notes.png", b"only some words, with the name of a picture", OTHER_KIND),
        ("song.mp3", bytes(99), NO_PICTURE),
        ("vast.png", photos.png_claiming(10_000, 10_000), TOO_MANY_PIXELS),
        ("heavy.png", bytes(26 << 20), PICTURE_TOO_LARGE),
    ],
)
async def test_what_is_no_usable_picture_is_refused_privately_and_free(
    studio: Studio, name: str, data: bytes, said: Message
) -> None:
    result = await varied(studio, data, name)
    assert shows(told(result).text, said)
    assert studio.stand_in.calls == []
    assert await studio.runtime.sources.recent(studio.ada.id, limit=5) == []


async def test_another_shape_is_cropped_or_gets_a_border_when_the_person_says_so(studio: Studio) -> None:
    long = photo(1600, 200)
    refused = told(await varied(studio, long))
    assert shows(refused.text, FIT_NEEDED)
    offered = [label for label in refused.labels if "cropped" in label.lower() or "border" in label]
    assert len(offered) == 2
    await studio.press(studio.ada, refused, offered[0])
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert studio.stand_in.calls[-1].path == PATH


async def test_a_size_of_another_shape_is_refused(studio: Studio) -> None:
    assert shows(told(await varied(studio, photo(), size="512x512")).text, OTHER_SHAPE)
    assert studio.stand_in.calls == []


async def test_a_strength_needs_a_picture(studio: Studio) -> None:
    answer = await studio.imagine(prompt="a fox", engine=CORE, strength=30)
    assert shows(told(answer).text, STRENGTH_WITHOUT_PICTURE)


async def test_a_private_picture_in_a_direct_message(studio: Studio) -> None:
    result = await studio.ada.user.slash(
        "imagine", prompt="a lighthouse", engine=BASIC, picture=("photo.jpg", photo()), private=True
    )
    await studio.finish()
    assert card(result).images
    assert (await studio.job()).private


async def test_a_waiting_job_still_has_its_picture_after_a_restart(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, AITHRIVING_JOBS="1")
    await studio.imagine(prompt="the first", engine=CORE)
    await studio.begun()
    result = await studio.imagine(prompt="a lighthouse", engine=BASIC, picture=("photo.jpg", photo()))
    studio.stand_in.finish_all()
    await studio.restart()
    await studio.begun("aithriving.basic.image_to_image")
    studio.stand_in.finish_all()
    await studio.finish()
    assert card(result).images
    assert sent(studio).size == (768, 576)


async def test_an_engine_that_cannot_start_from_a_picture_is_named_with_what_it_cannot_do(studio: Studio) -> None:
    result = await studio.imagine(prompt="a lighthouse", engine=CORE, picture=("photo.jpg", photo()))
    cannot = CANNOT_DO(engine=studio.runtime.service.all_engines[CORE].name, operation=NAMES[Operation.IMAGE_TO_IMAGE])
    assert shows(told(result).text, cannot)
    result = await studio.imagine(prompt="a lighthouse", engine="aithriving/edit")
    assert shows(told(result).text, CANNOT_DO)
    assert studio.stand_in.calls == []
