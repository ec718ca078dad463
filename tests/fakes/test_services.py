"""The stand-in against the providers' documentation: the documented steps, the rules, the bills."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from fakes.services import StandIn, flat
from tests.fakes.service_calls import (
    BASIC,
    BEARER,
    CORE,
    ENTRY,
    KEY,
    generate,
    list_entries,
    open_thread,
    post_entry,
)

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_the_documented_thread_program_runs_with_only_the_address_changed(stand_in_thread: str) -> None:
    """Blocking calls in the order of the documentation: open, post, read until it is done, download."""

    def call(path: str, form: dict[str, object] | None = None) -> Any:
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(f"{stand_in_thread}{path}", data, BEARER)  # noqa: S310 - loopback http
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
            return json.load(response)["data"]

    thread = call("/api/v1/threads", {"ai_version_code": "stablediffusion_text2img"})
    assert thread.keys() == {"guid", "ai_code", "ai_version_code", "title", "created_at", "updated_at"}
    assert thread["ai_code"] == "stablediffusion"
    assert GUID.fullmatch(thread["guid"])
    assert TIMESTAMP.fullmatch(thread["created_at"])
    form: dict[str, object] = {**ENTRY, "prompts[0][weight]": 1, "prompts[1][weight]": -1, "images": 2, "steps": 45}
    entry = call(f"/api/v1/threads/{thread['guid']}/entry", form)
    assert entry == {
        "guid": entry["guid"],
        "thread_guid": thread["guid"],
        "type": "request",
        "error": "None",
        "content": {
            "prompts": [{"text": "Delorean hacking time", "weight": 1}, {"text": "Clock", "weight": -1}],
            "engine": "stable-diffusion-xl-1024-v0-9",
            "style": "neon-punk",
            "images": 2,
            "steps": 45,
            "resolution": "1024x1024",
        },
        "waiting_response": True,
        "credits": 0,
        "created_at": entry["created_at"],
    }
    request, response = call(f"/api/v1/threads/{thread['guid']}/entries")
    assert request == entry | {"waiting_response": False}
    assert response["type"] == "response"
    assert response["thread_guid"] == thread["guid"]
    assert response["guid"] != entry["guid"]
    assert (response["error"], response["waiting_response"], response["credits"]) == ("None", False, 10)
    assert len(response["content"]) == 2
    for image in response["content"]:
        assert image.keys() == {"url", "thumbnail_url", "dimensions", "filesize"}
        assert image["dimensions"] == "1024x1024"
        assert "/storage/stablediffusion_text2img/" in image["url"]
        with urllib.request.urlopen(image["url"], timeout=30) as answer:  # noqa: S310 - the same
            data = answer.read()
        assert len(data) == image["filesize"]
        assert (Image.open(BytesIO(data)).format, Image.open(BytesIO(data)).size) == ("PNG", (1024, 1024))


@pytest.fixture
async def stand_in_thread() -> AsyncIterator[str]:
    """The address of a stand-in in its own thread, so that a test may block."""
    ready: asyncio.Queue[str] = asyncio.Queue()
    done = asyncio.Event()
    here = asyncio.get_running_loop()
    there = asyncio.new_event_loop()

    async def serve() -> None:
        async with StandIn(seconds=(0, 0), painter=flat) as running:
            asyncio.run_coroutine_threadsafe(ready.put(running.url), here)
            await done.wait()

    worker = asyncio.create_task(asyncio.to_thread(there.run_until_complete, serve()))
    yield await ready.get()
    there.call_soon_threadsafe(done.set)
    await worker
    there.close()


async def test_the_documented_basic_program_which_sends_json_without_a_content_type(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    url = f"{stand_in.url}/api/generate/basic/textToImage"
    async with http.post(url, data=json.dumps(BASIC), headers=KEY, skip_auto_headers=["Content-Type"]) as response:
        assert response.status == 200
        answer = await response.json()
    assert answer.keys() == {"code", "message", "data"}
    assert (answer["code"], answer["message"]) == (0, "success")
    assert answer["data"].keys() == {"image", "seed"}
    picture = Image.open(BytesIO(base64.b64decode(answer["data"]["image"], validate=True)))
    assert (picture.format, picture.size) == ("PNG", (1024, 1024))


async def test_the_documented_core_program(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    status, answer = await generate(http, stand_in, "core", CORE)
    assert (status, answer["code"], answer["message"]) == (200, 0, "success")
    assert 0 < answer["data"]["seed"] <= 4_294_967_294
    assert Image.open(BytesIO(base64.b64decode(answer["data"]["image"]))).size == (1024, 1024)


async def test_an_invalid_form_is_refused_field_by_field(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    status, answer = await post_entry(
        http, stand_in, thread, resolution="1000x1000", steps="9", images="11", style="no-such", type=None
    )
    assert status == 422
    assert answer["errors"].keys() == {"resolution", "steps", "images", "style", "type"}
    assert answer["message"] == f"{answer['errors']['images'][0]} (and 4 more errors)"
    assert await list_entries(http, stand_in, thread) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompts[0][weight]": "-1"}, "prompts"),
        ({"prompts[0][weight]": "11"}, "prompts.0.weight"),
        ({"prompts[0][weight]": "nan"}, "prompts.0.weight"),
        ({"prompts[0][text]": " "}, "prompts.0.text"),
        ({"prompts[0][text]": "a" * 2_001}, "prompts.0.text"),
        ({"prompts[0][text]": None, "prompts[0][weight]": None, "prompts[1][weight]": "0"}, "prompts"),
        ({"engine": "stable-diffusion-9"}, "engine"),
        ({"engine": None}, "engine"),
        ({"steps": "ten"}, "steps"),
        ({"images": "1.5"}, "images"),
    ],
)
async def test_options_that_the_engine_does_not_take_are_refused(
    stand_in: StandIn, http: aiohttp.ClientSession, changes: dict[str, str | None], field: str
) -> None:
    thread = await open_thread(http, stand_in)
    status, answer = await post_entry(http, stand_in, thread, **changes)
    assert (status, list(answer["errors"])) == (422, [field])


async def test_weights_are_echoed_as_numbers(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    changes = {"prompts[0][weight]": "1.50", "prompts[1][weight]": "-0.5", "style": None, "steps": None}
    _, answer = await post_entry(http, stand_in, thread, **changes)
    content = answer["data"]["content"]
    assert [prompt["weight"] for prompt in content["prompts"]] == [1.5, -0.5]
    assert (content["style"], content["steps"]) == (None, 30)


@pytest.mark.parametrize(
    ("path", "changes", "word"),
    [
        ("core", {"prompt": ""}, "prompt"),
        ("core", {"prompt": "a" * 10_001}, "prompt"),
        ("core", {"width": 1000}, "width"),
        ("core", {"width": None}, "width"),
        ("core", {"height": "1024"}, "height"),
        ("core", {"height": 256}, "height"),
        ("core", {"aspect_ratio": "3:1"}, "aspect_ratio"),
        ("core", {"style_preset": "no-such"}, "style_preset"),
        ("core", {"negative_prompt": 3}, "negative_prompt"),
        ("basic/textToImage", {"prompt": "a" * 2_001}, "prompt"),
        ("basic/textToImage", {"steps": 51}, "steps"),
        ("basic/textToImage", {"steps": 20.5}, "steps"),
        ("basic/textToImage", {"cfg_scale": 36}, "cfg_scale"),
        ("basic/textToImage", {"seed": 4_294_967_295}, "seed"),
        ("basic/textToImage", {"seed": True}, "seed"),
        ("basic/textToImage", {"sampler": "K_NONE"}, "sampler"),
        ("basic/textToImage", {"clip_guidance_preset": "NO"}, "clip_guidance_preset"),
    ],
)
async def test_an_invalid_field_gives_the_code_minus_one_and_the_reason(
    stand_in: StandIn, http: aiohttp.ClientSession, path: str, changes: dict[str, object], word: str
) -> None:
    _, answer = await generate(http, stand_in, path, CORE | changes)
    assert answer["code"] == -1
    assert answer["message"].startswith(word)
    assert stand_in.bills == []
    assert [call.accepted for call in stand_in.calls] == [False]


async def test_a_body_that_is_not_an_object_is_refused(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    for body in ("[1]", "{", ""):
        async with http.post(f"{stand_in.url}/api/generate/core", data=body, headers=KEY) as response:
            assert (await response.json())["code"] == -1


async def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    images = {}
    for name, seed in (("first", 7), ("again", 7), ("other", 8), ("zero", 0), ("none", None)):
        _, answer = await generate(http, stand_in, "core", CORE | {"seed": seed})
        images[name] = answer["data"]["image"]
        assert answer["data"]["seed"] == seed or not seed
    assert images["first"] == images["again"]
    assert len(set(images.values())) == 4


async def test_a_missing_key_is_answered_in_each_services_own_format(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    threads = f"{stand_in.url}/api/v1/threads"
    async with http.post(threads, data={}, headers={"Accept": "application/json"}) as response:
        assert (response.status, await response.json()) == (401, {"message": "Unauthenticated."})
    async with http.post(threads, data={}, headers={"Accept": "text/html"}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, f"{stand_in.url}/login")
    async with http.post(f"{stand_in.url}/api/generate/core", json=CORE) as response:
        assert response.status == 401
        assert (await response.json())["code"] == -1


async def test_only_the_configured_keys_are_accepted(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.keys = frozenset({"right"})
    url = f"{stand_in.url}/api/generate/core"
    expected = {"right": 0, "Bearer right": 0, "wrong": -1}
    for key, code in expected.items():
        async with http.post(url, json=CORE, headers={"Authorization": key}) as response:
            assert (await response.json())["code"] == code
    for key in ("right", "Basic right", "Bearer wrong", "Bearer "):
        async with http.post(f"{stand_in.url}/api/v1/threads", headers={**BEARER, "Authorization": key}) as response:
            assert response.status == 401


async def test_a_missing_thread(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    status, _ = await post_entry(http, stand_in, "11111111-2222-4333-8444-555555555555")
    assert status == 404
    async with http.get(f"{stand_in.url}/api/v1/threads/none/entries", headers=BEARER) as response:
        assert response.status == 404


async def test_images_are_served_without_a_key_and_with_a_thumbnail(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread)
    (image, _) = (await list_entries(http, stand_in, thread))[1]["content"]
    async with http.get(image["thumbnail_url"]) as response:
        assert response.content_type == "image/jpeg"
        small = Image.open(BytesIO(await response.read()))
    assert small.format == "JPEG"
    assert max(small.size) == 256
    async with http.get(image["url"]) as response:
        assert response.content_type == "image/png"
        assert await response.read() == await stand_in.services.gallery.paint(
            next(iter(stand_in.renderings.by_guid.values())).plates[0]
        )
    async with http.get(image["url"].replace(".png", "0.png")) as response:
        assert response.status == 404
    assert [call.authorization for call in stand_in.calls_to("ai-client.image")] == [None, None]


async def test_a_later_stand_in_continues_the_renderings() -> None:
    async with aiohttp.ClientSession() as http:
        async with StandIn(seconds=None, painter=flat) as first:
            thread = await open_thread(http, first)
            await post_entry(http, first, thread)
            memory = first.memory()
        async with StandIn(seconds=None, painter=flat) as second:
            second.recall(memory)
            assert [entry["type"] for entry in await list_entries(http, second, thread)] == ["request"]
            assert await open_thread(http, second) != thread, "the same seed gives other ids"

            assert second.finish_all() == 1

            _, response = await list_entries(http, second, thread)
            assert response["type"] == "response"
            assert len(second.bills) == 1
            third = second.memory()
        async with StandIn(seconds=None, painter=flat) as last:
            last.recall(third)
            assert await list_entries(http, last, thread) != []
            assert last.bills == [], "nothing is charged again"
