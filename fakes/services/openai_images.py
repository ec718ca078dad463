"""OpenAI's images, which are streamed and paid by tokens, and two programs that imitate them."""

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
from fakes.services.openai_contract import (
    MODELS,
    MOST_IMAGES,
    PARTIAL_TOKENS,
    PICTURE_TOKENS,
    QUALITIES,
    RATES,
    SIZES,
    TOKENS,
)
from fakes.services.pictures import Edit, Picture
from fakes.services.rendering import Rendering
from fakes.services.uploaded_pictures import UnusableUpload, is_transparent, size_of
from fakes.services.uploads import Upload

PREFIX = "/openai/v1"
SD_CPP_MODEL = "sd-cpp-local"
SD_CPP_SEED = 42
_KEPT_FILES = 100
_EXTRA = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")


class Kind(StrEnum):
    """The program that answers."""

    OPENAI = "openai"
    SD_CPP = "sdcpp"
    LOCAL_AI = "localai"


class Wrong(Exception):
    """A refusal: the HTTP status and the error."""

    def __init__(self, status: int, message: str, *, code: str | None = None, kind: str = "invalid_request_error"):
        super().__init__(message)
        self.status = status
        self.error: Json = {"message": message, "type": kind, "param": None, "code": code}


class OpenaiImages:
    """The service. ``models`` are those that it has, and ``verified`` whether the account may use them.

    ``streams``: it can stream. ``usage``: it tells the tokens. ``negatives`` are the negative prompts that one imitator
    found in prompts, and ``extras`` the parameters that the other one found there.
    """

    def __init__(self, services: Services) -> None:
        self.kind = Kind.OPENAI
        self.models: tuple[str, ...] = MODELS
        self.verified = True
        self.streams = True
        self.usage = True
        self.negatives: list[str] = []
        self.extras: list[Json] = []
        self.files: OrderedDict[str, bytes] = OrderedDict()
        self._services = services

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(f"{PREFIX}/models", self._models, name="openai.models")
        router.add_post(f"{PREFIX}/images/generations", self._generations, name="openai.generations")
        router.add_post(f"{PREFIX}/images/edits", self._edits, name="openai.edits")
        router.add_get("/openai/generated-images/{name}", self._file, name="openai.image")

    def refusal(self, call: Call, keys: frozenset[str] | None) -> web.Response | None:
        """Refuse a call without one of these keys. None: any key. The imitators need none."""
        if self.kind is not Kind.OPENAI or call.route == "openai.image":
            return None
        scheme, _, key = (call.authorization or "").partition(" ")
        if scheme == "Bearer" and key and (keys is None or key in keys):
            return None
        return refuse(Wrong(401, "Incorrect API key provided: sk-…", code="invalid_api_key"))

    # -- what it has

    async def _models(self, request: web.Request) -> web.Response:
        names = (SD_CPP_MODEL,) if self.kind is Kind.SD_CPP else self.models
        data: list[Json] = [{"id": name, "object": "model", "owned_by": "system"} for name in names]
        return web.json_response({"object": "list", "data": data})

    async def _file(self, request: web.Request) -> web.Response:
        data = self.files.get(request.match_info["name"])
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
        for name in ("n", "partial_images"):
            if name in fields:
                fields[name] = int(form.fields[name])
        if "stream" in fields:
            fields["stream"] = form.fields["stream"] == "true"
        return await self._answer(request, fields, form.files)

    async def _answer(
        self, request: web.Request, body: Mapping[str, Json], files: Mapping[str, Upload]
    ) -> web.Response:
        exchange = request[EXCHANGE]
        try:
            edit = await self._edit(files, needed=exchange.call.route == "openai.edits")
            self._check(body)
            pictures = self._pictures(body, edit)
            tokens = self._tokens(body, pictures, files)
            price = -(-_price(str(body.get("model")), tokens) // len(pictures)) if self.kind is Kind.OPENAI else 0
            if not self._services.renderings.affords(price * len(pictures)):
                text = "You exceeded your current quota, please check your plan and billing details."
                raise Wrong(429, text, code="insufficient_quota", kind="insufficient_quota")
        except Wrong as wrong:
            return self._refused(wrong)
        rendering = self._services.renderings.start("openai", str(body.get("model")), pictures, price, exchange.fate)
        kind = "image_edit" if edit is not None else "image_generation"
        if body.get("stream") and self.streams and self.kind is Kind.OPENAI:
            partials = _whole(body, "partial_images", 0)
            return EventStream(self._events(rendering, kind, partials, tokens))
        await self._services.renderings.ended(rendering)
        if rendering.error is not None:
            return self._refused(_blocked(rendering.error))
        images = [await self._services.gallery.paint(plate) for plate in rendering.plates]
        told: dict[str, Json] = {"created": 1, "data": [self._image(image) for image in images]}
        if self.kind is Kind.OPENAI:
            told |= {"output_format": "png", "size": body.get("size"), "quality": body.get("quality")}
            told |= {"usage": _usage(tokens)} if self.usage else {}
        return web.json_response(told)

    def _image(self, image: bytes) -> Json:
        if self.kind is not Kind.LOCAL_AI:
            return {"b64_json": b64encode(image).decode()}
        name = f"{self._services.renderings.new_guid()}.png"
        self.files[name] = image
        if len(self.files) > _KEPT_FILES:
            self.files.popitem(last=False)
        return {"url": f"{self._services.url}/openai/generated-images/{name}", "b64_json": None}

    async def _events(
        self, rendering: Rendering, kind: str, partials: int, tokens: Mapping[str, int]
    ) -> AsyncIterator[bytes]:
        for index in range(partials):
            unfinished = b64encode(await self._services.gallery.paint(rendering.plates[0])).decode()
            partial: dict[str, Json] = {"type": f"{kind}.partial_image", "b64_json": unfinished}
            yield event({**partial, "partial_image_index": index})
        await self._services.renderings.ended(rendering)
        if rendering.error is not None:
            yield event({"type": "error", "error": _blocked(rendering.error).error})
            return
        for plate in rendering.plates:
            image = b64encode(await self._services.gallery.paint(plate)).decode()
            done: dict[str, Json] = {"type": f"{kind}.completed", "b64_json": image, "output_format": "png"}
            yield event(done | ({"usage": _usage(tokens)} if self.usage else {}))

    def _check(self, body: Mapping[str, Json]) -> None:
        """Refuse what the program does not take. Raises Wrong."""
        prompt, model = body.get("prompt"), body.get("model")
        if not isinstance(prompt, str) or not prompt:
            raise Wrong(400, "prompt required")
        if self.kind is not Kind.OPENAI:
            return
        if model not in self.models:
            raise Wrong(404, f"The model '{model}' does not exist.", code="model_not_found")
        if not self.verified:
            raise Wrong(403, f"Your organization must be verified to use the model `{model}`.")
        if "response_format" in body:
            raise Wrong(400, "Unknown parameter: 'response_format'.", code="unknown_parameter")
        if body.get("size", "auto") not in (*SIZES, "auto") or body.get("quality", "auto") not in QUALITIES:
            raise Wrong(400, "Invalid value.", code="invalid_value")
        if not 1 <= _whole(body, "n", 1) <= MOST_IMAGES or not 0 <= _whole(body, "partial_images", 0) <= 3:
            raise Wrong(400, "Invalid value.", code="integer_above_max_value")
        if body.get("background") == "transparent" and body.get("output_format", "png") == "jpeg":
            raise Wrong(400, "Transparent background is not supported for jpeg.", code="invalid_value")
        if self._services.is_filtered([prompt]):
            raise _blocked("Your request was rejected by the safety system. safety_violations=[violence].")

    async def _edit(self, files: Mapping[str, Upload], *, needed: bool) -> Edit | None:
        """The pictures of an edit. Raises Wrong."""
        source, mask = files.get("image[]") or files.get("image"), files.get("mask")
        if not needed:
            return None
        if source is None:
            raise Wrong(400, "at least one image[] required")
        try:
            sizes = {size_of(each) for each in (source, mask) if each is not None}
            if self.kind is Kind.OPENAI and mask is not None:
                if len(sizes) > 1:
                    raise Wrong(400, "Mask must have the same size as the image.", code="invalid_mask_image_format")
                if not await self._services.in_thread(is_transparent, mask.data):
                    raise Wrong(400, "Mask has no transparent pixels.", code="invalid_mask_image_format")
        except UnusableUpload as error:
            raise Wrong(400, f"Invalid image file: it {error}", code="invalid_image_file") from error
        return Edit("inpaint" if mask else "image_to_image", source, mask)

    def _pictures(self, body: Mapping[str, Json], edit: Edit | None) -> tuple[Picture, ...]:
        prompt, negative, seed = str(body.get("prompt")), "", self._services.renderings.new_seed()
        if self.kind is Kind.SD_CPP:
            found, seed = _EXTRA.search(prompt), SD_CPP_SEED
            if found is not None:
                prompt = _EXTRA.sub("", prompt)
                try:
                    extra = json.loads(found[1])
                except ValueError as error:
                    raise Wrong(400, "invalid sd_cpp_extra_args") from error
                self.extras.append(extra)
                seed = extra.get("seed", seed)
        elif self.kind is Kind.LOCAL_AI and "|" in prompt:
            prompt, _, negative = prompt.partition("|")
            self.negatives.append(negative)
        size = str(body.get("size", "1024x1024"))
        width, height = (1024, 1024) if size == "auto" else map(int, size.split("x"))
        count = _whole(body, "n", 1)
        return tuple(Picture(prompt, negative, "", seed + i, width, height, edit) for i in range(count))

    def _tokens(
        self, body: Mapping[str, Json], pictures: tuple[Picture, ...], files: Mapping[str, Upload]
    ) -> dict[str, int]:
        quality = str(body.get("quality", "auto"))
        square, other = TOKENS["high" if quality == "auto" else quality]
        each = square if pictures[0].width == pictures[0].height else other
        each += PARTIAL_TOKENS * _whole(body, "partial_images", 0) if body.get("stream") else 0
        return {
            "text": max(1, len(str(body.get("prompt"))) // 4),
            "pictures": PICTURE_TOKENS * len(files),
            "images": each * len(pictures),
        }

    def _refused(self, wrong: Wrong) -> web.Response:
        if self.kind is Kind.SD_CPP:
            return web.json_response({"error": str(wrong)}, status=wrong.status)
        return refuse(wrong)


class EventStream(web.Response):
    """A response whose ``events`` are sent one by one."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(content_type="text/event-stream")
        self.events = events
        self.body = events


def event(data: Mapping[str, Json]) -> bytes:
    """One server-sent event."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def refuse(wrong: Wrong, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": wrong.error}, status=wrong.status, headers=headers)


def _blocked(text: str) -> Wrong:
    return Wrong(400, text, code="moderation_blocked", kind="image_generation_user_error")


def _usage(tokens: Mapping[str, int]) -> Json:
    sent = tokens["text"] + tokens["pictures"]
    return {
        "input_tokens": sent,
        "input_tokens_details": {"text_tokens": tokens["text"], "image_tokens": tokens["pictures"]},
        "output_tokens": tokens["images"],
        "total_tokens": sent + tokens["images"],
    }


def _price(model: str, tokens: Mapping[str, int]) -> int:
    """Millicredits for these tokens, rounded up."""
    rates = RATES[model]
    amount = tokens["text"] * rates[0] + tokens["pictures"] * rates[1] + tokens["images"] * rates[2]
    return -(-amount // 1000)


def _whole(body: Mapping[str, Json], name: str, default: int) -> int:
    value = body.get(name, default)
    return value if isinstance(value, int) else default
