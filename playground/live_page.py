"""SimCord's page, updating by itself and usable for a long time.

The page shows the last published state and publishes when a person does something in it. Here, a page is also
published when it asks for its state after something has happened in the world. A page that no longer asks costs
nothing. SimCord's private parts are used in this file and in page_server.py; SimCord's version is pinned.
"""

# ruff: noqa: SLF001 SimCord has no public API for what this file does

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from PIL import Image
from simcord.backend.errors import SetupError
from simcord.preview import (
    Preview,
    _actions,
    _assets,
    _component_projection,
    _markdown,
    _messages,
    _pages,
    _queries,
    _require_preview_runtime,
    _snapshot,
)
from simcord.preview._actions import ActionSpec
from simcord.preview._media import MediaInfo, MediaWorker
from simcord.preview._pages import _Page
from simcord.results import ResponseMessage

from playground.page_files import changed_files
from playground.page_server import Controls, Server, menu_commands
from playground.world import World

# The page keeps the files of the messages in its window; SimCord's own limit is about forty images.
MEDIA_BYTES = 1024**3
ORIENTATION, LYING = 0x0112, range(5, 9)
"""The EXIF tag for how a photo was taken, and its values for a photo whose sides the browser swaps."""
MOST_PIXELS = 64_000_000
"""The pixels of a picture that is shown unchanged."""
FILE_LIMIT, MESSAGE_LIMIT, MOST_FILES = 10 << 20, 25 << 20, 10
"""The most bytes of a file and of all files of a message, and the most files."""
MOST_CHARACTERS = 2_000
# Seconds for which the server keeps a page that no longer asks. Browsers let a page in the background ask once a
# minute; a page on a machine that slept opens itself again.
LEASE = 300.0
MENU = "message_menu"
"""The kind of the action that runs a command from a message's menu."""


class Media(MediaWorker):
    """Serves still images to the page unchanged.

    SimCord decodes and re-encodes every file in a separate process with a queue of eight, which is wise for untrusted
    files. Here all files come from the bot and from the person at the page, whose browser decodes them. Files that are
    too large or damaged are left to SimCord, which refuses them.
    """

    async def validate(self, key: str, blob: bytes, *, media_time: float | None = None) -> MediaInfo:
        """The file's media type. SimCord handles everything except still images."""
        try:
            with Image.open(io.BytesIO(blob)) as image:
                kind, (width, height), frames = image.format, image.size, getattr(image, "n_frames", 1)
                if image.getexif().get(ORIENTATION, 1) in LYING:
                    width, height = height, width
        except Exception:  # noqa: BLE001  Pillow raises many kinds of errors for damaged files
            return await super().validate(key, blob, media_time=media_time)
        fits = frames == 1 and width * height <= MOST_PIXELS
        if kind not in {"PNG", "JPEG", "WEBP"} or not fits or media_time is not None:
            return await super().validate(key, blob, media_time=media_time)
        # "Limited" means that the memory is bounded without a separate process.
        return MediaInfo(kind, width, height, 1, width * height * 4, blob, Image.MIME[kind], memory_limited=True)


class Digests:
    """SHA-256 digests of files, each computed once; SimCord computes them again for every page and publication."""

    KEPT = 4096

    def __init__(self) -> None:
        # The file is kept beside its digest: otherwise another one could get the same id.
        self._found: OrderedDict[int, tuple[bytes, Any]] = OrderedDict()

    def sha256(self, data: bytes) -> Any:
        """The same as ``hashlib.sha256``."""
        known = self._found.get(id(data))
        if known is None:
            known = self._found[id(data)] = data, hashlib.sha256(data)
            if len(self._found) > self.KEPT:
                self._found.popitem(last=False)
        return known[1]


@lru_cache(maxsize=4096)
def _parsed(value: str, profile: str, context: str) -> str:
    return json.dumps(_markdown.markdown_tokens(value, profile, context=json.loads(context)))


def markdown_tokens(value: Any, profile: str = "message", *, context: Mapping[str, Any] | None = None) -> Any:
    """The same as SimCord's function, which builds a parser for every text of every publication."""
    if not isinstance(value, str):
        return _markdown.markdown_tokens(value, profile, context=context)
    # The caller changes what is returned.
    return json.loads(_parsed(value, profile, json.dumps(context, sort_keys=True)))


class LivePreview(Preview):
    """A preview whose pages are published when they ask."""

    _MAX_MEDIA_BYTES = MEDIA_BYTES
    _PAGE_LEASE_SECONDS = LEASE
    _ACTION_KINDS = Preview._ACTION_KINDS | {MENU}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.turn = asyncio.Lock()
        self._outdated: set[str] = set()

    def something_happened(self) -> None:
        """Have every page published when it asks next."""
        self._outdated = set(self._pages)

    def refresh_page(self, context_id: str | None) -> None:
        """Publish a page if something has happened since it was published."""
        page = self._pages.get(context_id or "")
        if page is not None and page.id in self._outdated:
            self._advance_presentation_time()
            self._publish(page, reason="refresh")

    def _publish(self, page: _Page, **options: Any) -> None:
        super()._publish(page, **options)
        self._outdated.discard(page.id)

    def _publish_message_pages(self, *, reason: str = "action") -> None:
        self.something_happened()
        if self._action_page is not None and self._action_page.id in self._pages:
            self._publish(self._action_page, reason=reason)

    def _open_page(self, viewer_id: Any = None, target_id: Any = None) -> _Page:
        """Open a page as this person; as the first one if there is no such person, as after a fresh start."""
        if str(viewer_id) not in {str(viewer.id) for viewer in self.viewers}:
            viewer_id = None
        others = [page for page in self._pages.values() if page is not self._python and page is not self._action_page]
        if len(others) >= self._MAX_PAGES:
            self._close_page(min(others, key=lambda page: page.last_activity).id)
        self._advance_presentation_time()
        return super()._open_page(viewer_id, target_id)

    async def _action(self, context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out the actions of several pages one after the other, even if a card has just changed.

        A page sends with each action the publication that it displayed, and SimCord refuses outdated ones. In Discord a
        button can be pressed while its message changes. A separate check ensures that the button still exists.
        """
        async with self.turn:
            page = self._pages.get(context_id or "")
            if page is not None and "published_revision" in body:
                body = {**body, "published_revision": page.revision, "bot_generation": self.env._generation}
            return await super()._action(context_id, body)

    def _prepare_action(self, page: _Page, kind: str, body: Mapping[str, Any]) -> Any:
        if kind == MENU:
            return self._prepare_menu(page, body)
        if kind == "send_message" and body.get("values") is not None:
            return self._prepare_files(page, body)
        return super()._prepare_action(page, kind, body)

    def _prepare_files(self, page: _Page, body: Mapping[str, Any]) -> Any:
        """A message with files; SimCord's own messages have only text."""
        self._require_current_history(page)
        files, content = _files_in(body["values"]), body.get("content")
        if not isinstance(content, str) or len(content) > MOST_CHARACTERS:
            raise SetupError("the text of a message has at most 2000 characters")
        reply_to = None
        if body.get("reply_to_id") is not None:
            target_id = self._target_id(body["reply_to_id"], page.viewer)
            if target_id is None:
                raise SetupError("there is no such message")
            reply_to = ResponseMessage(self.env, self._target_message(page, target_id))

        async def run(action: Any, cursor: int) -> dict[str, Any]:
            sent = await page.viewer.send(self.channel, content, reply_to=reply_to, attachments=files)
            action.target = {"messageId": str(sent.id), "controlKey": None}
            action.outcomes = [{"kind": "message", "messageId": str(sent.id)}]
            result: dict[str, Any] = self._finish_action(page, action, "settled", cursor)
            self._publish_message_pages()
            return result

        return run

    def _prepare_menu(self, page: _Page, body: Mapping[str, Any]) -> Any:
        self._require_current_history(page)
        target_id, name = self._target_id(body.get("target_id"), page.viewer), body.get("name")
        if target_id is None or name not in menu_commands(self):
            raise SetupError("there is no such command or message")
        target = ResponseMessage(self.env, self._target_message(page, target_id))

        async def run(action: Any, cursor: int) -> dict[str, Any]:
            used = page.viewer.context_menu(self.channel, name, target)
            return await self._run_interaction_action(page, action, cursor, used, republish_all=True)

        return run


def _files_in(values: Any) -> list[tuple[str, bytes]]:
    """The names and contents of a message's files. Raises SetupError if there are none or too many."""
    files = values.get("files") if isinstance(values, Mapping) and values.keys() == {"files"} else None
    if not isinstance(files, list) or not 1 <= len(files) <= MOST_FILES:
        raise SetupError("a message has 1 to 10 files")
    sizes = [len(each[1]) for each in files if isinstance(each, tuple) and isinstance(each[1], bytes)]
    if len(sizes) != len(files) or max(sizes) > FILE_LIMIT or sum(sizes) > MESSAGE_LIMIT:
        raise SetupError("a file has at most 10 MiB, all files of a message 25 MiB")
    return files


@asynccontextmanager
async def open_page(
    world: World, *, port: int, token: str | None = None, controls: Controls | None = None
) -> AsyncIterator[LivePreview]:
    """Serve the world's channel on loopback; 0 is any free port. Raises OSError if the port is taken.

    ``token`` is the secret part of the page's address (None: a new one).
    """
    # All of these read files.
    zone = await asyncio.to_thread(local_zone)
    changed = await asyncio.to_thread(changed_files)
    await asyncio.to_thread(_require_preview_runtime)
    _prepare_simcord()
    preview = LivePreview(
        world.env,
        world.channel,
        world.people,
        layout="channel",
        display="responsive",
        width=960,
        height=720,
        locale="en-US",
        timezone=zone,
        presentation_time=None,
        assets=world.pictures,
        port=port,
    )
    if token is not None:
        preview.capability = token
    preview._media_worker = Media()
    if controls is not None:
        controls = _in_turn(controls, preview)
    preview._server = Server(preview, port, changed, preview.refresh_page, controls)
    world.traffic.listeners.append(preview.something_happened)
    try:
        await preview.__aenter__()
    except Exception as error:
        world.traffic.listeners.remove(preview.something_happened)
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise
    try:
        yield preview
    finally:
        world.traffic.listeners.remove(preview.something_happened)
        await preview.close()


def _in_turn(controls: Controls, preview: LivePreview) -> Controls:
    """Block all actions while the bot restarts."""

    async def restart() -> None:
        async with preview.turn:
            await controls.restart()
            preview.something_happened()

    return replace(controls, restart=restart)


def _prepare_simcord() -> None:
    """Add our action to SimCord's table, and what is computed only once to its modules."""
    specs = {**_actions.ACTION_SPECS, MENU: ActionSpec(revision_bound=True, mutating=True, requires_target=True)}
    vars(_actions)["ACTION_SPECS"] = MappingProxyType(specs)
    digests = SimpleNamespace(sha256=Digests().sha256)
    for module in (_assets, _pages):
        vars(module)["hashlib"] = digests
    for module in (_component_projection, _messages, _queries, _snapshot):
        vars(module)["markdown_tokens"] = markdown_tokens


def local_zone() -> str:
    """The machine's time zone by name, or UTC if unknown."""
    _, found, name = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
    try:
        return ZoneInfo(name).key if found else "UTC"
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
