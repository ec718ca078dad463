"""The AI Horde's alchemists: workers that change a picture that is sent to them, or say something about it.

As in the service of August 2026, looking at a request does not prolong its life, a link to an image is signed once,
and a form fails after the fourth worker that gave up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aiohttp import web

from fakes.services.ai_horde_requests import Invalid, Refused, read_upload
from fakes.services.call_log import Json
from fakes.services.exchange import EXCHANGE, REFUSED, Services
from fakes.services.pictures import Edit, Picture
from fakes.services.rendering import Fate, Rendering
from fakes.services.uploaded_pictures import size_of
from fakes.services.uploads import Upload

LIFETIME = 1_200.0
"""Seconds for which a request is remembered after it was sent, and after each step of a worker."""
MOST_ABORTS = 3
MOST_FORMS = 300
TILES = 255
OPERATIONS: Mapping[str, tuple[str, int]] = {
    "RealESRGAN_x4plus": ("upscale", 4),
    "RealESRGAN_x2plus": ("upscale", 2),
    "RealESRGAN_x4plus_anime_6B": ("upscale", 4),
    "NMKD_Siax": ("upscale", 4),
    "4x_AnimeSharp": ("upscale", 4),
    "4xNomos8kSC": ("upscale", 4),
    "4xLSDIRplus": ("upscale", 4),
    "4xNomosWebPhoto_RealPLKSR": ("upscale", 4),
    "4xNomos2_realplksr_dysample": ("upscale", 4),
    "4xNomos2_hq_dat2": ("upscale", 4),
    "2xModernSpanimationV1": ("upscale", 2),
    "CodeFormers": ("restore_faces", 1),
    "GFPGAN": ("restore_faces", 1),
    "GFPGANv1.3": ("restore_faces", 1),
    "RestoreFormer": ("restore_faces", 1),
    "strip_background": ("remove_background", 1),
}
"""The forms that make a picture: the operation, and how many times larger each side becomes."""
TOLD = ("caption", "interrogation", "nsfw", "vectorize", "palette", "describe", "aesthetic")
"""The forms that only say something about a picture."""
ALCHEMISTS = (
    ("caption", "nsfw", "RealESRGAN_x4plus", "RealESRGAN_x2plus", "CodeFormers", "strip_background"),
    ("caption", "RealESRGAN_x4plus"),
)
"""The workers, each with its forms."""


@dataclass(slots=True, eq=False)
class Form:
    """One form of a request. ``state`` is waiting, processing, done, faulted or cancelled. ``signed`` is a time."""

    id: str
    name: str
    picture: Picture
    state: str = "waiting"
    aborts: int = 0
    rendering: Rendering | None = None
    signed: float = 0.0


@dataclass(slots=True, eq=False)
class Interrogation:
    """An accepted request. ``expires`` is the loop's time."""

    id: str
    fate: Fate
    expires: float
    forms: list[Form] = field(default_factory=list)

    @property
    def state(self) -> str:
        states = [form.state for form in self.forms]
        for word in ("faulted", "done"):
            if all(state == word for state in states):
                return word
        return next((word for word in ("processing", "waiting") if word in states), "partial")


class Alchemists:
    """This part of the service. ``workers`` are the forms of each worker. ``links`` is where images are served."""

    def __init__(self, services: Services, prefix: str, links: str) -> None:
        self.workers: list[tuple[str, ...]] = list(ALCHEMISTS)
        self.requests: dict[str, Interrogation] = {}
        self.images: dict[str, Form] = {}
        """The finished forms by the names of their images."""
        self._services = services
        self._prefix = prefix
        self._links = links
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for method, path, handler, name in (
            ("POST", "/interrogate/async", self._submit, "alchemy"),
            ("GET", "/interrogate/status/{id}", self._status, "alchemy_status"),
            ("DELETE", "/interrogate/status/{id}", self._delete, "alchemy_delete"),
        ):
            router.add_route(method, f"{self._prefix}{path}", handler, name=f"horde.{name}")

    def listed(self) -> list[Json]:
        """The workers as they are in the list of all workers."""
        return [
            {"type": "interrogation", "name": f"alchemist {n}", "online": True, "threads": 1, "forms": list(forms)}
            for n, forms in enumerate(self.workers)
        ]

    def start_more(self) -> None:
        """Give the waiting forms to workers. A worker has no limit."""
        served = {name for forms in self.workers for name in forms}
        for request in self.requests.values():
            for form in request.forms:
                if form.state == "waiting" and form.name in served:
                    form.state = "processing"
                    request.expires = self._services.now() + LIFETIME
                    task = asyncio.create_task(self._make(request, form), name=f"alchemy {form.id}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        self._news.set()
        self._news = asyncio.Event()

    async def ended(self, request_id: Json, *, within: float = 10.0) -> None:
        """Wait until no form of a request waits or is done. Raises TimeoutError after ``within`` seconds."""
        async with asyncio.timeout(within):
            while self.requests[str(request_id)].state in {"waiting", "processing"}:
                await self._news.wait()

    async def stepped(self, request_id: Json, form: int, state: str, *, within: float = 10.0) -> None:
        """Wait until a form of a request has this state. Raises TimeoutError after ``within`` seconds."""
        async with asyncio.timeout(within):
            while self.requests[str(request_id)].forms[form].state != state:
                await self._news.wait()

    async def _submit(self, request: web.Request) -> web.Response:
        exchange = request[EXCHANGE]
        try:
            made = self._accepted(exchange.call.body, exchange.fate)
        except Refused as refused:
            request[REFUSED] = True
            return refused.response
        self.requests[made.id] = made
        self.start_more()
        return web.json_response({"id": made.id}, status=202)

    def _accepted(self, body: Json, fate: Fate) -> Interrogation:
        """Check a request. Raises Refused."""
        forms = body.get("forms") if isinstance(body, Mapping) else None
        listed = forms if isinstance(forms, list) else []
        names = [form.get("name") if isinstance(form, Mapping) else None for form in listed]
        for number, name in enumerate(names):
            if name not in OPERATIONS and name not in TOLD:
                raise Invalid(f"forms.{number}.name", f"{name!r} is not one of the forms")
        source = body.get("source_image") if isinstance(body, Mapping) else None
        if not isinstance(source, str):
            raise Invalid("source_image", "Missing required parameter in the JSON body")
        waiting = sum(form.state in {"waiting", "processing"} for each in self.requests.values() for form in each.forms)
        if waiting + len(names) > MOST_FORMS:
            raise Refused(429, "TooManyPrompts", "Too many requests.")
        upload = read_upload(source)
        width, height = size_of(upload)
        if -(-width // 512) * -(-height // 512) > TILES:
            raise Refused(400, "SourceImageResolutionExceeded", "Image is too large.")
        made = Interrogation(self._services.renderings.new_guid(), fate, self._services.now() + LIFETIME)
        made.forms = [self._form(str(name), upload, width, height) for name in dict.fromkeys(names)]
        return made

    def _form(self, name: str, upload: Upload, width: int, height: int) -> Form:
        operation, scale = OPERATIONS.get(name, ("restore_faces", 1))
        edit = Edit(operation, upload, output="webp")
        picture = Picture("", "", "", 1, width * scale, height * scale, edit)
        return Form(self._services.renderings.new_guid(), name, picture)

    async def _make(self, request: Interrogation, form: Form) -> None:
        renderings = self._services.renderings
        fate = replace(request.fate, images=None)
        form.rendering = renderings.start("horde", form.name, (form.picture,), 0, fate)
        await renderings.ended(form.rendering)
        if form.state == "processing":
            request.expires = self._services.now() + LIFETIME
            if form.rendering.error is None:
                form.state, form.signed = "done", self._services.now()
                self.images[form.id] = form
            elif form.aborts >= MOST_ABORTS:
                form.state = "faulted"
            else:
                form.state, form.aborts = "waiting", form.aborts + 1
        self.start_more()

    async def _status(self, request: web.Request) -> web.Response:
        found = self._found(request)
        return _missing(request) if found is None else web.json_response(self._told(found))

    async def _delete(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return _missing(request)
        for form in found.forms:
            if form.state != "done":
                form.state = "cancelled"
                if form.rendering is not None:
                    form.rendering.due.set()
        answer = self._told(found)
        self.start_more()
        return web.json_response(answer)

    def _found(self, request: web.Request) -> Interrogation | None:
        found = self.requests.get(request.match_info["id"])
        return None if found is None or self._services.now() > found.expires else found

    def _told(self, found: Interrogation) -> Json:
        forms: list[Json] = []
        for form in found.forms:
            result: Json = {}
            if form.state == "done":
                said: Json = "a picture" if form.name in TOLD else f"{self._services.url}{self._links}/{form.id}.webp"
                result = {form.name: said}
            forms.append({"form": form.name, "state": form.state, "result": result})
        return {"state": found.state, "forms": forms}


def _missing(request: web.Request) -> web.Response:
    said = f"Interrogation with ID '{request.match_info['id']}' not found."
    return Refused(404, "RequestNotFound", said).response
