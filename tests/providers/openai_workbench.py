"""Helpers to create and drive the provider for OpenAI-compatible services in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from bot.providers.base import Finished, Handle, ImageRequest, Json
from bot.providers.credentials import Credentials
from bot.providers.errors import ProviderError
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.providers.openai_images import OpenaiImages
from bot.providers.openai_models import Model, Rates
from bot.providers.operations import Operation, PictureFile, Pictures, Size
from fakes.services import Fate, Fault, StandIn
from fakes.services.faults import Act
from fakes.services.openai_images import SD_CPP_MODEL, Kind
from tests.fakes.service_calls import picture
from tests.providers.workbench import SECRET, asked, refusal, submitting

GPT, SD_CPP = "openai/gpt-image-1-medium", f"openai/{SD_CPP_MODEL}"
GENERATIONS, EDITS, MODELS, IMAGE = "openai.generations", "openai.edits", "openai.models", "openai.image"
SQUARE, WIDE = Size(1024, 1024), Size(1536, 1024)
PRICED = Model(
    "gpt-image-1", "medium", {SQUARE: 4_200, WIDE: 6_300, Size(1024, 1536): 6_300}, Rates(500_000, 1_000_000, 4_000_000)
)
"""The model with the prices of the stand-in."""


def make_openai(stand_in: StandIn | str, **options: Any) -> OpenaiImages:
    base = stand_in if isinstance(stand_in, str) else f"{stand_in.url}/openai/v1"
    service = Service("OpenAI", base, credentials=Credentials.key(SECRET, "Bearer"))
    return OpenaiImages(service, Downloads(service, pause=0), **({"models": (PRICED,)} | options))


@asynccontextmanager
async def openai_at(stand_in: StandIn | str, **options: Any) -> AsyncIterator[OpenaiImages]:
    """OpenAI, which charges."""
    provider = make_openai(stand_in, **options)
    try:
        yield provider
    finally:
        await provider.close()


@asynccontextmanager
async def own_server_at(stand_in: StandIn, kind: Kind = Kind.SD_CPP) -> AsyncIterator[OpenaiImages]:
    """A server of one's own, which is free and is asked for its models."""
    stand_in.openai.kind = kind
    async with openai_at(stand_in, models=()) as provider:
        await provider.learn()
        yield provider


async def made(
    provider: OpenaiImages, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> Finished:
    request = request or asked(GPT)
    return await provider.submit(await provider.prepare(request), request, pictures)


async def fails(
    provider: OpenaiImages, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> ProviderError:
    return await refusal(made(provider, request, pictures))


async def failing(stand_in: StandIn, act: Act | Fate, **options: Any) -> ProviderError:
    """The error of a request to OpenAI that ends like this."""
    stand_in.misbehave(Fault(GENERATIONS, act, times=None))
    async with openai_at(stand_in, **options) as provider:
        return await fails(provider)


async def sent_body(stand_in: StandIn, provider: OpenaiImages, request: ImageRequest) -> dict[str, Json]:
    """The JSON that the service receives for this request."""
    await made(provider, request)
    body = stand_in.calls_to(GENERATIONS)[-1].body
    assert isinstance(body, dict)
    return body


@asynccontextmanager
async def on_its_way(
    provider: OpenaiImages, stand_in: StandIn, request: ImageRequest | None = None
) -> AsyncIterator[tuple[Handle, asyncio.Task[Finished]]]:
    """A submission that the service has; its handle and its submit."""
    async with submitting(provider, stand_in, request or asked(GPT), GENERATIONS) as on_its_way:
        yield on_its_way


def alpha_mask(size: Size = SQUARE) -> bytes:
    """A mask whose left half is transparent, so that it is repainted."""
    mask = Image.new("RGBA", (size.width, size.height), "black")
    mask.paste((255, 255, 255, 0), (0, 0, size.width // 2, size.height))
    written = BytesIO()
    mask.save(written, "PNG")
    return written.getvalue()


def pictures(folder: Path, size: Size = SQUARE, *, mask: bytes | None = None) -> Pictures:
    """A picture to start from, in the folder, and a mask with these bytes."""
    source = _file(folder / "source.png", picture(size.width, size.height), size)
    return Pictures(source, None if mask is None else _file(folder / "mask.png", mask, size))


def _file(path: Path, data: bytes, size: Size) -> PictureFile:
    path.write_bytes(data)
    return PictureFile(path, "image/png", size, len(data))


def varied(engine: str = GPT, **changes: Any) -> ImageRequest:
    return asked(engine, **({"operation": Operation.IMAGE_TO_IMAGE, "source": 1} | changes))


def repainted(engine: str = GPT, **changes: Any) -> ImageRequest:
    return asked(engine, **({"operation": Operation.INPAINT, "source": 1, "area": "4:1"} | changes))
