"""A client's calls to the services, one function each."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import aiohttp
from PIL import Image

from fakes.services import StandIn

BEARER = {"Accept": "application/json", "Authorization": "Bearer a-token"}
KEY = {"Accept": "application/json", "Authorization": "a-key"}

ENTRY = {
    "type": "request",
    "engine": "stable-diffusion-xl-1024-v0-9",
    "resolution": "1024x1024",
    "prompts[0][text]": "Delorean hacking time",
    "prompts[0][weight]": "1",
    "prompts[1][text]": "Clock",
    "prompts[1][weight]": "-1",
    "images": "2",
    "steps": "45",
    "style": "neon-punk",
}
BASIC = {"prompt": "A lighthouse on a cliff", "cfg_scale": 7, "height": 1024, "width": 1024, "steps": 20}
CORE = {"prompt": "A lighthouse on a cliff", "height": 1024, "width": 1024}


async def open_thread(http: aiohttp.ClientSession, stand_in: StandIn) -> str:
    form = {"ai_version_code": "stablediffusion_text2img"}
    async with http.post(f"{stand_in.url}/api/v1/threads", data=form, headers=BEARER) as response:
        return str((await response.json())["data"]["guid"])


async def post_entry(
    http: aiohttp.ClientSession, stand_in: StandIn, thread: str, **changes: str | None
) -> tuple[int, Any]:
    form = {name: value for name, value in (ENTRY | changes).items() if value is not None}
    url = f"{stand_in.url}/api/v1/threads/{thread}/entry"
    async with http.post(url, data=form, headers=BEARER) as response:
        return response.status, await response.json()


async def list_entries(http: aiohttp.ClientSession, stand_in: StandIn, thread: str) -> Any:
    async with http.get(f"{stand_in.url}/api/v1/threads/{thread}/entries", headers=BEARER) as response:
        return (await response.json())["data"]


async def generate(http: aiohttp.ClientSession, stand_in: StandIn, path: str, body: object) -> tuple[int, Any]:
    async with http.post(f"{stand_in.url}/api/generate/{path}", json=body, headers=KEY) as response:
        return response.status, await response.json()


def picture(width: int = 512, height: int = 512, kind: str = "PNG", mode: str = "RGB", **saving: Any) -> bytes:
    """A picture to upload, with a dark half and a light one."""
    image = Image.new(mode, (width, height), "navy")
    image.paste("khaki", (width // 2, 0, width, height))
    out = BytesIO()
    image.save(out, kind, **saving)
    return out.getvalue()


async def edit(
    http: aiohttp.ClientSession,
    stand_in: StandIn,
    path: str,
    files: Mapping[str, bytes],
    media_type: str = "image/png",
    **fields: str,
) -> tuple[int, Any]:
    """Post a multipart form; return the status and the JSON, or the text of another body."""
    form = aiohttp.FormData(fields)
    for name, data in files.items():
        form.add_field(name, BytesIO(data), filename=f"{name}.png", content_type=media_type)
    async with http.post(f"{stand_in.url}/api/{path}", data=form, headers=KEY) as response:
        json = response.content_type == "application/json"
        return response.status, await (response.json() if json else response.text())


def decoded(answer: Any) -> Image.Image:
    """The image of a response."""
    return Image.open(BytesIO(b64decode(answer["data"]["image"])))
