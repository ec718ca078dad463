"""The service that answers in one call: JSON or a multipart form in, the picture as base64 out."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from fakes.services.aithriving_endpoints import ENDPOINTS, MOST_PIXELS, SIDES, Endpoint, read_fields, wrong_fields
from fakes.services.call_log import Json
from fakes.services.contract import basic_price
from fakes.services.exchange import EXCHANGE, REFUSED, Services
from fakes.services.pictures import Edit, Picture
from fakes.services.uploaded_pictures import UnusableUpload, is_transparent, size_of
from fakes.services.uploads import Upload

NOT_FOUND_PAGE = "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


class Aithriving:
    def __init__(self, services: Services) -> None:
        self._services = services

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for endpoint in ENDPOINTS:
            router.add_post(endpoint.path, self._handler(endpoint), name=endpoint.route)

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if endpoint.version is not None and endpoint.version not in self._services.sd3_versions:
                return web.Response(status=404, text=NOT_FOUND_PAGE, content_type="text/html")
            try:
                if endpoint.source is None:
                    picture = self._described(request, endpoint)
                else:
                    picture = await self._edited(request, endpoint, endpoint.source)
                return await self._make(request, endpoint, picture)
            except Refusal as refusal:
                return refuse(request, str(refusal), status=refusal.status)

        return handle

    def _described(self, request: web.Request, endpoint: Endpoint) -> Picture:
        """Read a request for a picture from words. Raises Refusal."""
        body = request[EXCHANGE].call.body
        if not isinstance(body, dict) or request[EXCHANGE].multipart is not None:
            raise Refusal("The request body is not a JSON object.")
        wrong = wrong_fields(endpoint, body)
        if wrong:
            raise Refusal(" ".join(wrong))
        return self._picture(body, _whole(body, "width"), _whole(body, "height"))

    async def _edited(self, request: web.Request, endpoint: Endpoint, field: str) -> Picture:
        """Read a request for a picture that starts from the one in this field of the form. Raises Refusal."""
        form = request[EXCHANGE].multipart
        if form is None:
            raise Refusal("The request body is not multipart/form-data.")
        if form.too_large:
            raise Refusal("Payload Too Large", status=413)
        if form.problem:
            raise Refusal(form.problem)
        files = (field, "mask") if endpoint.masked else (field,)
        fields = read_fields(endpoint, form.fields)
        wrong = wrong_fields(endpoint, {name: value for name, value in fields.items() if name not in files})
        wrong += [f"{name} is not a file of this service." for name in form.files if name not in files]
        wrong += [f"{name} must be a file." for name in files if name in form.fields]
        if not wrong and field not in form.files:
            wrong.append(f"{field} is required.")
        if wrong:
            raise Refusal(" ".join(wrong))
        source, mask = form.files[field], form.files.get("mask")
        try:
            width, height = size_of(source)
            if mask is not None:
                size_of(mask)
            opaque = (
                endpoint.masked and mask is None and not await self._services.in_thread(is_transparent, source.data)
            )
        except UnusableUpload as error:
            raise Refusal(f"{field} or mask {error}.") from error
        if (problem := endpoint.limits.problem(field, width, height)) is not None:
            raise Refusal(problem)
        if opaque:
            raise Refusal("mask is required: no part of image is transparent.")
        edit = _edit(endpoint.operation, source, mask, fields)
        return self._picture(fields, *self._size(edit, fields, width, height), edit=edit)

    def _size(self, edit: Edit, fields: Mapping[str, Json], width: int, height: int) -> tuple[int, int]:
        """The size of the result of an edit, from the size of its source."""
        if edit.operation == "image_to_image":
            return _whole(fields, "width"), _whole(fields, "height")
        if edit.operation in {"sketch", "structure"}:
            return width, height
        if edit.operation == "outpaint":
            left, right, up, down = edit.margins
            width, height = left + width + right, up + height + down
            return scaled(width, height, MOST_PIXELS) if width * height > MOST_PIXELS else (width, height)
        return scaled(width, height, self._services.edit_pixels) if self._services.edit_pixels else (width, height)

    def _picture(self, fields: Mapping[str, Json], width: int, height: int, edit: Edit | None = None) -> Picture:
        turbo = fields.get("model") == "sd3-large-turbo"
        return Picture(
            prompt=str(fields.get("prompt") or ""),
            negative="" if turbo else str(fields.get("negative_prompt") or ""),
            style=str(fields.get("style_preset") or ""),
            seed=_whole(fields, "seed") or self._services.renderings.new_seed(),
            width=width,
            height=height,
            edit=edit,
        )

    async def _make(self, request: web.Request, endpoint: Endpoint, picture: Picture) -> web.Response:
        exchange = request[EXCHANGE]
        renderings = self._services.renderings
        body = exchange.call.body if isinstance(exchange.call.body, dict) else {}
        price = endpoint.price
        if price is None:
            price = basic_price(picture.width, picture.height, int(str(body.get("steps") or 30)))
        if not renderings.affords(price):
            raise Refusal("Insufficient credits.")
        if self._services.is_filtered([picture.prompt, picture.edit.search if picture.edit else ""]):
            raise Refusal("The prompt was flagged by our content moderation system.")
        engine = str(body.get("model") or "sd3-large") if endpoint.version else endpoint.engine
        rendering = renderings.start("aithriving", engine, (picture,), price, exchange.fate)
        try:
            await renderings.ended(rendering)
            if rendering.error is not None:
                raise Refusal(rendering.error)
            if not rendering.lengths:
                return web.json_response({"code": 0, "message": "success", "data": {}})
            painted = await self._services.gallery.paint(rendering.plates[0])
        finally:
            rendering.drop_uploads()
        data: dict[str, Json] = {"image": b64encode(painted).decode(), "seed": picture.seed}
        if exchange.fate.finish_reason is not None:
            data["finish_reason"] = exchange.fate.finish_reason
        return web.json_response({"code": 0, "message": "success", "data": data})


class Refusal(Exception):
    """The service does not carry out a request. Nothing is charged."""

    def __init__(self, reason: str, status: int = 200) -> None:
        super().__init__(reason)
        self.status = status


def refuse(request: web.Request, reason: str, status: int = 200) -> web.Response:
    """Refuse as documented: the code -1 and the reason."""
    request[REFUSED] = True
    return web.json_response({"code": -1, "message": reason, "data": None}, status=status)


def scaled(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size with the same ratio and about this many pixels."""
    factor = math.sqrt(pixels / (width * height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _edit(operation: str, source: Upload, mask: Upload | None, fields: Mapping[str, Json]) -> Edit:
    # The services' own strengths run against each other: image_strength and control_strength hold on to the picture.
    change = 0.5
    if operation == "image_to_image":
        kept = fields.get("image_strength", 0.35)
        change = _fraction(fields["strength"]) if "strength" in fields else 1 - _fraction(kept)
    elif operation in {"sketch", "structure"}:
        change = 1 - _fraction(fields.get("control_strength", 0.7))
    left, right, up, down = (_whole(fields, side) for side in SIDES)
    return Edit(
        operation,
        source,
        mask,
        change=change,
        search=str(fields.get("search_prompt") or ""),
        margins=(left, right, up, down),
        output=str(fields.get("output_format") or "png"),
    )


def _whole(fields: Mapping[str, Json], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) else 0


def _fraction(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)
