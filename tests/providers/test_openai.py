"""OpenAI's images: from the request to the file."""

from __future__ import annotations

from pathlib import Path

from bot.providers.operations import Size
from fakes.services import StandIn
from tests.providers.openai_workbench import GENERATIONS, made, openai_at
from tests.providers.workbench import SECRET


async def test_an_image_from_the_request_to_the_file(stand_in: StandIn, tmp_path: Path) -> None:
    async with openai_at(stand_in) as provider:
        finished = await made(provider)
        (image,) = finished.images
        fetched = await provider.fetch(image, tmp_path / "image")
    assert (fetched.media_type, fetched.size) == ("image/png", Size(1024, 1024))
    assert (tmp_path / "image").stat().st_size == fetched.bytes
    (call,) = stand_in.calls_to(GENERATIONS)
    assert call.authorization == f"Bearer {SECRET}"
    assert finished.cost.exact
    assert finished.cost.millicredits == stand_in.charged > 4_000
