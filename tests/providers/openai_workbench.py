"""Helpers to create and drive the adapter for OpenAI's images in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.providers.base import Finished, Handle, ImageRequest, Json
from bot.providers.credentials import Credentials
from bot.providers.errors import ProviderError
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.providers.openai_images import OpenaiImages
from bot.providers.operations import Operation, PictureFile, Pictures, Size
from fakes.services import StandIn
from tests.fakes.service_calls import picture
from tests.providers.workbench import SECRET, asked, refusal

GPT, MINI = "openai/gpt-image-1", "openai/gpt-image-1-mini"
GENERATIONS, EDITS, MODELS, IMAGE = "openai.generations", "openai.edits", "openai.models", "openai.image"
SQUARE = Size(1024, 1024)


def make_openai(stand_in: StandIn | str, **options: Any) -> OpenaiImages:
    """OpenAI itself, unless ``genuine`` says otherwise."""
    base = stand_in if isinstance(stand_in, str) else f"{stand_in.url}/openai/v1"
    options = {"models": ("gpt-image-1", "gpt-image-1-mini")} | options
    service = Service("OpenAI", base, credentials=Credentials.key(SECRET, "Bearer"))
    return OpenaiImages(service, downloads=Downloads(service, pause=0), **options)


@asynccontextmanager
async def openai_at(stand_in: StandIn | str, **options: Any) -> AsyncIterator[OpenaiImages]:
    provider = make_openai(stand_in, **options)
    try:
        yield provider
    finally:
        await provider.close()


async def made(
    provider: OpenaiImages, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> Finished:
    request = request or asked(GPT)
    return await provider.submit(await provider.prepare(request), request, pictures)


async def fails(
    provider: OpenaiImages, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> ProviderError:
    return await refusal(made(provider, request, pictures))


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
    request = request or asked(GPT)
    handle = await provider.prepare(request)
    known = len(stand_in.calls_to(GENERATIONS))
    submit = asyncio.create_task(provider.submit(handle, request))
    await stand_in.called(GENERATIONS, known + 1)
    try:
        yield handle, submit
    finally:
        submit.cancel()
        await asyncio.gather(submit, return_exceptions=True)


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
