"""Faults that only OpenAI's images have: errors with a code, and streams that end too early."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from fakes.services.call_log import Json
from fakes.services.exchange import Exchange
from fakes.services.faults import Status, cut
from fakes.services.openai_images import EventStream, event

Events = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


def refused(
    status: int,
    code: str | None,
    message: str = "It was refused.",
    *,
    kind: str = "invalid_request_error",
    headers: Mapping[str, str] | None = None,
) -> Status:
    """Respond with an error of this code, and do nothing."""
    body: Json = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Status(status, body, headers or {})


@dataclass(frozen=True, slots=True)
class ChangedStream:
    """Carries out the request, and sends its events as ``change`` makes them."""

    change: Events

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        whole = await exchange.proceed()
        assert isinstance(whole, EventStream)
        return EventStream(self.change(whole.events))


@dataclass(frozen=True, slots=True)
class CutStream:
    """Carries out the request, and ends the connection after so many events and ``more`` bytes of the next one."""

    after: int
    more: int = 0
    reset: bool = True

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        whole = await exchange.proceed()
        assert isinstance(whole, EventStream)
        stream = web.StreamResponse(headers={"Content-Type": whole.content_type})
        await stream.prepare(exchange.request)
        sent = 0
        async for each in whole.events:
            if sent == self.after:
                await stream.write(each[: self.more])
                break
            await stream.write(each)
            sent += 1
        cut(exchange.request, reset=self.reset)
        return stream


@dataclass(frozen=True, slots=True)
class FailedStream:
    """Begins the stream with one unfinished image, and then reports this error in it. Nothing is charged."""

    code: str | None
    message: str = "It failed."
    kind: str = "server_error"

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        return EventStream(self._events())

    async def _events(self) -> AsyncIterator[bytes]:
        error: Json = {"message": self.message, "type": self.kind, "code": self.code}
        yield event({"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0})
        yield event({"type": "error", "error": error})
