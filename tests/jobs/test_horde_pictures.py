"""Pictures at the AI Horde, from the command to the stored result: the alchemists and ControlNet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress
from bot.providers.ai_horde import AiHorde
from bot.providers.operations import Operation, Size
from fakes.services import StandIn
from storage.records import JobStatus
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop
from tests.jobs.test_sources import attached
from tests.providers.ai_horde_workbench import (
    ALCHEMY,
    ALCHEMY_STATUS,
    STATUS,
    SUBMIT,
    body_of,
    make_ai_horde,
    params_of,
)
from tests.providers.workbench import SECRET

pytestmark = pytest.mark.slow


@pytest.fixture
async def horde(stand_in: StandIn) -> AiHorde:
    stand_in.horde.accounts[SECRET] = 0
    provider = make_ai_horde(stand_in.url)
    await provider.learn()
    return provider


async def begun(workshop: Workshop, operation: Operation, prompt: str = "", scale: int | None = None) -> int:
    source = await attached(workshop)
    asked = ImagineOptions(prompt=prompt, operation=operation, source=source, scale=scale)
    plan = workshop.service.check(ADA, asked)
    card = CardAddress(ADA.channel_id, 1000, "token", workshop.clock.now() + 900_000)
    return await workshop.service.imagine(ADA, plan, card)


@pytest.mark.parametrize(
    ("operation", "scale", "form", "size"),
    [
        (Operation.UPSCALE, None, "RealESRGAN_x2plus", Size(640, 512)),
        (Operation.UPSCALE, 4, "RealESRGAN_x4plus", Size(1280, 1024)),
        (Operation.RESTORE_FACES, None, "CodeFormers", Size(320, 256)),
        (Operation.REMOVE_BACKGROUND, None, "strip_background", Size(320, 256)),
    ],
)
async def test_an_alchemist_changes_a_picture(
    open_workshop: MakeWorkshop,
    horde: AiHorde,
    stand_in: StandIn,
    operation: Operation,
    scale: int | None,
    form: str,
    size: Size,
) -> None:
    workshop = await open_workshop(horde)
    job_id = await begun(workshop, operation, scale=scale)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert view.job.status is JobStatus.DELIVERED
    assert [Size(image.width or 0, image.height or 0) for image in view.images] == [size]
    (call,) = stand_in.calls_to(ALCHEMY)
    assert body_of(call)["forms"] == [{"name": form}]
    assert not stand_in.calls_to(STATUS)
    assert not stand_in.bills


async def test_a_restart_goes_on_with_an_alchemist(
    open_workshop: MakeWorkshop, horde: AiHorde, stand_in: StandIn
) -> None:
    workers, stand_in.horde.alchemists.workers = stand_in.horde.alchemists.workers, []
    workshop = await open_workshop(horde)
    job_id = await begun(workshop, Operation.UPSCALE)
    await workshop.start()
    await stand_in.called(ALCHEMY_STATUS)
    await workshop.restart()
    stand_in.horde.alchemists.workers = workers
    stand_in.horde.alchemists.start_more()
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED
    assert len(stand_in.calls_to(ALCHEMY)) == 1


async def test_a_sketch_becomes_a_picture(open_workshop: MakeWorkshop, horde: AiHorde, stand_in: StandIn) -> None:
    workshop = await open_workshop(horde)
    job_id = await begun(workshop, Operation.SKETCH, "a castle")
    await workshop.finish()
    assert (await workshop.view(job_id)).job.status is JobStatus.DELIVERED
    (call,) = stand_in.calls_to(SUBMIT)
    assert body_of(call)["models"] == ["Deliberate"]
    assert (params_of(call)["control_type"], params_of(call)["width"]) == ("scribble", 320)
    assert body_of(call)["nsfw"] is False


async def test_an_edit_in_an_age_restricted_channel(
    open_workshop: MakeWorkshop, horde: AiHorde, stand_in: StandIn
) -> None:
    workshop = await open_workshop(horde)
    await workshop.imagine(replace(ADA, age_restricted=True))
    await workshop.finish()
    body = body_of(stand_in.calls_to(SUBMIT)[0])
    assert (body["nsfw"], body["censor_nsfw"]) == (True, False)
