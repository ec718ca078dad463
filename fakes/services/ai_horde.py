"""The AI Horde: requests wait for workers, clients poll with a cheap call, and images expire.

It answers as the service of August 2026 does: ``done`` is true for a failed request too, the seed is a text, a worker
that has begun an image finishes it in spite of a cancellation, and a request is forgotten 20 minutes after the last
step of a worker.
"""

from __future__ import annotations

import asyncio
import math
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field, replace

from aiohttp import web

from fakes.services.ai_horde_alchemy import Alchemists
from fakes.services.ai_horde_requests import ANONYMOUS, Refused, Wanted, read_request
from fakes.services.call_log import Call, Json
from fakes.services.exchange import EXCHANGE, REFUSED, Services
from fakes.services.image_variants import webp
from fakes.services.pictures import Alteration, Picture
from fakes.services.rendering import Fate, Rendering

PREFIX = "/horde"
STORAGE = "/horde-storage"
LIFETIME = 1_200.0
"""Seconds for which a request is remembered after it was queued, and after each step of a worker."""
LINK_SECONDS = 1_800.0
STATUS_CALLS = 10
"""The number of calls for the result of one request that are accepted in a minute, and of calls to delete it."""
FREE_PIXELS = 1024 * 1024
FREE_STEPS = 40
FREE_CONTROL_STEPS = 20
DOWNGRADED_STEPS = 30
SECOND_ORDER = frozenset({"k_heun", "k_dpm_2", "k_dpm_2_a", "k_dpmpp_2s_a", "k_dpmpp_sde"})
"""The samplers whose steps count twice."""
MOST_WAITING = 30
MOST_WAITING_ANONYMOUS = 500
MOST_SUSPICIONS = 1
MOST_FAULTS = 2
"""The number of workers that may fail to make an image."""

KEYED = frozenset({"horde.submit", "horde.alchemy", "horde.user"})
"""The routes that need a key."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the list, with its workers and its queue in seconds. They may allow ControlNet and LoRAs."""

    name: str
    count: int
    eta: int = 30
    controlled: bool = True
    extended: bool = True


MODELS = (
    Model("AlbedoBase XL (SDXL)", 9, 120),
    Model("Deliberate", 5),
    Model("Flux.1-Schnell fp8 (Compact)", 4, 400),
    Model("SDXL 1.0", 3),
    Model("stable_diffusion_inpainting", 2),
    Model("Nobody's Model", 0, 0),
)


@dataclass(slots=True, eq=False)
class Generation:
    """One image of a request. ``state`` is waiting, processing, finished, faulted or cancelled."""

    id: str
    picture: Picture
    state: str = "waiting"
    faults: int = 0
    rendering: Rendering | None = None


@dataclass(slots=True, eq=False)
class Request:
    """An accepted request. ``expires`` is the loop's time. ``calls`` are the times of limited calls, by method.

    ``faulted`` is set by a sweep, long after its images have failed.
    """

    id: str
    wanted: Wanted
    key: str
    fate: Fate
    expires: float
    generations: list[Generation] = field(default_factory=list)
    restarted: int = 0
    faulted: bool = False
    cancelled: bool = False
    calls: dict[str, deque[float]] = field(default_factory=dict)

    def count(self, state: str) -> int:
        return sum(each.state == state for each in self.generations)

    @property
    def done(self) -> bool:
        return self.faulted or not (self.count("waiting") or self.count("processing"))


class AiHorde:
    """The service. ``workers`` is how many images are made at once. ``accounts`` are the keys with their kudos.

    ``shared_seed``: the images of a request are made together, and all are reported with the seed of the first one.
    ``storage``: images are links to a storage host, as asked for; else they are in the answer.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.models: list[Model] = list(MODELS)
        self.accounts: dict[str, int] = {}
        self.workers = 8
        self.maintenance = self.shared_seed = False
        self.storage = True
        self.missing_loras: set[str] = set()
        self.alchemists = Alchemists(services, PREFIX, STORAGE)
        self.requests: dict[str, Request] = {}
        self.suspicions = 0
        self._links: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for method, path, handler, name in (
            ("GET", f"{PREFIX}/status/models", self._list, "models"),
            ("GET", f"{PREFIX}/status/heartbeat", self._heartbeat, "heartbeat"),
            ("GET", f"{PREFIX}/workers", self._workers, "workers"),
            ("GET", f"{PREFIX}/find_user", self._user, "user"),
            ("POST", f"{PREFIX}/generate/async", self._submit, "submit"),
            ("GET", f"{PREFIX}/generate/check/{{id}}", self._check, "check"),
            ("GET", f"{PREFIX}/generate/status/{{id}}", self._status, "status"),
            ("DELETE", f"{PREFIX}/generate/status/{{id}}", self._delete, "delete"),
            ("GET", f"{STORAGE}/{{id}}.webp", self._image, "image"),
        ):
            router.add_route(method, path, handler, name=f"horde.{name}")
        self.alchemists.add_routes(router)

    def refusal(self, call: Call) -> web.Response | None:
        """Refuse new requests in maintenance mode, and an unknown key. Downloads need none."""
        if self.maintenance and call.route in {"horde.submit", "horde.alchemy"}:
            return refuse(400, "MaintenanceMode", "AI Horde has entered maintenance mode.")
        if call.route not in KEYED:
            return None
        if self._has(call.headers.get("apikey", "")):
            return None
        if call.route == "horde.user":
            return refuse(404, "UserNotFound", "User with api_key not found.")
        return refuse(401, "InvalidAPIKey", "No user matching sent API Key.")

    def _has(self, key: str) -> bool:
        return key == ANONYMOUS or key in self.accounts

    async def ended(self, request_id: Json, *, within: float = 10.0) -> None:
        """Wait until a request is done. Raises TimeoutError after ``within`` seconds."""
        async with asyncio.timeout(within):
            while not self.requests[str(request_id)].done:
                await self._news.wait()

    async def processing(self, request_id: Json, images: int = 1, *, within: float = 10.0) -> None:
        """Wait until this many images of a request are being made. Raises TimeoutError after ``within`` seconds."""
        async with asyncio.timeout(within):
            while self.requests[str(request_id)].count("processing") < images:
                await self._news.wait()

    # -- what it has

    async def _heartbeat(self, request: web.Request) -> web.Response:
        return web.json_response({"message": "OK", "version": "5.0.0"})

    async def _user(self, request: web.Request) -> web.Response:
        key = request.headers.get("apikey", "")
        active: list[Json] = [each.id for each in self.requests.values() if each.key == key and not each.done]
        return web.json_response(
            {
                "username": "Anonymous#0" if key == ANONYMOUS else "easel#1",
                "kudos": self.accounts.get(key, 0),
                "concurrency": MOST_WAITING,
                "active_generations": {"image": active},
            }
        )

    async def _list(self, request: web.Request) -> web.Response:
        listed: list[Json] = [
            {
                "name": model.name,
                "count": model.count,
                "performance": 1.5,
                "queued": 2.0,
                "jobs": 1.0,
                "eta": model.eta,
                "type": "image",
            }
            for model in self.models
        ]
        return web.json_response(listed)

    async def _workers(self, request: web.Request) -> web.Response:
        listed: list[Json] = [
            {
                "type": "image",
                "name": f"{model.name} {number}",
                "online": True,
                "maintenance_mode": False,
                "models": [model.name],
                "controlnet": model.controlled,
                "lora": model.extended,
            }
            for model in self.models
            for number in range(model.count)
        ]
        return web.json_response([*listed, *self.alchemists.listed()])

    def _served(self, wanted: Wanted) -> bool:
        return any(
            model.count > 0
            and model.name in wanted.models
            and (model.controlled or wanted.control is None)
            and (model.extended or not wanted.loras)
            for model in self.models
        )

    # -- a request

    async def _submit(self, request: web.Request) -> web.Response:
        exchange = request[EXCHANGE]
        key = request.headers.get("apikey", "")
        try:
            wanted = self._accepted(read_request(exchange.call.body, self._services), key)
        except Refused as refused:
            request[REFUSED] = True
            return refused.response
        expires = self._services.now() + LIFETIME
        made = Request(self._services.renderings.new_guid(), wanted, key, exchange.fate, expires)
        made.generations = [Generation(self._services.renderings.new_guid(), each) for each in wanted.pictures]
        self.requests[made.id] = made
        answer: dict[str, Json] = {"id": made.id, "kudos": 12.0}
        if not self._served(wanted):
            answer["message"] = "Warning: No available workers can fulfill this request."
            answer["warnings"] = [{"code": "NoAvailableWorker", "message": "No available worker."}]
        self._start_more()
        return web.json_response(answer, status=202)

    def _accepted(self, wanted: Wanted, key: str) -> Wanted:
        """Check a request against the state of the service. Raises Refused."""
        waiting = sum(each.count("waiting") for each in self.requests.values() if each.key == key)
        if waiting + len(wanted.pictures) > (MOST_WAITING_ANONYMOUS if key == ANONYMOUS else MOST_WAITING):
            refused = Refused(429, "TooManyPrompts", "Parallel requests exceeded user limit.")
            refused.response.headers["Retry-After"] = "1"
            raise refused
        if self.suspicions >= MOST_SUSPICIONS:
            raise Refused(403, "TimeoutIP", "Your IP address has been put into timeout for 179 more seconds.")
        if self._services.is_filtered([wanted.prompt]):
            self.suspicions += 1
            raise Refused(400, "CorruptPrompt", "This prompt appears to violate our terms of service.")
        most_steps = FREE_STEPS if wanted.control is None else FREE_CONTROL_STEPS
        factor = 2 if wanted.sampler in SECOND_ORDER else 1
        fits = wanted.pixels <= FREE_PIXELS and wanted.steps * factor <= most_steps
        if fits or self.accounts.get(key, 0) > 0:
            return wanted
        if not wanted.downgrades:
            raise Refused(403, "KudosUpfront", "Due to heavy demand, the client needs to already have the kudos.")
        fewer = DOWNGRADED_STEPS if wanted.control is None else FREE_CONTROL_STEPS
        scale = min(1.0, math.sqrt(FREE_PIXELS / wanted.pixels))
        smaller = (
            replace(each, width=int(each.width * scale) // 64 * 64, height=int(each.height * scale) // 64 * 64)
            for each in wanted.pictures
        )
        return replace(wanted, pictures=tuple(smaller), steps=min(wanted.steps, fewer // factor))

    def _start_more(self) -> None:
        free = self.workers - sum(each.count("processing") for each in self.requests.values())
        for request in self.requests.values():
            if request.done or not self._served(request.wanted):
                continue
            for generation in request.generations:
                if free > 0 and generation.state == "waiting":
                    free -= 1
                    generation.state = "processing"
                    request.expires = self._services.now() + LIFETIME
                    task = asyncio.create_task(self._make(request, generation), name=f"horde {generation.id}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        self._tell()

    async def _make(self, request: Request, generation: Generation) -> None:
        renderings = self._services.renderings
        fate = request.fate
        if fate.images is not None and request.generations.index(generation) >= fate.images:
            fate = replace(fate, error="the worker has failed")
        fate = replace(fate, images=None, alter=webp if fate.alter is None else _then_webp(fate.alter))
        rendering = renderings.start("horde", request.wanted.models[0], (generation.picture,), 0, fate)
        generation.rendering = rendering
        await renderings.ended(rendering)
        request.expires = self._services.now() + LIFETIME
        if rendering.error is None:
            generation.state = "finished"
        else:
            generation.faults += 1
            request.restarted += 1
            failed = generation.faults >= MOST_FAULTS or request.cancelled
            generation.state = "faulted" if failed else "waiting"
        self._start_more()

    # -- its state

    def _found(self, request: web.Request) -> Request | None:
        """The request of a path, unless it has expired."""
        found = self.requests.get(request.match_info["id"])
        return None if found is None or self._services.now() > found.expires else found

    def _limited(self, found: Request, method: str) -> web.Response | None:
        """Refuse more than ten of these calls a minute."""
        now, calls = self._services.now(), found.calls.setdefault(method, deque())
        while calls and now - calls[0] >= 60:
            calls.popleft()
        if len(calls) >= STATUS_CALLS:
            return web.json_response({"message": "10 per 1 minute"}, status=429, headers={"Retry-After": "59"})
        calls.append(now)
        return None

    def _state(self, found: Request) -> dict[str, Json]:
        waiting = 0 if found.cancelled else found.count("waiting")
        position = 0
        for each in self.requests.values():
            position += 0 if each.done else each.count("waiting")
            if each is found:
                break
        return {
            "finished": found.count("finished"),
            "processing": found.count("processing"),
            "restarted": found.restarted,
            "waiting": waiting,
            "done": found.done,
            "faulted": found.faulted,
            "wait_time": 10 * (position + found.count("processing")),
            "queue_position": position if waiting else 0,
            "kudos": 12.0,
            "is_possible": self._served(found.wanted) or found.count("processing") > 0,
        }

    async def _check(self, request: web.Request) -> web.Response:
        found = self._found(request)
        return missing(request) if found is None else web.json_response(self._state(found))

    async def _status(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return missing(request)
        return self._limited(found, "GET") or web.json_response(await self._full(found))

    async def _full(self, found: Request) -> dict[str, Json]:
        made = [each for each in found.generations if each.state == "finished"]
        generations: list[Json] = [await self._told(found, each, index) for index, each in enumerate(made)]
        return self._state(found) | {"shared": False, "generations": generations}

    async def _told(self, found: Request, generation: Generation, index: int) -> dict[str, Json]:
        metadata: list[Json] = []
        censored = found.fate.finish_reason
        if censored is not None:
            metadata.append({"type": "censorship", "value": censored})
        metadata += [
            {"type": "lora", "value": "download_failed", "ref": name}
            for name in found.wanted.loras
            if name in self.missing_loras
        ]
        seed = generation.picture.seed
        if self.shared_seed:
            seed = found.generations[0].picture.seed
            metadata.append({"type": "batch_index", "value": "see_ref", "ref": str(index)})
        return {
            "img": await self._img(found, generation),
            "seed": str(seed),
            "id": generation.id,
            "model": found.wanted.models[0],
            "worker_id": "00000000-0000-4000-8000-000000000000",
            "worker_name": "A volunteer",
            "censored": censored is not None,
            "state": "ok",
            "gen_metadata": metadata,
            "kudos": 12.0,
        }

    async def _img(self, found: Request, generation: Generation) -> str:
        if not (found.wanted.links and self.storage):
            return b64encode(await self._painted(generation)).decode()
        self._links[generation.id] = self._services.now()
        return f"{self._services.url}{STORAGE}/{generation.id}.webp?X-Amz-Expires=1800"

    async def _painted(self, generation: Generation) -> bytes:
        assert generation.rendering is not None
        return await self._services.gallery.paint(generation.rendering.plates[0])

    async def _delete(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return missing(request)
        if (refused := self._limited(found, "DELETE")) is not None:
            return refused
        answer = await self._full(found)
        found.cancelled = True
        for each in found.generations:
            if each.state == "waiting":
                each.state = "cancelled"
        self._start_more()
        return web.json_response(answer)

    async def _image(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        alchemy = self.alchemists.images.get(wanted)
        signed = self._links.get(wanted) if alchemy is None else alchemy.signed
        if signed is None or self._services.now() - signed > LINK_SECONDS:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="text/xml")
        if alchemy is not None:
            assert alchemy.rendering is not None
            data = await self._services.gallery.paint(alchemy.rendering.plates[0])
            return web.Response(body=data, content_type="image/webp")
        each = next(each for found in self.requests.values() for each in found.generations if each.id == wanted)
        return web.Response(body=await self._painted(each), content_type="image/webp")

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _then_webp(alter: Alteration) -> Alteration:
    """Apply the fate to the image. If it is still an image, convert it to WebP."""

    def changed(data: bytes) -> bytes:
        altered = alter(data)
        return webp(altered) if altered.startswith(b"\x89PNG") and altered.endswith(b"IEND\xaeB`\x82") else altered

    return changed


def refuse(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"message": message, "rc": code}, status=status)


def missing(request: web.Request) -> web.Response:
    return refuse(404, "RequestNotFound", f"Image Waiting Prompt with ID '{request.match_info['id']}' not found.")
