"""The adapter for A1111-compatible servers against the real server of stable-diffusion.cpp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.providers.a1111 import A1111
from bot.providers.base import Waiting
from bot.providers.errors import OutcomeUnknown, Reason, Refused, Unreachable
from bot.providers.http import Service
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Operation, Size
from live.server import Server
from live.weights import LORA
from tests.providers.a1111_workbench import made, pictures, varied
from tests.providers.workbench import asked, refusal

pytestmark = pytest.mark.live


@pytest.fixture
async def provider(server: Server) -> AsyncIterator[A1111]:
    provider = A1111([Service("Stable Diffusion", server.url)], steps=2)
    await provider.learn()
    yield provider
    await provider.close()


async def test_what_the_server_is_and_has(provider: A1111) -> None:
    assert provider.label == "stable-diffusion.cpp"
    assert await provider.check() is None
    (engine,) = provider.engines
    assert "euler_a" in engine.samplers
    assert {"karras", "exponential"} <= set(engine.schedulers)
    assert engine.loras == (LORA,)
    assert engine.high_res is not None
    assert engine.operations == (Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE, Operation.INPAINT)
    assert not provider.finds_lost_submits


async def test_images_from_words(provider: A1111, tmp_path: Path) -> None:
    request = asked(provider.engines[0].id, size=Size(128, 192), images=2, seed=5, negative="fog", sampler="euler_a")
    first, again = [await made(provider, request) for _ in range(2)]
    assert first.images == again.images
    assert [image.seed for image in first.images] == [5, 6]
    assert first.images[0].data != first.images[1].data
    assert (await provider.fetch(first.images[0], tmp_path / "x")).size == Size(128, 192)


@pytest.mark.parametrize(
    "changes",
    [{"scheduler": "karras"}, {"lora": Loras((Lora(LORA),))}, {"lora": Loras((Lora(LORA, -0.5),))}],
    ids=["scheduler", "lora", "weight"],
)
async def test_an_option_changes_the_image(provider: A1111, changes: dict[str, Any]) -> None:
    wanted = asked(provider.engines[0].id, size=Size(64, 64), seed=5, steps=4)
    plain, changed, again = [await made(provider, replace(wanted, **each)) for each in ({}, changes, changes)]
    assert plain.images != changed.images
    assert changed.images == again.images


async def test_a_second_pass_makes_a_larger_image(provider: A1111, tmp_path: Path) -> None:
    request = asked(provider.engines[0].id, size=Size(64, 128), seed=5, high_res=1.5)
    (image,) = (await made(provider, request)).images
    assert (await provider.fetch(image, tmp_path / "x")).size == request.result_size == Size(96, 192)


@pytest.mark.parametrize("operation", [Operation.IMAGE_TO_IMAGE, Operation.INPAINT])
async def test_images_from_a_picture(provider: A1111, tmp_path: Path, operation: Operation) -> None:
    size = Size(128, 128)
    request = varied(provider.engines[0].id, operation=operation, size=size, strength=50)
    masked = operation is Operation.INPAINT
    (image,) = (await made(provider, request, pictures(tmp_path, size, masked=masked))).images
    assert (await provider.fetch(image, tmp_path / "x")).size == size


async def test_a_cancelled_request_gives_no_image(provider: A1111) -> None:
    request = asked(provider.engines[0].id, size=Size(128, 128))
    handle = await provider.prepare(request)
    submit = asyncio.create_task(provider.submit(handle, request))
    await asyncio.sleep(0)
    assert await provider.progress(handle) == Waiting()
    await provider.cancel(handle)
    problem = await refusal(submit)
    assert isinstance(problem, Refused)
    assert problem.reason is Reason.CANCELLED


async def test_a_server_that_ends_while_it_works(provider: A1111, server: Server) -> None:
    request = asked(provider.engines[0].id, size=Size(512, 512), steps=50)
    submit = asyncio.create_task(made(provider, request))
    await server.said("generating image")
    await server.stop()
    assert isinstance(await refusal(submit), OutcomeUnknown)
    assert isinstance(await refusal(made(provider, request)), Unreachable)
    await server.start()
    assert (await made(provider, asked(request.engine, size=Size(64, 64)))).images
