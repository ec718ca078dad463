"""What the real server answers, without an adapter: the facts on which the stand-ins rest."""

from __future__ import annotations

import base64
import io
from typing import Any

import aiohttp
import pytest
from PIL import Image

from live.server import Server

pytestmark = pytest.mark.live


async def post(server: Server, path: str, **body: Any) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.post(f"{server.url}{path}", json=body) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json(content_type=None)
        return found


def size_of(encoded: str) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as opened:
        return opened.format, opened.size


async def test_an_image_has_the_size_that_was_asked_for_and_a_seed_decides_it(server: Server) -> None:
    wanted = {"prompt": "a lighthouse", "width": 128, "height": 192, "steps": 2, "seed": 7}
    first = await post(server, "/sdapi/v1/txt2img", **wanted)
    again = await post(server, "/sdapi/v1/txt2img", **wanted)
    other = await post(server, "/sdapi/v1/txt2img", **{**wanted, "seed": 8})
    assert size_of(first["images"][0]) == ("PNG", (128, 192))
    assert first["images"] == again["images"]
    assert first["images"] != other["images"]


async def test_an_image_is_made_from_a_picture(server: Server) -> None:
    made = await post(server, "/sdapi/v1/txt2img", prompt="a lighthouse", width=128, height=128, steps=2, seed=7)
    wanted = {"prompt": "a boat", "width": 128, "height": 128, "steps": 4, "seed": 7, "denoising_strength": 0.5}
    varied = await post(server, "/sdapi/v1/img2img", init_images=made["images"], **wanted)
    assert size_of(varied["images"][0]) == ("PNG", (128, 128))
    assert varied["images"] != made["images"]


async def test_it_speaks_openais_way_too(server: Server) -> None:
    made = await post(server, "/v1/images/generations", prompt="a lighthouse", size="128x128", n=1)
    assert size_of(made["data"][0]["b64_json"]) == ("PNG", (128, 128))


async def test_it_has_no_progress_and_no_information(server: Server) -> None:
    made = await post(server, "/sdapi/v1/txt2img", prompt="a lighthouse", width=64, height=64, steps=1, seed=7)
    assert not made.get("info")
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/sdapi/v1/progress") as response:
        assert response.status == 404
