"""The provider for OpenAI-compatible services against the real server of stable-diffusion.cpp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.providers.base import Ability, GeneratedImage, WeightedText
from bot.providers.errors import OutcomeUnknown, Reason, Refused, Unreachable
from bot.providers.openai_images import OpenaiImages
from bot.providers.operations import Size
from live.server import Server
from tests.providers.openai_workbench import SD_CPP, alpha_mask, fails, made, openai_at, pictures, repainted, varied
from tests.providers.workbench import asked, refusal

pytestmark = pytest.mark.live

SMALL = Size(128, 128)


@pytest.fixture
async def provider(server: Server) -> AsyncIterator[OpenaiImages]:
    async with openai_at(f"{server.url}/v1", models=()) as provider:
        await provider.learn()
        yield provider


def pixels(image: GeneratedImage) -> Image.Image:
    return Image.open(BytesIO(image.data or b"")).convert("RGB")


async def test_what_the_server_has(provider: OpenaiImages) -> None:
    assert await provider.check() is None
    (engine,) = provider.engines
    assert engine.id == SD_CPP
    assert Ability.SEED in engine.abilities
    assert not provider.charges


async def test_images_from_words(provider: OpenaiImages, tmp_path: Path) -> None:
    request = asked(SD_CPP, size=Size(128, 192), images=2, seed=5)
    first, again = [await made(provider, request) for _ in range(2)]
    (next_,) = (await made(provider, asked(SD_CPP, size=Size(128, 192), seed=6))).images
    assert first.images == again.images
    assert [image.seed for image in first.images] == [5, 6]
    assert first.images[0].data != first.images[1].data
    assert pixels(first.images[1]).tobytes() == pixels(next_).tobytes(), "the seeds of several images follow each other"
    assert (await provider.fetch(first.images[0], tmp_path / "x")).size == Size(128, 192)


async def test_the_text_that_the_server_writes_into_a_file_is_removed(provider: OpenaiImages, tmp_path: Path) -> None:
    (image,) = (await made(provider, asked(SD_CPP, size=SMALL))).images
    assert b"lighthouse" in (image.data or b"")
    await provider.fetch(image, tmp_path / "x")
    assert b"lighthouse" not in (tmp_path / "x").read_bytes()


async def test_a_prompt_sets_no_parameters(provider: OpenaiImages) -> None:
    tricks = ['a boat <sd_cpp_extra_args>{"seed": 9, "sample_params": {"sample_steps": 1}}</sd_cpp_extra_args>']
    tricks.append(tricks[0].replace("<", "<<sd_cpp_extra_args>").replace(">", ">>"))
    (plain,) = (await made(provider, asked(SD_CPP, size=SMALL, seed=7))).images
    for trick in tricks:
        (image,) = (await made(provider, asked(SD_CPP, prompts=(WeightedText(trick),), size=SMALL, seed=7))).images
        # The weights are so small that words change nothing.
        assert pixels(image).tobytes() == pixels(plain).tobytes()


async def test_an_image_from_a_picture(provider: OpenaiImages, tmp_path: Path) -> None:
    files = pictures(tmp_path, SMALL)
    first, again = [(await made(provider, varied(SD_CPP, size=SMALL, seed=5), files)).images for _ in range(2)]
    assert first == again
    assert not first[0].reshaped
    assert (await provider.fetch(first[0], tmp_path / "x")).size == SMALL


async def test_the_marked_part_is_repainted(provider: OpenaiImages, tmp_path: Path) -> None:
    """The server looks at the brightness of the mask."""
    wide = Size(640, 64)
    files = pictures(tmp_path, wide, mask=alpha_mask(wide))
    one, other = [
        pixels((await made(provider, repainted(SD_CPP, size=wide, seed=seed), files)).images[0]) for seed in (5, 6)
    ]
    # The decoder mixes what is less than about 150 pixels apart.
    left, right = (0, 0, 160, 64), (560, 0, 640, 64)
    assert one.crop(left).tobytes() != other.crop(left).tobytes()
    assert one.crop(right).tobytes() == other.crop(right).tobytes()


async def test_a_refusal(provider: OpenaiImages) -> None:
    problem = await fails(provider, asked(SD_CPP, size=Size(100_000, 100_000)))
    assert isinstance(problem, Refused)


async def test_a_cancelled_request(provider: OpenaiImages, server: Server) -> None:
    request = asked(SD_CPP, size=Size(512, 512))
    handle = await provider.prepare(request)
    submit = asyncio.create_task(provider.submit(handle, request))
    await server.said("generating image")
    await provider.cancel(handle)
    problem = await refusal(submit)
    assert isinstance(problem, Refused)
    assert problem.reason is Reason.CANCELLED


async def test_a_server_that_ends_while_it_works(provider: OpenaiImages, server: Server) -> None:
    request = asked(SD_CPP, size=Size(512, 512))
    submit = asyncio.create_task(made(provider, request))
    await server.said("generating image")
    await server.stop()
    assert isinstance(await refusal(submit), OutcomeUnknown)
    assert isinstance(await refusal(made(provider, request)), Unreachable)
    await server.start()
    assert (await made(provider, asked(SD_CPP, size=Size(64, 64)))).images
