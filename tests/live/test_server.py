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


def plain(mode: str) -> bytes:
    """A PNG of one colour, in these channels."""
    written = io.BytesIO()
    Image.new(mode, (128, 128), "white").save(written, "PNG")
    return written.getvalue()


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
    made = await post(server, "/v1/images/generations", prompt="a lighthouse", size="128x192", n=2)
    assert [size_of(one["b64_json"]) for one in made["data"]] == [("PNG", (128, 192))] * 2
    assert made["data"][0] != made["data"][1]
    assert "usage" not in made


@pytest.mark.parametrize(("format_", "is_"), [("jpeg", "JPEG"), ("webp", "WEBP")])
async def test_formats_of_images_in_openais_way(server: Server, format_: str, is_: str) -> None:
    made = await post(server, "/v1/images/generations", prompt="a boat", size="64x64", output_format=format_)
    assert (made["output_format"], size_of(made["data"][0]["b64_json"])[0]) == (format_, is_)


async def test_a_seed_stands_in_the_prompt_in_openais_way(server: Server) -> None:
    """It has no field of its own there: the server takes its settings out of the prompt."""

    async def data(seed: int) -> Any:
        prompt = (
            f'a boat <sd_cpp_extra_args>{{"seed": {seed}, "sample_params": {{"sample_steps": 2}}}}</sd_cpp_extra_args>'
        )
        return (await post(server, "/v1/images/generations", prompt=prompt, size="64x64"))["data"]

    assert await data(7) == await data(7) != await data(8)


@pytest.mark.parametrize("masked", [False, True])
async def test_a_picture_is_edited_in_openais_way(server: Server, masked: bool) -> None:
    form = aiohttp.FormData({"prompt": "a boat", "size": "128x128"})
    form.add_field("image[]", plain("RGB"), filename="picture.png", content_type="image/png")
    if masked:
        form.add_field("mask", plain("RGBA"), filename="mask.png", content_type="image/png")
    async with aiohttp.ClientSession() as session, session.post(f"{server.url}/v1/images/edits", data=form) as response:
        assert response.status == 200, await response.text()
        (made,) = (await response.json(content_type=None))["data"]
    assert size_of(made["b64_json"]) == ("PNG", (128, 128))


async def test_a_refusal_in_openais_way_is_a_bare_text(server: Server) -> None:
    """OpenAI's own is an object with a code."""
    url = f"{server.url}/v1/images/generations"
    async with aiohttp.ClientSession() as session, session.post(url, json={"prompt": ""}) as response:
        assert response.status == 400
        assert isinstance((await response.json(content_type=None))["error"], str)


async def test_the_model_in_openais_way_has_one_name(server: Server) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/v1/models") as response:
        assert [one["id"] for one in (await response.json(content_type=None))["data"]] == ["sd-cpp-local"]


async def test_it_has_no_progress_and_no_information(server: Server) -> None:
    made = await post(server, "/sdapi/v1/txt2img", prompt="a lighthouse", width=64, height=64, steps=1, seed=7)
    assert not made.get("info")
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/sdapi/v1/progress") as response:
        assert response.status == 404
