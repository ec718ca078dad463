"""The gateway: sessions over a websocket, events in order, RESUME, and every kind of disconnection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from fakes.discord.compression import Squeeze, compressor
from fakes.discord.constants import Json, Place
from fakes.discord.model import Channel, Guild, Interaction, Message, World
from fakes.discord.payloads import channel_json, guild_json, interaction_json, message_json, user_json

HEARTBEAT_MS = 41_250
GUILDS = 1 << 0
GUILD_MESSAGES = 1 << 9
DIRECT_MESSAGES = 1 << 12
PRIVILEGED = 1 << 1 | 1 << 8 | 1 << 15
ENDS_SESSION = frozenset({WSCloseCode.OK, WSCloseCode.GOING_AWAY})


class Op(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


@dataclass(eq=False)
class Session:
    """A session, which outlives its connections: the events so far, and the current connection."""

    id: str
    intents: int
    shard: tuple[int, int]
    events: list[Json] = field(default_factory=list, repr=False)
    line: Line | None = None

    def add(self, event: str, data: Json) -> None:
        payload = {"op": Op.DISPATCH, "t": event, "s": len(self.events) + 1, "d": data}
        self.events.append(payload)
        if self.line is not None:
            self.line.send(payload)

    def hears_of(self, guild: Guild | None) -> bool:
        number, count = self.shard
        return number == (0 if guild is None else (guild.id >> 22) % count)


@dataclass(eq=False)
class Line:
    """One websocket connection."""

    socket: web.WebSocketResponse
    request: web.Request
    squeeze: Squeeze | None
    written: Callable[[Json], None]
    queue: asyncio.Queue[Json | None] = field(default_factory=asyncio.Queue)
    session: Session | None = None

    def send(self, payload: Json) -> None:
        self.queue.put_nowait(payload)

    async def write(self) -> None:
        while (payload := await self.queue.get()) is not None:
            text = json.dumps(payload)
            with contextlib.suppress(ConnectionError):  # The client has disconnected; RESUME will send the event again.
                if self.squeeze is None:
                    await self.socket.send_str(text)
                else:
                    await self.socket.send_bytes(self.squeeze(text.encode()))
            self.written(payload)

    def cut(self) -> None:
        """Drop the connection as a network failure does: no closing handshake."""
        if self.session is not None:
            self.session.line = None
        if self.request.transport is not None:
            self.request.transport.abort()


class Gateway:
    """The bot's sessions. Counts what the client did, so that a test can wait for it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.refusing = False
        """While True, new connections are refused with 503. discord.py then starts a new session."""
        self._doors = asyncio.Event()
        self._doors.set()
        self._closing: int | None = None
        self.mute = False
        """While True, heartbeats are not acknowledged."""
        self.privileged_allowed = False
        self.sessions: dict[str, Session] = {}
        self.lines: set[Line] = set()
        self.identified = 0
        self.resumed = 0
        self.refused = 0
        self.heartbeats = 0
        self.last_identify: Json = {}
        self.written: Callable[[Json], None] = lambda payload: None
        """Called with each payload after it was written to a connection."""

    # Controls for tests

    async def ready(self, count: int = 1) -> None:
        """Wait until the bot has identified ``count`` times since the start."""
        await self.world.changes.until(lambda: self.identified >= count, f"IDENTIFY number {count}")

    async def resumes(self, count: int = 1) -> None:
        """Wait until the bot has resumed ``count`` times since the start."""
        await self.world.changes.until(lambda: self.resumed >= count, f"RESUME number {count}")

    async def silence(self) -> None:
        """Wait until no connection is left."""
        await self.world.changes.until(lambda: not self.lines, "all connections to be gone")

    def shut(self) -> None:
        """Make new connections wait until ``reopen``."""
        self._doors.clear()

    def reopen(self) -> None:
        """Let waiting and new connections in."""
        self._doors.set()

    def drop(self) -> None:
        """Drop all connections as a network failure does. The sessions can be resumed."""
        for line in list(self.lines):
            line.cut()

    async def close(self, code: int, *, lasting: bool = False) -> None:
        """Close all connections with a close code. ``lasting``: later ones too, as for codes that end a bot.

        A client that writes while it is closed may see only that the connection broke. Then it comes again.
        """
        self._closing = code if lasting else None
        for line in list(self.lines):
            if line.session is not None:
                line.session.line = None
            await line.socket.close(code=code)

    def ask_to_reconnect(self) -> None:
        """Send op 7 (Reconnect): the client must reconnect and resume."""
        for line in list(self.lines):
            line.send({"op": Op.RECONNECT, "d": None, "s": None, "t": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Send op 9 (Invalid Session). Unless ``resumable``, the sessions are deleted."""
        for line in list(self.lines):
            if not resumable and line.session is not None:
                self.sessions.pop(line.session.id, None)
                line.session.line = None
            line.send({"op": Op.INVALID_SESSION, "d": resumable, "s": None, "t": None})

    def forget_sessions(self) -> None:
        """Delete the sessions without a connection, so that they cannot be resumed."""
        self.sessions = {key: session for key, session in self.sessions.items() if session.line is not None}

    # Events from the world

    def interaction(self, interaction: Interaction) -> None:
        self._dispatch("INTERACTION_CREATE", interaction_json(self.world, interaction), interaction.channel.guild, 0)

    def tell(self, event: str, channel: Channel | None, guild: Guild | None, message: Message | None) -> None:
        """Dispatch an event about a channel, a server or a message to the sessions with the matching intents."""
        if message is not None:
            self._tell_message(event, message)
        elif channel is not None and channel.guild is not None:
            self._dispatch(event, channel_json(channel), channel.guild, GUILDS)
        elif guild is not None and event == "GUILD_DELETE":
            self._dispatch(event, {"id": str(guild.id)}, guild, GUILDS)
        elif guild is not None:
            data = guild_json(guild, self.world.bot)
            if guild.joined_at is not None:
                # Discord leaves it out for a server that the bot has just joined.
                del data["unavailable"]
            self._dispatch(event, data, guild, GUILDS)

    def _tell_message(self, event: str, message: Message) -> None:
        guild = message.channel.guild
        if message.only_for is not None or message.channel.place is Place.GROUP_DM:
            return
        if guild is not None and not guild.bot_present:
            return
        data = message_json(message)
        if event == "MESSAGE_DELETE":
            data = {"id": data["id"], "channel_id": data["channel_id"]}
        if guild is not None:
            data["guild_id"] = str(guild.id)
        self._dispatch(event, data, guild, GUILD_MESSAGES if guild is not None else DIRECT_MESSAGES)

    def _dispatch(self, event: str, data: Json, guild: Guild | None, intent: int) -> None:
        for session in self.sessions.values():
            if session.hears_of(guild) and (not intent or session.intents & intent):
                session.add(event, data)

    # Messages from the client

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await self._doors.wait()
        if self.refusing:
            self.refused += 1
            self.world.changes.notify()
            return web.Response(status=503)
        try:
            squeeze = compressor(request.query.get("compress"))
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        socket = web.WebSocketResponse(max_msg_size=4096, autoping=True)
        await socket.prepare(request)
        line = Line(socket, request, squeeze, self.written)
        self.lines.add(line)
        writer = asyncio.create_task(line.write())
        try:
            line.send({"op": Op.HELLO, "d": {"heartbeat_interval": HEARTBEAT_MS}, "s": None, "t": None})
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._take(line, json.loads(frame.data))
        finally:
            self._lost(line)
            line.queue.put_nowait(None)
            await writer
        return socket

    def _lost(self, line: Line) -> None:
        self.lines.discard(line)
        session = line.session
        if session is not None and session.line is line:
            session.line = None
            if line.socket.close_code in ENDS_SESSION:
                self.sessions.pop(session.id, None)
        self.world.changes.notify()

    async def _take(self, line: Line, payload: Json) -> None:
        data: Any = payload["d"]
        match payload["op"]:
            case Op.HEARTBEAT:
                self.heartbeats += 1
                if not self.mute:
                    line.send({"op": Op.HEARTBEAT_ACK, "d": None, "s": None, "t": None})
            case Op.IDENTIFY | Op.RESUME if self._closing is not None:
                await line.socket.close(code=self._closing)
            case Op.IDENTIFY:
                await self._identify(line, data)
            case Op.RESUME:
                await self._resume(line, data)
        self.world.changes.notify()

    async def _identify(self, line: Line, data: Json) -> None:
        self.last_identify = data
        if data["token"] != self.world.token:
            await line.socket.close(code=4004, message=b"Authentication failed.")
            return
        if data["intents"] & PRIVILEGED and not self.privileged_allowed:
            await line.socket.close(code=4014, message=b"Disallowed intent(s).")
            return
        number, count = data.get("shard", (0, 1))
        session = Session(secrets.token_hex(16), data["intents"], (number, count), line=line)
        line.session = session
        self.sessions[session.id] = session
        guilds = [one for one in self.world.guilds.values() if one.bot_present and session.hears_of(one)]
        session.add(
            "READY",
            {
                "v": 10,
                "user": user_json(self.world.bot) | {"verified": True, "mfa_enabled": False, "email": None},
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": self.world.gateway_url,
                "shard": [number, count],
                "application": {"id": str(self.world.application_id), "flags": 0},
                "private_channels": [],
            },
        )
        if session.intents & GUILDS:
            for guild in guilds:
                session.add("GUILD_CREATE", guild_json(guild, self.world.bot))
        self.identified += 1

    async def _resume(self, line: Line, data: Json) -> None:
        session = self.sessions.get(data["session_id"])
        if data["token"] != self.world.token:
            await line.socket.close(code=4004, message=b"Authentication failed.")
            return
        if session is None:
            line.send({"op": Op.INVALID_SESSION, "d": False, "s": None, "t": None})
            return
        if session.line is not None:
            session.line.cut()
        session.line = line
        line.session = session
        for event in session.events[data["seq"] :]:
            line.send(event)
        line.send({"op": Op.DISPATCH, "t": "RESUMED", "s": len(session.events), "d": {}})
        self.resumed += 1
