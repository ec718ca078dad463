"""The thread service: the client opens a thread, posts an entry as a form, and polls the entries.

Field names, wrapping and times follow the provider's documentation page.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO

from aiohttp import web

from fakes.services.call_log import Json
from fakes.services.entry_form import VERSION_CODE, VERSIONS, Order, Version
from fakes.services.exchange import EXCHANGE, Services
from fakes.services.pictures import Picture, Plate
from fakes.services.rendering import Rendering


@dataclass(slots=True)
class Thread:
    """A thread for one version code."""

    guid: str
    created_at: str
    entries: list[Entry] = field(default_factory=list)
    code: str = VERSION_CODE

    @property
    def version(self) -> Version:
        return VERSIONS[self.code]


@dataclass(slots=True)
class Entry:
    """A request entry, its rendering, and the fixed parts of the response entry."""

    guid: str
    response_guid: str
    names: tuple[str, ...]
    content: dict[str, Json]
    rendering: Rendering
    created_at: str


@dataclass(slots=True)
class Stored:
    """An image that can be downloaded, after some downloads that are answered 404."""

    plate: Plate
    misses: int


def timestamp(seconds: float) -> str:
    """Unix seconds as the service formats a time: to the second, with six zeros."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


class AiClient:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads: dict[str, Thread] = {}
        self._stored: dict[str, Stored] = {}

    @property
    def memory(self) -> tuple[dict[str, Thread], dict[str, Stored]]:
        """All threads and images, for a later stand-in."""
        return self._threads, self._stored

    def recall(self, threads: dict[str, Thread], stored: dict[str, Stored]) -> None:
        """Go on with the threads and images of an earlier stand-in."""
        self._threads.update(threads)
        self._stored.update(stored)
        for thread in threads.values():
            for entry in thread.entries:
                self._services.renderings.take_up(entry.rendering)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/v1/threads", self.open_thread, name="ai-client.thread")
        router.add_post("/api/v1/threads/{guid}/entry", self.post_entry, name="ai-client.entry")
        router.add_get("/api/v1/threads/{guid}/entries", self.list_entries, name="ai-client.entries")
        router.add_get("/storage/{code}/{name}.png", self.download, name="ai-client.image")
        router.add_get("/storage/{code}/{name}.png.thumbnail.jpg", self.thumbnail, name="ai-client.thumbnail")
        router.add_get("/login", self.login, name="ai-client.login")

    async def open_thread(self, request: web.Request) -> web.Response:
        form = request[EXCHANGE].form
        code = form.get("ai_version_code", "")
        if code not in VERSIONS:
            reason = "The selected ai version code is invalid." if code else "The ai version code field is required."
            return invalid({"ai_version_code": [reason]})
        thread = Thread(self._services.renderings.new_guid(), timestamp(time.time()), code=code)
        self._threads[thread.guid] = thread
        self._forget_oldest()
        return answer(
            {
                "guid": thread.guid,
                "ai_code": thread.version.ai_code,
                "ai_version_code": code,
                "title": thread.version.title,
                "created_at": thread.created_at,
                "updated_at": thread.created_at,
            },
            status=201,
        )

    def _forget_oldest(self) -> None:
        remember = self._services.remember
        while remember is not None and len(self._threads) > remember:
            oldest = self._threads.pop(next(iter(self._threads)))
            for name in (name for entry in oldest.entries for name in entry.names):
                self._stored.pop(name, None)

    async def post_entry(self, request: web.Request) -> web.Response:
        thread = self._threads.get(request.match_info["guid"])
        if thread is None:
            return missing()
        exchange = request[EXCHANGE]
        order, errors = thread.version.read(exchange.form)
        if order is None:
            return invalid(errors)
        renderings = self._services.renderings
        if not renderings.affords(order.images * order.price):
            return web.json_response({"message": "You do not have enough credits."}, status=402)
        fate = exchange.fate
        if self._services.is_filtered([order.prompt]):
            fate = replace(fate, error="The prompt was flagged by the content filter.")
        elif order.error is not None:
            fate = replace(fate, error=order.error)
        pictures = tuple(self._picture(order) for _ in range(order.images))
        rendering = renderings.start("ai-client", order.engine, pictures, order.price, fate)
        entry = Entry(
            guid=rendering.guid,
            response_guid=renderings.new_guid(),
            names=tuple(renderings.new_guid() for _ in rendering.plates),
            content=order.content,
            rendering=rendering,
            created_at=timestamp(time.time()),
        )
        for name, plate in zip(entry.names, rendering.plates, strict=True):
            self._stored[name] = Stored(plate, fate.misses)
        thread.entries.append(entry)
        return answer(request_entry(thread, entry, waiting=True), status=201)

    async def list_entries(self, request: web.Request) -> web.Response:
        thread = self._threads.get(request.match_info["guid"])
        if thread is None:
            return missing()
        listed: list[Json] = []
        for entry in thread.entries:
            over = await self._services.renderings.settle(entry.rendering)
            listed.append(request_entry(thread, entry, waiting=not over))
            if over and entry.rendering.fate.error is None and not entry.rendering.fate.silent:
                listed.append(self._response_entry(thread, entry))
            elif not over and (entry.rendering.fate.early or thread.version.early):
                listed.append(self._early_entry(thread, entry))
        return answer(listed)

    async def download(self, request: web.Request) -> web.Response:
        stored = self._stored.get(request.match_info["name"])
        if stored is None:
            return web.Response(status=404, text="<h1>404 Not Found</h1>", content_type="text/html")
        if stored.misses > 0:
            stored.misses -= 1
            return web.Response(status=404, text="<h1>404 Not Found</h1>", content_type="text/html")
        data = await self._services.gallery.paint(stored.plate)
        return web.Response(body=data, content_type="image/png")

    async def thumbnail(self, request: web.Request) -> web.Response:
        stored = self._stored.get(request.match_info["name"])
        if stored is None:
            return web.Response(status=404, text="<h1>404 Not Found</h1>", content_type="text/html")
        data = await self._services.gallery.paint(Plate(stored.plate.picture))
        small = await self._services.in_thread(shrink, data)
        return web.Response(body=small, content_type="image/jpeg")

    async def login(self, request: web.Request) -> web.Response:
        page = "<!DOCTYPE html><html><head><title>Login</title></head><body><h1>Login</h1></body></html>"
        return web.Response(text=page, content_type="text/html")

    def _picture(self, order: Order) -> Picture:
        return Picture(
            prompt=order.prompt,
            negative=order.negative,
            style=order.style,
            seed=self._services.renderings.new_seed(),
            width=order.width,
            height=order.height,
        )

    def _response_entry(self, thread: Thread, entry: Entry) -> dict[str, Json]:
        images: list[Json] = []
        rendering = entry.rendering
        for name, plate, length in zip(entry.names, rendering.plates, rendering.lengths, strict=True):
            url = f"{self._services.url}/storage/{thread.code}/{name}.png"
            images.append(
                {
                    "url": url,
                    "thumbnail_url": f"{url}.thumbnail.jpg",
                    "dimensions": f"{plate.picture.width}x{plate.picture.height}",
                    "filesize": length,
                }
            )
        done: Json = {"state": "completed", "percent": 100, "images": images} if thread.version.as_object else images
        whole, rest = divmod(rendering.credits, 1000)
        return {
            "guid": entry.response_guid,
            "thread_guid": thread.guid,
            "type": "response",
            "error": "None",
            "content": done,
            "waiting_response": False,
            "credits": whole if not rest else rendering.credits / 1000,
            "created_at": timestamp(rendering.ended_at),
        }

    def _early_entry(self, thread: Thread, entry: Entry) -> dict[str, Json]:
        percent = entry.rendering.percent(self._services.now())
        return {
            "guid": entry.response_guid,
            "thread_guid": thread.guid,
            "type": "response",
            "error": "None",
            "content": {"state": "processing", "percent": percent, "images": []},
            "waiting_response": True,
            "credits": 0,
            "created_at": entry.created_at,
        }


def request_entry(thread: Thread, entry: Entry, *, waiting: bool) -> dict[str, Json]:
    return {
        "guid": entry.guid,
        "thread_guid": thread.guid,
        "type": "request",
        "error": (entry.rendering.error if entry.rendering.over else None) or "None",
        "content": entry.content,
        "waiting_response": waiting,
        "credits": 0,
        "created_at": entry.created_at,
    }


def shrink(data: bytes) -> bytes:
    """A small JPEG of a picture."""
    from PIL import Image  # slow to import, and rarely needed

    with Image.open(BytesIO(data)) as picture:
        small = picture.convert("RGB")
        small.thumbnail((256, 256))
        out = BytesIO()
        small.save(out, "JPEG", quality=85)
        return out.getvalue()


def answer(data: Json, status: int = 200) -> web.Response:
    return web.json_response({"data": data}, status=status)


def missing() -> web.Response:
    return web.json_response({"message": "Not Found"}, status=404)


def invalid(errors: dict[str, list[str]]) -> web.Response:
    """Report the faults of a form in the format of the service's framework."""
    first = next(iter(errors.values()))[0]
    more = len(errors) - 1
    rest = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return web.json_response({"message": first + rest, "errors": errors}, status=422)
