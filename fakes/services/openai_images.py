"""The stand-in of OpenAI's images, which are streamed and paid by tokens, and of two programs that imitate them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum

from aiohttp import web

from fakes.services.call_log import Call, Json
from fakes.services.exchange import EXCHANGE, Services
from fakes.services.image_variants import unfinished
from fakes.services.openai_contract import (
    FORMATS,
    MODELS,
    MOST_IMAGES,
    MOST_PARTIALS,
    PROMPT_LIMIT,
    QUALITIES,
    SIZES,
    Tokens,
)
from fakes.services.pictures import Edit, Picture
from fakes.services.rendering import Rendering
from fakes.services.uploaded_pictures import UnusableUpload, size_of, white_where_transparent
from fakes.services.uploads import Upload

PREFIX = "/openai/v1"
SD_CPP_MODEL = "sd-cpp-local"
SD_CPP_SEED = 42
_KEPT_FILES = 100
_EXTRA = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")
_SIZE = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", re.ASCII)
_NUMBERS = ("n", "partial_images")


class Kind(StrEnum):
    """The program that answers."""

    OPENAI = "openai"
    SD_CPP = "sd_cpp"
    LOCAL_AI = "local_ai"


class Wrong(Exception):
    """A refusal: the HTTP status and the error."""

    def __init__(self, status: int, message: str, *, code: str | None = None, kind: str = "invalid_request_error"):
        super().__init__(message)
        self.status = status
        self.error: Json = {"message": message, "type": kind, "param": None, "code": code}


class OpenaiImages:
    """The service. ``models`` are those that it has, and ``verified`` whether the account may use them.

    ``usage``: it tells the tokens. ``negatives`` are the negative prompts that LocalAI found in prompts, and ``extras``
    the parameters that stable-diffusion.cpp found there.
    """

    def __init__(self, services: Services) -> None:
        self.kind = Kind.OPENAI
        self.models: tuple[str, ...] = MODELS
        self.verified = True
        self.usage = True
        self.negatives: list[str] = []
        self.extras: list[Json] = []
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._services = services

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(f"{PREFIX}/models", self._models, name="openai.models")
        router.add_post(f"{PREFIX}/images/generations", self._generations, name="openai.generations")
        router.add_post(f"{PREFIX}/images/edits", self._edits, name="openai.edits")
        router.add_get("/openai/generated-images/{name}", self._file, name="openai.image")

    def refusal(self, call: Call, keys: frozenset[str] | None) -> web.Response | None:
        """Refuse a call without one of these keys. None: any key. The two programs need none."""
        if self.kind is not Kind.OPENAI or call.route == "openai.image":
            return None
        scheme, _, key = (call.authorization or "").partition(" ")
        if scheme == "Bearer" and key and (keys is None or key in keys):
            return None
        return self._refused(Wrong(401, "Incorrect API key provided: sk-…", code="invalid_api_key"))

    # -- what it has

    async def _models(self, request: web.Request) -> web.Response:
        names = (SD_CPP_MODEL,) if self.kind is Kind.SD_CPP else self.models
        data: list[Json] = [{"id": name, "object": "model", "owned_by": "system"} for name in names]
        return web.json_response({"object": "list", "data": data})

    async def _file(self, request: web.Request) -> web.Response:
        data = self._files.get(request.match_info["name"])
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="image/png")

    # -- what it does

    async def _generations(self, request: web.Request) -> web.Response:
        body = request[EXCHANGE].call.body
        return await self._answer(request, body if isinstance(body, dict) else {}, {})

    async def _edits(self, request: web.Request) -> web.Response:
        form = request[EXCHANGE].multipart
        if form is None or form.problem:
            return self._refused(Wrong(400, "Content-Type must be multipart/form-data"))
        if form.too_large:
            return self._refused(Wrong(413, "Maximum content size limit exceeded."))
        fields: dict[str, Json] = dict(form.fields)
        fields |= {name: int(form.fields[name]) for name in _NUMBERS if form.fields.get(name, "").isdecimal()}
        if "stream" in fields:
            fields["stream"] = form.fields["stream"] == "true"
        return await self._answer(request, fields, form.files)

    async def _answer(
        self, request: web.Request, body: Mapping[str, Json], files: Mapping[str, Upload]
    ) -> web.Response:
        exchange, model = request[EXCHANGE], str(body.get("model"))
        try:
            self._check(body)
            edit = await self._edit(files) if exchange.call.route == "openai.edits" else None
            pictures = self._pictures(body, edit)
            tokens = Tokens.of(body, len(pictures), files)
            price = -(-tokens.price(model) // len(pictures)) if self.kind is Kind.OPENAI else 0
            if not self._services.renderings.affords(price * len(pictures)):
                text = "You exceeded your current quota, please check your plan and billing details."
                raise Wrong(429, text, code="insufficient_quota", kind="insufficient_quota")
        except Wrong as wrong:
            return self._refused(wrong)
        rendering = self._services.renderings.start("openai", model, pictures, price, exchange.fate)
        usage = tokens.usage if self.usage and self.kind is Kind.OPENAI else None
        if body.get("stream") and self.kind is Kind.OPENAI:
            kind = "image_generation" if edit is None else "image_edit"
            return EventStream(self._events(rendering, kind, _whole(body, "partial_images", 0), usage))
        await self._services.renderings.ended(rendering)
        if rendering.error is not None:
            return self._refused(_blocked(rendering.error))
        images = [self._image(await self._services.gallery.paint(plate)) for plate in rendering.plates]
        told: dict[str, Json] = {"created": 1, "data": images}
        if self.kind is Kind.OPENAI:
            told |= {"output_format": "png", "size": body.get("size"), "quality": body.get("quality")}
        return web.json_response(told if usage is None else {**told, "usage": usage})

    def _image(self, image: bytes) -> Json:
        if self.kind is not Kind.LOCAL_AI:
            return {"b64_json": b64encode(image).decode()}
        name = f"{self._services.renderings.new_guid()}.png"
        self._files[name] = image
        if len(self._files) > _KEPT_FILES:
            self._files.popitem(last=False)
        return {"url": f"{self._services.url}/openai/generated-images/{name}", "b64_json": None}

    async def _events(self, rendering: Rendering, kind: str, partials: int, usage: Json | None) -> AsyncIterator[bytes]:
        for index in range(partials):
            rough = await self._services.in_thread(unfinished, await self._services.gallery.paint(rendering.plates[0]))
            partial: dict[str, Json] = {"type": f"{kind}.partial_image", "b64_json": b64encode(rough).decode()}
            yield event({**partial, "partial_image_index": index})
        await self._services.renderings.ended(rendering)
        if rendering.error is not None:
            yield event({"type": "error", "error": _blocked(rendering.error).error})
            return
        for plate in rendering.plates:
            image = b64encode(await self._services.gallery.paint(plate)).decode()
            done: dict[str, Json] = {"type": f"{kind}.completed", "b64_json": image, "output_format": "png"}
            yield event(done if usage is None else {**done, "usage": usage})

    # -- what it takes

    def _check(self, body: Mapping[str, Json]) -> None:
        """Refuse what the program does not take. Raises Wrong."""
        prompt, model = body.get("prompt"), body.get("model")
        if not isinstance(prompt, str) or not prompt:
            raise Wrong(400, "prompt required")
        if body.get("size", "auto") != "auto" and not _SIZE.fullmatch(str(body["size"])):
            raise Wrong(400, "Invalid size.", code="invalid_value")
        if self.kind is not Kind.OPENAI:
            return
        if model not in self.models:
            raise Wrong(404, f"The model '{model}' does not exist.", code="model_not_found")
        if not self.verified:
            raise Wrong(403, f"Your organization must be verified to use the model `{model}`.")
        if "response_format" in body:
            raise Wrong(400, "Unknown parameter: 'response_format'.", code="unknown_parameter")
        allowed = {"size": (*SIZES, "auto"), "quality": QUALITIES, "output_format": FORMATS}
        if any(body.get(name, values[0]) not in values for name, values in allowed.items()):
            raise Wrong(400, "Invalid value.", code="invalid_value")
        if not 1 <= _whole(body, "n", 1) <= MOST_IMAGES or not 0 <= _whole(body, "partial_images", 0) <= MOST_PARTIALS:
            raise Wrong(400, "Invalid value.", code="integer_above_max_value")
        if len(prompt) > PROMPT_LIMIT:
            raise Wrong(400, "Invalid 'prompt': string too long.", code="string_above_max_length")
        if body.get("background") == "transparent" and body.get("output_format", "png") == "jpeg":
            raise Wrong(400, "Transparent background is not supported for jpeg.", code="invalid_value")
        if self._services.is_filtered([prompt]):
            raise _blocked("Your request was rejected by the safety system. safety_violations=[violence].")

    async def _edit(self, files: Mapping[str, Upload]) -> Edit:
        """The pictures of an edit. Raises Wrong."""
        source, mask = files.get("image[]") or files.get("image"), files.get("mask")
        if source is None:
            raise Wrong(400, "at least one image[] required")
        try:
            sizes = {size_of(each) for each in (source, mask) if each is not None}
            if self.kind is Kind.OPENAI and mask is not None:
                if len(sizes) > 1:
                    raise Wrong(400, "Mask must have the same size as the image.", code="invalid_mask_image_format")
                white = await self._services.in_thread(white_where_transparent, mask.data)
                if white is None:
                    raise Wrong(400, "Mask has no transparent pixels.", code="invalid_mask_image_format")
                mask = Upload.of(white)
        except UnusableUpload as error:
            raise Wrong(400, f"Invalid image file: it {error}", code="invalid_image_file") from error
        return Edit("inpaint" if mask else "image_to_image", source, mask)

    def _pictures(self, body: Mapping[str, Json], edit: Edit | None) -> tuple[Picture, ...]:
        """The pictures to make. Raises Wrong."""
        prompt, negative, seed = str(body.get("prompt")), "", self._services.renderings.new_seed()
        if self.kind is Kind.SD_CPP:
            found, seed = _EXTRA.search(prompt), SD_CPP_SEED
            if found is not None:
                prompt = _EXTRA.sub("", prompt)
                extra = _extra_parameters(found[1])
                self.extras.append(extra)
                seed = _whole(extra, "seed", seed)
        elif self.kind is Kind.LOCAL_AI and "|" in prompt:
            prompt, _, negative = prompt.partition("|")
            self.negatives.append(negative)
        size = _SIZE.fullmatch(str(body.get("size")))
        width, height = (1024, 1024) if size is None else (int(size[1]), int(size[2]))
        count = _whole(body, "n", 1)
        return tuple(Picture(prompt, negative, "", seed + i, width, height, edit) for i in range(count))

    def _refused(self, wrong: Wrong) -> web.Response:
        error: Json = str(wrong) if self.kind is Kind.SD_CPP else wrong.error
        return web.json_response({"error": error}, status=wrong.status)


class EventStream(web.Response):
    """A response whose ``events`` are sent one by one."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(content_type="text/event-stream")
        self.events = events
        self.body = events


def event(data: Mapping[str, Json]) -> bytes:
    """One server-sent event."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def _blocked(text: str) -> Wrong:
    return Wrong(400, text, code="moderation_blocked", kind="image_generation_user_error")


def _extra_parameters(text: str) -> dict[str, Json]:
    """Parameters of stable-diffusion.cpp that were in a prompt. Raises Wrong."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Wrong(400, "invalid sd_cpp_extra_args")
    return found


def _whole(body: Mapping[str, Json], name: str, default: int) -> int:
    value = body.get(name, default)
    return value if isinstance(value, int) else default
