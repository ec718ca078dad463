"""The bot restarts within its world, and the world outlives the program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import simcord

from bot.config import Settings
from bot.ui.cards.buttons import custom_id
from fakes.services import Fault, StandIn, flat
from fakes.services.faults import Status
from playground.studio import Studio, open_studio
from tests.playground.conftest import HastyClock, png

pytestmark = pytest.mark.slow

PROMPT = "a lighthouse on a cliff"
OTHER_PROMPT = "a fox in the snow"
PICTURE = ("cat.png", png((768, 512)))
VARY = "aithriving.basic.image_to_image"


async def eventually(studio: Studio, true: Callable[[], bool]) -> None:
    """Wait until it is true; look again whenever something happens in the world."""
    news = asyncio.Event()
    studio.world.traffic.listeners.append(news.set)
    try:
        async with asyncio.timeout(30):
            while not true():
                await news.wait()
                news.clear()
    finally:
        studio.world.traffic.listeners.remove(news.set)


async def ask(studio: Studio, prompt: str, **options: Any) -> int:
    """Ada asks for an image. Returns the id of the card."""
    ada = studio.world.members[0]
    result = await ada.slash(studio.world.channel, "imagine", prompt=prompt, **options)
    assert result.response is not None
    return result.response.id


def message(studio: Studio, message_id: int) -> simcord.backend.models.Message:
    return studio.world.env.backend.get_message(studio.world.channel.id, message_id)


def pictures(studio: Studio, message_id: int) -> list[bytes | None]:
    cdn = studio.world.env.backend.cdn
    return [cdn.get(each["url"]) for each in message(studio, message_id).attachments]


async def test_the_server_is_welcomed_once(settings: Settings, hasty: HastyClock) -> None:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        studio.join()
        messages = studio.world.channel.history
        await eventually(studio, lambda: len(messages()) == 1)
        await studio.restart()
        await ask(studio, PROMPT)
        assert len(messages()) == 2, "the card and the job"


async def test_commands_and_background_work_measure_time_alike(settings: Settings, hasty: HastyClock) -> None:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        await ask(studio, "a {red, blue} fox")
        (waiting,) = studio.runtime.service.proposals.waiting.values()
        # The command noted the proposal; the loop that lets it expire reads its age here.
        assert 0 <= waiting.elapsed.total < 60


async def test_a_job_goes_on_when_the_bot_restarts(settings: Settings, hasty: HastyClock) -> None:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        card = await ask(studio, PROMPT)
        await studio.services.called("ai-client.entry")
        before = studio.runtime

        await studio.restart()

        assert studio.runtime is not before
        studio.services.finish_all()
        await eventually(studio, lambda: len(message(studio, card).attachments) == 1)
        assert len(studio.services.bills) == 1
        # The new bot also answers.
        await ask(studio, OTHER_PROMPT)
        await studio.services.called("ai-client.entry", 2)


@pytest.mark.slow
async def test_a_job_starts_from_its_picture_when_the_bot_restarts(settings: Settings, hasty: HastyClock) -> None:
    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty) as studio:
        studio.services.misbehave(Fault("aithriving.*", Status(429), times=None))
        card = await ask(studio, PROMPT, picture=PICTURE)
        await studio.services.called(VARY)

        await studio.restart()

        studio.services.behave()
        await eventually(studio, lambda: len(message(studio, card).attachments) == 1)
        (upload,) = studio.services.calls_to(VARY)[-1].files.values()
        assert upload.length > 0
        assert len(studio.services.bills) == 1


@pytest.mark.slow
async def test_messages_images_and_buttons_are_there_after_a_restart_of_the_program(
    settings: Settings, hasty: HastyClock, tmp_path: Path
) -> None:
    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty, folder=tmp_path) as studio:
        card = await ask(studio, PROMPT)
        await eventually(studio, lambda: len(message(studio, card).attachments) == 1)
        images, people = pictures(studio, card), [person.id for person in studio.world.people]

    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty, folder=tmp_path) as studio:
        assert [person.id for person in studio.world.people] == people
        assert pictures(studio, card) == images
        assert None not in images
        ada = studio.world.members[0]
        pressed = await ada.click(
            simcord.results.ResponseMessage(studio.world.env, message(studio, card)), custom_id=custom_id("again", 1)
        )
        assert pressed.response is not None
        again = pressed.response.id
        await eventually(studio, lambda: len(message(studio, again).attachments) == 1)
        assert len(studio.services.bills) == 1, "the first job is not made again"


@pytest.mark.slow
async def test_a_job_starts_from_its_picture_after_a_restart_of_the_program(
    settings: Settings, hasty: HastyClock, tmp_path: Path
) -> None:
    services = StandIn(seconds=None, painter=flat)
    services.misbehave(Fault("aithriving.*", Status(429), times=None))
    async with open_studio(settings, services, clock=hasty, folder=tmp_path) as studio:
        card = await ask(studio, PROMPT, picture=PICTURE)
        await studio.services.called(VARY)
        assert studio.services.bills == []

    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty, folder=tmp_path) as studio:
        await eventually(studio, lambda: len(message(studio, card).attachments) == 1)
        assert len(studio.services.bills) == 1
        (upload,) = studio.services.calls_to(VARY)[-1].files.values()
        assert upload.length > 0


@pytest.mark.slow
async def test_a_job_goes_on_after_a_restart_of_the_program(
    settings: Settings, hasty: HastyClock, tmp_path: Path
) -> None:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty, folder=tmp_path) as studio:
        card = await ask(studio, PROMPT)
        await studio.services.called("ai-client.entries")

    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty, folder=tmp_path) as studio:
        await studio.services.called("ai-client.entries")
        studio.services.finish_all()
        await eventually(studio, lambda: len(message(studio, card).attachments) == 1)
        assert len(studio.services.bills) == 1
        assert studio.services.calls_to("ai-client.entry") == []


async def test_without_a_folder_nothing_is_kept(settings: Settings, hasty: HastyClock) -> None:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        folder = studio.runtime.settings.data_dir
        await ask(studio, PROMPT)

    assert not await asyncio.to_thread(folder.exists)


async def test_a_world_that_cannot_be_read_is_replaced(settings: Settings, hasty: HastyClock, tmp_path: Path) -> None:
    for name in ("world.pickle", "services.pickle"):
        await asyncio.to_thread((tmp_path / name).write_bytes, b"no pickle")

    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty, folder=tmp_path) as studio:
        card = await ask(studio, PROMPT)

    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty, folder=tmp_path) as studio:
        assert message(studio, card).id == card


async def test_attachments_of_messages_that_are_gone_are_deleted(
    settings: Settings, hasty: HastyClock, tmp_path: Path
) -> None:
    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty, folder=tmp_path) as studio:
        card = await ask(studio, PROMPT)
        await eventually(studio, lambda: len(message(studio, card).attachments) == 1)
        studio.world.env.backend.messages[studio.world.channel.id].pop(card)

    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty, folder=tmp_path):
        assert await asyncio.to_thread(lambda: list((tmp_path / "attachments").iterdir())) == []
