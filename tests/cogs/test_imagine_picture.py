"""``/imagine`` with a picture: from the attachment to the finished image."""

from __future__ import annotations

import io

from PIL import Image

from bot.providers.operations import Operation
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, Studio, card


def photo(width: int = 800, height: int = 600, *, exif: Image.Exif | None = None) -> bytes:
    """A JPEG photo."""
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif or Image.Exif())
    return file.getvalue()


async def test_a_picture_is_varied(studio: Studio) -> None:
    attachment = ("photo.jpg", photo())
    result = await studio.imagine(prompt="a lighthouse", engine=BASIC, picture=attachment, strength=30)
    await studio.finish()
    assert len(card(result).images) == 1
    job = await studio.job()
    assert job.status is JobStatus.DELIVERED
    assert job.source_id is not None
    assert job.options["operation"] == Operation.IMAGE_TO_IMAGE
    call = studio.stand_in.calls[-1]
    assert call.path == "/api/generate/basic/imageToImage"
    assert isinstance(call.body, dict)
    assert (call.body["image_strength"], call.body["width"], call.body["height"]) == ("0.7", "768", "576")
    sent = call.files["init_image"]
    assert Image.open(io.BytesIO(sent.data)).size == (768, 576)
