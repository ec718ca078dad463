"""Faults of the stand-in.

A :class:`Fault` says where and how often; its act says what happens there. An act with ``after_doing`` first carries
out the request (and charges for it), and then fails.
"""

from __future__ import annotations

import asyncio
import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from socket import SO_LINGER, SOL_SOCKET

from aiohttp import web

from fakes.services.call_log import Call, Json
from fakes.services.exchange import Exchange
from fakes.services.pictures import Alteration
from fakes.services.rendering import Fate

Act = Callable[[Exchange], Awaitable[web.StreamResponse]]
Change = Callable[[Json], Json]


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure and the calls that it affects.

    ``route`` is a route's name, with ``*`` for any text: ``ai-client.entry``, ``aithriving.*``. ``act`` is one of the
    classes below, any callable that takes the exchange, or a :class:`Fate` for the rendering that the call starts.
    ``times`` is how many calls it hits (None: all), after the first ``skip`` ones. ``match`` narrows the calls. If
    several faults match a call, only the one added first acts.
    """

    route: str
    act: Act | Fate
    times: int | None = 1
    skip: int = 0
    match: Callable[[Call], bool] | None = None

    def fits(self, call: Call) -> bool:
        return fnmatchcase(call.route, self.route) and (self.match is None or self.match(call))


@dataclass(frozen=True, slots=True)
class Reset:
    """Resets the connection without a response."""

    after_doing: bool = False

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        if self.after_doing:
            await exchange.proceed()
        return cut(exchange.request, reset=True)


@dataclass(frozen=True, slots=True)
class Hang:
    """Sends no response until the stand-in is released or stopped; then resets the connection."""

    after_doing: bool = False

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        if self.after_doing:
            await exchange.proceed()
        await exchange.released.wait()
        return cut(exchange.request, reset=True)


@dataclass(frozen=True, slots=True)
class Status:
    """Responds with this status and this body: JSON, or text as it is."""

    code: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    after_doing: bool = False

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        if self.after_doing:
            await exchange.proceed()
        body = self.body if self.body is not None else error_body(exchange.call.provider, self.code)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=self.code, text=text, headers=self.headers, content_type=self.content_type)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Redirects; by default to a login page."""

    location: str = "/login"
    code: int = 302
    after_doing: bool = False

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        if self.after_doing:
            await exchange.proceed()
        return web.Response(status=self.code, headers={"Location": self.location}, content_type="text/html")


@dataclass(frozen=True, slots=True)
class Body:
    """Carries out the request and responds with status 200, but with this body instead of the real one."""

    body: bytes | str
    content_type: str = "application/json"

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        await exchange.proceed()
        data = self.body.encode() if isinstance(self.body, str) else self.body
        return web.Response(body=data, content_type=self.content_type)


@dataclass(frozen=True, slots=True)
class Half:
    """Carries out the request and sends half of the response: less than its Content-Length."""

    reset: bool = False

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        whole = await exchange.proceed()
        body = whole.body
        assert isinstance(body, bytes | bytearray)
        part = web.StreamResponse(status=whole.status)
        part.content_type = whole.content_type
        part.content_length = len(body)
        await part.prepare(exchange.request)
        await part.write(bytes(body[: len(body) // 2]))
        cut(exchange.request, reset=self.reset)
        return part


@dataclass(frozen=True, slots=True)
class Slow:
    """Carries out the request and responds correctly, but after ``seconds``. With ``pieces`` the body is sent in
    pieces, with an equal pause between them.
    """

    seconds: float
    pieces: int = 0

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        await asyncio.sleep(self.seconds)
        whole = await exchange.proceed()
        if self.pieces < 2:
            return whole
        body = whole.body
        assert isinstance(body, bytes | bytearray)
        drops = web.StreamResponse(status=whole.status)
        drops.content_type = whole.content_type
        drops.content_length = len(body)
        await drops.prepare(exchange.request)
        length = -(-len(body) // self.pieces)
        for start in range(0, len(body), length):
            await drops.write(bytes(body[start : start + length]))
            await asyncio.sleep(self.seconds)
        return drops


@dataclass(frozen=True, slots=True)
class Endless:
    """Sends a body of ``limit`` bytes that begins like a PNG; a Content-Length only with ``declared``."""

    limit: int = 200_000_000
    declared: bool = False
    content_type: str = "image/png"

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        stream = web.StreamResponse()
        stream.content_type = self.content_type
        if self.declared:
            stream.content_length = self.limit
        await stream.prepare(exchange.request)
        block = b"\x89PNG\r\n\x1a\n" + bytes(65_528)
        sent = 0
        while sent < self.limit and not exchange.released.is_set():
            await stream.write(block[: self.limit - sent])
            sent += len(block)
        return stream


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Carries out the request and edits the JSON of the response; see answer_edits.py for known edits."""

    change: Change
    status: int | None = None

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        whole = await exchange.proceed()
        return web.json_response(self.change(json.loads(whole.text or "null")), status=self.status or whole.status)


@dataclass(frozen=True, slots=True)
class Spoil:
    """Carries out the request and changes the image, in a download or as base64; see image_variants.py."""

    alter: Alteration
    content_type: str | None = None

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        whole = await exchange.proceed()
        if whole.content_type == "application/json":
            answer = json.loads(whole.text or "null")
            answer["data"]["image"] = b64encode(self.alter(b64decode(answer["data"]["image"]))).decode()
            return web.json_response(answer)
        body = whole.body
        assert isinstance(body, bytes | bytearray)
        return web.Response(body=self.alter(bytes(body)), content_type=self.content_type or whole.content_type)


@dataclass(frozen=True, slots=True)
class Ignore:
    """Carries out the request as if the form did not have these fields or files."""

    names: tuple[str, ...]

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        form = exchange.multipart
        assert form is not None
        exchange.multipart = replace(
            form,
            fields={name: text for name, text in form.fields.items() if name not in self.names},
            files={name: upload for name, upload in form.files.items() if name not in self.names},
        )
        return await exchange.proceed()


def cut(request: web.Request, *, reset: bool) -> web.StreamResponse:
    """End the connection now: with a reset, or as if the response were complete."""
    transport = request.transport
    if transport is not None:
        if reset:
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response()


def error_body(provider: str, code: int, message: str | None = None) -> Json:
    """The body of a service's error with this status, or with this message instead of the usual one."""
    says = {
        400: "Bad Request",
        401: "Unauthenticated.",
        402: "You do not have enough credits.",
        403: "This action is unauthorized.",
        404: "Not Found",
        410: "Gone",
        413: "Payload Too Large",
        422: "The given data was invalid.",
        429: "Too Many Attempts.",
    }
    message = message if message is not None else says.get(code, "Server Error")
    if provider == "aithriving":
        return {"code": -1, "message": message, "data": None}
    if code == 422:
        return {"message": message, "errors": {"prompts": [message]}}
    return {"message": message}
