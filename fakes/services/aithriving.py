"""The two services that answer in one call: JSON in, the picture as base64 out."""

from __future__ import annotations

from base64 import b64encode

from aiohttp import web

from fakes.services.call_log import Json
from fakes.services.contract import (
    ASPECT_RATIOS,
    CLIP_GUIDANCE,
    CORE,
    SAMPLERS,
    SEED_LIMIT,
    STEPS,
    STYLES,
    basic_price,
    fits_grid,
)
from fakes.services.exchange import EXCHANGE, REFUSED, Services
from fakes.services.pictures import Picture

BASIC_PROMPT_LIMIT = 2_000
CORE_PROMPT_LIMIT = 10_000


class Aithriving:
    def __init__(self, services: Services) -> None:
        self._services = services

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/generate/basic/textToImage", self.basic, name="aithriving.basic")
        router.add_post("/api/generate/core", self.core, name="aithriving.core")

    async def basic(self, request: web.Request) -> web.Response:
        body = request[EXCHANGE].call.body
        if not isinstance(body, dict):
            return refuse(request, "The request body is not a JSON object.")
        wrong = [*wrong_basics(body, BASIC_PROMPT_LIMIT), *wrong_diffusion(body)]
        if wrong:
            return refuse(request, " ".join(wrong))
        picture = self._picture(body, negative="")
        steps = body.get("steps") or 30
        assert isinstance(steps, int)
        return await self._make(request, "sd-1.6", picture, basic_price(picture.width, picture.height, steps))

    async def core(self, request: web.Request) -> web.Response:
        body = request[EXCHANGE].call.body
        if not isinstance(body, dict):
            return refuse(request, "The request body is not a JSON object.")
        wrong = wrong_basics(body, CORE_PROMPT_LIMIT)
        wrong += wrong_choice(body, "aspect_ratio", ASPECT_RATIOS)
        negative = body.get("negative_prompt") or ""
        if not isinstance(negative, str) or len(negative) > CORE_PROMPT_LIMIT:
            wrong.append("negative_prompt is not a text that can be used.")
        if wrong:
            return refuse(request, " ".join(wrong))
        return await self._make(request, "core", self._picture(body, str(negative)), CORE)

    def _picture(self, body: dict[str, Json], negative: str) -> Picture:
        width, height = body["width"], body["height"]
        seed = body.get("seed") or self._services.renderings.new_seed()
        assert isinstance(width, int)
        assert isinstance(height, int)
        assert isinstance(seed, int)
        return Picture(
            prompt=str(body["prompt"]),
            negative=negative,
            style=str(body.get("style_preset") or ""),
            seed=seed,
            width=width,
            height=height,
        )

    async def _make(self, request: web.Request, engine: str, picture: Picture, price: int) -> web.Response:
        renderings = self._services.renderings
        if not renderings.affords(price):
            return refuse(request, "Insufficient credits.")
        if self._services.is_filtered([picture.prompt]):
            return refuse(request, "The prompt was flagged by our content moderation system.")
        fate = request[EXCHANGE].fate
        rendering = renderings.start("aithriving", engine, (picture,), price, fate)
        await renderings.ended(rendering)
        if rendering.error is not None:
            return refuse(request, rendering.error)
        if not rendering.lengths:
            return web.json_response({"code": 0, "message": "success", "data": {}})
        painted = await self._services.gallery.paint(rendering.plates[0])
        data: dict[str, Json] = {"image": b64encode(painted).decode(), "seed": picture.seed}
        if fate.finish_reason is not None:
            data["finish_reason"] = fate.finish_reason
        return web.json_response({"code": 0, "message": "success", "data": data})


def refuse(request: web.Request, reason: str, status: int = 200) -> web.Response:
    """Refuse as documented: the code -1 and the reason."""
    request[REFUSED] = True
    return web.json_response({"code": -1, "message": reason, "data": None}, status=status)


def wrong_basics(body: dict[str, Json], prompt_limit: int) -> list[str]:
    """The faults in the fields that both services share, a sentence each."""
    wrong = []
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        wrong.append("prompt is required.")
    elif len(prompt) > prompt_limit:
        wrong.append(f"prompt is longer than {prompt_limit} characters.")
    for side in ("width", "height"):
        if body.get(side) is None:
            wrong.append(f"{side} is required.")
        elif not fits_grid(body[side]):
            wrong.append(f"{side} must be between 320 and 1536 and divisible by 64.")
    wrong += wrong_number(body, "seed", 0, SEED_LIMIT, whole=True)
    wrong += wrong_choice(body, "style_preset", STYLES)
    return wrong


def wrong_diffusion(body: dict[str, Json]) -> list[str]:
    """The faults in the fields that only the basic service has."""
    return [
        *wrong_number(body, "cfg_scale", 0, 35, whole=False),
        *wrong_number(body, "steps", STEPS.start, STEPS.stop - 1, whole=True),
        *wrong_choice(body, "sampler", SAMPLERS),
        *wrong_choice(body, "clip_guidance_preset", CLIP_GUIDANCE),
    ]


def wrong_number(body: dict[str, Json], name: str, low: int, high: int, *, whole: bool) -> list[str]:
    value = body.get(name)
    if value is None:
        return []
    kind = int if whole else (int, float)
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
        return [f"{name} must be {'an integer' if whole else 'a number'} between {low} and {high}."]
    return []


def wrong_choice(body: dict[str, Json], name: str, allowed: list[str]) -> list[str]:
    value = body.get(name)
    return [] if value is None or value in allowed else [f"{name} must be one of {' '.join(allowed)}."]
