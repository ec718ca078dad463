"""Streams of OpenAI-compatible services that are cut, odd or refused, and what follows from each."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Refused
from fakes.services import Fault, StandIn
from fakes.services.faults import Act, Status
from fakes.services.openai_faults import ChangedStream, CutStream, FailedStream, refused
from tests.doubles.provider import png
from tests.providers.openai_workbench import GENERATIONS, GPT, failing, made, openai_at
from tests.providers.workbench import asked


async def test_a_stream_in_small_pieces(stand_in: StandIn) -> None:
    async def pieces(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for event in events:
            for start in range(0, len(event), 1_000):
                yield event[start : start + 1_000]

    stand_in.misbehave(Fault(GENERATIONS, ChangedStream(pieces)))
    async with openai_at(stand_in) as provider:
        finished = await made(provider)
    assert finished.cost.millicredits == stand_in.charged


async def test_a_stream_with_comments_and_unknown_events(stand_in: StandIn) -> None:
    async def more(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield b": ping\n\nevent: keepalive\ndata: {}\n\n\xff\xfe\n\n"
        async for event in events:
            yield event.replace(b"\n", b"\r\n") + b"data: [DONE]\n\n"

    stand_in.misbehave(Fault(GENERATIONS, ChangedStream(more)))
    async with openai_at(stand_in) as provider:
        assert (await made(provider)).images


async def test_a_stream_without_names_of_events(stand_in: StandIn) -> None:
    async def nameless(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for event in events:
            yield event.partition(b"\n")[2]

    stand_in.misbehave(Fault(GENERATIONS, ChangedStream(nameless)))
    async with openai_at(stand_in) as provider:
        assert (await made(provider)).images


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(("after", "more"), [(0, 0), (0, 100), (1, 0), (1, 200)])
async def test_a_stream_that_is_cut_before_the_image(stand_in: StandIn, after: int, more: int, reset: bool) -> None:
    problem = await failing(stand_in, CutStream(after, more, reset=reset))
    assert isinstance(problem, OutcomeUnknown)
    assert stand_in.charged


async def test_a_stream_that_ends_before_the_image(stand_in: StandIn) -> None:
    async def first(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield await anext(events)

    assert isinstance(await failing(stand_in, ChangedStream(first)), OutcomeUnknown)


async def test_an_image_that_has_arrived_is_not_lost_by_a_cut(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(GENERATIONS, CutStream(2)))
    async with openai_at(stand_in) as provider:
        finished = await made(provider)
    assert finished.cost.millicredits == stand_in.charged


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("missing", [1, 2])
async def test_an_image_that_has_arrived_needs_no_line_after_it(stand_in: StandIn, missing: int, reset: bool) -> None:
    """The last line breaks of a stream may get lost with its connection, or a proxy leaves them out."""

    async def shorter(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield await anext(events)
        async for event in events:
            yield event[:-missing]
        if reset:
            raise ConnectionResetError

    stand_in.misbehave(Fault(GENERATIONS, ChangedStream(shorter)))
    async with openai_at(stand_in) as provider:
        finished = await made(provider)
    assert finished.cost.millicredits == stand_in.charged


@pytest.mark.parametrize("rest", [b"", b"event: image_generation.partial_image\ndata: {}", b"data: [DONE]", b"\xff"])
async def test_a_stream_that_ends_in_the_middle_of_another_event(stand_in: StandIn, rest: bytes) -> None:
    async def unfinished(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield await anext(events)
        yield rest

    assert isinstance(await failing(stand_in, ChangedStream(unfinished)), OutcomeUnknown)


async def test_a_stream_that_never_ends(stand_in: StandIn) -> None:
    async def endless(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            yield b"data: " + bytes(1 << 16).replace(b"\0", b"x")

    problem = await failing(stand_in, ChangedStream(endless))
    assert isinstance(problem, OutcomeUnknown)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"b64_json": 7}', b'{"b64_json": "%"}', b'{"usage": {}}', b"9" * 5_000]
)
async def test_a_finished_event_without_an_image(stand_in: StandIn, data: bytes) -> None:
    async def empty(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield b"event: image_generation.completed\ndata: " + data + b"\n\n"

    assert isinstance(await failing(stand_in, ChangedStream(empty)), OutcomeUnknown)


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (FailedStream("moderation_blocked"), Refused, Reason.MODERATED),
        (FailedStream("insufficient_quota"), Refused, Reason.NO_CREDITS),
        (FailedStream("rate_limit_exceeded"), OutcomeUnknown, Reason.BROKEN),
        (FailedStream(None), OutcomeUnknown, Reason.BROKEN),
    ],
)
async def test_an_error_in_a_stream(stand_in: StandIn, act: Act, kind: type[ProviderError], reason: Reason) -> None:
    problem = await failing(stand_in, act)
    assert (type(problem), problem.reason) == (kind, reason)


async def test_an_error_before_a_stream_comes_as_a_whole(stand_in: StandIn) -> None:
    problem = await failing(stand_in, refused(400, "moderation_blocked"))
    assert problem.reason is Reason.MODERATED


async def test_a_service_that_does_not_stream(stand_in: StandIn) -> None:
    image = b64encode(png()).decode()
    stand_in.misbehave(Fault(GENERATIONS, Status(200, {"data": [{"b64_json": image}]})))
    async with openai_at(stand_in) as provider:
        assert (await made(provider)).images[0].data == png()


@pytest.mark.parametrize("event", [b"", b"{}", b'{"b64_json": "AAAA"}', b'{"b64_json": 1}', b"[" * 10_000])
async def test_an_unfinished_image_that_is_none(stand_in: StandIn, event: bytes) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def odd(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        yield b"event: image_generation.partial_image\ndata: " + event + b"\n\n"
        arrived.set()
        await go_on.wait()
        async for one in events:
            yield one

    stand_in.misbehave(Fault(GENERATIONS, ChangedStream(odd)))
    async with openai_at(stand_in) as provider:
        handle = await provider.prepare(asked(GPT))
        submit = asyncio.create_task(provider.submit(handle, asked(GPT)))
        await arrived.wait()
        assert (await provider.progress(handle)).preview is None
        go_on.set()
        assert (await submit).images
