"""Helpers for the tests of the ComfyUI adapter: requests, and a submission followed to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.providers.base import Failed, Finished, Handle, ImageRequest, PollResult
from bot.providers.comfyui import Comfyui
from bot.providers.credentials import Credentials
from bot.providers.http import Service
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import Call, StandIn
from fakes.services.comfyui import PREFIX
from tests.providers.workbench import SECRET, asked

XL = "comfyui/sd_xl_base_1.0"
OLD = "comfyui/old-v1-5-pruned"
LANCZOS = "comfyui/Lanczos"
UPSCALER = "comfyui/4x-UltraSharp"
SIDE = Size(512, 384)


def make_comfyui(base: str, **options: Any) -> Comfyui:
    """The provider at the stand-in with this address."""
    return Comfyui(Service("ComfyUI", f"{base}{PREFIX}", credentials=Credentials.in_header("X-Key", SECRET)), **options)


@asynccontextmanager
async def comfyui_at(stand_in: StandIn, **options: Any) -> AsyncIterator[Comfyui]:
    provider = make_comfyui(stand_in.url, **options)
    await provider.learn()
    try:
        yield provider
    finally:
        await provider.close()


def wanted(engine: str = XL, **changes: Any) -> ImageRequest:
    return asked(engine, **({"size": SIDE} | changes))


def varied(**changes: Any) -> ImageRequest:
    return wanted(**({"operation": Operation.IMAGE_TO_IMAGE} | changes))


async def queued(provider: Comfyui, request: ImageRequest | None = None, pictures: Pictures | None = None) -> Handle:
    """Submit; return the handle to poll with."""
    request = request or wanted()
    return await provider.submit(await provider.prepare(request), request, pictures)


async def over(
    provider: Comfyui, stand_in: StandIn, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> PollResult:
    """Submit, wait until it has ended, and poll once."""
    handle = await queued(provider, request, pictures)
    await stand_in.comfyui.ended(handle["id"])
    return await provider.poll(handle, request)


async def finished(
    provider: Comfyui, stand_in: StandIn, request: ImageRequest | None = None, pictures: Pictures | None = None
) -> Finished:
    result = await over(provider, stand_in, request, pictures)
    assert isinstance(result, Finished), result
    return result


async def failed(provider: Comfyui, stand_in: StandIn, request: ImageRequest | None = None) -> Failed:
    result = await over(provider, stand_in, request)
    assert isinstance(result, Failed), result
    return result


def body_of(call: Call) -> dict[str, Any]:
    assert isinstance(call.body, dict)
    return call.body


def graph_of(call: Call) -> dict[str, Any]:
    """The inputs of each node of the graph that this call has sent."""
    return {number: node["inputs"] for number, node in body_of(call)["prompt"].items()}


def write_workflow(folder: Path, name: str, graph: str, table: str) -> None:
    (folder / f"{name}.json").write_text(graph)
    (folder / f"{name}.toml").write_text(table)
