"""A stand-in in its own process is controlled and queried over HTTP."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.__main__ import _demo
from bot.config import load
from bot.providers.base import Json
from fakes.services import Fate, Fault, StandIn, answer_edits, flat, image_variants
from fakes.services.faults import Act, Body, Endless, Half, Hang, Ignore, Redirect, Reset, Rewrite, Slow, Spoil, Status
from tests.fakes.service_calls import list_entries, open_thread, post_entry

HEADERS = {"Accept": "application/json", "Authorization": "Bearer a-token"}
CORE = {"prompt": "A lighthouse on a cliff", "height": 320, "width": 320}


async def core(http: aiohttp.ClientSession, stand_in: StandIn, **changes: object) -> Any:
    async with http.post(f"{stand_in.url}/api/generate/core", json=CORE | changes, headers=HEADERS) as response:
        return await response.json(content_type=None)


async def control(http: aiohttp.ClientSession, url: str, orders: object) -> tuple[int, Any]:
    async with http.post(f"{url}/_control", json=orders) as response:
        return response.status, await (response.json() if response.status == 200 else response.text())


ORDERS: list[tuple[dict[str, Json], Act | Fate]] = [
    ({"act": "reset", "after_doing": True}, Reset(after_doing=True)),
    ({"act": "hang"}, Hang()),
    ({"act": "status", "code": 429, "headers": {"Retry-After": "2"}}, Status(429, headers={"Retry-After": "2"})),
    ({"act": "redirect", "location": "/x"}, Redirect("/x")),
    ({"act": "body", "body": "{"}, Body("{")),
    ({"act": "half"}, Half()),
    ({"act": "slow", "seconds": 1}, Slow(1)),
    ({"act": "endless", "limit": 10}, Endless(limit=10)),
    ({"act": "ignore", "names": ["down"]}, Ignore(("down",))),
    ({"act": "rewrite", "shape": "unwrapped"}, Rewrite(answer_edits.unwrapped)),
    ({"act": "spoil", "picture": "bomb"}, Spoil(image_variants.bomb)),
    ({"act": "fate", "error": "no", "picture": "jpeg"}, Fate(error="no", alter=image_variants.jpeg)),
]


@pytest.mark.parametrize(("order", "act"), ORDERS, ids=[str(order["act"]) for order, _ in ORDERS])
async def test_every_act_can_be_set_in_json(
    stand_in: StandIn, http: aiohttp.ClientSession, order: dict[str, Json], act: Act | Fate
) -> None:
    orders = {"misbehave": order | {"route": "aithriving.core", "times": None, "match": "core"}}
    assert await control(http, stand_in.url, orders) == (200, {"ok": True, "misbehave": 1})
    stand_in.behave()
    stand_in.misbehave(Fault("none", act))
    status, _ = await control(http, stand_in.url, orders)
    assert status == 200
    assert [armed.fault.act for armed in stand_in._armed] == [act, act]


async def test_an_edit_with_arguments_can_be_set(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    order = {"route": "aithriving.core", "act": "rewrite", "shape": "code_is", "with": ["0"]}
    assert (await control(http, stand_in.url, {"misbehave": [order]}))[0] == 200
    assert (await core(http, stand_in))["code"] == "0"


async def test_everything_can_be_set_and_queried_over_http(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=flat) as stand_in:
        orders = {"seconds": None, "latency": [0, 0.001], "rate": 99, "keys": ["a-token"], "balance": 7_000}
        assert await control(http, stand_in.url, orders) == (200, {"ok": True})
        call = asyncio.create_task(core(http, stand_in))
        await stand_in.called("aithriving.core")
        assert await control(http, stand_in.url, {"finish": "all"}) == (200, {"ok": True, "finish": 1})
        assert (await call)["code"] == 0
        assert stand_in.renderings.balance == 1_000
        async with http.get(f"{stand_in.url}/_control") as response:
            seen = await response.json()
        assert [call["route"] for call in seen["calls"]] == ["aithriving.core"]
        assert [bill["amount"] for bill in seen["bills"]] == [6_000]
        assert seen["charged"] == 6_000
        assert [work["over"] for work in seen["renderings"]] == [True]
        async with http.get(f"{stand_in.url}/_control?since=1") as response:
            assert (await response.json())["calls"] == []
        await control(http, stand_in.url, {"seconds": [0, 0], "rate": None, "keys": None, "balance": None})
        assert (await core(http, stand_in))["code"] == 0


@pytest.mark.parametrize(
    "orders",
    [
        [],
        {"explode": True},
        {"seconds": [2, 1]},
        {"latency": 3},
        {"rate": 0},
        {"balance": "much"},
        {"finish": "no-such-work"},
        {"misbehave": {"route": "x"}},
        {"misbehave": {"route": "x", "act": "no-such"}},
        {"misbehave": {"route": "x", "act": "status"}},
        {"misbehave": {"route": "x", "act": "reset", "times": "often"}},
        {"misbehave": {"route": "x", "act": "rewrite", "shape": "no-such"}},
        {"misbehave": ["reset"]},
    ],
)
async def test_invalid_commands_are_rejected(stand_in: StandIn, http: aiohttp.ClientSession, orders: object) -> None:
    status, text = await control(http, stand_in.url, orders)
    assert status == 400
    assert text.startswith("not understood")
    assert stand_in._armed == []


# --- access -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8100", "127.0.0.1.evil.example", "169.254.169.254", ""])
@pytest.mark.parametrize("path", ["/_control", "/api/v1/threads/x/entries", "/storage/x.png", "/nowhere"])
async def test_a_foreign_host_name_gets_no_access(
    stand_in: StandIn, http: aiohttp.ClientSession, host: str, path: str
) -> None:
    async with http.get(f"{stand_in.url}{path}", headers=HEADERS | {"Host": host}) as response:
        assert response.status == 421
    async with http.post(f"{stand_in.url}{path}", json={"behave": True}, headers={"Host": host}) as response:
        assert response.status == 421
    assert stand_in.calls == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8100"])
async def test_this_machine_gets_access(stand_in: StandIn, http: aiohttp.ClientSession, host: str) -> None:
    async with http.get(f"{stand_in.url}/_control", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_web_page_cannot_post_commands(stand_in: StandIn, http: aiohttp.ClientSession, kind: str) -> None:
    """A page may send these content types to any host without a preflight request."""
    stand_in.misbehave(Fault("x", Reset()))
    async with http.post(f"{stand_in.url}/_control", data=b'{"behave": true}', headers={"Content-Type": kind}) as no:
        assert no.status == 415
    assert len(stand_in._armed) == 1


async def test_the_control_endpoint_can_be_disabled(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=flat, control=False) as stand_in:
        async with http.get(f"{stand_in.url}/_control") as response:
            assert response.status == 404
        assert (await control(http, stand_in.url, {"keys": ["mine"]}))[0] == 404
        assert stand_in.keys is None


async def test_the_demo_takes_no_commands_and_no_key_but_its_own(http: aiohttp.ClientSession) -> None:
    async with _demo(load({"DEMO_PROVIDER": "1"}, env_file=None)) as settings:
        url = settings.reader.url("AITHRIVING_URL", "")
        async with http.get(f"{url}/_control") as response:
            assert response.status == 404
        for key, status in (("demo", 401), (settings.reader.secret("AITHRIVING_KEY"), 200)):
            body = CORE | {"width": 1}
            async with http.post(
                f"{url}/api/generate/core", json=body, headers={"Authorization": str(key)}
            ) as response:
                assert response.status == status


# --- retention --------------------------------------------------------------------------------------------------------


async def test_only_the_latest_are_kept_and_everything_is_counted(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=flat, remember=3) as stand_in:
        threads = []
        for _ in range(5):
            await core(http, stand_in)
            threads.append(await open_thread(http, stand_in))
            await post_entry(http, stand_in, threads[-1], images="1")
            assert len(await list_entries(http, stand_in, threads[-1])) == 2
        assert [call.number for call in stand_in.calls] == [18, 19, 20]
        assert stand_in.charged == 5 * (6_000 + 5_000)
        assert [len(kept) for kept in (stand_in.bills, stand_in.renderings.by_guid, stand_in.renderings._tasks)] == [
            3,
            3,
            0,
        ]
        assert await open_thread(http, stand_in) not in threads
        listed = []
        for thread in threads:
            async with http.get(f"{stand_in.url}/api/v1/threads/{thread}/entries", headers=HEADERS) as response:
                listed.append(response.status)
        # Three are kept, and one of them is the newest.
        assert listed == [404, 404, 404, 200, 200]
        async with http.get(f"{stand_in.url}/_control?since=25") as response:
            seen = await response.json()
        assert [call["number"] for call in seen["calls"]] == [26]
        assert seen["charged"] == stand_in.charged


async def test_unfinished_renderings_are_never_dropped(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat, remember=2) as stand_in:
        calls = [asyncio.create_task(core(http, stand_in)) for _ in range(5)]
        await stand_in.called("aithriving.core", 2)
        while len(stand_in.renderings.by_guid) < 5:
            await asyncio.sleep(0)
        assert stand_in.finish_all() == 5
        assert [(await call)["code"] for call in calls] == [0] * 5


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "fakes.services", "--port", "0", "--flat", "--seconds", "0", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        told = process.stdout.readline().strip()
        assert told.startswith("AI_CLIENT_URL=http://127.0.0.1:")
        assert told.endswith("/api/v1")

        async def paint() -> Any:
            async with aiohttp.ClientSession() as session:
                url = told.removeprefix("AI_CLIENT_URL=").removesuffix("/api/v1")
                async with session.post(f"{url}/api/generate/core", json=CORE, headers=HEADERS) as response:
                    return await response.json()

        assert asyncio.run(paint())["message"] == "success"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
