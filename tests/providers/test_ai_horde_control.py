"""The AI Horde: sketches and structure with ControlNet, for the models and workers that do it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.providers.ai_horde import AiHorde
from bot.providers.ai_horde_engines import CONTROL_STEPS
from bot.providers.base import Ability, Engine, Failed, ImageRequest, Json
from bot.providers.errors import Reason, Refused
from bot.providers.operations import Operation, Pictures
from fakes.services import Fault, StandIn
from fakes.services.ai_horde import Model
from fakes.services.faults import Rewrite, Status
from tests.providers.ai_horde_workbench import (
    ALBEDO,
    DELIBERATE,
    SUBMIT,
    WORKERS,
    ai_horde_at,
    body_of,
    finished,
    params_of,
    queued,
    wanted,
)
from tests.providers.workbench import refusal

SKETCH, STRUCTURE = Operation.SKETCH, Operation.STRUCTURE
BOTH = pytest.mark.parametrize(("operation", "kind"), [(STRUCTURE, "canny"), (SKETCH, "scribble")])


def engine(provider: AiHorde, id_: str) -> Engine:
    return next(engine for engine in provider.engines if engine.id == id_)


def drawn(operation: Operation = SKETCH, **changes: Any) -> ImageRequest:
    return wanted(operation=operation, **changes)


@BOTH
async def test_the_worker_finds_the_lines(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, operation: Operation, kind: str
) -> None:
    made = await finished(ai_horde, stand_in, drawn(operation, seed=5), Pictures(files.source))
    assert made.images[0].seed == 5
    (call,) = stand_in.calls_to(SUBMIT)
    params = params_of(call)
    assert (params["control_type"], params["image_is_control"]) == (kind, False)
    # It starts from noise, so less would leave some of it.
    assert params["denoising_strength"] == 1
    assert params["steps"] == CONTROL_STEPS
    assert (body_of(call)["source_processing"], "source_mask" in body_of(call)) == ("img2img", False)
    assert [each.wanted.control for each in stand_in.horde.requests.values()] == [kind]


async def test_other_operations_use_no_controlnet(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    await queued(ai_horde, wanted())
    await queued(ai_horde, wanted(operation=Operation.IMAGE_TO_IMAGE), files)
    assert not any("control_type" in params_of(call) for call in stand_in.calls_to(SUBMIT))


async def test_it_is_offered_for_models_whose_kind_and_workers_allow_it(stand_in: StandIn) -> None:
    stand_in.horde.models = [Model("Deliberate", 2), Model("Dreamlike", 1, controlled=False), Model("SDXL 1.0", 3)]
    async with ai_horde_at(stand_in) as provider:
        offered = {each.model: {SKETCH, STRUCTURE} & set(each.operations) for each in provider.engines}
        assert offered["Deliberate"] == {SKETCH, STRUCTURE}
        assert offered["Dreamlike"] == offered["SDXL-1.0"] == set()
        sketch = engine(provider, DELIBERATE).doing(SKETCH)
        assert sketch is not None
        assert sketch.steps is not None
        assert (sketch.steps.default, sketch.steps.high) == (CONTROL_STEPS, 40)
        assert Ability.STRENGTH not in sketch.abilities
        assert sketch.picture is not None


@pytest.mark.parametrize("change", [{"controlnet": False}, {"maintenance_mode": True}, {"models": 7}])
async def test_workers_that_do_not_do_it(stand_in: StandIn, change: dict[str, Json]) -> None:
    def changed(answer: Json) -> Json:
        assert isinstance(answer, list)
        return [{**each, **change} for each in answer if isinstance(each, dict)]

    stand_in.misbehave(Fault(WORKERS, Rewrite(changed)))
    async with ai_horde_at(stand_in) as provider:
        assert SKETCH not in engine(provider, DELIBERATE).operations


async def test_a_model_that_does_not_work_with_it_is_no_longer_offered_for_it(
    stand_in: StandIn, files: Pictures
) -> None:
    """Only the service knows the kind of a model. Its name may not tell."""
    stand_in.horde.models = [Model("Deliberate", 2), Model("Newcomer", 1)]
    async with ai_horde_at(stand_in) as provider:
        assert SKETCH in engine(provider, "ai-horde/Newcomer").operations
        stand_in.misbehave(Fault(SUBMIT, Status(400, {"rc": "ControlNetMismatch", "message": "Not with this one."})))
        error = await refusal(queued(provider, drawn(engine="ai-horde/Newcomer"), files))
        assert isinstance(error, Refused)
        assert (error.reason, error.said, error.operator) == (Reason.REFUSED, "Not with this one.", False)
        assert provider.outdated
        await provider.learn()
        assert SKETCH not in engine(provider, "ai-horde/Newcomer").operations
        assert SKETCH in engine(provider, DELIBERATE).operations


async def test_more_steps_are_reduced_without_kudos(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    await finished(ai_horde, stand_in, drawn(steps=35), files)
    assert [each.wanted.steps for each in stand_in.horde.requests.values()] == [20]


async def test_nobody_who_allows_it(ai_horde: AiHorde, stand_in: StandIn, files: Pictures, pass_time: Any) -> None:
    stand_in.horde.models = [Model("Deliberate", 2, controlled=False)]
    handle = await queued(ai_horde, drawn(), files)
    pass_time(301)
    assert await ai_horde.poll(handle) == Failed(Reason.NO_WORKER)


async def test_a_sketch_with_another_kind_of_model_is_refused(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures
) -> None:
    error = await refusal(queued(ai_horde, drawn(engine=ALBEDO), files))
    assert isinstance(error, Refused)
    assert error.said
