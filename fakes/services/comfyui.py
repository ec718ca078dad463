"""ComfyUI: graphs are queued under the client's own ids and run one after another; images are files to fetch.

It answers as version 0.3.64 does: the queue is a heap, the history is empty until a prompt has ended, an interrupted
prompt looks like a failed one, a deleted one leaves no trace, and nodes with the same inputs are not run again.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO

from aiohttp import web

from fakes.services.call_log import Call, Json
from fakes.services.comfyui_graph import Raised, Refused, Wanted, signature, validated
from fakes.services.comfyui_nodes import Files, declared
from fakes.services.comfyui_push import Push
from fakes.services.exchange import EXCHANGE, REFUSED, Services
from fakes.services.rendering import Fate, Rendering
from fakes.services.uploaded_pictures import opened
from fakes.services.uploads import Upload

PREFIX = "/comfyui"
EXCEPTIONS = {"out of memory": "torch.OutOfMemoryError", "": "RuntimeError"}


@dataclass(order=True, slots=True)
class Prompt:
    """A queued graph. The smallest ``number`` runs first."""

    number: float
    id: str = field(compare=False)
    graph: dict[str, Json] = field(compare=False)
    outputs: tuple[str, ...] = field(compare=False)
    client: str = field(compare=False, default="")
    fate: Fate = field(compare=False, default_factory=Fate)
    interrupted: bool = field(compare=False, default=False)
    rendering: Rendering | None = field(compare=False, default=None)
    said: str = field(compare=False, default="")
    """The message of the exception that a node raises."""

    @property
    def entry(self) -> list[Json]:
        return [self.number, self.id, self.graph, {"client_id": self.client}, list(self.outputs)]


class Comfyui:
    """The server. ``has`` are its models. ``own_ids``: it makes ids itself, as older versions do."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.has = Files()
        self.unlike: set[tuple[str, str]] = set()
        """Pairs of checkpoint and ControlNet that do not work together, although their names do not tell."""
        self.own_ids = False
        self.old_interrupt = False
        """Whether an interrupt stops whatever is running, as older versions do."""
        self.pending: list[Prompt] = []
        self.running: Prompt | None = None
        self.history: dict[str, dict[str, Json]] = {}
        self.inputs: dict[str, Upload] = {}
        self.files: dict[str, bytes] = {}
        self.push = Push()
        self._number = 0
        self._made: dict[str, str] = {}
        self._painted: dict[str, bytes] = {}
        self._worker: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for method, path, handler, name in (
            ("GET", "/system_stats", self._stats, "stats"),
            ("GET", "/object_info/{node}", self._info, "info"),
            ("GET", "/models/{folder}", self._models, "models"),
            ("POST", "/prompt", self._submit, "prompt"),
            ("GET", "/queue", self._queue, "queue"),
            ("POST", "/queue", self._delete, "delete"),
            ("POST", "/interrupt", self._interrupt, "interrupt"),
            ("GET", "/history/{id}", self._history, "history"),
            ("GET", "/view", self._view, "view"),
            ("POST", "/upload/image", self._upload, "upload"),
        ):
            router.add_route(method, f"{PREFIX}{path}", handler, name=f"comfyui.{name}")
            # Each path also exists below /api.
            router.add_route(method, f"{PREFIX}/api{path}", handler, name=f"comfyui.api.{name}")
        # Without a name, it is not logged, and no fault applies to it: a websocket has no response to replace.
        router.add_get(f"{PREFIX}/ws", self.push.connect)

    def refusal(self, call: Call, keys: frozenset[str] | None) -> web.Response | None:
        """The refusal of a proxy in front of it, which wants one of these values in any header. None: it wants none."""
        if keys is None or not keys.isdisjoint(call.headers.values()):
            return None
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})

    async def ended(self, prompt_id: Json, *, within: float = 10.0) -> None:
        """Wait until a prompt is in the history. Raises TimeoutError after ``within`` seconds."""
        async with asyncio.timeout(within):
            while prompt_id not in self.history:
                await self._news.wait()

    async def started(self, prompt_id: Json, *, within: float = 10.0) -> None:
        """Wait until a prompt is being rendered. Raises TimeoutError after ``within`` seconds."""
        async with asyncio.timeout(within):
            while self.running is None or self.running.id != prompt_id or self.running.rendering is None:
                await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def restart(self) -> None:
        """Lose the queue, the history and the temporary files, as at a restart."""
        self.pending.clear()
        self.history.clear()
        self.files.clear()
        self._made.clear()
        self._painted.clear()
        if self.running is not None:
            self.running.id = ""
            self.running = None

    # -- what it has

    async def _stats(self, request: web.Request) -> web.Response:
        system: Json = {"comfyui_version": "0.3.64", "os": "posix", "python_version": "3.12.3"}
        return web.json_response({"system": system, "devices": [{"name": "cpu", "type": "cpu", "vram_total": 1}]})

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(declared(request.match_info["node"], self.has))

    async def _models(self, request: web.Request) -> web.Response:
        if request.match_info["folder"] != "checkpoints":
            return web.Response(status=404)
        return web.json_response(self.has.checkpoints)

    # -- queue

    async def _submit(self, request: web.Request) -> web.Response:
        exchange = request[EXCHANGE]
        body = exchange.call.body
        if not isinstance(body, dict):
            return web.Response(status=500, text="500 Internal Server Error\n\nServer got itself in trouble")
        try:
            outputs, errors = validated(body.get("prompt"), self.has, self.inputs)
        except Refused as refused:
            request[REFUSED] = True
            return web.json_response({"error": refused.error, "node_errors": refused.node_errors}, status=400)
        graph = body["prompt"]
        assert isinstance(graph, dict)
        self._number += 1
        number = float(self._number)
        if isinstance(given := body.get("number"), int | float):
            number = float(given)
        elif body.get("front"):
            number = -number
        told = body.get("prompt_id")
        name = told if isinstance(told, str) and not self.own_ids else self._services.renderings.new_guid()
        prompt = Prompt(number, name, graph, outputs, str(body.get("client_id") or ""), exchange.fate)
        heapq.heappush(self.pending, prompt)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="comfyui")
        return web.json_response({"prompt_id": name, "number": number, "node_errors": errors})

    async def _queue(self, request: web.Request) -> web.Response:
        running: Json = [self.running.entry] if self.running is not None else []
        return web.json_response({"queue_running": running, "queue_pending": [each.entry for each in self.pending]})

    async def _delete(self, request: web.Request) -> web.Response:
        for name in _listed(request[EXCHANGE].call.body, "delete"):
            found = next((prompt for prompt in self.pending if prompt.id == name), None)
            if found is not None:
                self.pending.remove(found)
                heapq.heapify(self.pending)
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        body = request[EXCHANGE].call.body
        wanted = body.get("prompt_id") if isinstance(body, dict) else None
        running = self.running
        if running is not None and (self.old_interrupt or wanted in {None, running.id}):
            running.interrupted = True
            if running.rendering is not None:
                running.rendering.due.set()
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return web.json_response({name: self.history[name]} if name in self.history else {})

    # -- files

    async def _upload(self, request: web.Request) -> web.Response:
        form = request[EXCHANGE].multipart
        upload = form.files.get("image") if form is not None else None
        if form is None or upload is None:
            return web.Response(status=400)
        subfolder, name, tries = form.fields.get("subfolder", ""), upload.filename, 0
        while (key := f"{subfolder}/{name}" if subfolder else name) in self.inputs:
            if self.inputs[key] == upload:
                break
            tries += 1
            stem, dot, extension = upload.filename.rpartition(".")
            name = f"{stem} ({tries}){dot}{extension}"
        self.inputs[key] = upload
        return web.json_response({"name": name, "subfolder": subfolder, "type": "input"})

    async def _view(self, request: web.Request) -> web.Response:
        name = request.query.get("filename", "")
        if not name or ".." in name or name.startswith("/"):
            return web.Response(status=400)
        if name not in self.files:
            return web.Response(status=404)
        data = self.files[name]
        kind, _, quality = request.query.get("preview", "").partition(";")
        if not kind:
            return web.Response(body=data, content_type="image/png")
        smaller = await asyncio.to_thread(_as_jpeg, data, int(quality or 90))
        return web.Response(body=smaller, content_type="image/jpeg")

    # -- the worker

    async def _work(self) -> None:
        while self.pending:
            prompt = heapq.heappop(self.pending)
            self.running = prompt
            await self._run(prompt)
            if self.running is prompt:
                self.running = None

    async def _run(self, prompt: Prompt) -> None:
        await self.push.send(prompt.client, "execution_start", prompt.id)
        images: dict[str, Json] = {}
        messages: list[Json] = [["execution_start", {"prompt_id": prompt.id}]]
        for output in prompt.outputs:
            # An output node that has run with these inputs does not run again, even if its file is gone.
            key = signature(prompt.graph, output)
            if key not in self._made:
                data = await self._image(prompt, output)
                if data is None:
                    await self._end(prompt, messages, {})
                    return
                name = f"ComfyUI_temp_{len(self._made) + 1:05}_.png"
                self._made[key], self.files[name] = name, data
            images[output] = {"images": [{"filename": self._made[key], "subfolder": "", "type": "temp"}]}
        await self._end(prompt, messages, images)

    async def _image(self, prompt: Prompt, output: str) -> bytes | None:
        """The image of an output node, or None if it failed or was stopped. The nodes before it may have run before."""
        inputs = prompt.graph[output]
        assert isinstance(inputs, dict)
        before = json.dumps([signature(prompt.graph, number) for number in _links(inputs["inputs"])])
        if before not in self._painted:
            data = await self._render(prompt, output)
            if data is None:
                return None
            # It remembers what the latest graph has made.
            self._painted = {before: data}
        return self._painted[before]

    async def _render(self, prompt: Prompt, output: str) -> bytes | None:
        """The image, or None if it failed or was stopped."""
        renderings = self._services.renderings
        try:
            picture = Wanted(prompt.graph, self.inputs, self.unlike).picture(output)
        except Raised as raised:
            prompt.fate = Fate(error=raised.kind)
            prompt.said = raised.message
            return None
        rendering = prompt.rendering = renderings.start("comfyui", "graph", (picture,), 0, prompt.fate)
        self._tell()
        progress = asyncio.create_task(self.push.steps(prompt.client, prompt.id, rendering))
        try:
            await renderings.ended(rendering)
            if prompt.interrupted or rendering.error is not None or not rendering.lengths:
                return None
            return await self._services.gallery.paint(rendering.plates[0])
        finally:
            progress.cancel()
            rendering.drop_uploads()

    async def _end(self, prompt: Prompt, messages: list[Json], images: dict[str, Json]) -> None:
        error = prompt.fate.error
        of_prompt: dict[str, Json] = {"prompt_id": prompt.id}
        if prompt.interrupted:
            event, data = "execution_interrupted", of_prompt | {"node_id": "sampler", "node_type": "KSampler"}
        elif error is not None:
            known = "." in error or prompt.said
            kind = error if known else next(kind for words, kind in EXCEPTIONS.items() if words in error)
            event = "execution_error"
            data = of_prompt | {
                "node_id": "sampler",
                "node_type": "KSampler",
                "exception_type": kind,
                "exception_message": f"{prompt.said or error} /home/owner/ComfyUI/execution.py",
                "traceback": ["/home/owner/ComfyUI/execution.py"],
            }
        else:
            event, data = "execution_success", of_prompt
        messages.append([event, data])
        success = event == "execution_success"
        status: Json = {
            "status_str": "success" if success else "error",
            "completed": success,
            "messages": messages,
        }
        if prompt.id:
            self.history[prompt.id] = {"prompt": prompt.entry, "outputs": images, "status": status, "meta": {}}
        await self.push.send(prompt.client, event, prompt.id)
        await self.push.send(prompt.client, "executing", prompt.id, node=None)
        self._tell()


def _listed(body: Json, key: str) -> list[Json]:
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, list) else []


def _links(inputs: Json) -> list[str]:
    """The ids of the nodes that these inputs come from."""
    values = inputs.values() if isinstance(inputs, dict) else ()
    return [str(value[0]) for value in values if isinstance(value, list)]


def _as_jpeg(data: bytes, quality: int) -> bytes:
    buffer = BytesIO()
    opened(data).convert("RGB").save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()
