"""Every fault of free services in the table, with the real adapters, jobs, worker and database; and restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs.cancellation import STOPPING
from bot.jobs.provider_text import STOPPED
from bot.jobs.submission import MOST_FREE_SENDINGS
from bot.text import Message, Text
from fakes.services import Fault, StandIn, flat
from storage.records import JobStatus, SubmissionStatus
from tests.jobs.conftest import ADA, Workshop
from tests.jobs.fault_scene import OpenWorkshop, ask, keeps_quiet, stored
from tests.jobs.fault_table import TimesOut
from tests.jobs.free_fault_table import FREE_ROWS, FreeRow, Outcome
from tests.jobs.free_kinds import A1111, COMFYUI, HORDE, KINDS, OPENAI, FreeKind
from tests.providers.workbench import SECRET

CASES = [
    pytest.param(row, kind, outcome, id=f"{row.name} - {kind}")
    for row in FREE_ROWS
    for kind, outcome in row.outcomes.items()
]


def code_of(says: Message | Text) -> str:
    return says.code


async def costs_nothing(workshop: Workshop, stand_in: StandIn) -> None:
    totals = await workshop.totals()
    assert (totals.spent, totals.in_flight, stand_in.charged) == (0, 0, 0)


@pytest.mark.parametrize(("row", "kind", "outcome"), CASES)
@pytest.mark.slow
async def test_the_table(
    row: FreeRow,
    kind: FreeKind,
    outcome: Outcome,
    stand_in: StandIn,
    open_workshop: OpenWorkshop,
    pass_time: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.INFO)
    provider = await kind.learnt(stand_in)
    if row.act is None:
        await stand_in.stop()
    else:
        act = replace(row.act, pass_time=pass_time) if isinstance(row.act, TimesOut) else row.act
        stand_in.misbehave(Fault(kind.routes[row.at], act, times=row.times))
    workshop: Workshop = await open_workshop(provider)
    job_id = await ask(workshop, kind.engine, images=row.images)
    await workshop.finish()

    view = await workshop.view(job_id)
    record = view.submissions[0].record
    problems = [problem["code"] for problem in record.problems or ()]
    assert workshop.delivered == [job_id]
    assert record.status is outcome.status
    assert problems[:1] == ([] if outcome.says is None else [code_of(outcome.says)])
    assert len(view.images) == outcome.images
    assert view.images or problems, "a job ends with images or with a reason"
    assert len(stand_in.calls_to(kind.routes["make"])) == outcome.calls
    assert record.sendings <= MOST_FREE_SENDINGS
    await costs_nothing(workshop, stand_in)
    keeps_quiet(caplog.text)
    assert SECRET not in await asyncio.to_thread(stored, tmp_path / "0.db")


# --- while the images are being made ----------------------------------------------------------------------------------


@pytest.fixture
async def slow_stand_in() -> AsyncIterator[StandIn]:
    """The image services, whose images are ready when the test says so."""
    async with StandIn(seconds=None, painter=flat) as server:
        yield server


async def rendering(stand_in: StandIn, workshop: Workshop, kind: FreeKind) -> int:
    """A job whose image is being made; returns its id."""
    job_id = await ask(workshop, kind.engine)
    await workshop.start()
    async with asyncio.timeout(30):
        while not stand_in.renderings.by_guid:
            await asyncio.sleep(0.001)
    if kind in {COMFYUI, HORDE}:
        while (await workshop.submission(job_id)).status is not SubmissionStatus.RENDERING:
            await workshop.changed(job_id)
            workshop.changes[job_id].clear()
    return job_id


async def finished(stand_in: StandIn, workshop: Workshop) -> None:
    """Let every image be ready from now on, and run until nothing is left to do."""
    stand_in.renderings.seconds = (0, 0)
    stand_in.finish_all()
    await workshop.finish()


@pytest.mark.parametrize(("kind", "calls"), [(A1111, 2), (COMFYUI, 1), (HORDE, 1), (OPENAI, 2)], ids=str)
async def test_the_bot_restarts_while_an_image_is_made(
    kind: FreeKind, calls: int, slow_stand_in: StandIn, open_workshop: OpenWorkshop
) -> None:
    workshop: Workshop = await open_workshop(await kind.learnt(slow_stand_in))
    job_id = await rendering(slow_stand_in, workshop, kind)
    await workshop.restart()
    await finished(slow_stand_in, workshop)
    view = await workshop.view(job_id)
    assert (view.job.status, len(view.images)) == (JobStatus.DELIVERED, 1)
    assert workshop.delivered == [job_id]
    assert len(slow_stand_in.calls_to(kind.routes["make"])) == calls
    await costs_nothing(workshop, slow_stand_in)


async def lose_comfyui(stand_in: StandIn) -> None:
    stand_in.comfyui.restart()


async def lose_horde(stand_in: StandIn) -> None:
    stand_in.horde.requests.clear()


@pytest.mark.parametrize(("kind", "lose"), [(COMFYUI, lose_comfyui), (HORDE, lose_horde)], ids=["comfyui", "ai-horde"])
async def test_the_service_restarts_while_an_image_is_made(
    kind: FreeKind,
    lose: Callable[[StandIn], Awaitable[None]],
    slow_stand_in: StandIn,
    open_workshop: OpenWorkshop,
) -> None:
    workshop: Workshop = await open_workshop(await kind.learnt(slow_stand_in))
    job_id = await rendering(slow_stand_in, workshop, kind)
    await lose(slow_stand_in)
    await finished(slow_stand_in, workshop)
    view = await workshop.view(job_id)
    assert (view.job.status, len(view.images)) == (JobStatus.DELIVERED, 1)
    assert len(slow_stand_in.calls_to(kind.routes["make"])) == 2
    await costs_nothing(workshop, slow_stand_in)


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_cancel_while_an_image_is_made(
    kind: FreeKind, slow_stand_in: StandIn, open_workshop: OpenWorkshop
) -> None:
    workshop: Workshop = await open_workshop(await kind.learnt(slow_stand_in))
    job_id = await rendering(slow_stand_in, workshop, kind)
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    await workshop.finish()
    view = await workshop.view(job_id)
    record = view.submissions[0].record
    assert record.status is SubmissionStatus.CANCELLED
    assert [problem["code"] for problem in record.problems or ()] == [code_of(STOPPED)]
    assert not view.images
    assert len(slow_stand_in.calls_to(kind.routes["make"])) == 1
    await costs_nothing(workshop, slow_stand_in)


def is_stopped(stand_in: StandIn) -> bool:
    """Whether a service has been told to stop what it makes."""
    prompt = stand_in.comfyui.running
    return bool(stand_in.a1111.interrupted or (prompt is not None and prompt.interrupted) or stand_in.comfyui.history)


@pytest.mark.parametrize("kind", [A1111, COMFYUI], ids=str)
async def test_a_half_made_image_is_never_shown_after_a_restart(
    kind: FreeKind, slow_stand_in: StandIn, open_workshop: OpenWorkshop
) -> None:
    """The bot dies just after the service was told to stop: a whole image is shown, or none.

    A worker of the AI Horde always finishes what it has begun.
    """
    workshop: Workshop = await open_workshop(await kind.learnt(slow_stand_in))
    job_id = await rendering(slow_stand_in, workshop, kind)
    begun = set(slow_stand_in.renderings.by_guid)
    assert await workshop.service.cancel(ADA, job_id) == STOPPING()
    async with asyncio.timeout(30):
        while not is_stopped(slow_stand_in):
            await asyncio.sleep(0.001)
    await workshop.restart()
    await finished(slow_stand_in, workshop)
    view = await workshop.view(job_id)
    if view.images:
        assert set(slow_stand_in.renderings.by_guid) - begun, "the image is a new one"
    else:
        assert view.submissions[0].record.problems
    await costs_nothing(workshop, slow_stand_in)
