"""The stand-in's other version codes: Midjourney and DALL·E 2, as their pages show them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from fakes.services import StandIn, flat
from fakes.services.entry_form import DALLE, MIDJOURNEY, VERSIONS
from fakes.services.version_faults import retired
from tests.fakes.service_calls import BEARER, list_entries

IMAGINE = {"type": "request", "command": "imagine", "prompt": "a red fox --ar 16:9 --v 5"}
DRAW = {"type": "request", "n": "2", "size": "512x512", "prompt": "a red fox"}


async def post(http: aiohttp.ClientSession, url: str, form: dict[str, str]) -> tuple[int, Any]:
    async with http.post(url, data=form, headers=BEARER) as response:
        return response.status, await response.json()


async def ordered(
    http: aiohttp.ClientSession, stand_in: StandIn, code: str, form: dict[str, str]
) -> tuple[str, int, Any]:
    """Open a thread for this code and post the form; return the thread, the status and the answer."""
    threads = f"{stand_in.url}/api/v1/threads"
    status, opened = await post(http, threads, {"ai_version_code": code})
    assert status == 201
    assert opened["data"]["ai_version_code"] == code
    thread = opened["data"]["guid"]
    return thread, *(await post(http, f"{threads}/{thread}/entry", form))


async def test_midjourney_as_documented(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread, status, posted = await ordered(http, stand_in, MIDJOURNEY, IMAGINE)
    assert status == 201
    assert posted["data"]["content"] == {"command": "imagine", "prompt": IMAGINE["prompt"]}
    request, response = await list_entries(http, stand_in, thread)
    assert (request["waiting_response"], response["waiting_response"]) == (False, False)
    content = response["content"]
    assert (content["state"], content["percent"], len(content["images"])) == ("completed", 100, 4)
    assert response["credits"] == 10
    for image in content["images"]:
        assert image.keys() == {"url", "thumbnail_url", "dimensions", "filesize"}
        assert image["dimensions"] == "1456x816"
        assert "/storage/midjourney/" in image["url"]
        async with http.get(image["url"]) as answer:
            assert Image.open(BytesIO(await answer.read())).size == (1456, 816)


async def test_midjourneys_response_entry_exists_before_it_is_finished(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as stand_in:
        thread, _, _ = await ordered(http, stand_in, MIDJOURNEY, IMAGINE)
        request, early = await list_entries(http, stand_in, thread)
        assert (request["waiting_response"], early["waiting_response"], early["credits"]) == (True, True, 0)
        assert early["content"] == {"state": "processing", "percent": 0, "images": []}
        stand_in.finish_all()
        _, late = await list_entries(http, stand_in, thread)
        assert late["guid"] == early["guid"]


async def test_dalle_as_documented(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread, status, posted = await ordered(http, stand_in, DALLE, DRAW)
    assert status == 201
    assert posted["data"]["content"] == {"n": 2, "size": "512x512", "prompt": "a red fox"}
    _, response = await list_entries(http, stand_in, thread)
    assert [image["dimensions"] for image in response["content"]] == ["512x512"] * 2
    assert stand_in.charged == 10_000


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("16:9", (1456, 816)),
        ("9:16", (816, 1456)),
        ("1:1", (1024, 1024)),
        ("2:3", (896, 1344)),
        ("7:5", (1248, 896)),
        ("100:1", (2368, 480)),
        ("wide", (1056, 1056)),
    ],
)
def test_the_ratio_decides_the_pixels(ratio: str, size: tuple[int, int]) -> None:
    order, _ = VERSIONS[MIDJOURNEY].read(IMAGINE | {"prompt": f"a red fox --ar {ratio}"})
    assert order is not None
    assert (order.width, order.height) == size


@pytest.mark.parametrize(
    ("code", "changes", "field"),
    [
        (MIDJOURNEY, {"command": "upscale"}, "command"),
        (MIDJOURNEY, {"command": ""}, "command"),
        (MIDJOURNEY, {"prompt": " "}, "prompt"),
        (MIDJOURNEY, {"prompt": "a" * 6_001}, "prompt"),
        (MIDJOURNEY, {"type": ""}, "type"),
        (DALLE, {"n": "11"}, "n"),
        (DALLE, {"n": "two"}, "n"),
        (DALLE, {"size": "512x768"}, "size"),
        (DALLE, {"prompt": "a" * 1_001}, "prompt"),
        (DALLE, {"prompt": ""}, "prompt"),
    ],
)
async def test_an_invalid_form_is_refused(
    stand_in: StandIn, http: aiohttp.ClientSession, code: str, changes: dict[str, str], field: str
) -> None:
    form = (IMAGINE if code == MIDJOURNEY else DRAW) | changes
    thread, status, answer = await ordered(http, stand_in, code, form)
    assert (status, list(answer["errors"])) == (422, [field])
    assert await list_entries(http, stand_in, thread) == []


@pytest.mark.parametrize(
    "prompt",
    ["--ar 16:9", "a fox --dance", "a fox --v", "a fox --tile yes", "a fox --ar 16:9 and a dog", "a fox --v 5 6"],
)
async def test_midjourney_refuses_flags_later_and_for_free(
    stand_in: StandIn, http: aiohttp.ClientSession, prompt: str
) -> None:
    thread, status, _ = await ordered(http, stand_in, MIDJOURNEY, IMAGINE | {"prompt": prompt})
    assert status == 201
    (request,) = await list_entries(http, stand_in, thread)
    assert (request["waiting_response"], request["error"] == "None") == (False, False)
    assert stand_in.bills == []


async def test_words_are_filtered_for_every_version(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    for code, form in ((MIDJOURNEY, IMAGINE), (DALLE, DRAW)):
        thread, _, _ = await ordered(http, stand_in, code, form | {"prompt": "gore everywhere"})
        (request,) = await list_entries(http, stand_in, thread)
        assert request["error"] != "None"


async def test_a_retired_code(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(retired(MIDJOURNEY))
    threads = f"{stand_in.url}/api/v1/threads"
    for code, expected in ((MIDJOURNEY, 422), (DALLE, 201), (MIDJOURNEY, 422)):
        status, answer = await post(http, threads, {"ai_version_code": code})
        assert status == expected
        assert ("errors" in answer) is (expected == 422)


async def test_an_unknown_code(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, f"{stand_in.url}/api/v1/threads", {"ai_version_code": "dalle3"})
    assert (status, list(answer["errors"])) == (422, ["ai_version_code"])
