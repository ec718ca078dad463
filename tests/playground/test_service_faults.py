"""The faults that people can switch on in the playground do what their labels say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.config import Settings
from fakes.services import StandIn, flat
from playground.service_faults import SLOW_SECONDS, Switch
from playground.studio import Studio, open_studio
from storage.records import SubmissionStatus
from tests.playground.conftest import HastyClock

CORE = "aithriving/core"
OPENAI = "openai/gpt-image-1-low"
XL = "ai-client/stable-diffusion-xl-1024-v0-9"
DONE, FAILED, UNKNOWN = SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN


@pytest.fixture
async def studio(settings: Settings, hasty: HastyClock) -> AsyncIterator[Studio]:
    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty, every_service=True) as studio:
        yield studio


async def ask(studio: Studio, engine: str) -> None:
    """Ada asks for two images."""
    ada = studio.world.members[0]
    await ada.slash(studio.world.channel, "imagine", prompt="a fox", engine=engine, images=2)


async def results(studio: Studio) -> list[tuple[SubmissionStatus, int]]:
    """Wait until all requests of the job have ended. Returns the state and the number of images of each."""
    news = asyncio.Event()
    studio.world.traffic.listeners.append(news.set)
    async with asyncio.timeout(30):
        while True:
            view = await studio.runtime.service.view(1)
            found = [(each.record.status, len(each.images)) for each in view.submissions]
            if all(status in {DONE, FAILED, UNKNOWN} for status, _ in found):
                return sorted(found)
            await news.wait()
            news.clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "engine", "expected"),
    [
        ("works", CORE, [(DONE, 1), (DONE, 1)]),
        ("works", XL, [(DONE, 2)]),
        ("error", CORE, [(FAILED, 0), (FAILED, 0)]),
        ("refuses", CORE, [(FAILED, 0), (FAILED, 0)]),
        ("refuses", XL, [(FAILED, 0)]),
        ("nsfw", CORE, [(DONE, 1), (DONE, 1)]),
        ("nsfw", XL, [(FAILED, 0)]),
        ("partly", CORE, [(DONE, 1), (FAILED, 0)]),
        ("partly", XL, [(DONE, 1)]),
        ("loses", CORE, [(UNKNOWN, 0), (UNKNOWN, 0)]),
        ("loses", XL, [(DONE, 2)]),
        ("works", OPENAI, [(DONE, 1), (DONE, 1)]),
        ("error", OPENAI, [(UNKNOWN, 0), (UNKNOWN, 0)]),
        ("refuses", OPENAI, [(FAILED, 0), (FAILED, 0)]),
        ("nsfw", OPENAI, [(FAILED, 0), (FAILED, 0)]),
        ("partly", OPENAI, [(DONE, 1), (UNKNOWN, 0)]),
        ("loses", OPENAI, [(UNKNOWN, 0), (UNKNOWN, 0)]),
        ("credits", OPENAI, [(FAILED, 0), (FAILED, 0)]),
        ("credits", CORE, [(FAILED, 0), (FAILED, 0)]),
        ("credits", XL, [(FAILED, 0)]),
    ],
)
async def test_each_choice(
    studio: Studio, choice: str, engine: str, expected: list[tuple[SubmissionStatus, int]]
) -> None:
    Switch(studio.services).to(choice)

    await ask(studio, engine)

    assert await results(studio) == expected


async def test_filtered_images_are_marked(studio: Studio) -> None:
    Switch(studio.services).to("nsfw")

    await ask(studio, CORE)

    await results(studio)
    view = await studio.runtime.service.view(1)
    assert [image.filtered for image in view.images] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("engine", [CORE, XL])
async def test_a_service_that_is_down_makes_the_images_when_it_works_again(studio: Studio, engine: str) -> None:
    switch = Switch(studio.services)
    switch.to("down")
    await ask(studio, engine)
    await studio.services.called("ai-client.thread" if engine == XL else "aithriving.core")

    switch.to("works")

    assert {status for status, _ in await results(studio)} <= {DONE, UNKNOWN}


def test_each_choice_replaces_the_one_before() -> None:
    services = StandIn(seconds=(1, 2), painter=flat)
    switch = Switch(services)

    def after(name: str) -> tuple[object, int | None]:
        switch.to(name)
        assert switch.current == name
        return services.renderings.seconds, services.renderings.balance

    assert after("slow") == (SLOW_SECONDS, None)
    assert after("credits") == ((1, 2), 0)
    assert after("works") == ((1, 2), None)
    with pytest.raises(KeyError):
        switch.to("explodes")
