"""The options and the operations of an owner's A1111 server, from the command to the image in the card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.command_line import command_line
from bot.domain.engines import NAME_MISSPELT
from bot.domain.options import OPTIONS, UNREADABLE, ImagineOptions
from bot.providers.operations import Operation
from fakes.services import StandIn, flat
from storage.records import JobStatus
from tests.cogs.conftest import MakeStudio, Studio, card, told
from tests.cogs.test_edit_commands import edit, parsed
from tests.doubles.texts import shows
from tests.providers.a1111_workbench import DREAM, TXT2IMG

pytestmark = pytest.mark.slow

ALL: dict[str, Any] = {"engine": DREAM, "size": "512x512", "lora": "ink:0.5, Film Grain", "scheduler": "karras"}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=(0, 0), painter=flat) as started:
        yield started


@pytest.fixture
async def studio(make_studio: MakeStudio, server: StandIn) -> Studio:
    return await make_studio(AITHRIVING_KEY="", DEFAULT_ENGINE="", A1111_URL=f"{server.url}/a1111")


def sent(server: StandIn, route: str = TXT2IMG) -> dict[str, Any]:
    (call,) = server.calls_to(route)
    assert isinstance(call.body, dict)
    return call.body


async def test_all_options_reach_the_server_and_the_details(studio: Studio, server: StandIn) -> None:
    result = await studio.imagine(prompt="a fox <lora:evil:9> --hires 1.5", **ALL)
    await studio.finish()
    body = sent(server)
    assert body["prompt"] == "a fox <lora:ink:0.5> <lora:Film Grain:1>"
    assert (body["scheduler"], body["enable_hr"], body["hr_scale"]) == ("Karras", True, 1.5)
    (image,) = (await studio.runtime.service.view(1)).images
    assert (image.width, image.height) == (768, 768)
    assert "768x768" in card(result).text
    details = told(await studio.press(studio.ada, card(result), "Details"))
    for name, value in (("scheduler", "Karras"), ("lora", "ink:0.5, Film Grain"), ("high_res", 1.5)):
        assert str(OPTIONS[name].text(value)) in details.text
    assert "lora:ink:0.5, Film Grain" in details.text


async def test_the_repeat_line_makes_the_same_again(studio: Studio, server: StandIn) -> None:
    await studio.imagine(prompt="a fox", high_res=1.5, seed=7, **ALL)
    await studio.finish()
    first = ImagineOptions.from_json((await studio.job(1)).options)
    name, pasted = parsed(command_line(first))
    assert name == "imagine"
    assert {option: pasted[option] for option in ("lora", "scheduler", "high_res")} == {
        "lora": "ink:0.5, Film Grain",
        "scheduler": "karras",
        "high_res": 1.5,
    }


async def test_what_the_server_does_not_have_is_refused(studio: Studio, server: StandIn) -> None:
    refused = told(await studio.imagine(prompt="a fox", engine=DREAM, lora="inc, ink:9"))
    assert shows(refused.text, UNREADABLE)
    refused = told(await studio.imagine(prompt="a fox", engine=DREAM, lora="inc", scheduler="karas"))
    assert refused.private
    assert shows(refused.text, NAME_MISSPELT)
    assert not server.calls_to(TXT2IMG)


async def test_a_list_is_completed_with_the_servers_names(studio: Studio) -> None:
    choices = await studio.ada.autocomplete(studio.channel, "imagine", "lora", "ink:0.5, gr", prompt="x", engine=DREAM)
    assert [choice["value"] for choice in choices] == ["ink:0.5, Film Grain"]


@pytest.mark.parametrize(
    ("operation", "route", "options"),
    [
        (Operation.SKETCH, TXT2IMG, {"prompt": "a fox", "engine": DREAM}),
        (Operation.STRUCTURE, TXT2IMG, {"prompt": "a fox"}),
        (Operation.UPSCALE, "a1111.extras", {"engine": "a1111/4x-UltraSharp", "scale": 2}),
        (Operation.UPSCALE, "a1111.extras", {}),
        (Operation.RESTORE_FACES, "a1111.extras", {}),
    ],
)
async def test_pictures_are_worked_on(
    studio: Studio, server: StandIn, operation: Operation, route: str, options: dict[str, Any]
) -> None:
    result = await edit(studio, operation, **options)
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert len(card(result).images) == 1
    assert sent(server, route)
