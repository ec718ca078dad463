"""Faults for one command affect its calls and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from chaos.service_faults import ECHOED, Spite, echoes
from fakes.services import StandIn, flat

FORM = {
    "type": "request",
    "engine": "stable-diffusion-xl-1024-v0-9",
    "resolution": "1024x1024",
    "prompts[0][weight]": "1",
    "images": "1",
    "steps": "30",
}


class Client:
    """Makes the same calls to ai-client as the bot."""

    def __init__(self, stand_in: StandIn, http: aiohttp.ClientSession) -> None:
        self.stand_in = stand_in
        self._http = http

    async def open(self) -> str:
        form = {"ai_version_code": "stablediffusion_text2img"}
        async with self._http.post(f"{self.stand_in.url}/api/v1/threads", data=form, headers=self._key) as answer:
            guid: str = (await answer.json())["data"]["guid"]
            return guid

    async def send(self, thread: str, prompt: str) -> int | None:
        """Send a request; return the status, or None if there was no response."""
        form = {**FORM, "prompts[0][text]": prompt}
        try:
            async with self._http.post(self._path(thread, "entry"), data=form, headers=self._key) as answer:
                return answer.status
        except aiohttp.ClientError:
            return None

    async def entries(self, thread: str) -> Any:
        async with self._http.get(self._path(thread, "entries"), headers=self._key) as answer:
            return answer.status, await answer.text()

    _key = {"Authorization": "Bearer any"}  # noqa: RUF012 - read only

    def _path(self, thread: str, what: str) -> str:
        return f"{self.stand_in.url}/api/v1/threads/{thread}/{what}"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with StandIn(seconds=(0, 0), painter=flat) as stand_in, aiohttp.ClientSession() as http:
        yield Client(stand_in, http)


def prompt(number: int) -> str:
    return f"a kite of paper with the number {number:05d}"


async def test_one_command_loses_each_request_and_another_none(client: Client) -> None:
    Spite(client.stand_in, 7).loses_each_request()
    mine, other = await client.open(), await client.open()
    assert [await client.send(mine, prompt(7)) for _ in range(3)] == [None, None, None]
    assert await client.send(other, prompt(8)) == 201
    assert [call.accepted for call in client.stand_in.calls_to("ai-client.entry")] == [False, False, False, True]


async def test_a_delayed_request_is_carried_out_later_and_not_found_before(client: Client) -> None:
    Spite(client.stand_in, 7).loses_the_answer(late=0.0, silent_for=3600.0)
    mine, other = await client.open(), await client.open()
    assert await client.send(mine, prompt(7)) is None
    await client.send(other, prompt(8))
    assert '"request"' not in (await client.entries(mine))[1]
    assert '"request"' in (await client.entries(other))[1]
    assert all(call.accepted for call in client.stand_in.calls_to("ai-client.entry"))


async def test_a_held_request_is_carried_out_when_it_is_sent_again(client: Client) -> None:
    Spite(client.stand_in, 7).holds_the_request()
    thread = await client.open()
    assert await client.send(thread, prompt(7)) is None
    assert (await client.entries(thread))[1].count('"request"') == 0
    assert await client.send(thread, prompt(7)) == 201
    assert (await client.entries(thread))[1].count('"request"') == 2


async def test_the_polls_of_one_command_get_malformed_answers_for_a_while(client: Client) -> None:
    Spite(client.stand_in, 7).answers_oddly("404", times=2)
    mine, other = await client.open(), await client.open()
    await client.send(mine, prompt(7))
    await client.send(other, prompt(8))
    assert [(await client.entries(mine))[0] for _ in range(4)] == [404, 404, 200, 200]
    assert (await client.entries(other))[0] == 200


async def test_malformed_answers_end_in_time(client: Client) -> None:
    Spite(client.stand_in, 7).answers_oddly("410", lasting=-1.0)
    thread = await client.open()
    await client.send(thread, prompt(7))
    assert (await client.entries(thread))[0] == 200


@pytest.mark.parametrize("words", ECHOED)
async def test_a_refusal_repeats_the_prompt(client: Client, words: str) -> None:
    echoes(client.stand_in)
    thread = await client.open()
    assert await client.send(thread, f"a kite of {words} with the number 00007") == 422
    assert await client.send(thread, prompt(8)) == 201
