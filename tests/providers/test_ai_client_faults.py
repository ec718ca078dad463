"""ai-client: refusals and missing responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bot.providers.ai_client import AiClient
from bot.providers.base import Finished, Gone, Handle, Json
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Refused, Unreachable
from bot.providers.operations import Size
from fakes.services import Fault, StandIn
from fakes.services.answer_edits import each_object, replaced
from fakes.services.faults import Body, Half, Hang, Redirect, Reset, Rewrite, Status
from tests.providers.workbench import (
    ENTRIES,
    ENTRY,
    THREAD,
    asked,
    entries,
    refusal,
    sent,
)

# --- a lost response --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        Reset(after_doing=True),
        Half(),
        Body("<html>", "text/html"),
        Body("{}"),
        Status(502, "<html>", {}, "text/html", after_doing=True),
    ],
    ids=["reset", "half", "html", "empty", "502"],
)
async def test_a_submit_that_arrived_is_found(ai_client: AiClient, stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(ENTRY, act))
    handle = await ai_client.prepare(asked())
    assert isinstance(await refusal(ai_client.submit(handle, asked())), OutcomeUnknown)
    found = await ai_client.find(handle)
    assert found is not None
    assert found["request"]
    assert isinstance(await ai_client.poll(found), Finished)
    assert len(stand_in.calls_to(ENTRY)) == 1
    assert ai_client.finds_lost_submits


@pytest.mark.parametrize("act", [Reset(), Status(500), Status(503)], ids=["reset", "500", "503"])
async def test_a_submit_that_did_not_arrive_is_not_found(ai_client: AiClient, stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(ENTRY, act))
    handle = await ai_client.prepare(asked())
    assert isinstance(await refusal(ai_client.submit(handle, asked())), OutcomeUnknown)
    assert await ai_client.find(handle) is None
    assert stand_in.charged == 0


async def test_a_submit_that_times_out_is_found(
    ai_client: AiClient, stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    stand_in.misbehave(Fault(ENTRY, Hang(after_doing=True)))
    handle = await ai_client.prepare(asked())
    submit = asyncio.create_task(ai_client.submit(handle, asked()))
    while not stand_in.renderings.by_guid:
        await asyncio.sleep(0)
    pass_time(1000)
    assert isinstance(await refusal(submit), OutcomeUnknown)
    stand_in.release()
    assert await ai_client.find(handle) is not None


async def test_a_refused_connection_means_that_nothing_was_sent(ai_client: AiClient, stand_in: StandIn) -> None:
    handle = await ai_client.prepare(asked())
    await stand_in.stop()
    assert isinstance(await refusal(ai_client.submit(handle, asked())), Unreachable)


@pytest.mark.parametrize("answer", [[], {"data": []}])
async def test_an_empty_list_proves_that_nothing_arrived(ai_client: AiClient, stand_in: StandIn, answer: Json) -> None:
    handle = await ai_client.prepare(asked())
    stand_in.misbehave(entries(replaced(answer)))
    assert await ai_client.find(handle) is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"data": None},
        {},
        {"data": {}},
        {"message": "Server busy"},
        {"message": "Server busy", "data": []},
        {"data": {"message": "Server busy"}},
        {"success": False, "data": []},
        {"data": [None]},
        {"data": [{"type": "odd"}]},
        {"data": [{"guid": "x"}]},
        {"data": [{"type": "response", "content": []}]},
        {"data": [{"type": "request", "guid": "x", "thread_guid": "another"}]},
        7,
        "busy",
    ],
    ids=str,
)
async def test_anything_but_the_threads_list_proves_nothing(
    ai_client: AiClient, stand_in: StandIn, answer: Json
) -> None:
    handle = await ai_client.prepare(asked())
    stand_in.misbehave(entries(replaced(answer)))
    assert isinstance(await refusal(ai_client.find(handle)), Unreachable)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_404_for_our_own_thread_proves_nothing(ai_client: AiClient, stand_in: StandIn, status: int) -> None:
    handle = await ai_client.prepare(asked())
    stand_in.misbehave(Fault(ENTRIES, Status(status), times=2))
    assert isinstance(await refusal(ai_client.find(handle)), Unreachable)
    assert await ai_client.poll(handle) == Gone()


async def test_a_found_request_with_an_odd_guid_can_be_polled(ai_client: AiClient, stand_in: StandIn) -> None:
    handle = await ai_client.prepare(asked())
    await ai_client.submit(handle, asked())
    stand_in.misbehave(entries(each_object(lambda item: item | {"guid": "a/b"} if "type" in item else item)))
    found = await ai_client.find(handle)
    assert found is not None
    assert isinstance(await ai_client.poll(found), Finished)


async def test_an_html_page_does_not_prove_that_a_thread_is_gone(ai_client: AiClient, stand_in: StandIn) -> None:
    handle = await sent(ai_client)
    stand_in.misbehave(Fault(ENTRIES, Status(404, "<h1>Not Found</h1>", content_type="text/html")))
    assert isinstance(await refusal(ai_client.poll(handle)), Refused)
    assert isinstance(await ai_client.poll(handle), Finished)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "kind", "operator"),
    [
        (Status(401), Refused, True),
        (Status(402), Refused, True),
        (Status(403), Refused, True),
        (Status(404), NotFound, True),
        (Status(410, {"message": "Gone"}), NotFound, True),
        (Status(400, {"message": "You have no credits left."}), Refused, True),
        (Status(422, {"message": "No.", "errors": {"resolution": ["The resolution is invalid."]}}), Refused, False),
        (Status(422, {"message": "Your prompt contains filtered words."}), Refused, False),
        (Redirect(), Refused, True),
        (Redirect("https://elsewhere.example/login", 301), Refused, True),
        (Status(429), Busy, None),
    ],
    ids=lambda value: repr(value) if not isinstance(value, type | bool) else "",
)
@pytest.mark.parametrize("route", [THREAD, ENTRY])
async def test_a_clear_refusal(
    ai_client: AiClient, stand_in: StandIn, route: str, act: Any, kind: type[ProviderError], operator: bool | None
) -> None:
    stand_in.misbehave(Fault(route, act))
    error = await refusal(sent(ai_client))
    assert type(error) is kind
    if isinstance(error, Refused):
        assert error.operator is operator
    assert len(stand_in.calls_to(route)) == 1
    assert stand_in.charged == 0


async def test_the_fields_of_a_422_are_named(ai_client: AiClient) -> None:
    error = await refusal(sent(ai_client, asked(size=Size(512, 512))))
    assert isinstance(error, Refused)
    assert "resolution" in error.said


async def test_too_many_requests_give_the_retry_after(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(ENTRY, Status(429, headers={"Retry-After": "17"})))
    error = await refusal(sent(ai_client))
    assert isinstance(error, Busy)
    assert error.retry_after == 17


async def test_a_wrong_key(stand_in: StandIn, ai_client: AiClient) -> None:
    stand_in.keys = frozenset({"another"})
    error = await refusal(ai_client.prepare(asked()))
    assert isinstance(error, Refused)
    assert error.operator


@pytest.mark.parametrize(
    "act",
    [
        Reset(),
        Reset(after_doing=True),
        Half(),
        Status(500),
        Body("<html>", "text/html"),
        Body("{}"),
        Body('{"data": {"guid": "../x"}}'),
    ],
    ids=["reset", "reset after", "half", "500", "html", "empty", "odd guid"],
)
async def test_opening_a_thread_is_free_and_may_be_retried(ai_client: AiClient, stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(THREAD, act))
    assert isinstance(await refusal(ai_client.prepare(asked())), Unreachable)
    assert len(stand_in.calls_to(THREAD)) == 1


@pytest.mark.parametrize(
    "act",
    [Reset(), Half(), Status(500), Body("<html>", "text/html"), Body("[1")],
    ids=["reset", "half", "500", "html", "json"],
)
async def test_a_failed_poll_may_be_repeated(ai_client: AiClient, stand_in: StandIn, act: Any) -> None:
    handle = await sent(ai_client)
    stand_in.misbehave(Fault(ENTRIES, act))
    assert isinstance(await refusal(ai_client.poll(handle)), Unreachable)
    assert isinstance(await ai_client.poll(handle), Finished)


@pytest.mark.parametrize(
    "answer",
    [None, {}, 7, "text", [None, 7, []], {"data": None}, {"data": [{"type": "odd"}]}, {"message": "Server busy"}],
    ids=str,
)
async def test_a_poll_without_the_threads_list_has_failed(ai_client: AiClient, stand_in: StandIn, answer: Json) -> None:
    handle = await sent(ai_client)
    stand_in.misbehave(Fault(ENTRIES, Rewrite(replaced(answer))))
    assert isinstance(await refusal(ai_client.poll(handle)), Unreachable)
    assert isinstance(await ai_client.poll(handle), Finished)


@pytest.mark.parametrize("handle", [{}, {"thread": "../../x"}, {"thread": 7}, {"thread": "x", "request": "a/b"}])
async def test_another_providers_handle(ai_client: AiClient, stand_in: StandIn, handle: Handle) -> None:
    for call in (ai_client.poll(handle), ai_client.find(handle), ai_client.submit(handle, asked())):
        assert isinstance(await refusal(call), Refused)
    assert not stand_in.calls
