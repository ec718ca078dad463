"""A1111 and the programs that imitate its API. One job at a time; nothing is charged."""

from __future__ import annotations

import asyncio
import binascii
import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from fakes.services.call_log import Call, Json
from fakes.services.exchange import EXCHANGE, Services
from fakes.services.pictures import Edit, Picture
from fakes.services.rendering import Rendering
from fakes.services.uploaded_pictures import UnusableUpload, opened
from fakes.services.uploads import Upload

PREFIX = "/a1111"
REMEMBERED = 16
"""The number of finished tasks whose ids it remembers."""
DEFAULT_STEPS = 50


class Kind(StrEnum):
    """The program that is imitated."""

    A1111 = "a1111"
    FORGE = "forge"
    SD_NEXT = "sdnext"
    SD_CPP = "sdcpp"
    KOBOLD = "koboldcpp"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model in the server's folder; ``digest`` is the sha256, or None before it was calculated."""

    name: str
    digest: str | None
    file: str = ""

    @property
    def filename(self) -> str:
        return self.file or f"{self.name}.safetensors"

    @property
    def title(self) -> str:
        short = f" [{self.digest[:10]}]" if self.digest else ""
        return f"{self.filename}{short}"

    @property
    def aliases(self) -> set[str]:
        digests = {self.digest, self.digest[:10]} if self.digest else set()
        return {self.title, self.name, self.filename, *digests}


CHECKPOINTS = (
    Checkpoint("dreamshaper_8", "879db523c30d3b9017143d56705015e15a2cb5628762c11d086fed9538abd7fd"),
    Checkpoint("juggernautXL_v9", "c9e3e68f89b8e38689e1097d4be4573cf308de4e3fd044c64ca697bdb4aa8bca"),
    Checkpoint("My Model (v2)", None, "mine/My Model (v2).safetensors"),
)
SAMPLERS = ("DPM++ 2M", "DPM++ SDE", "Euler a", "Euler", "Heun", "DDIM")
SCHEDULERS = ("automatic", "karras", "exponential")
LORAS = ("add-detail-xl",)
UPSCALERS = ("None", "Lanczos", "R-ESRGAN 4x+")

_BOTH = frozenset({Kind.A1111, Kind.FORGE})
_WITH_QUEUE = _BOTH | {Kind.SD_NEXT}
_EVERY = frozenset(Kind)

Answers = Callable[[web.Request], Awaitable[web.Response]]


class A1111:
    """The server. ``kind`` is the program, ``accounts`` are the pairs of ``--api-auth`` (None: open).

    ``api`` and ``webui``: it was started with ``--api``, and without ``--nowebui``. ``grid``: it is set to send a grid
    of several images first. ``info``: its images come with their parameters. ``loads`` are the models that it loaded.
    """

    def __init__(self, services: Services) -> None:
        self.kind = Kind.A1111
        self.accounts: set[tuple[str, str]] | None = None
        self.api = self.webui = self.info = True
        self.grid = self.deaf = False
        self.checkpoints: tuple[Checkpoint, ...] = CHECKPOINTS
        self.samplers: tuple[str, ...] = SAMPLERS
        self.loaded = CHECKPOINTS[0]
        self.loads: list[str] = []
        self.pending: list[str] = []
        self.current: str | None = None
        self.finished: deque[str] = deque(maxlen=REMEMBERED)
        self.interrupted: list[str | None] = []
        self.unfinished: set[int] = set()
        """The numbers of the calls whose images were interrupted: they are in the answer all the same."""
        self._services = services
        self._lock = asyncio.Lock()
        self._rendering: Rendering | None = None
        self._making = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for method, path, route, kinds, answer in (
            ("POST", "/sdapi/v1/txt2img", "txt2img", _EVERY, self._txt2img),
            ("POST", "/sdapi/v1/img2img", "img2img", _EVERY, self._img2img),
            ("GET", "/sdapi/v1/sd-models", "models", _EVERY, self._models),
            ("GET", "/sdapi/v1/samplers", "samplers", _EVERY, self._samplers),
            ("GET", "/sdapi/v1/options", "options", _EVERY, self._options),
            ("GET", "/sdapi/v1/schedulers", "schedulers", _EVERY - {Kind.KOBOLD}, self._schedulers),
            ("GET", "/sdapi/v1/loras", "loras", _EVERY - {Kind.KOBOLD}, self._loras),
            ("GET", "/sdapi/v1/upscalers", "upscalers", _WITH_QUEUE, self._upscalers),
            ("GET", "/sdapi/v1/progress", "progress", _WITH_QUEUE, self._global_progress),
            ("POST", "/sdapi/v1/interrupt", "interrupt", _WITH_QUEUE, self._interrupt),
            ("POST", "/internal/progress", "task", _BOTH, self._task),
            ("GET", "/internal/pending-tasks", "pending", _BOTH, self._pending),
            ("GET", "/sdapi/v1/sd-modules", "modules", frozenset({Kind.FORGE}), _empty_list),
            ("GET", "/sdapi/v1/version", "version", frozenset({Kind.SD_NEXT}), _empty_object),
            ("GET", "/sdcpp/v1/capabilities", "capabilities", frozenset({Kind.SD_CPP}), _empty_object),
            ("GET", "/api/extra/version", "extra", frozenset({Kind.KOBOLD}), _kobold),
        ):
            router.add_route(method, f"{PREFIX}{path}", self._offered(kinds, answer), name=f"a1111.{route}")

    def _offered(self, kinds: frozenset[Kind], answer: Answers) -> Answers:
        async def handle(request: web.Request) -> web.Response:
            internal = request.path.startswith(f"{PREFIX}/internal/")
            if self.kind not in kinds or not (self.webui if internal else self.api):
                return refuse(404, {"detail": "Not Found"})
            return await answer(request)

        return handle

    def refusal(self, call: Call) -> web.Response | None:
        """Refuse a call without one of the accounts. The page's own paths are open to everybody."""
        if self.accounts is None or call.path.startswith(f"{PREFIX}/internal/"):
            return None
        scheme, _, encoded = (call.authorization or "").partition(" ")
        try:
            user, _, password = b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            user = password = ""
        if scheme == "Basic" and (user, password) in self.accounts:
            return None
        return refuse(401, {"detail": "Incorrect username or password"}, {"WWW-Authenticate": "Basic"})

    # -- what it has

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response([self._told(each) for each in self.checkpoints])

    def _told(self, each: Checkpoint) -> Json:
        if self.kind in {Kind.SD_CPP, Kind.KOBOLD}:
            eights: Json = {"hash": "8" * 10, "sha256": "8" * 64, "config": None}
            assert isinstance(eights, dict)
            return {"title": each.name, "model_name": each.name, "filename": each.filename, **eights}
        return {
            "title": each.title,
            "model_name": each.name,
            "hash": each.digest[:10] if each.digest else None,
            "sha256": each.digest,
            "filename": f"C:\\webui\\models\\Stable-diffusion\\{each.filename}",
            "config": None,
        }

    async def _samplers(self, request: web.Request) -> web.Response:
        return web.json_response([{"name": name, "aliases": [], "options": {}} for name in self.samplers])

    async def _schedulers(self, request: web.Request) -> web.Response:
        return web.json_response([{"name": name, "label": name.title()} for name in SCHEDULERS])

    async def _loras(self, request: web.Request) -> web.Response:
        return web.json_response([{"name": name, "alias": name, "path": f"/loras/{name}"} for name in LORAS])

    async def _upscalers(self, request: web.Request) -> web.Response:
        return web.json_response([{"name": name, "model_name": None, "scale": 4} for name in UPSCALERS])

    async def _options(self, request: web.Request) -> web.Response:
        told = self._told(self.loaded)
        title = told["title"] if isinstance(told, dict) else ""
        return web.json_response({"samples_format": "png", "sd_model_checkpoint": title})

    # -- what it does

    async def _task(self, request: web.Request) -> web.Response:
        body = request[EXCHANGE].call.body
        task = body.get("id_task") if isinstance(body, dict) else None
        active, queued = task == self.current and task is not None, task in self.pending
        told: dict[str, Json] = {
            "active": active,
            "queued": queued,
            "completed": task in self.finished,
            "progress": None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": -1,
            "textinfo": "Waiting...",
        }
        if active:
            told |= {"progress": self._share, "eta": 12.5, "textinfo": None}
            if isinstance(body, dict) and body.get("live_preview") and self._rendering is not None:
                unfinished = await self._services.gallery.paint(self._rendering.plates[0])
                told |= {"live_preview": f"data:image/png;base64,{b64encode(unfinished).decode()}"}
        elif queued and isinstance(task, str):
            told["textinfo"] = f"In queue: {self.pending.index(task) + 1}/{len(self.pending)}"
        return web.json_response(told)

    @property
    def _share(self) -> float:
        rendering = self._rendering
        return 0.0 if rendering is None else rendering.percent(self._services.now()) / 100

    async def _pending(self, request: web.Request) -> web.Response:
        return web.json_response({"size": len(self.pending), "tasks": list(self.pending)})

    async def _global_progress(self, request: web.Request) -> web.Response:
        busy = self._rendering is not None
        state: Json = {"job": "task" if busy else "", "job_count": int(busy), "interrupted": False}
        answer: Json = {"progress": self._share, "eta_relative": 0.0, "state": state, "current_image": None}
        return web.json_response(answer)

    async def _interrupt(self, request: web.Request) -> web.Response:
        self.interrupted.append(self.current)
        if self._rendering is not None:
            self._rendering.due.set()
            self.unfinished.add(self._making)
        return web.Response(status=204) if self.kind is Kind.SD_NEXT else web.json_response({})

    async def _txt2img(self, request: web.Request) -> web.Response:
        return await self._make(request, None)

    async def _img2img(self, request: web.Request) -> web.Response:
        body = request[EXCHANGE].call.body
        fields = body if isinstance(body, dict) else {}
        sources = fields.get("init_images")
        if not isinstance(sources, list) or not sources:
            return self._error(404, "HTTPException", "Init image not found")
        try:
            source = _upload(sources[0])
            mask = _upload(fields["mask"]) if fields.get("mask") else None
        except (ValueError, UnusableUpload):
            return self._error(500, "HTTPException", "Invalid encoded image")
        default = 0.5 if self.kind is Kind.SD_NEXT else 0.75
        change = fields.get("denoising_strength", default)
        operation = "inpaint" if mask is not None else "image_to_image"
        return await self._make(request, Edit(operation, source, mask, float(str(change))))

    async def _make(self, request: web.Request, edit: Edit | None) -> web.Response:
        exchange = request[EXCHANGE]
        body = exchange.call.body
        wrong = _wrong_fields(body)
        if not isinstance(body, dict) or wrong:
            return refuse(422, {"detail": [{"loc": ["body", each], "msg": "wrong", "type": "type"} for each in wrong]})
        sampler = body.get("sampler_name") or "Euler"
        if sampler not in self.samplers and self.kind in _WITH_QUEUE:
            return self._error(404 if self.kind is Kind.SD_NEXT else 400, "HTTPException", "Sampler not found")
        if self.kind is Kind.SD_CPP and not body.get("prompt"):
            return self._error(400, "HTTPException", "prompt required")
        pictures = self._pictures(body, edit)
        guid = self._services.renderings.new_guid()
        task = str(body.get("force_task_id") or f"task({guid})")
        self.pending.append(task)
        try:
            await self._lock.acquire()
        finally:
            self.pending.remove(task)
        try:
            self.current = task
            before = self.loaded
            self._load(body.get("override_settings"))
            used = self.loaded
            rendering = self._services.renderings.start("a1111", used.name, pictures, 0, exchange.fate)
            self._rendering, self._making = rendering, exchange.call.number
            await self._services.renderings.ended(rendering)
            if body.get("override_settings_restore_afterwards", True):
                self._use(before)
        finally:
            self.current, self._rendering = None, None
            self.finished.append(task)
            self._lock.release()
        if rendering.error is not None:
            return self._error(500, rendering.error.partition(":")[0], rendering.error)
        images = [await self._services.gallery.paint(plate) for plate in rendering.plates]
        return self._images(images, [picture.seed for picture in pictures], used, body)

    def _images(
        self, images: list[bytes], seeds: list[int], used: Checkpoint, body: Mapping[str, Json]
    ) -> web.Response:
        encoded = [b64encode(image).decode() for image in images]
        first = 0
        if self.grid and len(encoded) > 1:
            encoded.insert(0, encoded[0])
            first = 1
        info: dict[str, Json] = {
            "prompt": body.get("prompt"),
            "all_seeds": [*seeds],
            "index_of_first_image": first,
            "sd_model_name": used.filename.rpartition("/")[2].rpartition(".")[0],
            "sd_model_hash": used.digest[:10] if used.digest else None,
            "sampler_name": body.get("sampler_name"),
        }
        told = "" if self.kind in {Kind.SD_CPP, Kind.KOBOLD} or not self.info else json.dumps(info)
        echo = dict(body) if self.kind is Kind.SD_CPP else {}
        return web.json_response({"images": encoded, "parameters": echo, "info": told})

    def _load(self, overrides: Json) -> None:
        """Load another model for one job. An unknown one is ignored, and the present one stays."""
        wanted = overrides.get("sd_model_checkpoint") if isinstance(overrides, dict) else None
        found = next((each for each in self.checkpoints if wanted in each.aliases), None)
        # These two have one model for as long as they run. ``deaf``: so did Forge for a while.
        if found is not None and self.kind not in {Kind.SD_CPP, Kind.KOBOLD} and not self.deaf:
            self._use(found)

    def _use(self, model: Checkpoint) -> None:
        if model is not self.loaded:
            self.loaded = model
            self.loads.append(model.name)

    def _pictures(self, body: Mapping[str, Json], edit: Edit | None) -> tuple[Picture, ...]:
        seed = _whole(body, "seed", -1)
        seed = self._services.renderings.new_seed() if seed < 0 else seed
        in_parallel, in_turn = _whole(body, "batch_size", 1), _whole(body, "n_iter", 1)
        # These two know fewer of the fields.
        count = {Kind.SD_CPP: in_parallel, Kind.KOBOLD: 1}.get(self.kind, in_parallel * in_turn)
        return tuple(
            Picture(
                prompt=str(body.get("prompt") or ""),
                negative=str(body.get("negative_prompt") or ""),
                style="",
                seed=seed + i,
                width=_whole(body, "width", 512) // 8 * 8,
                height=_whole(body, "height", 512) // 8 * 8,
                edit=edit,
            )
            for i in range(count)
        )

    def _error(self, status: int, kind: str, text: str) -> web.Response:
        match self.kind:
            case Kind.FORGE:
                return refuse(status, {"error": kind, "detail": "", "body": "", "message": text})
            case Kind.SD_NEXT:
                return refuse(status, {"error": kind, "code": status, "detail": text, "body": "", "errors": text})
            case Kind.SD_CPP | Kind.KOBOLD:
                return refuse(status, {"error": text})
        if kind == "HTTPException":
            return refuse(status, {"error": kind, "detail": text, "body": "", "errors": ""})
        return refuse(status, {"error": kind, "detail": "", "body": "", "errors": text})


async def _empty_list(request: web.Request) -> web.Response:
    return web.json_response([])


async def _empty_object(request: web.Request) -> web.Response:
    return web.json_response({})


async def _kobold(request: web.Request) -> web.Response:
    return web.json_response({"result": "KoboldCpp", "version": "1.100"})


def refuse(status: int, body: Json, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers=headers)


_WHOLE = ("seed", "steps", "width", "height", "batch_size", "n_iter")


def _wrong_fields(body: Json) -> list[str]:
    """The fields of a wrong type, which the server refuses unread."""
    if not isinstance(body, dict):
        return ["body"]
    wrong = [name for name in _WHOLE if name in body and (isinstance(body[name], bool) or not _is_whole(body[name]))]
    return wrong + [name for name in ("prompt", "negative_prompt") if not isinstance(body.get(name, ""), str)]


def _is_whole(value: Json) -> bool:
    return isinstance(value, int)


def _whole(body: Mapping[str, Json], name: str, default: int) -> int:
    value = body.get(name, default)
    return value if isinstance(value, int) else default


def _upload(text: Json) -> Upload:
    """Decode a picture in a request. Raises ValueError or UnusableUpload."""
    encoded = str(text)
    if encoded.startswith("data:"):
        encoded = encoded.partition(",")[2]
    try:
        data = b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    opened(data).close()
    return Upload.of(data)
