"""Helpers for the tests of the AI Horde adapter: requests, and a submission followed to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bot.providers.ai_horde import AiHorde, client_agent
from bot.providers.base import Failed, Finished, Handle, ImageRequest, PollResult
from bot.providers.credentials import Credentials
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import Call, Fault, StandIn
from fakes.services.ai_horde import PREFIX
from fakes.services.call_log import Json
from fakes.services.faults import Rewrite
from tests.providers.workbench import SECRET, asked

ALCHEMY, ALCHEMY_STATUS, ALCHEMY_DELETE = "horde.alchemy", "horde.alchemy_status", "horde.alchemy_delete"
MODELS, WORKERS = "horde.models", "horde.workers"
SUBMIT, CHECK, STATUS, DELETE = "horde.submit", "horde.check", "horde.status", "horde.delete"
ALBEDO = "ai-horde/AlbedoBase-XL-SDXL"
DELIBERATE = "ai-horde/Deliberate"
SCHNELL = "ai-horde/Flux.1-Schnell-fp8-Compact"
NOBODYS = "ai-horde/Nobody-s-Model"
SIDE = Size(512, 384)


def make_ai_horde(base: str, **options: Any) -> AiHorde:
    """The provider at the stand-in with this address, with no pause between download attempts."""
    credentials = Credentials.in_header("apikey", SECRET).also({"Client-Agent": client_agent("tests")})
    service = Service("AI Horde", f"{base}{PREFIX}", credentials=credentials)
    return AiHorde(service, Downloads(service, pause=0), **({"anonymous": False} | options))


@asynccontextmanager
async def ai_horde_at(stand_in: StandIn, **options: Any) -> AsyncIterator[AiHorde]:
    stand_in.horde.accounts[SECRET] = 0
    provider = make_ai_horde(stand_in.url, **options)
    await provider.learn()
    try:
        yield provider
    finally:
        await provider.close()


def wanted(engine: str = DELIBERATE, **changes: Any) -> ImageRequest:
    return asked(engine, **({"size": SIDE} | changes))


def varied(**changes: Any) -> ImageRequest:
    return wanted(**({"operation": Operation.IMAGE_TO_IMAGE} | changes))


async def queued(provider: AiHorde, request: ImageRequest | None = None, pictures: Pictures | None = None) -> Handle:
    """Submit; return the handle to poll with."""
    request = request or wanted()
    return await provider.submit(await provider.prepare(request), request, pictures)


async def over(
    provider: AiHorde, stand_in: StandIn, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> PollResult:
    """Submit, wait until it is done, and poll once."""
    handle = await queued(provider, request, pictures)
    await stand_in.horde.ended(handle["id"])
    return await provider.poll(handle, request)


async def finished(
    provider: AiHorde, stand_in: StandIn, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> Finished:
    result = await over(provider, stand_in, request, pictures)
    assert isinstance(result, Finished), result
    return result


async def failed(provider: AiHorde, stand_in: StandIn, request: ImageRequest | None = None) -> Failed:
    result = await over(provider, stand_in, request)
    assert isinstance(result, Failed), result
    return result


def answering(route: str, times: int | None = None, **fields: Json) -> Fault:
    """A fault that changes these fields of the answers."""

    def changed(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return answer | fields

    return Fault(route, Rewrite(changed), times=times)


def answering_images(change: Callable[[int, dict[str, Json]], Json]) -> Fault:
    """A fault that changes each image of a result."""

    def changed(answer: Json) -> Json:
        assert isinstance(answer, dict)
        images = answer["generations"]
        assert isinstance(images, list)
        return answer | {
            "generations": [change(index, image) for index, image in enumerate(images) if isinstance(image, dict)]
        }

    return Fault(STATUS, Rewrite(changed), times=None)


def body_of(call: Call) -> dict[str, Any]:
    assert isinstance(call.body, dict)
    return call.body


def params_of(call: Call) -> dict[str, Any]:
    return dict(body_of(call)["params"])
