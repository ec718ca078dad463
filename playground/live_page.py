"""SimCord's page, updating by itself.

The page shows the last published state and publishes when a person does something in it. Here it also publishes
whenever something happens in the world, so that a card updates while the bot works on it. All code that uses SimCord's
private parts is in this file; SimCord's version is pinned.
"""

# ruff: noqa: SLF001 SimCord has no public API for what this file does

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import simcord.preview
import structlog
from aiohttp import web
from PIL import Image, UnidentifiedImageError
from simcord.preview import Preview, _require_preview_runtime
from simcord.preview._media import MediaInfo, MediaWorker
from simcord.preview._server import PreviewServer

from playground.world import World

log = structlog.get_logger(__name__)

# In seconds. Events within this time, such as updates of several cards, are published together.
PAUSE = 0.1
REMEMBERED = 500
# The page keeps the files of the messages in its window; SimCord's own limit is about forty images.
MEDIA_BYTES = 1024**3
# Seconds for which the server keeps a page that is in the background, or on a machine that sleeps.
LEASE = 7 * 24 * 3600.0
OUR_FILES = {"page.js": "application/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
OUR_WORDS = {
    "<title>SimCord Preview</title>": '<title>Easel playground</title><link rel="icon" href="/icon.svg">',
    "</head>": '<link rel="stylesheet" href="/page.css"></head>',
    "<strong>SimCord</strong>": "<strong>Easel</strong>",
    "<small>Preview</small>": "<small>on SimCord</small>",
    'aria-hidden="true">S</span>': 'aria-hidden="true">E</span>',
    "</body>": '<script type="module" src="/page.js"></script></body>',
}
STATIC = Path(__file__).parent / "static"


class Media(MediaWorker):
    """Serves still images to the page unchanged.

    SimCord decodes and re-encodes every file in a separate process with a queue of eight, which is wise for untrusted
    files. These come only from the bot.

    SimCord decodes and re-encodes every file in a process of its own, eight waiting at most, which is wise with files
    from anywhere. These come from the bot alone.
    """

    async def validate(self, key: str, blob: bytes, *, media_time: float | None = None) -> MediaInfo:
        """The file's media type. SimCord handles everything except still images."""
        try:
            with Image.open(io.BytesIO(blob)) as image:
                kind, (width, height), frames = image.format, image.size, getattr(image, "n_frames", 1)
        except (UnidentifiedImageError, OSError):
            return await super().validate(key, blob, media_time=media_time)
        if kind not in {"PNG", "JPEG", "WEBP"} or frames != 1 or media_time is not None:
            return await super().validate(key, blob, media_time=media_time)
        # "Limited" means that the memory is bounded without a separate process.
        return MediaInfo(kind, width, height, 1, width * height * 4, blob, Image.MIME[kind], memory_limited=True)


class Server(PreviewServer):
    """The page's server, with our title and our additions to the page."""

    _STATIC_FILES: ClassVar[dict[str, str]] = {
        **PreviewServer._STATIC_FILES,
        **{f"/{name}": str(STATIC / name) for name in OUR_FILES},
    }
    _STATIC_CONTENT_TYPES: ClassVar[dict[str, str]] = {
        **PreviewServer._STATIC_CONTENT_TYPES,
        **{str(STATIC / name): content_type for name, content_type in OUR_FILES.items()},
    }

    def __init__(self, preview: Preview, port: int, first_page: str) -> None:
        super().__init__(preview, port)
        self._first_page = first_page

    async def _index(self, request: web.Request) -> web.Response:
        if request.headers.get("Host", "") not in self._allowed_hosts():
            raise web.HTTPForbidden
        return web.Response(text=self._first_page, content_type="text/html", headers=self._SECURITY_HEADERS)


def _first_page() -> str:
    """SimCord's page with our title."""
    page = (Path(simcord.preview.__file__).parent / "static" / "index.html").read_text("utf-8")
    for theirs, ours in OUR_WORDS.items():
        page = page.replace(theirs, ours)
    return page


@asynccontextmanager
async def open_page(world: World, *, port: int) -> AsyncIterator[Preview]:
    """Serve the world's channel on loopback; 0 is any free port. Raises OSError if the port is taken."""
    # All of these read files.
    zone = await asyncio.to_thread(local_zone)
    first_page = await asyncio.to_thread(_first_page)
    await asyncio.to_thread(_require_preview_runtime)
    preview = world.env.preview(
        world.channel,
        viewers=world.people,
        layout="channel",
        timezone=zone,
        assets=world.pictures,
        port=port,
    )
    preview._MAX_MEDIA_BYTES = MEDIA_BYTES  # type: ignore[misc]  # SimCord has one value for all previews
    preview._PAGE_LEASE_SECONDS = LEASE  # type: ignore[misc]  # the same
    preview._media_worker = Media()
    preview._server = Server(preview, port, first_page)
    _take_turns(preview)
    try:
        await preview.__aenter__()
    except Exception as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise
    live = asyncio.create_task(_publish_what_happens(world, preview), name="live")
    try:
        yield preview
    finally:
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
        await preview.close()


def _take_turns(preview: Preview) -> None:
    """Serialise the actions of several windows, and do not reject an action because a card has just changed.

    A page sends with each action the publication that it displayed, and SimCord refuses outdated ones. In Discord a
    button can be pressed while its message changes. A separate check ensures that the button still exists.
    """
    turn = asyncio.Lock()
    act = preview._action

    async def action(context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        async with turn:
            page = preview._pages.get(context_id or "")
            if page is not None and "published_revision" in body:
                body = {**body, "published_revision": page.revision}
            return await act(context_id, body)

    preview._action = action  # type: ignore[method-assign]  # the server calls it by this name


class Happenings(deque[tuple[str, str, Any]]):
    """SimCord's record of traffic between bot and Discord, kept short, with an event for news.

    Events alone are not enough: there are none for ephemeral messages. Of the requests, only those that change messages
    count; the page publishes after a person's action anyway.
    """

    def __init__(self) -> None:
        super().__init__(maxlen=REMEMBERED)
        self.news = asyncio.Event()

    def append(self, record: tuple[str, str, Any], /) -> None:
        super().append(record)
        kind, name, _ = record
        if "/webhooks/" in name if kind == "HTTP" else name != "INTERACTION_CREATE":
            self.news.set()


async def _publish_what_happens(world: World, preview: Preview) -> None:
    happenings = Happenings()
    world.env.backend.transcript = happenings  # type: ignore[assignment]  # it is only appended to and read through
    while True:
        await happenings.news.wait()
        happenings.news.clear()
        try:
            preview._advance_presentation_time()
            for page in tuple(preview._pages.values()):
                preview._publish(page, reason="refresh")
        except Exception:
            # The next event tries again, and "Refresh preview" in the page does so at any time.
            log.exception("page.not_published")
        await asyncio.sleep(PAUSE)


def local_zone() -> str:
    """The machine's time zone by name, or UTC if unknown."""
    _, found, name = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
    try:
        return ZoneInfo(name).key if found else "UTC"
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
