"""Every fault of the stand-in, as a client sees it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from bot.providers.base import Json
from fakes.services import Fate, Fault, Picture, StandIn, answer_edits, flat, image_variants
from fakes.services.exchange import Exchange
from fakes.services.faults import Body, Endless, Half, Hang, Redirect, Reset, Rewrite, Slow, Spoil, Status

HEADERS = {"Accept": "application/json", "Authorization": "Bearer a-token"}
CORE = {"prompt": "A lighthouse on a cliff", "height": 320, "width": 320}
ENTRY = {
    "type": "request",
    "engine": "stable-diffusion-xl-1024-v0-9",
    "resolution": "1024x1024",
    "prompts[0][text]": "A lighthouse on a cliff",
    "images": "2",
}


async def core(http: aiohttp.ClientSession, stand_in: StandIn, **changes: object) -> Any:
    async with http.post(f"{stand_in.url}/api/generate/core", json=CORE | changes, headers=HEADERS) as response:
        return await response.json(content_type=None)


async def entries(http: aiohttp.ClientSession, stand_in: StandIn) -> Any:
    """Open a thread, post an entry to it, and list the entries; return the whole response."""
    base = f"{stand_in.url}/api/v1/threads"
    async with http.post(base, data={"ai_version_code": "stablediffusion_text2img"}, headers=HEADERS) as response:
        guid = (await response.json())["data"]["guid"]
    async with http.post(f"{base}/{guid}/entry", data=ENTRY, headers=HEADERS) as response:
        assert response.status == 201
    async with http.get(f"{base}/{guid}/entries", headers=HEADERS) as response:
        return await response.json()


async def first_image(http: aiohttp.ClientSession, stand_in: StandIn) -> str:
    return str((await entries(http, stand_in))["data"][1]["content"][0]["url"])


@pytest.mark.parametrize(("after_doing", "charged"), [(False, 0), (True, 6_000)])
async def test_a_reset_gives_no_response_and_a_bill_only_if_it_was_carried_out(
    stand_in: StandIn, http: aiohttp.ClientSession, after_doing: bool, charged: int
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Reset(after_doing=after_doing)))
    with pytest.raises(aiohttp.ClientError):
        await core(http, stand_in)
    assert stand_in.charged == charged
    (call,) = stand_in.calls
    assert (call.accepted, call.status) == (after_doing, None)
    assert call.fault == f"Reset(after_doing={after_doing})"
    assert (await core(http, stand_in))["code"] == 0


@pytest.mark.parametrize(("after_doing", "charged"), [(False, 0), (True, 6_000)])
async def test_a_released_hang_ends_with_a_reset(
    stand_in: StandIn, http: aiohttp.ClientSession, after_doing: bool, charged: int
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Hang(after_doing=after_doing), times=None))
    call = asyncio.create_task(core(http, stand_in))
    await stand_in.called("aithriving.core")
    if after_doing:
        (work,) = stand_in.renderings.by_guid.values()
        await stand_in.renderings.ended(work)
    assert not call.done()
    stand_in.behave()
    with pytest.raises(aiohttp.ClientError):
        await call
    assert stand_in.charged == charged
    assert (await core(http, stand_in))["code"] == 0


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 413, 422, 429, 500, 503])
async def test_any_status_can_be_returned(stand_in: StandIn, http: aiohttp.ClientSession, code: int) -> None:
    stand_in.misbehave(Fault("*", Status(code, headers={"Retry-After": "7"}), times=2))
    async with http.post(f"{stand_in.url}/api/v1/threads", headers=HEADERS) as response:
        assert (response.status, response.headers["Retry-After"]) == (code, "7")
        assert "message" in await response.json()
    async with http.post(f"{stand_in.url}/api/generate/core", json=CORE, headers=HEADERS) as response:
        assert (response.status, (await response.json())["code"]) == (code, -1)
    assert stand_in.bills == []


async def test_a_gateways_error_page_and_a_redirect_to_a_login(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    page = "<h1>502 Bad Gateway</h1>"
    stand_in.misbehave(
        Fault("aithriving.core", Status(502, page, content_type="text/html", after_doing=True)),
        Fault("aithriving.core", Redirect()),
        Fault("aithriving.core", Redirect("http://10.0.0.1/x", code=307)),
    )
    url = f"{stand_in.url}/api/generate/core"
    seen = []
    for _ in range(3):
        async with http.post(url, json=CORE, headers=HEADERS, allow_redirects=False) as response:
            seen.append((response.status, response.headers.get("Location"), response.content_type))
    assert seen == [
        (502, None, "text/html"),
        (302, "/login", "text/html"),
        (307, "http://10.0.0.1/x", "text/html"),
    ]
    assert stand_in.charged == 6_000
    async with http.get(f"{stand_in.url}/login") as response:
        assert response.content_type == "text/html"


@pytest.mark.parametrize("reset", [False, True])
async def test_a_response_can_end_in_the_middle(stand_in: StandIn, http: aiohttp.ClientSession, reset: bool) -> None:
    stand_in.misbehave(Fault("aithriving.core", Half(reset=reset)))
    with pytest.raises(aiohttp.ClientError):
        await core(http, stand_in)
    assert stand_in.charged == 6_000


async def test_a_response_can_be_slow(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.core", Slow(0, pieces=9)), Fault("aithriving.core", Slow(0)))
    assert [(await core(http, stand_in))["code"] for _ in range(2)] == [0, 0]


async def test_another_body_can_replace_the_real_one(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.core", Body('{"code": 0, ')))
    with pytest.raises(json.JSONDecodeError):
        await core(http, stand_in)
    assert stand_in.charged == 6_000


@pytest.mark.parametrize("declared", [False, True])
async def test_a_body_can_be_endless(stand_in: StandIn, http: aiohttp.ClientSession, declared: bool) -> None:
    url = await first_image(http, stand_in)
    stand_in.misbehave(Fault("ai-client.image", Endless(limit=300_001, declared=declared)))
    async with http.get(url) as response:
        assert response.content_length == (300_001 if declared else None)
        data = await response.read()
    assert len(data) == 300_001
    assert data.startswith(b"\x89PNG")


async def test_faults_apply_in_order_the_given_number_of_times_to_matching_calls(
    stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    def about_cats(call: Any) -> bool:
        return "cat" in str(call.body)

    stand_in.misbehave(
        Fault("aithriving.core", Status(500), match=about_cats),
        Fault("aithriving.core", Status(429), skip=1, times=2),
        Fault("aithriving.basic", Status(503), times=None),
    )
    assert (await core(http, stand_in))["code"] == 0
    assert (await core(http, stand_in))["message"] == "Too Many Attempts."
    assert (await core(http, stand_in, prompt="a cat"))["message"] == "Server Error"
    assert (await core(http, stand_in, prompt="a cat"))["message"] == "Too Many Attempts."
    assert (await core(http, stand_in, prompt="a cat"))["code"] == 0


async def test_an_act_may_be_any_function(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    seen = []

    async def watch(exchange: Exchange) -> web.StreamResponse:
        seen.append(stand_in.charged)
        response = await exchange.proceed()
        seen.append(stand_in.charged)
        return response

    stand_in.misbehave(Fault("aithriving.*", watch))
    assert (await core(http, stand_in))["code"] == 0
    assert seen == [0, 6_000]


def first(answer: Any, kind: str) -> Any:
    return next(entry for entry in answer["data"] if entry["type"] == kind)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (answer_edits.unwrapped, lambda answer: [entry["type"] for entry in answer] == ["request", "response"]),
        (answer_edits.error_is(None), lambda answer: {entry["error"] for entry in answer["data"]} == {None}),
        (answer_edits.error_is(["broken"]), lambda answer: first(answer, "response")["error"] == ["broken"]),
        (answer_edits.request_error_is("no"), lambda answer: first(answer, "request")["error"] == "no"),
        (answer_edits.response_error_is("no"), lambda answer: first(answer, "response")["content"] == []),
        (answer_edits.numbers_as_strings, lambda answer: first(answer, "response")["credits"] == "10"),
        (answer_edits.numbers_as_strings, lambda answer: first(answer, "request")["waiting_response"] is False),
        (
            answer_edits.without("thread_guid", "created_at"),
            lambda answer: "thread_guid" not in first(answer, "response"),
        ),
        (answer_edits.content_as_object, lambda answer: len(first(answer, "response")["content"]["images"]) == 2),
        (answer_edits.content_as_one_image, lambda answer: "url" in first(answer, "response")["content"]),
        (answer_edits.waiting("request"), lambda answer: first(answer, "request")["waiting_response"] is True),
        (answer_edits.waiting("response"), lambda answer: first(answer, "request")["waiting_response"] is False),
        (answer_edits.without_entries("response"), lambda answer: len(answer["data"]) == 1),
        (answer_edits.first_images(1), lambda answer: len(first(answer, "response")["content"]) == 1),
        (
            answer_edits.images_at("http://x/y"),
            lambda answer: first(answer, "response")["content"][1]["url"] == "http://x/y",
        ),
        (answer_edits.replaced([1]), lambda answer: answer == [1]),
    ],
)
async def test_edits_of_a_list_of_entries(
    stand_in: StandIn, http: aiohttp.ClientSession, change: Callable[[Json], Json], told: Callable[[Any], bool]
) -> None:
    stand_in.misbehave(Fault("ai-client.entries", Rewrite(change)))
    assert told(await entries(http, stand_in))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (answer_edits.data_url(), lambda answer: answer["data"]["image"].startswith("data:image/png;base64,iVBOR")),
        (answer_edits.base64_in_lines, lambda answer: answer["data"]["image"].count("\n") > 1),
        (answer_edits.not_base64, lambda answer: answer["data"]["image"].startswith("*")),
        (answer_edits.code_is("0"), lambda answer: answer["code"] == "0"),
        (answer_edits.without("data"), lambda answer: answer.keys() == {"code", "message"}),
        (answer_edits.refused("no"), lambda answer: answer == {"code": -1, "message": "no"}),
    ],
)
async def test_edits_of_an_image(
    stand_in: StandIn, http: aiohttp.ClientSession, change: Callable[[Json], Json], told: Callable[[Any], bool]
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(change)))
    assert told(await core(http, stand_in))


async def test_a_status_can_be_combined_with_an_edit(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(answer_edits.refused("no"), status=400)))
    async with http.post(f"{stand_in.url}/api/generate/core", json=CORE, headers=HEADERS) as response:
        assert response.status == 400


def kind_of(data: bytes) -> str | None:
    with Image.open(BytesIO(data)) as picture:
        picture.load()
        return picture.format


@pytest.mark.parametrize(
    ("alter", "kind"), [(image_variants.jpeg, "JPEG"), (image_variants.webp, "WEBP"), (image_variants.gif, "GIF")]
)
async def test_images_of_other_formats(
    stand_in: StandIn, http: aiohttp.ClientSession, alter: Callable[[bytes], bytes], kind: str
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Fate(alter=alter)))
    assert kind_of(base64.b64decode((await core(http, stand_in))["data"]["image"])) == kind


@pytest.mark.parametrize(
    "alter",
    [
        image_variants.truncated,
        image_variants.html,
        image_variants.svg,
        image_variants.noise,
        image_variants.empty,
        image_variants.bomb,
    ],
)
async def test_broken_images(stand_in: StandIn, http: aiohttp.ClientSession, alter: Callable[[bytes], bytes]) -> None:
    url = await first_image(http, stand_in)
    stand_in.misbehave(Fault("ai-client.image", Spoil(alter)), Fault("aithriving.core", Spoil(alter)))
    async with http.get(url) as response:
        assert response.status == 200
        data = await response.read()
    assert data == alter(await _good(http, url))
    image = base64.b64decode((await core(http, stand_in))["data"]["image"])
    for bad in (data, image):
        with pytest.raises((OSError, SyntaxError, Image.DecompressionBombError)):
            await asyncio.to_thread(kind_of, bad)
        assert len(bad) < 100_000


async def _good(http: aiohttp.ClientSession, url: str) -> bytes:
    async with http.get(url) as response:
        return await response.read()


async def test_images_in_another_size_and_with_trailing_bytes() -> None:
    good = flat_picture()
    with Image.open(BytesIO(image_variants.resized(64, 32)(good))) as small:
        assert small.size == (64, 32)
    assert len(image_variants.padded(1_000)(good)) == len(good) + 1_000
    assert kind_of(image_variants.padded(1_000)(good)) == "PNG"
    assert kind_of(image_variants.blurred(good)) == "PNG"
    # Pillow opens this one anyway, so the end of a file has to be checked.
    assert good.endswith(image_variants.cut_at_the_end(good)[-8:] + good[-8:])
    assert b"IEND" in good[-8:]


def flat_picture() -> bytes:
    return flat(Picture("x", "", "", 1, 320, 320))


async def test_a_failed_rendering_costs_nothing(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("ai-client.entry", Fate(error="no luck")), Fault("aithriving.core", Fate(error="no luck")))
    (request,) = (await entries(http, stand_in))["data"]
    assert (request["error"], request["waiting_response"]) == ("no luck", False)
    assert await core(http, stand_in) == {"code": -1, "message": "no luck", "data": None}
    assert stand_in.bills == []


async def test_a_rendering_that_never_ends_until_it_is_finished(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("*", Fate(never=True), times=None))
    (request,) = (await entries(http, stand_in))["data"]
    assert request["waiting_response"] is True
    call = asyncio.create_task(core(http, stand_in))
    await stand_in.called("aithriving.core")
    assert not call.done()
    assert stand_in.finish_all() == 2
    assert (await call)["code"] == 0


async def test_fewer_images_and_none(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("ai-client.entry", Fate(images=1)), Fault("ai-client.entry", Fate(images=0)))
    one = first(await entries(http, stand_in), "response")
    none = first(await entries(http, stand_in), "response")
    assert (len(one["content"]), one["credits"]) == (1, 5)
    assert (len(none["content"]), none["credits"]) == (0, 0)
    stand_in.misbehave(Fault("aithriving.core", Fate(images=0)))
    assert (await core(http, stand_in))["data"] == {}
    assert stand_in.charged == 5_000


async def test_a_request_that_ends_without_a_response(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("ai-client.entry", Fate(silent=True)))
    (request,) = (await entries(http, stand_in))["data"]
    assert request["waiting_response"] is False
    assert stand_in.bills == []


async def test_images_that_are_not_found_at_first(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("ai-client.entry", Fate(misses=2)))
    url = await first_image(http, stand_in)
    seen = []
    for _ in range(3):
        async with http.get(url) as response:
            seen.append(response.status)
    assert seen == [404, 404, 200]


async def test_a_blurred_image_is_marked(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.core", Fate(alter=image_variants.blurred, finish_reason="CONTENT_FILTERED")))
    assert (await core(http, stand_in))["data"]["finish_reason"] == "CONTENT_FILTERED"
