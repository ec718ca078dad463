"""Follows the events of a ComfyUI server by one shared websocket: progress, the running prompt and previews.

Events only improve what is shown. Only the history decides how a prompt ended, so lost events do no harm.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog

from bot.providers.answers import Unreadable, parse_json
from bot.providers.base import Json
from bot.providers.comfyui_answers import percent_of
from bot.providers.errors import ProviderError
from bot.providers.http import Service

log = structlog.get_logger(__name__)

LARGEST_PREVIEW = 1 << 20
"""The size limit of a preview in bytes. Larger ones are not shown."""
IDLE_SECONDS = 120.0
"""Seconds after which a prompt is no longer followed, if nobody asks about it."""
_LARGEST_MESSAGE = 8 << 20
_HEARTBEAT = 20.0
_BACKOFF = (1.0, 2.0, 5.0, 15.0, 30.0)
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_LONGEST_METADATA = 1 << 16
_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
# Previews name their prompt only if this is the first message.
_FLAGS = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}


@dataclass(slots=True)
class Seen:
    """What is known from the events of one prompt. ``asked`` is the loop's time of the last question about it.

    ``over`` is set by each event after which the history may have it.
    """

    asked: float
    started: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    percent: int | None = None
    preview: bytes | None = field(default=None, repr=False)


class Events:
    """The events of the prompts of one client id. The socket is open only while a prompt is followed."""

    def __init__(self, service: Service, client_id: str) -> None:
        self._service = service
        self._client_id = client_id
        self._seen: dict[str, Seen] = {}
        self._running = ""
        self._task: asyncio.Task[None] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._news = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether the socket is connected."""
        return self._socket is not None and not self._socket.closed

    def follow(self, prompt_id: str) -> None:
        """Follow a prompt. Opens the socket in the background if there is none."""
        self._seen.setdefault(prompt_id, Seen(_now())).asked = _now()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="comfyui events")

    def seen(self, prompt_id: str) -> Seen | None:
        """What is known about a prompt that is followed."""
        found = self._seen.get(prompt_id)
        if found is not None:
            found.asked = _now()
        return found

    async def forget(self, prompt_id: str) -> None:
        """Stop following a prompt. Closes the socket if it was the last one."""
        self._seen.pop(prompt_id, None)
        if not self._seen:
            await self.close()

    async def close(self) -> None:
        """Close the socket."""
        self._seen.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def told(self) -> None:
        """Wait for the next message or connection."""
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _listen(self) -> None:
        failures = 0
        while self._needed():
            try:
                failures = 0 if await self._connection() else failures + 1
            except ProviderError as error:
                failures += 1
                log.info("comfyui.events_unavailable", detail=error.detail)
            if self._needed():
                await asyncio.sleep(_BACKOFF[min(failures, len(_BACKOFF) - 1)])

    def _needed(self) -> bool:
        """Drop the prompts that nobody asks about any more. Returns whether any are left."""
        since = _now() - IDLE_SECONDS
        for prompt_id in [prompt_id for prompt_id, seen in self._seen.items() if seen.asked < since]:
            del self._seen[prompt_id]
        return bool(self._seen)

    async def _connection(self) -> bool:
        """Read events until the connection ends. Returns whether there was one. Raises Unreachable."""
        path = f"/ws?clientId={self._client_id}"
        socket = await self._service.websocket(path, largest=_LARGEST_MESSAGE, heartbeat=_HEARTBEAT)
        heard = False
        try:
            await socket.send_str(json.dumps(_FLAGS))
            self._socket = socket
            self._tell()
            while self._needed():
                try:
                    message = await socket.receive(timeout=IDLE_SECONDS)
                except TimeoutError:
                    continue
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._read(message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self._look(message.data)
                else:
                    break
                heard = True
                self._tell()
        except (aiohttp.ClientError, OSError) as error:
            log.info("comfyui.events_lost", error=type(error).__name__)
        finally:
            self._socket = None
            self._running = ""
            await socket.close()
        return heard

    # --- messages -------------------------------------------------------------------------------------------------

    def _read(self, text: str) -> None:
        try:
            value = parse_json(text.encode("utf-8", "replace"))
        except Unreadable:
            return
        if not isinstance(value, dict) or not isinstance(data := value.get("data"), dict):
            return
        prompt_id = data.get("prompt_id")
        seen = self._seen.get(prompt_id) if isinstance(prompt_id, str) else None
        if seen is None or not isinstance(prompt_id, str):
            return
        kind = value.get("type")
        # The last event, without a node, comes when the history has it. The others may come a moment before.
        last = kind == "executing" and data.get("node") is None
        if last or kind in ("execution_success", "execution_error", "execution_interrupted"):
            self._running = ""
            seen.over.set()
        elif kind in ("execution_start", "executing", "progress", "progress_state"):
            self._running = prompt_id
            seen.started = True
        if kind == "progress":
            self._progress(seen, data.get("value"), data.get("max"))
        elif kind == "progress_state":
            nodes = data.get("nodes")
            for node in nodes.values() if isinstance(nodes, dict) else ():
                # Nodes without steps count from 0 to 1, which says nothing about the whole graph.
                if isinstance(node, dict) and node.get("state") == "running" and node.get("max") not in (0, 1, 1.0):
                    self._progress(seen, node.get("value"), node.get("max"))

    @staticmethod
    def _progress(seen: Seen, value: Json, most: Json) -> None:
        percent = percent_of(value, most)
        if percent is not None:
            # A workflow may count several times. A percentage that goes back would confuse people.
            seen.percent = max(percent, seen.percent or 0)

    def _look(self, frame: bytes) -> None:
        """Take the preview out of a binary frame: a kind, then a format or metadata, then the picture."""
        if len(frame) < 8:
            return
        kind, second = struct.unpack_from(">II", frame)
        if kind == _PREVIEW:
            # It does not name its prompt. The server runs one prompt at a time.
            prompt_id, picture = self._running, frame[8:]
        elif kind == _PREVIEW_WITH_METADATA and second <= min(_LONGEST_METADATA, len(frame) - 8):
            prompt_id, picture = _prompt_of(frame[8 : 8 + second]), frame[8 + second :]
        else:
            return
        seen = self._seen.get(prompt_id)
        if seen is not None and len(picture) <= LARGEST_PREVIEW and picture.startswith(_KINDS):
            seen.preview = picture


def _prompt_of(metadata: bytes) -> str:
    try:
        value: Any = parse_json(metadata)
    except Unreadable:
        return ""
    found = value.get("prompt_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _now() -> float:
    return asyncio.get_running_loop().time()
