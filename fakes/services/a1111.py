"""A1111 and the programs that imitate its API. One job at a time; nothing is charged."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from fakes.services import plain_files
from fakes.services.a1111_inventory import Inventory
from fakes.services.a1111_requests import (
    Refusal,
    check_lora_paths,
    check_second_pass,
    control_units,
    number,
    side,
    upload,
    whole,
    wrong_fields,
)
from fakes.services.call_log import Call, Json
from fakes.services.exchange import EXCHANGE, Services
from fakes.services.image_variants import unfinished
from fakes.services.pictures import Edit, Picture
from fakes.services.rendering import Rendering
from fakes.services.uploaded_pictures import UnusableUpload, opened

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

_BOTH = frozenset({Kind.A1111, Kind.FORGE})
_WITH_QUEUE = _BOTH | {Kind.SD_NEXT}
_EVERY = frozenset(Kind)
_WITH_LIST = {
    "samplers": _EVERY,
    "schedulers": _BOTH | {Kind.SD_CPP},
    "restorers": _WITH_QUEUE,
    "latent_modes": _BOTH | {Kind.SD_CPP},
    "control_models": _BOTH,
    "control_modules": _BOTH,
}
"""The programs that have a list. All but KoboldCpp have the others."""

Answers = Callable[[web.Request], Awaitable[web.Response]]


class A1111:
    """The server. ``kind`` is the program, ``accounts`` are the pairs of ``--api-auth`` (None: open).

    ``api`` and ``webui``: it was started with ``--api``, and without ``--nowebui``. ``grid``: it is set to send a grid
    of several images first. ``info``: its images come with their parameters. ``loads`` are the models that it loaded.
    ``has`` is what it has besides models.
    """

    def __init__(self, services: Services) -> None:
        self.kind = Kind.A1111
        self.accounts: set[tuple[str, str]] | None = None
        self.api = self.webui = self.info = True
        self.grid = self.deaf = False
        self.checkpoints: tuple[Checkpoint, ...] = CHECKPOINTS
        self.has = Inventory()
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
            ("GET", "/sdapi/v1/options", "options", _EVERY, self._options),
            ("POST", "/sdapi/v1/extra-single-image", "extras", _WITH_QUEUE, self._improve),
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
        for path, route in self.has.lists():
            kinds = _WITH_LIST.get(route, _EVERY - {Kind.KOBOLD})
            router.add_get(f"{PREFIX}{path}", self._offered(kinds, self._listing(route)), name=f"a1111.{route}")

    def _listing(self, route: str) -> Answers:
        async def tell(request: web.Request) -> web.Response:
            told = self.has.told(route)
            return refuse(404, {"detail": "Not Found"}) if told is None else web.json_response(told)

        return tell

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
                painted = await self._services.gallery.paint(self._rendering.plates[0])
                rough = await self._services.in_thread(unfinished, painted)
                told |= {"live_preview": f"data:image/png;base64,{b64encode(rough).decode()}"}
        elif queued and isinstance(task, str):
            told["textinfo"] = f"In queue: {self.pending.index(task) + 1}/{len(self.pending)}"
        return web.json_response(told)

    @property
    def busy(self) -> bool:
        """Whether images are being made."""
        return self._rendering is not None

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
            source = upload(sources[0])
            mask = upload(fields["mask"]) if fields.get("mask") else None
        except (ValueError, UnusableUpload):
            return self._error(500, "HTTPException", "Invalid encoded image")
        default = 0.5 if self.kind is Kind.SD_NEXT else 0.75
        change = fields.get("denoising_strength", default)
        operation = "inpaint" if mask is not None else "image_to_image"
        return await self._make(request, Edit(operation, source, mask, float(str(change))))

    async def _make(self, request: web.Request, edit: Edit | None) -> web.Response:
        exchange = request[EXCHANGE]
        body = exchange.call.body
        wrong = wrong_fields(body)
        if not isinstance(body, dict) or wrong:
            return refuse(422, {"detail": [{"loc": ["body", each], "msg": "wrong", "type": "type"} for each in wrong]})
        sampler = body.get("sampler_name") or "Euler"
        if sampler not in self.has.samplers and self.kind in _WITH_QUEUE:
            return self._error(404 if self.kind is Kind.SD_NEXT else 400, "HTTPException", "Sampler not found")
        if self.kind is Kind.SD_CPP and not body.get("prompt"):
            return self._error(400, "HTTPException", "prompt required")
        try:
            units = self._checked(body)
            edit = edit or _controlling(units)
        except Refusal as error:
            return self._error(error.status, "Exception" if error.status >= 500 else "HTTPException", error.text)
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
        maps = [b64encode(_map(unit)).decode() for unit in units]
        return self._images(images, maps, [picture.seed for picture in pictures], used, body)

    def _checked(self, body: Mapping[str, Json]) -> Sequence[Mapping[str, Json]]:
        """The units for ControlNet in a request. Raises Refusal for what this server does not have."""
        if self.kind is Kind.KOBOLD:
            return ()
        if self.kind is Kind.SD_CPP:
            check_lora_paths(body, self.has)
        check_second_pass(body, self.has)
        if (
            self.kind is Kind.FORGE
            and body.get("enable_hr")
            and not isinstance(body.get("hr_additional_modules"), list)
        ):
            raise Refusal(500, "TypeError: argument of type 'NoneType' is not iterable")
        return control_units(body, self.has) if self.kind in _BOTH else ()

    async def _improve(self, request: web.Request) -> web.Response:
        """Make one picture larger, or restore its faces. It has no task and no progress."""
        exchange = request[EXCHANGE]
        body = exchange.call.body if isinstance(exchange.call.body, dict) else {}
        name = str(body.get("upscaler_1", "None"))
        if name not in self.has.upscalers:
            return self._error(500, "AssertionError", f"could not find upscaler named {name}")
        try:
            source = upload(body.get("image"))
        except (ValueError, UnusableUpload):
            return self._error(500, "HTTPException", "Invalid encoded image")
        restoring = number(body, "gfpgan_visibility", 0) > 0 or number(body, "codeformer_visibility", 0) > 0
        operation = "restore_faces" if restoring else "upscale"
        with opened(source.data) as image:
            width, height = (round(length * number(body, "upscaling_resize", 2)) for length in image.size)
        picture = Picture("", "", "", 0, width, height, Edit(operation, source))
        rendering = self._services.renderings.start("a1111", name, (picture,), 0, exchange.fate)
        await self._services.renderings.ended(rendering)
        if rendering.error is not None:
            return self._error(500, rendering.error.partition(":")[0], rendering.error)
        larger = await self._services.gallery.paint(rendering.plates[0])
        return web.json_response({"html_info": "", "image": b64encode(larger).decode()})

    def _images(
        self, images: list[bytes], maps: list[str], seeds: list[int], used: Checkpoint, body: Mapping[str, Json]
    ) -> web.Response:
        encoded = [b64encode(image).decode() for image in images]
        first = 0
        if self.grid and len(encoded) > 1:
            encoded.insert(0, encoded[0])
            first = 1
        encoded += maps
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
        seed = whole(body, "seed", -1)
        seed = self._services.renderings.new_seed() if seed < 0 else seed
        in_parallel, in_turn = whole(body, "batch_size", 1), whole(body, "n_iter", 1)
        # These two know fewer of the fields.
        count = {Kind.SD_CPP: in_parallel, Kind.KOBOLD: 1}.get(self.kind, in_parallel * in_turn)
        return tuple(
            Picture(
                prompt=str(body.get("prompt") or ""),
                negative=str(body.get("negative_prompt") or ""),
                style="",
                seed=seed + i,
                width=side(body, "width"),
                height=side(body, "height"),
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


def _controlling(units: Sequence[Mapping[str, Json]]) -> Edit | None:
    """What the first unit does with its picture. Raises Refusal if it has none."""
    if not units:
        return None
    try:
        source = upload(units[0].get("image"))
    except (ValueError, UnusableUpload):
        raise Refusal(500, "ValueError: controlnet is enabled but no input image is given") from None
    operation = "sketch" if "scribble" in str(units[0].get("module")) else "structure"
    return Edit(operation, source, change=max(0.0, 1 - number(units[0], "weight", 1) / 2))


def _map(unit: Mapping[str, Json]) -> bytes:
    """The map that was drawn from a unit's picture, which the server sends after the images."""
    return plain_files.png(64, 64, (255, 255, 255), text=f"map of {unit.get('module')}")
