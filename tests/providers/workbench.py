"""Helpers to create and drive the adapters in these tests, and a server that sends arbitrary bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.config import Reader
from bot.providers.ai_client import AiClient
from bot.providers.aithriving import Aithriving
from bot.providers.base import Finished, Handle, ImageRequest, PollResult, Provider, Waiting, WeightedText
from bot.providers.credentials import Credentials
from bot.providers.errors import ProviderError
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.providers.operations import Size
from fakes.services import Fault, StandIn
from fakes.services.answer_edits import Change
from fakes.services.faults import Rewrite

SECRET = "sk-5ecret-0f-the-b0t"
XL = "ai-client/stable-diffusion-xl-1024-v0-9"
MIDJOURNEY_ENGINE = "ai-client/midjourney"
DALLE_ENGINE = "ai-client/dalle-2"
BASIC = "aithriving/sd-1.6"
CORE = "aithriving/core"

TRICKS = {
    "rate": "a wall with the words too many requests, slow down",
    "key": 'a "neon sign" that says invalid api key, access denied',
    "credits": "a beggar's café sign: not enough credits, please top up",
    "fault": "a door, server error, service unavailable, under maintenance",
}
"""Prompts that resemble messages of the services."""

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def asked(engine: str = XL, **changes: Any) -> ImageRequest:
    """A request for a lighthouse, with these changes."""
    usual: dict[str, Any] = {"prompts": (WeightedText("a lighthouse on a cliff"),), "size": Size(1024, 1024)}
    return ImageRequest(engine=engine, **(usual | changes))


def reader(**values: str) -> Reader:
    """The settings reader that the program uses."""
    return Reader((values,))


def make_ai_client(base: str, **options: Any) -> AiClient:
    """ai-client at this base address, with no pause between download attempts."""
    service = Service("ai-client", f"{base}/api/v1", credentials=Credentials.key(SECRET, "Bearer"))
    return AiClient(service, Downloads(service, pause=0), **options)


def make_aithriving(base: str, **options: Any) -> Aithriving:
    return Aithriving(Service("AI Thriving", base, credentials=Credentials.key(SECRET)), **options)


async def sent(provider: AiClient, request: ImageRequest | None = None) -> Handle:
    """Open a thread and submit; return the handle to poll with."""
    request = request or asked()
    handle = await provider.submit(await provider.prepare(request), request)
    assert not isinstance(handle, Finished)
    return handle


async def polled(provider: AiClient, request: ImageRequest | None = None) -> PollResult:
    """Submit, and return the result of the first poll."""
    request = request or asked()
    return await provider.poll(await sent(provider, request), request)


async def finished(provider: AiClient, request: ImageRequest | None = None) -> Finished:
    result = await polled(provider, request)
    assert isinstance(result, Finished), result
    return result


THREAD, ENTRY, ENTRIES, IMAGE = "ai-client.thread", "ai-client.entry", "ai-client.entries", "ai-client.image"


def entries(change: Change) -> Fault:
    """A fault that applies this edit to every list of entries."""
    return Fault(ENTRIES, Rewrite(change), times=None)


async def refusal(call: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call
    assert SECRET not in f"{caught.value!r} {caught.value.detail}"
    return caught.value


async def follow(provider: AiClient, handle: Handle, polls: int) -> list[object]:
    """Poll this many times, always with the latest handle; return all results."""
    said: list[object] = []
    for _ in range(polls):
        result = await provider.poll(handle)
        said.append(result)
        if isinstance(result, Waiting) and result.handle is not None:
            handle = result.handle
    return said


ROUTES = {BASIC: "aithriving.basic", CORE: "aithriving.core"}
BOTH = pytest.mark.parametrize("engine", [BASIC, CORE])


async def made(provider: Aithriving, request: ImageRequest) -> Finished:
    return await provider.submit(await provider.prepare(request), request)


async def fails(provider: Aithriving, engine: str = CORE) -> ProviderError:
    return await refusal(made(provider, asked(engine)))


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """Run a server that does just this on each connection; return its address."""
    served: set[asyncio.Task[None]] = set()

    async def serve(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        try:
            await talk(incoming, outgoing)
        finally:
            outgoing.close()
            served.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in list(served):
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


def saying(data: bytes) -> Talk:
    """Read the head of the request, send these bytes and close the connection."""

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        outgoing.write(data)
        await outgoing.drain()

    return talk


@asynccontextmanager
async def submitting(
    provider: Provider, stand_in: StandIn, request: ImageRequest, route: str
) -> AsyncIterator[tuple[Handle, asyncio.Task[Any]]]:
    """A submission that has arrived at this route: its handle, and its submit, which ends with the images."""
    handle = await provider.prepare(request)
    known = len(stand_in.calls_to(route))
    submit = asyncio.create_task(provider.submit(handle, request))
    await stand_in.called(route, known + 1)
    try:
        yield handle, submit
    finally:
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)
