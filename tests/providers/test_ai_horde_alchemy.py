"""The AI Horde's alchemists: from a picture to a file, what can go wrong, and which of them are offered."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.providers.ai_horde import AiHorde
from bot.providers.ai_horde_alchemy import ALCHEMISTS
from bot.providers.ai_horde_answers import MAINTENANCE_SECONDS
from bot.providers.ai_horde_workers import UNSERVED_SECONDS
from bot.providers.base import Cost, Failed, Finished, Gone, Handle, ImageRequest, Json, Waiting
from bot.providers.errors import Busy, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge, Unreachable
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import Fate, Fault, StandIn
from fakes.services.ai_horde import LINK_SECONDS
from fakes.services.ai_horde_alchemy import LIFETIME, OPERATIONS
from fakes.services.faults import Body, Reset, Rewrite, Status
from tests.doubles.provider import png
from tests.providers.ai_horde_workbench import (
    ALCHEMY,
    ALCHEMY_DELETE,
    ALCHEMY_STATUS,
    STATUS,
    SUBMIT,
    WORKERS,
    ai_horde_at,
    answering,
    body_of,
    make_ai_horde,
    queued,
    wanted,
)
from tests.providers.workbench import SECRET, refusal

PassTime = Callable[[float], None]

UPSCALER, FACES, REMOVER = (f"ai-horde/{part}" for part in ("RealESRGAN", "CodeFormers", "strip_background"))


def upscaled(engine: str = UPSCALER, **changes: Any) -> ImageRequest:
    usual = {"prompts": (), "operation": Operation.UPSCALE, "scale": 4, "size": Size(2048, 1536)}
    return wanted(engine, **(usual | changes))


async def sent(provider: AiHorde, files: Pictures) -> Handle:
    return await queued(provider, upscaled(), files)


def alchemists(provider: AiHorde) -> dict[str, int | None]:
    return {engine.model: engine.workers for engine in provider.engines if engine.model in ALCHEMISTS}


# --- the whole path ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "changes", "form", "size"),
    [
        (UPSCALER, {}, "RealESRGAN_x4plus", Size(2048, 1536)),
        (UPSCALER, {"scale": 2}, "RealESRGAN_x2plus", Size(1024, 768)),
        (FACES, {"operation": Operation.RESTORE_FACES, "scale": None}, "CodeFormers", Size(512, 384)),
        (REMOVER, {"operation": Operation.REMOVE_BACKGROUND, "scale": None}, "strip_background", Size(512, 384)),
    ],
)
async def test_from_a_picture_to_a_file(
    ai_horde: AiHorde,
    stand_in: StandIn,
    files: Pictures,
    tmp_path: Path,
    engine: str,
    changes: dict[str, Any],
    form: str,
    size: Size,
) -> None:
    request = upscaled(engine, size=size, **changes)
    handle = await queued(ai_horde, request, files)
    await stand_in.horde.alchemists.ended(handle["id"])
    made = await ai_horde.poll(handle, request)
    assert isinstance(made, Finished)
    assert made.cost == Cost(0, exact=True)
    fetched = await ai_horde.fetch(made.images[0], tmp_path / "x")
    assert (fetched.media_type, fetched.size) == ("image/webp", size)
    (call,) = stand_in.calls_to(ALCHEMY)
    body = body_of(call)
    assert b64decode(body["source_image"]) == files.source.path.read_bytes()
    assert (body["forms"], body["slow_workers"]) == ([{"name": form}], True)
    assert call.headers["apikey"] == SECRET
    assert not stand_in.calls_to(SUBMIT)
    assert not stand_in.calls_to(STATUS), "these have no part in the budget for results"


async def test_a_scale_that_it_has_not(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    assert (await refusal(queued(ai_horde, upscaled(scale=3), files))).reason is Reason.RETIRED
    assert not stand_in.calls_to(ALCHEMY)


async def test_a_handle_outlives_the_process(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    handle = await ai_horde.prepare(upscaled())
    other = make_ai_horde(stand_in.url)
    handle = await other.submit(handle, upscaled(), files)
    await stand_in.horde.alchemists.ended(handle["id"])
    assert isinstance(await other.poll(handle), Finished)
    await other.close()


async def test_it_waits_then_it_is_done(slow_ai_horde: AiHorde, slow_stand_in: StandIn, files: Pictures) -> None:
    workers = slow_stand_in.horde.alchemists.workers
    slow_stand_in.horde.alchemists.workers = []
    handle = await sent(slow_ai_horde, files)
    assert await slow_ai_horde.poll(handle) == Waiting()
    slow_stand_in.horde.alchemists.workers = workers
    slow_stand_in.horde.alchemists.start_more()
    assert await slow_ai_horde.poll(handle) == Waiting(percent=0)
    slow_stand_in.finish_all()
    await slow_stand_in.horde.alchemists.ended(handle["id"])
    assert isinstance(await slow_ai_horde.poll(handle), Finished)


async def test_an_image_in_the_answer(ai_horde: AiHorde, stand_in: StandIn, files: Pictures, tmp_path: Path) -> None:
    handle = await sent(ai_horde, files)
    form: Json = {"form": "RealESRGAN_x4plus", "state": "done", "result": {"RealESRGAN_x4plus": encoded()}}
    stand_in.misbehave(answering(ALCHEMY_STATUS, state="done", forms=[form]))
    made = await ai_horde.poll(handle)
    assert isinstance(made, Finished)
    assert (await ai_horde.fetch(made.images[0], tmp_path / "x")).media_type == "image/png"


def encoded() -> str:
    return b64encode(png()).decode()


# --- what can go wrong ------------------------------------------------------------------------------------------------


async def test_it_fails_after_some_workers_did(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    stand_in.misbehave(Fault(ALCHEMY, Fate(error="no memory")))
    handle = await sent(ai_horde, files)
    await stand_in.horde.alchemists.ended(handle["id"])
    assert await ai_horde.poll(handle) == Failed(Reason.BROKEN)


@pytest.mark.parametrize(
    "result", [{}, None, 7, {"RealESRGAN_x4plus": None}, {"caption": "a cat"}, {"RealESRGAN_x4plus": "R2"}]
)
async def test_done_without_an_image_is_doubted(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, result: Json
) -> None:
    handle = await sent(ai_horde, files)
    form: Json = {"form": "RealESRGAN_x4plus", "state": "done", "result": result}
    stand_in.misbehave(answering(ALCHEMY_STATUS, forms=[form]))
    assert await ai_horde.poll(handle) == Failed(Reason.NOTHING_MADE, sure=False)


@pytest.mark.parametrize(
    "forms", [[], None, 7, [7], [{"form": "caption", "state": "done"}], [{"form": "RealESRGAN_x4plus", "state": "x"}]]
)
async def test_an_answer_without_the_form_says_nothing(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, forms: Json
) -> None:
    handle = await sent(ai_horde, files)
    stand_in.misbehave(answering(ALCHEMY_STATUS, state="done", forms=forms))
    error = await refusal(ai_horde.poll(handle))
    assert (type(error), error.reason) == (Unreachable, Reason.UNREADABLE_ANSWER)


async def test_only_a_step_of_a_worker_prolongs_its_life(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, files: Pictures, pass_time: PassTime
) -> None:
    handle = await sent(slow_ai_horde, files)
    pass_time(LIFETIME - 60)
    assert isinstance(await slow_ai_horde.poll(handle), Waiting)
    pass_time(61)
    assert await slow_ai_horde.poll(handle) == Gone()


async def test_a_link_that_has_expired(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, tmp_path: Path, pass_time: PassTime
) -> None:
    handle = await sent(ai_horde, files)
    await stand_in.horde.alchemists.ended(handle["id"])
    made = await ai_horde.poll(handle)
    assert isinstance(made, Finished)
    pass_time(LINK_SECONDS + 1)
    assert isinstance(await refusal(ai_horde.fetch(made.images[0], tmp_path / "x")), Unreachable)


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (Status(400, {"rc": "MaintenanceMode", "message": "x"}), Busy, Reason.BUSY),
        (Status(400, {"rc": "ImageValidationFailed", "message": "x"}), Refused, Reason.REFUSED),
        (Status(400, {"rc": "SourceImageResolutionExceeded"}), TooLarge, Reason.UPLOAD_TOO_LARGE),
        (Status(401, {"rc": "InvalidAPIKey"}), Refused, Reason.WRONG_KEY),
        (Status(429, {"rc": "TooManyPrompts"}), Busy, Reason.BUSY),
        (Body(b"{}"), OutcomeUnknown, Reason.UNREADABLE_ANSWER),
        (Reset(), OutcomeUnknown, Reason.NO_ANSWER),
    ],
)
async def test_a_refused_submit(
    ai_horde: AiHorde,
    stand_in: StandIn,
    files: Pictures,
    act: Any,
    kind: type[ProviderError],
    reason: Reason,
) -> None:
    stand_in.misbehave(Fault(ALCHEMY, act))
    error = await refusal(sent(ai_horde, files))
    assert isinstance(error, kind)
    assert error.reason is reason


async def test_maintenance(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    stand_in.horde.maintenance = True
    error = await refusal(sent(ai_horde, files))
    assert isinstance(error, Busy)
    assert error.retry_after == MAINTENANCE_SECONDS


async def test_pictures_that_cannot_be_sent(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    gone = replace(files.source, path=files.source.path.with_name("gone"))
    assert isinstance(await refusal(queued(ai_horde, upscaled(), Pictures(gone))), Unreachable)
    assert (await refusal(queued(ai_horde, upscaled()))).reason is Reason.NO_PICTURE
    assert not stand_in.calls_to(ALCHEMY)


@pytest.mark.parametrize("handle", [{"form": "x"}, {"form": 7, "id": "a"}, {"form": "GFPGAN", "id": "../x"}])
async def test_an_unreadable_handle(ai_horde: AiHorde, files: Pictures, handle: dict[str, Json]) -> None:
    assert (await refusal(ai_horde.poll(handle))).reason is Reason.BAD_HANDLE
    assert (await refusal(ai_horde.cancel(handle))).reason is Reason.BAD_HANDLE


@pytest.mark.parametrize("form", ["caption", 7, None])
async def test_a_form_that_makes_no_picture_is_not_sent(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, form: Json
) -> None:
    assert (await refusal(ai_horde.submit({"form": form}, upscaled(), files))).reason is Reason.BAD_HANDLE
    assert not stand_in.calls_to(ALCHEMY)


# --- stopping it ------------------------------------------------------------------------------------------------------


async def test_a_cancelled_request_is_taken_back(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, files: Pictures
) -> None:
    handle = await sent(slow_ai_horde, files)
    assert await slow_ai_horde.cancel(handle)
    assert slow_stand_in.horde.alchemists.requests[str(handle["id"])].forms[0].state == "cancelled"
    assert await slow_ai_horde.poll(handle) == Failed(Reason.CANCELLED)
    await slow_ai_horde.cancel(handle)
    assert len(slow_stand_in.calls_to(ALCHEMY_DELETE)) == 1


async def test_a_cancellation_keeps_what_is_done(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    handle = await sent(ai_horde, files)
    await stand_in.horde.alchemists.ended(handle["id"])
    await ai_horde.cancel(handle)
    assert isinstance(await ai_horde.poll(handle), Finished)


@pytest.mark.parametrize("act", [Reset(), Status(500)])
async def test_a_cancellation_that_fails_is_tried_again(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, files: Pictures, act: Any
) -> None:
    handle = await sent(slow_ai_horde, files)
    slow_stand_in.misbehave(Fault(ALCHEMY_DELETE, act))
    await refusal(slow_ai_horde.cancel(handle))
    assert await slow_ai_horde.poll(handle) == Failed(Reason.CANCELLED)
    assert len(slow_stand_in.calls_to(ALCHEMY_DELETE)) == 2


async def test_a_request_that_was_taken_back_by_others(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, files: Pictures
) -> None:
    handle = await sent(slow_ai_horde, files)
    slow_stand_in.horde.alchemists.requests[str(handle["id"])].forms[0].state = "cancelled"
    assert await slow_ai_horde.poll(handle) == Failed(Reason.CANCELLED)


# --- who does it ------------------------------------------------------------------------------------------------------


async def test_what_some_worker_does_is_offered(ai_horde: AiHorde, stand_in: StandIn) -> None:
    assert alchemists(ai_horde) == {"RealESRGAN": 2, "CodeFormers": 1, "strip_background": 1}
    upscaler = next(engine for engine in ai_horde.engines if engine.id == UPSCALER)
    assert (upscaler.operations, upscaler.scales, upscaler.sized) == ((Operation.UPSCALE,), (2, 4), False)
    assert upscaler.picture is not None
    assert upscaler.picture.bytes * 4 // 3 < 6_200_000
    stand_in.horde.alchemists.workers = [("RealESRGAN_x2plus", "GFPGAN")]
    await ai_horde.learn()
    assert alchemists(ai_horde) == {"RealESRGAN": 1, "GFPGAN": 1}
    upscaler = next(engine for engine in ai_horde.engines if engine.id == UPSCALER)
    assert upscaler.scales == (2,)


@pytest.mark.parametrize(
    "change", [{"online": False}, {"maintenance_mode": True}, {"forms": None}, {"forms": 7}, {"type": "text"}]
)
async def test_workers_that_do_nothing_do_not_count(stand_in: StandIn, change: dict[str, Json]) -> None:
    def changed(answer: Json) -> Json:
        assert isinstance(answer, list)
        return [7, *({**each, **change} for each in answer if isinstance(each, dict))]

    stand_in.misbehave(Fault(WORKERS, Rewrite(changed), times=None))
    async with ai_horde_at(stand_in) as provider:
        assert alchemists(provider) == {}
        assert provider.engines


@pytest.mark.parametrize("act", [Reset(), Status(404), Body(b"{}"), Body(b"<html>")])
async def test_without_the_list_of_the_workers_what_was_known_stays(stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(WORKERS, act))
    async with ai_horde_at(stand_in) as provider:
        assert alchemists(provider) == {}
        assert provider.engines
        await provider.learn()
        known = alchemists(provider)
        assert known
        stand_in.misbehave(Fault(WORKERS, act))
        with capture_logs() as logs:
            await provider.learn()
        assert alchemists(provider) == known
        assert [line["event"] for line in logs] == ["ai_horde.workers_unknown"]


async def test_nobody_for_too_long(ai_horde: AiHorde, stand_in: StandIn, files: Pictures, pass_time: PassTime) -> None:
    """The service does not say so. A long wait is a reason to ask who is there."""
    stand_in.horde.alchemists.workers = []
    handle = await sent(ai_horde, files)
    outdated = []
    for seconds in (0.0, UNSERVED_SECONDS + 1):
        pass_time(seconds)
        assert await ai_horde.poll(handle) == Waiting()
        outdated.append(ai_horde.outdated)
    await ai_horde.learn()
    assert [*outdated, ai_horde.outdated] == [False, True, False]
    assert await ai_horde.poll(handle) == Waiting(unserved=True)
    pass_time(UNSERVED_SECONDS + 1)
    assert await ai_horde.poll(handle) == Failed(Reason.NO_WORKER)
    assert len(stand_in.calls_to(ALCHEMY_DELETE)) == 1


async def test_a_worker_who_appears_does_it_after_all(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, files: Pictures, pass_time: PassTime
) -> None:
    workers, slow_stand_in.horde.alchemists.workers = slow_stand_in.horde.alchemists.workers, []
    await slow_ai_horde.learn()
    handle = await sent(slow_ai_horde, files)
    assert await slow_ai_horde.poll(handle) == Waiting(unserved=True)
    slow_stand_in.horde.alchemists.workers = workers
    slow_stand_in.horde.alchemists.start_more()
    pass_time(UNSERVED_SECONDS + 1)
    assert await slow_ai_horde.poll(handle) == Waiting(percent=0)
    assert not slow_stand_in.calls_to(ALCHEMY_DELETE)


def test_the_stand_in_knows_the_same_forms() -> None:
    assert {
        form: (each.operation.value, scale) for each in ALCHEMISTS.values() for scale, form in each.forms.items()
    } == OPERATIONS
