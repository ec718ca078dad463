"""The websockets of ComfyUI: events go to the socket of the client that sent the prompt, and to no other."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress

from aiohttp import WSMsgType, web

from fakes.services.call_log import Json
from fakes.services.rendering import Rendering

STEPS = 20
_BEAT = 0.5


class Push:
    """The connected sockets by client id. A second one with the same id takes over; the first stays open."""

    def __init__(self) -> None:
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.connections: list[web.Request] = []
        self.flags: dict[str, Json] = {}
        """What each client sent as its first message, by its id."""
        self.refuse = False
        """Whether no socket is accepted."""
        self.redirect = ""
        """Where sockets are redirected to, if anywhere."""
        self._news = asyncio.Event()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        if self.refuse or self.redirect:
            self.connections.append(request)
            self._tell()
            headers = {"Location": self.redirect} if self.redirect else None
            return web.Response(status=302 if self.redirect else 403, headers=headers)
        client = request.query.get("clientId", "")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections.append(request)
        self.sockets[client] = socket
        self._tell()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and client not in self.flags:
                    self.flags[client] = json.loads(message.data)
                    self._tell()
        finally:
            if self.sockets.get(client) is socket:
                del self.sockets[client]
            self._tell()
        return socket

    async def changed(self) -> None:
        """Wait until a socket connects, speaks or closes."""
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def drop(self) -> None:
        """Close all sockets."""
        for socket in list(self.sockets.values()):
            await socket.close()

    async def send(self, client: str, event: str, prompt_id: str, **data: Json) -> None:
        """Send an event of a prompt to its client, if it is connected."""
        socket = self.sockets.get(client)
        if socket is not None and not socket.closed:
            with suppress(ConnectionError):  # It may be closing.
                await socket.send_json({"type": event, "data": {"prompt_id": prompt_id, **data}})

    async def say(self, client: str, text: str) -> None:
        """Send this text as it is."""
        await self.sockets[client].send_str(text)

    async def preview(self, client: str, prompt_id: str, picture: bytes) -> None:
        """Send a preview: with its prompt's id if the client has asked for that, else without."""
        socket = self.sockets.get(client)
        if socket is None or socket.closed:
            return
        flags = self.flags.get(client)
        data = flags.get("data") if isinstance(flags, dict) else None
        if isinstance(data, dict) and data.get("supports_preview_metadata"):
            told = json.dumps({"prompt_id": prompt_id, "image_type": "image/jpeg"}).encode()
            await socket.send_bytes(struct.pack(">II", 4, len(told)) + told + picture)
        else:
            await socket.send_bytes(struct.pack(">II", 1, 1) + picture)

    async def steps(self, client: str, prompt_id: str, rendering: Rendering) -> None:
        """Send the progress of a rendering until it is cancelled. One without a duration has none."""
        while rendering.seconds:
            await asyncio.sleep(_BEAT)
            done = rendering.percent(asyncio.get_running_loop().time()) * STEPS // 100
            await self.send(client, "progress", prompt_id, value=done, max=STEPS, node="sampler")
