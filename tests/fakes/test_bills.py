"""How long requests take, what they cost, and what the stand-in records."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from fakes.services import Picture, StandIn, flat
from fakes.services.contract import basic_price
from fakes.services.pictures import Gallery, Plate
from fakes.services.rendering import Fate
from tests.fakes.service_calls import (
    BASIC,
    BEARER,
    CORE,
    ENTRY,
    generate,
    list_entries,
    open_thread,
    post_entry,
)


async def test_a_request_waits_until_its_time_is_over(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as stand_in:
        thread = await open_thread(http, stand_in)
        _, answer = await post_entry(http, stand_in, thread)
        (only,) = await list_entries(http, stand_in, thread)
        assert only["waiting_response"] is True
        assert stand_in.bills == []
        stand_in.finish(answer["data"]["guid"])
        request, response = await list_entries(http, stand_in, thread)
        assert (request["waiting_response"], response["waiting_response"]) == (False, False)
        assert [bill.amount for bill in stand_in.bills] == [10_000]


async def test_responses_come_in_the_order_of_completion(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as stand_in:
        threads = [await open_thread(http, stand_in) for _ in range(3)]
        guids = [(await post_entry(http, stand_in, thread))[1]["data"]["guid"] for thread in threads]
        stand_in.finish(guids[2])
        assert [len(await list_entries(http, stand_in, thread)) for thread in threads] == [1, 1, 2]
        assert stand_in.finish_all() == 2
        assert [len(await list_entries(http, stand_in, thread)) for thread in threads] == [2, 2, 2]
        assert stand_in.renderings.most_at_once == {"ai-client": 3}


async def test_renderings_end_by_themselves_after_the_given_time(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0.01, 0.02), painter=flat) as stand_in:
        _, answer = await generate(http, stand_in, "core", CORE)
        assert answer["code"] == 0
        (work,) = stand_in.renderings.by_guid.values()
        assert work.seconds is not None
        assert 0.01 <= work.seconds <= 0.02


async def test_prices(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread, images="3")
    await list_entries(http, stand_in, thread)
    await generate(http, stand_in, "core", CORE)
    await generate(http, stand_in, "basic/textToImage", BASIC)
    assert [(bill.provider, bill.engine, bill.amount, bill.images) for bill in stand_in.bills] == [
        ("ai-client", "stable-diffusion-xl-1024-v0-9", 15_000, 3),
        ("aithriving", "core", 6_000, 1),
        ("aithriving", "sd-1.6", 700, 1),
    ]
    assert stand_in.charged == 21_700


def test_the_basic_price_ranges_from_04_to_2_in_steps_of_01() -> None:
    assert basic_price(320, 320, 10) == 400
    assert basic_price(320, 320, 11) == 500  # any excess is rounded up
    assert basic_price(1024, 1024, 30) == 900
    assert basic_price(1536, 1536, 50) == 2_000


async def test_too_many_requests_get_a_retry_after(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=flat, rate=0.001) as stand_in:
        thread = await open_thread(http, stand_in)
        async with http.get(f"{stand_in.url}/api/v1/threads/{thread}/entries", headers=BEARER) as response:
            assert response.status == 429
            assert 1 <= int(response.headers["Retry-After"]) <= 1000
        _, first = await generate(http, stand_in, "core", CORE)
        status, second = await generate(http, stand_in, "core", CORE)
        assert (first["code"], status, second["code"]) == (0, 429, -1)
        assert len(stand_in.bills) == 1


async def test_an_account_can_run_out_of_credits(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=flat, balance=11_000) as stand_in:
        _, answer = await generate(http, stand_in, "core", CORE)
        assert answer["code"] == 0
        _, answer = await generate(http, stand_in, "core", CORE)
        assert (answer["code"], answer["message"]) == (-1, "Insufficient credits.")
        thread = await open_thread(http, stand_in)
        status, _ = await post_entry(http, stand_in, thread)
        assert status == 402
        status, _ = await post_entry(http, stand_in, thread, images="1")
        assert status == 201


async def test_filtered_words_are_refused_and_free(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    _, answer = await generate(http, stand_in, "core", CORE | {"prompt": "much gore"})
    assert answer["code"] == -1
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread, **{"prompts[0][text]": "NSFW"})
    (request,) = await list_entries(http, stand_in, thread)
    assert request["waiting_response"] is False
    assert "content filter" in request["error"]
    assert stand_in.bills == []


async def test_work_continues_and_is_charged_after_the_client_has_gone(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as stand_in:
        call = asyncio.create_task(generate(http, stand_in, "core", CORE))
        await stand_in.called("aithriving.core")
        call.cancel()
        await asyncio.wait([call])
        (work,) = stand_in.renderings.by_guid.values()
        stand_in.finish_all()
        await stand_in.renderings.ended(work)
        assert [bill.amount for bill in stand_in.bills] == [6_000]


async def test_all_requests_are_recorded(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread)
    await post_entry(http, stand_in, thread, steps="1")
    await generate(http, stand_in, "core", CORE)
    assert [(call.number, call.route, call.status, call.accepted) for call in stand_in.calls] == [
        (1, "ai-client.thread", 201, True),
        (2, "ai-client.entry", 201, True),
        (3, "ai-client.entry", 422, False),
        (4, "aithriving.core", 200, True),
    ]
    assert stand_in.calls[1].body == ENTRY
    assert stand_in.calls[3].body == CORE
    assert "a-token" not in repr(stand_in.calls) + json.dumps([call.to_json() for call in stand_in.calls])


async def test_a_default_fate_applies_to_all_requests(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat, fate=Fate(early=True)) as stand_in:
        thread = await open_thread(http, stand_in)
        await post_entry(http, stand_in, thread)
        _, response = await list_entries(http, stand_in, thread)
        assert response["waiting_response"] is True
        assert response["content"] == {"state": "processing", "percent": 0, "images": []}
        stand_in.finish_all()
        _, finished = await list_entries(http, stand_in, thread)
        assert finished["guid"] == response["guid"]
        assert finished["waiting_response"] is False


async def test_evicted_images_are_painted_again() -> None:
    painted: list[int] = []

    def painter(picture: Picture) -> bytes:
        painted.append(picture.seed)
        return bytes(400)

    with ThreadPoolExecutor(1) as executor:
        gallery = Gallery(painter, executor, budget=1_000)
        plates = [Plate(Picture("x", "", "", seed, 320, 320)) for seed in range(3)]
        for plate in (*plates, plates[2], plates[1], plates[0]):
            assert await gallery.paint(plate) == bytes(400)
    assert painted == [0, 1, 2, 0]


async def test_stopping_cancels_unfinished_work(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as stand_in:
        call = asyncio.create_task(generate(http, stand_in, "core", CORE))
        await stand_in.called("aithriving.core")
    with pytest.raises(aiohttp.ClientError):
        await call
