"""ComfyUI: refusals, lost responses, and what its history says of failures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.providers.base import Failed, Finished, Json, Waiting
from bot.providers.comfyui import Comfyui
from bot.providers.errors import NotFound, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge, Unreachable
from bot.providers.fetching import LARGEST_IMAGE
from bot.providers.operations import Operation, Pictures
from fakes.services import Fate, Fault, StandIn
from fakes.services.faults import Body, Endless, Half, Redirect, Reset, Rewrite, Spoil, Status
from tests.providers.comfyui_server import (
    XL,
    comfyui_at,
    failed,
    finished,
    over,
    queued,
    varied,
    wanted,
)
from tests.providers.form_server import picture_file
from tests.providers.workbench import refusal

PROMPT = "comfyui.prompt"


# --- lost responses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        Reset(after_doing=True),
        Half(),
        Status(502, "<html>", content_type="text/html", after_doing=True),
        Body("<html>"),
    ],
    ids=["reset", "half", "502", "page"],
)
async def test_a_lost_response_is_found_under_our_own_id(comfyui: Comfyui, stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(PROMPT, act))
    handle = await comfyui.prepare(wanted())
    assert isinstance(await refusal(comfyui.submit(handle, wanted())), OutcomeUnknown)
    await stand_in.comfyui.ended(handle["id"])
    found = await comfyui.find(handle)
    assert found == handle
    assert isinstance(await comfyui.poll(found), Finished)


async def test_it_is_looked_for_in_the_queue_first(slow_stand_in: StandIn) -> None:
    async with comfyui_at(slow_stand_in) as provider:
        handle = await queued(provider)
        assert await provider.find(handle) == handle
        assert not slow_stand_in.calls_to("comfyui.history")


async def test_what_did_not_arrive_is_sent_again_under_the_same_id(comfyui: Comfyui, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(PROMPT, Reset()))
    handle = await comfyui.prepare(wanted())
    assert isinstance(await refusal(comfyui.submit(handle, wanted())), OutcomeUnknown)
    assert await comfyui.find(handle) is None
    assert [call.route for call in stand_in.calls[-2:]] == ["comfyui.queue", "comfyui.history"]
    again = await comfyui.submit(handle, wanted())
    assert again["id"] == handle["id"]


@pytest.mark.parametrize("route", ["comfyui.queue", "comfyui.history"])
@pytest.mark.parametrize(
    "act", [Status(500), Reset(), Status(404), Body("x"), Rewrite(lambda _: ["x"]), Rewrite(lambda _: {"x": 1})]
)
async def test_an_unusable_response_proves_nothing(comfyui: Comfyui, stand_in: StandIn, route: str, act: Any) -> None:
    handle = await comfyui.prepare(wanted())
    stand_in.misbehave(Fault(route, act))
    assert isinstance(await refusal(comfyui.find(handle)), Unreachable)


async def test_a_server_that_makes_its_own_ids(comfyui: Comfyui, stand_in: StandIn) -> None:
    stand_in.comfyui.own_ids = True
    handle = await comfyui.prepare(wanted())
    taken = await comfyui.submit(handle, wanted())
    assert taken["id"] != handle["id"]
    assert not comfyui.finds_lost_submits
    await stand_in.comfyui.ended(taken["id"])
    assert isinstance(await comfyui.poll(taken), Finished)
    assert isinstance(await refusal(comfyui.find(taken)), OutcomeUnknown)


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_checkpoint_that_is_gone(comfyui: Comfyui, stand_in: StandIn) -> None:
    stand_in.comfyui.has.checkpoints.remove("sd_xl_base_1.0.safetensors")
    error = await refusal(queued(comfyui))
    assert isinstance(error, Refused)
    assert (error.reason, error.operator, comfyui.outdated) == (Reason.RETIRED, True, True)
    await comfyui.learn()
    assert not comfyui.outdated
    assert XL not in {engine.id for engine in comfyui.engines}


@pytest.mark.parametrize(
    ("changes", "outdated"), [({"sampler": "heun"}, True), ({"steps": 20_000}, False), ({"guidance": 500.0}, False)]
)
async def test_values_that_the_server_does_not_take(comfyui: Comfyui, changes: dict[str, Any], outdated: bool) -> None:
    error = await refusal(queued(comfyui, wanted(**changes)))
    assert isinstance(error, Refused)
    assert (error.reason, error.operator, comfyui.outdated) == (Reason.REFUSED, False, outdated)
    assert error.said


@pytest.mark.parametrize(
    ("body", "node"),
    [
        ({"error": {"type": "missing_node_type", "extra_info": {"class_type": "Fancy"}}, "node_errors": {}}, "Fancy"),
        ({"error": {"type": "invalid_prompt", "message": "no Fancy"}, "node_errors": []}, "no Fancy"),
        ({"error": {"type": "prompt_no_outputs", "message": "none", "extra_info": 7}}, "none"),
        ({"error": {"type": "no_prompt"}, "node_errors": {"7": 7}}, "?"),
    ],
)
async def test_a_graph_that_cannot_run_names_its_node(
    comfyui: Comfyui, stand_in: StandIn, body: dict[str, Json], node: str
) -> None:
    stand_in.misbehave(Fault(PROMPT, Status(400, body)))
    error = await refusal(queued(comfyui))
    assert isinstance(error, Refused)
    assert (error.reason, error.operator, error.values["node"]) == (Reason.WRONG_WORKFLOW, True, node)
    assert comfyui.outdated


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (Status(401, {}), Refused, Reason.WRONG_KEY),
        (Status(403, {}), Refused, Reason.WRONG_KEY),
        (Status(404, {}), NotFound, Reason.NOT_FOUND),
        (Redirect(), Refused, Reason.REDIRECTED),
        (Status(400, {"error": "x"}), Refused, Reason.REFUSED),
        (Status(500, "500 Internal Server Error", content_type="text/plain"), OutcomeUnknown, Reason.UNREADABLE_ANSWER),
        (Rewrite(lambda _: {"prompt_id": 7}), OutcomeUnknown, Reason.UNREADABLE_ANSWER),
        (Endless(declared=True), OutcomeUnknown, Reason.UNREADABLE_ANSWER),
    ],
)
async def test_other_responses(
    comfyui: Comfyui, stand_in: StandIn, act: Any, kind: type[ProviderError], reason: Reason
) -> None:
    stand_in.misbehave(Fault(PROMPT, act))
    error = await refusal(queued(comfyui))
    assert (type(error), error.reason) == (kind, reason)


async def test_an_accepted_graph_whose_output_is_bad_is_stopped(slow_stand_in: StandIn) -> None:
    def broken(answer: Json) -> Json:
        assert isinstance(answer, dict)
        errors: Json = {"sampler": {"class_type": "KSampler", "errors": [], "dependent_outputs": ["output"]}}
        return answer | {"node_errors": errors}

    slow_stand_in.misbehave(Fault(PROMPT, Rewrite(broken)))
    async with comfyui_at(slow_stand_in) as provider:
        assert isinstance(await refusal(queued(provider)), Refused)
        assert slow_stand_in.calls_to("comfyui.delete")


# --- how it ended -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"), [("out of memory", Reason.OUT_OF_MEMORY), ("a matrix has no shape", Reason.BROKEN)]
)
async def test_an_execution_error_shows_no_folders(
    comfyui: Comfyui, stand_in: StandIn, error: str, reason: Reason
) -> None:
    stand_in.misbehave(Fault(PROMPT, Fate(error=error)))
    assert await failed(comfyui, stand_in) == Failed(reason)


async def test_a_bad_upload_is_an_execution_error(comfyui: Comfyui, stand_in: StandIn, tmp_path: Path) -> None:
    bad = Pictures(picture_file(tmp_path, data=b"no picture at all"))
    assert await over(comfyui, stand_in, varied(), bad) == Failed(Reason.BROKEN)


async def test_success_without_images(comfyui: Comfyui, stand_in: StandIn) -> None:
    def nothing(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return {key: value | {"outputs": {}} for key, value in answer.items() if isinstance(value, dict)}

    stand_in.misbehave(Fault("comfyui.history", Rewrite(nothing)))
    assert await failed(comfyui, stand_in) == Failed(Reason.NOTHING_MADE)


async def test_the_same_seed_twice_makes_a_file_of_its_own(comfyui: Comfyui, stand_in: StandIn, tmp_path: Path) -> None:
    first = (await finished(comfyui, stand_in, wanted(seed=5))).images[0]
    stand_in.comfyui.files.clear()
    second = (await finished(comfyui, stand_in, wanted(seed=5))).images[0]
    assert first.url != second.url
    assert (await comfyui.fetch(second, tmp_path / "x")).size == wanted().size
    error = await refusal(comfyui.fetch(first, tmp_path / "y"))
    assert (type(error), error.reason) == (NotFound, Reason.IMAGE_GONE)


@pytest.mark.parametrize(
    "outputs", [7, {"output": 7}, {"output": {"images": 7}}, {"output": {"images": [7, {"filename": 7}, {}]}}]
)
async def test_odd_outputs_are_no_images(comfyui: Comfyui, stand_in: StandIn, outputs: Json) -> None:
    def odd(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return {key: {"outputs": outputs, "status": []} for key in answer}

    stand_in.misbehave(Fault("comfyui.history", Rewrite(odd)))
    assert await failed(comfyui, stand_in) == Failed(Reason.NOTHING_MADE)


async def test_a_prompt_that_is_queued_twice_is_waited_for(slow_stand_in: StandIn) -> None:
    async with comfyui_at(slow_stand_in) as provider:
        handle = await provider.prepare(wanted())
        for _ in range(2):
            await provider.submit(handle, wanted())
        assert isinstance(await provider.poll(handle), Waiting)
        await slow_stand_in.comfyui.started(handle["id"])
        slow_stand_in.finish_all()
        await slow_stand_in.comfyui.ended(handle["id"])
        assert isinstance(await provider.poll(handle), Finished)


# --- pictures and files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (Status(413, {}), TooLarge),
        (Status(500), Unreachable),
        (Reset(), Unreachable),
        (Rewrite(lambda _: {"name": 7}), Unreachable),
        (Rewrite(lambda _: []), Unreachable),
    ],
)
async def test_a_failed_upload_queues_nothing(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, act: Any, kind: type[ProviderError]
) -> None:
    stand_in.misbehave(Fault("comfyui.upload", act))
    assert type(await refusal(queued(comfyui, wanted(operation=Operation.INPAINT), files))) is kind
    assert not stand_in.calls_to(PROMPT)


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (Status(404), NotFound),
        (Status(400), Refused),
        (Status(500), Unreachable),
        (Redirect("https://storage.example/x"), Refused),
        (Half(), Unreachable),
        (Spoil(lambda _: b"<html>"), Refused),
    ],
)
async def test_an_image_that_cannot_be_fetched(
    comfyui: Comfyui, stand_in: StandIn, tmp_path: Path, act: Any, kind: type[ProviderError]
) -> None:
    image = (await finished(comfyui, stand_in)).images[0]
    stand_in.misbehave(Fault("comfyui.view", act))
    assert type(await refusal(comfyui.fetch(image, tmp_path / "x"))) is kind


@pytest.mark.parametrize("declared", [False, True])
async def test_an_image_above_the_limit_can_be_fetched_when_the_limit_is_raised(
    comfyui: Comfyui, stand_in: StandIn, tmp_path: Path, declared: bool
) -> None:
    """Another download would be as large, and the server answers: neither is away."""
    image = (await finished(comfyui, stand_in)).images[0]
    stand_in.misbehave(Fault("comfyui.view", Endless(limit=LARGEST_IMAGE + 1, declared=declared), times=2))
    error = await refusal(comfyui.fetch(image, tmp_path / "x"))
    assert isinstance(error, Refused)
    assert (error.reason, error.setting, error.operator) == (Reason.IMAGE_TOO_LARGE, "IMAGE_MAX_MIB", True)
    assert comfyui.servers()[0].silence is None


async def test_an_image_that_is_larger_than_expected_is_fetched_as_jpeg(
    comfyui: Comfyui, stand_in: StandIn, tmp_path: Path
) -> None:
    """Only the workflow knows what size its image has."""
    image = (await finished(comfyui, stand_in)).images[0]
    stand_in.misbehave(Fault("comfyui.view", Endless(limit=LARGEST_IMAGE + 1, declared=True)))
    made = await comfyui.fetch(image, tmp_path / "x")
    assert (made.media_type, made.size) == ("image/jpeg", wanted().size)


@pytest.mark.parametrize("handle", [{}, {"id": 7, "seed": 1}, {"id": "../x", "seed": 1}, {"id": "é", "seed": 1}])
async def test_an_unreadable_handle(comfyui: Comfyui, handle: dict[str, Json]) -> None:
    assert (await refusal(comfyui.poll(handle))).reason is Reason.BAD_HANDLE


async def test_a_server_that_is_off(comfyui: Comfyui, stand_in: StandIn) -> None:
    await stand_in.stop()
    assert isinstance(await refusal(queued(comfyui)), Unreachable)
    await asyncio.sleep(0)
