"""Runs of malformed answers at every call of ai-client, and services that repeat the prompt."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from fakes.services import MALFORMED, Echo, Fate, Fault, InTurn, StandIn, deploy, malformed
from fakes.services.faults import Status
from tests.fakes.service_calls import BEARER, CORE, ENTRY, KEY, generate, list_entries, open_thread, post_entry

PROMPT = ENTRY["prompts[0][text]"]


async def each_call(http: aiohttp.ClientSession, stand_in: StandIn, thread: str) -> list[tuple[int, str, str]]:
    """Status, type and text of the responses to opening a thread, submitting and listing the entries."""
    base = f"{stand_in.url}/api/v1/threads"
    seen = []
    for method, url, form in (
        ("POST", base, {"ai_version_code": "stablediffusion_text2img"}),
        ("POST", f"{base}/{thread}/entry", ENTRY),
        ("GET", f"{base}/{thread}/entries", None),
    ):
        async with http.request(method, url, data=form, headers=BEARER) as response:
            seen.append((response.status, response.content_type, await response.text()))
    return seen


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("after_doing", [False, True])
async def test_every_call_can_get_a_malformed_answer(
    stand_in: StandIn, http: aiohttp.ClientSession, name: str, after_doing: bool
) -> None:
    thread = await open_thread(http, stand_in)
    stand_in.misbehave(deploy(name, times=3, after_doing=after_doing))
    expected = MALFORMED[name]
    text = expected.body if isinstance(expected.body, str) else json.dumps(expected.body)
    assert await each_call(http, stand_in, thread) == [(expected.code, expected.content_type, text)] * 3
    assert [call.accepted for call in stand_in.calls[1:]] == [after_doing] * 3
    # The run is over; the requests carried out during it are there.
    kinds = [entry["type"] for entry in await list_entries(http, stand_in, thread)]
    assert kinds == (["request", "response"] if after_doing else [])


async def test_a_deploy_spoils_a_run_of_calls_except_images(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread, images="1")
    (_, response) = await list_entries(http, stand_in, thread)
    stand_in.misbehave(deploy(times=len(MALFORMED), route="ai-client.*"))
    async with http.get(response["content"][0]["url"]) as image:
        assert image.status == 200
    seen = []
    for _ in range(len(MALFORMED)):
        async with http.get(f"{stand_in.url}/api/v1/threads/{thread}/entries", headers=BEARER) as answer:
            seen.append(answer.status)
    assert seen == [act.code for act in MALFORMED.values()]
    assert len(await list_entries(http, stand_in, thread)) == 2


async def test_a_run_can_be_set_over_http(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    acts = [{"act": "malformed", "body": "404"}, {"act": "status", "code": 503}, {"act": "echo", "says": "no"}]
    order = {"route": "ai-client.*", "match": "/api/v1/", "times": 3, "act": "in turn", "of": acts}
    async with http.post(f"{stand_in.url}/_control", json={"misbehave": order}) as response:
        assert response.status == 200
    assert [status for status, _, _ in await each_call(http, stand_in, thread)] == [404, 503, 400]


@pytest.mark.parametrize("of", [None, [], [{"act": "fate"}], [{"act": "malformed", "body": "no such"}]])
async def test_an_invalid_run_is_rejected(stand_in: StandIn, http: aiohttp.ClientSession, of: Any) -> None:
    order = {"route": "*", "act": "in turn", "of": of}
    async with http.post(f"{stand_in.url}/_control", json={"misbehave": order}) as response:
        assert response.status == 400


async def test_acts_alternate(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.core", InTurn(Status(500), malformed("page")), times=3))
    seen = []
    for _ in range(4):
        async with http.post(f"{stand_in.url}/api/generate/core", json=CORE, headers=KEY) as response:
            seen.append((response.status, response.content_type))
    assert seen == [
        (500, "application/json"),
        (200, "text/html"),
        (500, "application/json"),
        (200, "application/json"),
    ]


@pytest.mark.parametrize(
    ("how", "repeated"),
    [
        ("whole", 'A "red" café, too many requests'),
        ("capitals", 'A "RED" CAFÉ, TOO MANY REQUESTS'),
        ("cut", 'A "red" café, too ma…'),
        ("escaped", r"A \"red\" caf\u00e9, too many requests"),
    ],
)
async def test_a_refusal_can_repeat_the_prompt(
    stand_in: StandIn, http: aiohttp.ClientSession, how: str, repeated: str
) -> None:
    prompt = 'A "red" café, too many requests'
    thread = await open_thread(http, stand_in)
    stand_in.misbehave(Fault("*", Echo(422, "No: {prompt}", how), times=None))
    status, answer = await post_entry(http, stand_in, thread, **{"prompts[0][text]": prompt, "prompts[1][text]": None})
    assert (status, answer["errors"]) == (422, {"prompts": [f"No: {repeated}"]})
    status, answer = await generate(http, stand_in, "core", CORE | {"prompt": prompt})
    assert (status, answer) == (422, {"code": -1, "message": f"No: {repeated}", "data": None})
    assert stand_in.bills == []


async def test_the_error_of_a_poll_can_repeat_the_prompt(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread)
    stand_in.misbehave(Fault("ai-client.entries", Echo(500, "Cannot list {prompt}")))
    async with http.get(f"{stand_in.url}/api/v1/threads/{thread}/entries", headers=BEARER) as response:
        assert (response.status, await response.json()) == (500, {"message": f"Cannot list {PROMPT}"})


async def test_the_error_of_a_rendering_can_repeat_the_prompt(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("*", Fate(error="No: {prompt}"), times=None))
    thread = await open_thread(http, stand_in)
    await post_entry(http, stand_in, thread)
    assert [entry["error"] for entry in await list_entries(http, stand_in, thread)] == [f"No: {PROMPT}"]
    assert (await generate(http, stand_in, "core", CORE))[1]["message"] == f"No: {CORE['prompt']}"
