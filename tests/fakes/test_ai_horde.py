"""The stand-in of the AI Horde, by plain HTTP: what it accepts, keeps and forgets."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import aiohttp
import pytest

from fakes.services import Fate, Fault, StandIn, flat
from fakes.services.ai_horde import MOST_FAULTS, MOST_SUSPICIONS, STATUS_CALLS
from fakes.services.ai_horde_requests import ANONYMOUS
from tests.doubles.provider import png

KEY = {"apikey": ANONYMOUS}


def body(**params: Any) -> dict[str, Any]:
    return {"prompt": "a fox ### fog", "models": ["Deliberate"], "params": params}


async def ask(
    http: aiohttp.ClientSession, stand_in: StandIn, method: str, path: str, sent: Any = None, key: str = ANONYMOUS
) -> tuple[int, Any]:
    url = f"{stand_in.url}/horde{path}"
    async with http.request(method, url, json=sent, headers={"apikey": key}) as response:
        return response.status, await response.json()


async def submitted(http: aiohttp.ClientSession, stand_in: StandIn, sent: Any) -> str:
    status, told = await ask(http, stand_in, "POST", "/generate/async", sent)
    assert status == 202, told
    return str(told["id"])


async def test_from_a_request_to_a_webp(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    made = await submitted(http, stand_in, body(n=2, seed="6", seed_variation=1, width=128, height=64))
    await stand_in.horde.ended(made)
    status, told = await ask(http, stand_in, "GET", f"/generate/check/{made}")
    assert (status, told["done"], told["finished"], told["waiting"]) == (200, True, 2, 0)
    assert "generations" not in told
    _, told = await ask(http, stand_in, "GET", f"/generate/status/{made}")
    assert [each["seed"] for each in told["generations"]] == ["8", "7"], "workers begin with the last"
    async with http.get(told["generations"][0]["img"]) as response:
        data = await response.read()
        assert (response.status, response.content_type, data[8:12]) == (200, "image/webp", b"WEBP")
    async with http.get(f"{stand_in.url}/horde-storage/nothing.webp") as response:
        assert response.status == 403
    assert not stand_in.bills


@pytest.mark.parametrize(
    ("params", "seeds"),
    [({"seed": "5"}, {"5"}), ({"seed": "5", "seed_variation": 2}, {"7", "9"}), ({"seed": "fox"}, {"7892838"})],
)
async def test_seeds(http: aiohttp.ClientSession, stand_in: StandIn, params: dict[str, Any], seeds: set[str]) -> None:
    made = await submitted(http, stand_in, body(n=2, **params))
    await stand_in.horde.ended(made)
    _, told = await ask(http, stand_in, "GET", f"/generate/status/{made}")
    assert {each["seed"] for each in told["generations"]} == seeds


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"params": {"seed": 5}}, "params.seed"),
        ({"params": {"width": 500}}, "params.width"),
        ({"params": {"height": 4096}}, "params.height"),
        ({"params": {"n": 21}}, "params.n"),
        ({"params": {"n": True}}, "params.n"),
        ({"params": {"steps": 501}}, "params.steps"),
        ({"params": {"cfg_scale": 101}}, "params.cfg_scale"),
        ({"params": {"sampler_name": "Euler"}}, "params.sampler_name"),
        ({"params": 7}, "params"),
        ({"models": []}, "models"),
        ({"params": {"loras": 7}}, "params.loras"),
        ({"params": {"loras": [{"model": 1}]}}, "params.loras.0.name"),
        ({"params": {"loras": [{"name": "x", "clip": 6}]}}, "params.loras.0.clip"),
        ({"params": {"control_type": "x"}}, "params.control_type"),
        ({"source_image": b64encode(png()).decode(), "source_processing": "x"}, "source_processing"),
        (
            {"source_image": b64encode(png()).decode(), "params": {"denoising_strength": 0}},
            "params.denoising_strength",
        ),
    ],
)
async def test_fields_are_validated(
    http: aiohttp.ClientSession, stand_in: StandIn, changes: dict[str, Any], field: str
) -> None:
    status, told = await ask(http, stand_in, "POST", "/generate/async", body() | changes)
    assert (status, list(told["errors"])) == (400, [field])
    assert "rc" not in told


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"prompt": ""}, "MissingPrompt"),
        ({"params": {"cfg_scale": 7.001}}, "BadCFGDecimals"),
        ({"source_mask": "x"}, "SourceMaskUnnecessary"),
        ({"source_image": "x"}, "ImageValidationFailed"),
        ({"source_image": b64encode(png()).decode(), "source_processing": "inpainting"}, "InpaintingMissingMask"),
        ({"prompt": "gore"}, "CorruptPrompt"),
        ({"params": {"loras": [{"name": str(number)} for number in range(6)]}}, "TooManyLoras"),
    ],
)
async def test_refusals_have_a_code(
    http: aiohttp.ClientSession, stand_in: StandIn, changes: dict[str, Any], code: str
) -> None:
    status, told = await ask(http, stand_in, "POST", "/generate/async", body() | changes)
    assert (status, told["rc"]) == (400, code)


async def test_bad_prompts_block_the_address(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    for _ in range(MOST_SUSPICIONS):
        await ask(http, stand_in, "POST", "/generate/async", body() | {"prompt": "gore"})
    status, told = await ask(http, stand_in, "POST", "/generate/async", body())
    assert (status, told["rc"]) == (403, "TimeoutIP")


async def test_keys_and_kudos(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    large = body(width=2048, height=2048)
    assert (await ask(http, stand_in, "POST", "/generate/async", large))[1]["rc"] == "KudosUpfront"
    made = await submitted(http, stand_in, large | {"allow_downgrade": True})
    assert stand_in.horde.requests[made].wanted.pixels <= 1024 * 1024
    status, told = await ask(http, stand_in, "POST", "/generate/async", body(), key="wrong")
    assert (status, told["rc"]) == (401, "InvalidAPIKey")
    stand_in.horde.accounts["rich"] = 5_000
    assert (await ask(http, stand_in, "POST", "/generate/async", large, key="rich"))[0] == 202
    status, told = await ask(http, stand_in, "GET", "/find_user", key="rich")
    assert (status, told["kudos"]) == (200, 5_000)
    assert (await ask(http, stand_in, "GET", "/find_user", key="wrong"))[0] == 404
    assert (await ask(http, stand_in, "GET", "/status/heartbeat", key="wrong"))[0] == 200


async def test_a_request_fails_after_some_workers_did(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("horde.submit", Fate(error="no memory")))
    made = await submitted(http, stand_in, body())
    await stand_in.horde.ended(made)
    _, told = await ask(http, stand_in, "GET", f"/generate/check/{made}")
    assert (told["done"], told["faulted"], told["restarted"], told["finished"]) == (True, False, MOST_FAULTS, 0)


async def test_workers_take_requests_in_turn(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=None, painter=flat) as stand_in:
        stand_in.horde.workers = 1
        first, second = [await submitted(http, stand_in, body()) for _ in range(2)]
        await stand_in.horde.processing(first)
        _, told = await ask(http, stand_in, "GET", f"/generate/check/{second}")
        assert (told["waiting"], told["processing"], told["queue_position"]) == (1, 0, 1)
        _, told = await ask(http, stand_in, "DELETE", f"/generate/status/{first}")
        assert (told["done"], told["processing"], told["generations"]) == (False, 1, [])
        _, told = await ask(http, stand_in, "GET", f"/generate/check/{first}")
        assert (told["done"], told["processing"], told["finished"]) == (False, 1, 0), "the worker goes on"
        stand_in.finish_all()
        await stand_in.horde.ended(first)
        await stand_in.horde.processing(second)
        stand_in.finish_all()
        await stand_in.horde.ended(second)


async def test_a_model_without_workers(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    status, told = await ask(http, stand_in, "POST", "/generate/async", body() | {"models": ["Nobody's Model"]})
    assert (status, [each["code"] for each in told["warnings"]]) == (202, ["NoAvailableWorker"])
    _, told = await ask(http, stand_in, "GET", f"/generate/check/{told['id']}")
    assert (told["is_possible"], told["done"], told["waiting"]) == (False, False, 1)
    with pytest.raises(TimeoutError):
        await stand_in.horde.ended(next(iter(stand_in.horde.requests)), within=0)


async def test_few_results_a_minute(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    made = [await submitted(http, stand_in, body()) for _ in range(2)]
    asked = [await ask(http, stand_in, "GET", f"/generate/status/{made[0]}") for _ in range(STATUS_CALLS + 1)]
    assert [status for status, _ in asked] == [200] * STATUS_CALLS + [429]
    for method, path in (("GET", f"check/{made[0]}"), ("GET", f"status/{made[1]}"), ("DELETE", f"status/{made[0]}")):
        assert (await ask(http, stand_in, method, f"/generate/{path}"))[0] == 200
    await asyncio.gather(*(stand_in.horde.ended(each) for each in made))


async def test_unknown_requests(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    for method, path in (("GET", "check"), ("GET", "status"), ("DELETE", "status")):
        status, told = await ask(http, stand_in, method, f"/generate/{path}/nothing")
        assert (status, told["rc"]) == (404, "RequestNotFound")
