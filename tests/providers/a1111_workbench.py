"""Helpers to create and drive the adapter for A1111-compatible servers in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.providers.a1111 import A1111
from bot.providers.base import Engine, Finished, Handle, ImageRequest, Json
from bot.providers.errors import ProviderError
from bot.providers.http import Service
from bot.providers.operations import Operation, PictureFile, Pictures, Size
from fakes.services import StandIn
from tests.fakes.service_calls import picture
from tests.providers.workbench import asked, refusal, submitting

DREAM, XL = "a1111/dreamshaper_8", "a1111/juggernautXL_v9"
SQUARE = Size(512, 512)
TXT2IMG, IMG2IMG, TASK, INTERRUPT = "a1111.txt2img", "a1111.img2img", "a1111.task", "a1111.interrupt"


def make_a1111(*stand_ins: StandIn | str, **options: Any) -> A1111:
    bases = [each if isinstance(each, str) else f"{each.url}/a1111" for each in stand_ins]
    return A1111([Service("Stable Diffusion", base) for base in bases], **options)


@asynccontextmanager
async def a1111_at(*stand_ins: StandIn | str, **options: Any) -> AsyncIterator[A1111]:
    """The adapter, which has learnt what these servers have."""
    provider = make_a1111(*stand_ins, **options)
    try:
        await provider.learn()
        yield provider
    finally:
        await provider.close()


def checkpoints_of(provider: A1111) -> list[Engine]:
    """The engines that are models, without the upscalers."""
    return [engine for engine in provider.engines if engine.operation is Operation.TEXT_TO_IMAGE]


async def made(provider: A1111, request: ImageRequest | None = None, pictures: Pictures | None = None) -> Finished:
    request = request or asked(DREAM)
    return await provider.submit(await provider.prepare(request), request, pictures)


async def fails(provider: A1111, request: ImageRequest | None = None) -> ProviderError:
    return await refusal(made(provider, request))


async def sent_body(stand_in: StandIn, provider: A1111, request: ImageRequest) -> dict[str, Json]:
    """The JSON that the server receives for this request."""
    await made(provider, request)
    body = stand_in.calls_to(TXT2IMG)[-1].body
    assert isinstance(body, dict)
    return body


@asynccontextmanager
async def on_its_way(
    provider: A1111, stand_in: StandIn, request: ImageRequest | None = None
) -> AsyncIterator[tuple[Handle, asyncio.Task[Finished]]]:
    """A submission that the server has; its handle and its submit."""
    async with submitting(provider, stand_in, request or asked(DREAM), TXT2IMG) as (handle, submit):
        await settled(stand_in, str(handle["task"]))
        yield handle, submit


async def settled(stand_in: StandIn, task: str) -> None:
    """Wait until the server has queued or begun this task."""
    async with asyncio.timeout(30):
        while task != stand_in.a1111.current and task not in stand_in.a1111.pending:
            await asyncio.sleep(0)


def pictures(folder: Path, size: Size = SQUARE, *, masked: bool = False) -> Pictures:
    """A picture to start from, in the folder, and a mask of its size."""
    return Pictures(_file(folder / "source.png", size), _file(folder / "mask.png", size) if masked else None)


def _file(path: Path, size: Size) -> PictureFile:
    data = picture(size.width, size.height)
    path.write_bytes(data)
    return PictureFile(path, "image/png", size, len(data))


def varied(engine: str = DREAM, **changes: Any) -> ImageRequest:
    return asked(engine, **({"operation": Operation.IMAGE_TO_IMAGE, "source": 1, "size": SQUARE} | changes))
