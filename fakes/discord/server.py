"""The HTTP side of the loopback Discord: reads, validates, executes and answers each request, with faults."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from fakes.discord import account, callbacks, channels, webhooks
from fakes.discord.errors import Refusal, invalid_form, unauthorized
from fakes.discord.faults import Cut, Faults, Moment
from fakes.discord.gateway import Gateway
from fakes.discord.messages import UnsoundMessageError
from fakes.discord.model import Upload, World
from fakes.discord.requests import Call, MalformedBodyError, Reply
from fakes.discord.routes import Route, find
from fakes.discord.schema import Schema

BASE = "/api/v10"
LINGER_NOT = struct.pack("ii", 1, 0)
ROUTES_FROM = (account, callbacks, channels, webhooks)
"""The modules whose routes are in the table: importing them registers the routes."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A request by the bot that Discord would refuse. ``rule`` is schema, limits or wire."""

    rule: str
    method: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.method} {self.path}: {self.text}"


class Server:
    """The HTTP server on loopback. It does not know about people; the world does."""

    def __init__(self, world: World, gateway: Gateway, faults: Faults, schema: Schema | None) -> None:
        self.world = world
        self.gateway = gateway
        self.faults = faults
        self.schema = schema
        self.strict = False
        """True: a violation fails every wait at once, so that a test fails early."""
        self.judge_answers = False
        """True: the loopback Discord's own responses are validated against the schema too."""
        self.inspect: Callable[[Upload], object] = lambda upload: None
        """Called with each file that the bot uploads, before its bytes may be dropped."""
        self.calls: list[Call] = []
        self.violations: list[Violation] = []
        self._runner: web.AppRunner | None = None
        self.origin = ""

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes any free one."""
        app = web.Application(client_max_size=0)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{channel}/{number}/{name}", self._download)
        app.router.add_route("*", BASE + "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
        await self._runner.setup()
        # In a larger burst of connections, the kernel would make the rest retry a second later.
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        port = self._runner.addresses[0][1]
        self.origin = f"http://127.0.0.1:{port}"
        self.world.cdn = self.origin
        self.world.gateway_url = f"ws://127.0.0.1:{port}/gateway/"

    async def stop(self) -> None:
        """Drop all connections and stop listening."""
        self.gateway.refusing = True
        self.gateway.reopen()
        self.gateway.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """Serve an attachment. Faults affect it as they affect other requests, by its path."""
        query = dict(request.query)
        call = Call(request.method, request.path, query, request.headers.get("Authorization"), "", request=request)
        self.calls.append(call)
        try:
            reply = await self._stored_file(call, request.match_info["number"])
        except Cut:
            self._cut(request)
            return web.Response(status=500)
        call.request, call.status = None, reply.status
        self.world.changes.notify()
        body = reply.json if isinstance(reply.json, bytes) else json.dumps(reply.json).encode()
        return web.Response(status=reply.status, body=body, headers=reply.headers)

    async def _stored_file(self, call: Call, number: str) -> Reply:
        """Find an attachment. Raises Cut."""
        if reply := await self.faults.at(Moment.BEFORE, call):
            return reply
        attachment = self.world.attachments.get(int(number))
        if attachment is None or attachment.data is None or "hm" not in call.query:
            reply = Reply(404, b"This content is no longer available.", {"Content-Type": "text/plain"})
        else:
            reply = Reply(200, attachment.data, {"Content-Type": attachment.media_type})
        return await self.faults.at(Moment.AFTER, call) or reply

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            method=request.method,
            path="/" + request.match_info["path"],
            query=dict(request.query),
            authorization=request.headers.get("Authorization"),
            content_type=request.headers.get("Content-Type", ""),
            request=request,
        )
        found = find(call.method, call.path)
        if found is not None:
            call.template, call.params = found[0].template, found[1]
        self.calls.append(call)
        try:
            reply = await self._reply(call, found[0] if found else None)
        except Cut:
            self._cut(request)
            return web.Response(status=500)
        call.status = reply.status
        call.code = reply.json.get("code") if reply.status >= 400 and isinstance(reply.json, dict) else None
        self._put_away(call)
        self.world.changes.notify()
        return _response(call, reply)

    def _put_away(self, call: Call) -> None:
        """Release what a finished call no longer needs."""
        call.request = None
        if not self.world.keep_files:
            call.files = [Upload(upload.index, upload.filename, b"") for upload in call.files]

    async def _reply(self, call: Call, route: Route | None) -> Reply:
        """Process a request through its moments in order. Raises Cut."""
        reply = await self.faults.at(Moment.HEADERS, call) or await self._read(call)
        if reply is None:
            complaint = self._judge(call, route)
            reply = await self.faults.at(Moment.BEFORE, call) or complaint
        if reply is None:
            assert route is not None
            reply = self._do(call, route)
            reply = await self.faults.at(Moment.AFTER, call) or reply
        return reply

    async def _read(self, call: Call) -> Reply | None:
        """Read the body, with the moment BODY after its first chunk."""
        assert call.request is not None
        content = call.request.content
        try:
            pieces = [await content.readany()]
            if pieces[0] and (reply := await self.faults.at(Moment.BODY, call)):
                return reply
            while piece := await content.readany():
                pieces.append(piece)
        except (aiohttp.ClientError, OSError):
            # The client closed the connection; the incomplete request is dropped.
            raise Cut from None
        call.raw = b"".join(pieces)
        return None

    def _judge(self, call: Call, route: Route | None) -> Reply | None:
        """Record the faults of a request; return Discord's error response, or None if it is valid."""
        found: list[tuple[str, str]] = []
        try:
            call.parse()
        except MalformedBodyError as error:
            found.append(("wire", str(error)))
        for upload in call.files:
            self.inspect(upload)
        if route is None:
            found.append(("wire", "the loopback Discord does not play this route"))
        elif self.schema is not None and not found:
            faults = self.schema.faults(call.method, route.template, call.content_type, call.json, call.query)
            found += [("schema", fault) for fault in faults]
        for rule, text in found:
            self._note(rule, call, text)
        return _refused(invalid_form([text for _, text in found])) if found else None

    def _do(self, call: Call, route: Route) -> Reply:
        try:
            if not route.by_token and call.authorization != f"Bot {self.world.token}":
                raise unauthorized()
            reply = route.handler(self.world, call)
        except UnsoundMessageError as error:
            for fault in error.faults:
                self._note("limits", call, fault)
            return _refused(invalid_form(error.faults))
        except Refusal as refusal:
            return _refused(refusal)
        if self.judge_answers and self.schema is not None:
            for fault in self.schema.answer_faults(call.method, route.template, reply.status, reply.json):
                self._note("own answer", call, fault)
        return reply

    def _note(self, rule: str, call: Call, text: str) -> None:
        violation = Violation(rule, call.method, call.template or call.path, text)
        self.violations.append(violation)
        if self.strict:
            self.world.changes.give_up(str(violation))

    def _cut(self, request: web.Request) -> None:
        """Reset the connection, as a crashed host or a killed proxy does."""
        if request.transport is None:
            return
        raw: socket.socket | None = request.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        request.transport.abort()


def _refused(refusal: Refusal) -> Reply:
    return Reply(refusal.status, refusal.body)


def _response(call: Call, reply: Reply) -> web.Response:
    bucket = hashlib.sha256(f"{call.method} {call.template}".encode()).hexdigest()[:32]
    headers = {
        "X-RateLimit-Bucket": bucket,
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "99",
        "X-RateLimit-Reset-After": "1.000",
        **reply.headers,
    }
    if reply.json is None:
        return web.Response(status=reply.status, headers=headers)
    # Exactly this Content-Type: with a charset, discord.py would treat the response as text.
    headers.setdefault("Content-Type", "application/json")
    body = reply.json if isinstance(reply.json, bytes) else json.dumps(reply.json).encode()
    return web.Response(status=reply.status, body=body, headers=headers)
