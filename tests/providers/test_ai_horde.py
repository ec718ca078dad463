"""The AI Horde from the request to the file, against the stand-in."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.providers.ai_horde import AiHorde
from bot.providers.ai_horde_workers import UNSERVED_SECONDS
from bot.providers.base import Cost, Failed, Finished, Quote, Waiting, WeightedText
from bot.providers.errors import Reason, Unreachable
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import Fault, StandIn
from fakes.services.ai_horde import STATUS_CALLS
from fakes.services.exchange import Exchange
from fakes.services.faults import Reset, Status
from tests.providers.ai_horde_workbench import (
    ALBEDO,
    CHECK,
    DELETE,
    NOBODYS,
    SCHNELL,
    SIDE,
    STATUS,
    SUBMIT,
    answering,
    body_of,
    finished,
    params_of,
    queued,
    varied,
    wanted,
)
from tests.providers.workbench import SECRET, refusal

PassTime = Callable[[float], None]


# --- the whole path ---------------------------------------------------------------------------------------------------


async def test_from_words_to_a_file(ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path) -> None:
    request = wanted(ALBEDO, seed=77, negative="fog", steps=12, guidance=4.505, sampler="k_heun", size=Size(640, 512))
    made = await finished(ai_horde, stand_in, request)
    (image,) = made.images
    assert (image.seed, image.filtered, made.cost) == (77, False, Cost(0, exact=True))
    fetched = await ai_horde.fetch(image, tmp_path / "x")
    assert (fetched.media_type, fetched.size) == ("image/webp", Size(640, 512))
    body = body_of(stand_in.calls_to(SUBMIT)[0])
    assert body["prompt"] == "a lighthouse on a cliff ### fog"
    assert body["models"] == ["AlbedoBase XL (SDXL)"]
    assert body["params"] == {
        "width": 640,
        "height": 512,
        "n": 1,
        "steps": 12,
        "cfg_scale": round(4.505, 2),
        "sampler_name": "k_heun",
        "seed": "77",
    }
    assert (body["nsfw"], body["censor_nsfw"], body["replacement_filter"]) == (False, True, True)
    assert (body["allow_downgrade"], body["slow_workers"], body["r2"], body["shared"]) == (True, True, True, False)
    assert body["trusted_workers"] is False
    assert "dry_run" not in body
    assert not stand_in.bills


@pytest.mark.parametrize("adult", [True, False])
async def test_images_are_censored_unless_only_adults_see_them(
    ai_horde: AiHorde, stand_in: StandIn, adult: bool
) -> None:
    await queued(ai_horde, wanted(adult=adult))
    body = body_of(stand_in.calls_to(SUBMIT)[0])
    assert (body["nsfw"], body["censor_nsfw"]) == (adult, not adult)


async def test_calls_have_the_key_and_say_who_asks_but_downloads_do_not(
    ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path
) -> None:
    made = await finished(ai_horde, stand_in)
    await ai_horde.fetch(made.images[0], tmp_path / "x")
    *asked, image = stand_in.calls
    assert {call.route for call in asked} == {"horde.models", "horde.workers", SUBMIT, CHECK, STATUS}
    assert all(call.headers["apikey"] == SECRET for call in asked)
    assert all(call.headers["Client-Agent"] == "Easel:1.0:tests" for call in asked)
    assert image.route == "horde.image"
    assert "apikey" not in image.headers
    assert SECRET not in repr(ai_horde)


async def test_the_result_is_asked_for_only_when_it_is_done(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_ai_horde)
    for _ in range(5):
        assert isinstance(await slow_ai_horde.poll(handle), Waiting)
    assert not slow_stand_in.calls_to(STATUS)
    slow_stand_in.finish_all()
    await slow_stand_in.horde.ended(handle["id"])
    assert isinstance(await slow_ai_horde.poll(handle), Finished)
    assert len(slow_stand_in.calls_to(STATUS)) == 1


async def test_nothing_is_charged(ai_horde: AiHorde) -> None:
    assert ai_horde.quote(wanted(images=4)) == Quote(0, 0, 0, exact=True)
    assert not ai_horde.charges


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_without_a_seed_each_image_has_a_random_one(ai_horde: AiHorde, stand_in: StandIn) -> None:
    made = await finished(ai_horde, stand_in, wanted(images=3))
    assert "seed" not in params_of(stand_in.calls_to(SUBMIT)[0])
    assert len({image.seed for image in made.images}) == 3


async def test_the_images_of_one_seed_differ(ai_horde: AiHorde, stand_in: StandIn) -> None:
    made = await finished(ai_horde, stand_in, wanted(images=3, seed=7))
    assert [image.seed for image in made.images] == [7, 8, 9]
    assert params_of(stand_in.calls_to(SUBMIT)[0])["seed"] == "6"


async def test_a_distilled_model_takes_few_steps(ai_horde: AiHorde, stand_in: StandIn) -> None:
    await finished(ai_horde, stand_in, wanted(SCHNELL))
    params = params_of(stand_in.calls_to(SUBMIT)[0])
    assert (params["steps"], params["cfg_scale"]) == (5, 1.0)


async def test_the_divider_in_a_prompt_divides_nothing(ai_horde: AiHorde, stand_in: StandIn) -> None:
    parts = (WeightedText("a fox ### a wolf"), WeightedText("snow #####"), WeightedText("fog", -1))
    await finished(ai_horde, stand_in, wanted(prompts=parts, negative="mist###rain"))
    assert body_of(stand_in.calls_to(SUBMIT)[0])["prompt"] == "a fox ## a wolf, snow ## ### mist##rain, fog"


async def test_a_picture_is_varied(ai_horde: AiHorde, stand_in: StandIn, files: Pictures, tmp_path: Path) -> None:
    made = await finished(ai_horde, stand_in, varied(strength=35), files)
    body = body_of(stand_in.calls_to(SUBMIT)[0])
    assert b64decode(body["source_image"]) == files.source.path.read_bytes()
    assert body["source_processing"] == "img2img"
    assert body["params"]["denoising_strength"] == 0.35
    assert "source_mask" not in body
    fetched = await ai_horde.fetch(made.images[0], tmp_path / "x")
    assert fetched.size == SIDE


@pytest.mark.parametrize(("strength", "sent"), [(0, 0.01), (None, 1.0), (100, 1.0)])
async def test_the_marked_part_is_repainted(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, strength: int | None, sent: float
) -> None:
    await finished(ai_horde, stand_in, wanted(operation=Operation.INPAINT, strength=strength), files)
    body = body_of(stand_in.calls_to(SUBMIT)[0])
    assert files.mask is not None
    assert b64decode(body["source_mask"]) == files.mask.path.read_bytes()
    assert body["source_processing"] == "inpainting"
    assert body["params"]["denoising_strength"] == sent


async def test_pictures_that_are_missing(ai_horde: AiHorde, stand_in: StandIn, files: Pictures) -> None:
    assert (await refusal(queued(ai_horde, varied()))).reason is Reason.NO_PICTURE
    request = wanted(operation=Operation.INPAINT)
    assert (await refusal(queued(ai_horde, request, Pictures(files.source)))).reason is Reason.NOTHING_MARKED
    assert not stand_in.calls_to(SUBMIT)


# --- progress ---------------------------------------------------------------------------------------------------------


async def test_the_place_in_the_queue_and_the_wait_are_shown(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    slow_stand_in.horde.workers = 1
    first = await queued(slow_ai_horde)
    await slow_stand_in.horde.processing(first["id"])
    second = await queued(slow_ai_horde, wanted(images=2))
    assert await slow_ai_horde.poll(first) == Waiting(percent=50, seconds_left=10.0)
    assert await slow_ai_horde.poll(second) == Waiting(place=2, seconds_left=20.0)


async def test_images_that_are_being_made_count_half(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    slow_stand_in.horde.workers = 2
    handle = await queued(slow_ai_horde, wanted(images=4))
    await slow_stand_in.horde.processing(handle["id"], 2)
    said = await slow_ai_horde.poll(handle)
    assert isinstance(said, Waiting)
    assert said.percent == 25


async def test_a_wait_of_zero_is_no_end(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_ai_horde)
    slow_stand_in.misbehave(answering(CHECK, wait_time=0))
    said = await slow_ai_horde.poll(handle)
    assert isinstance(said, Waiting)
    assert said.seconds_left is None


async def test_a_place_means_nothing_when_nothing_waits(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_ai_horde)
    slow_stand_in.misbehave(answering(CHECK, queue_position=3, waiting=0))
    said = await slow_ai_horde.poll(handle)
    assert isinstance(said, Waiting)
    assert said.place is None


# --- nobody -----------------------------------------------------------------------------------------------------------


async def test_what_nobody_can_make_waits_and_is_taken_back(
    ai_horde: AiHorde, stand_in: StandIn, pass_time: PassTime
) -> None:
    request = wanted(NOBODYS)
    handle = await queued(ai_horde, request)
    said = await ai_horde.poll(handle)
    assert isinstance(said, Waiting)
    assert said.unserved
    pass_time(UNSERVED_SECONDS - 5)
    assert isinstance(await ai_horde.poll(handle), Waiting)
    assert not stand_in.calls_to(DELETE)
    pass_time(10)
    assert await ai_horde.poll(handle) == Failed(Reason.NO_WORKER)
    assert len(stand_in.calls_to(DELETE)) == 1
    assert await ai_horde.poll(handle) == Failed(Reason.NO_WORKER)
    assert len(stand_in.calls_to(DELETE)) == 1


async def test_a_worker_who_appears_makes_it_after_all(
    ai_horde: AiHorde, stand_in: StandIn, pass_time: PassTime
) -> None:
    handle = await queued(ai_horde, wanted(NOBODYS))
    await ai_horde.poll(handle)
    pass_time(UNSERVED_SECONDS - 5)
    stand_in.misbehave(answering(CHECK, 1, is_possible=True))
    said = await ai_horde.poll(handle)
    assert isinstance(said, Waiting)
    assert not said.unserved
    pass_time(10)
    assert isinstance(await ai_horde.poll(handle), Waiting)
    assert not stand_in.calls_to(DELETE)


async def test_what_is_being_made_has_somebody(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, pass_time: PassTime
) -> None:
    handle = await queued(slow_ai_horde)
    slow_stand_in.misbehave(answering(CHECK, is_possible=False))
    for _ in range(2):
        said = await slow_ai_horde.poll(handle)
        assert isinstance(said, Waiting)
        assert not said.unserved
        pass_time(UNSERVED_SECONDS + 1)
    assert not slow_stand_in.calls_to(DELETE)


async def test_the_warning_at_the_start_counts(ai_horde: AiHorde, pass_time: PassTime) -> None:
    handle = await queued(ai_horde, wanted(NOBODYS))
    pass_time(UNSERVED_SECONDS + 1)
    assert await ai_horde.poll(handle) == Failed(Reason.NO_WORKER)


async def test_a_model_that_nobody_has_is_a_reason_to_ask_for_the_models(
    ai_horde: AiHorde, pass_time: PassTime
) -> None:
    outdated = [ai_horde.outdated]
    handle = await queued(ai_horde, wanted(NOBODYS))
    pass_time(UNSERVED_SECONDS + 1)
    for step in (lambda: ai_horde.poll(handle), ai_horde.learn):
        await step()
        outdated.append(ai_horde.outdated)
    assert outdated == [False, True, False]


async def test_what_was_finished_before_nobody_was_left(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, pass_time: PassTime
) -> None:
    slow_stand_in.horde.workers = 1
    handle = await queued(slow_ai_horde, wanted(images=2))
    await slow_stand_in.horde.processing(handle["id"])
    slow_stand_in.horde.models.clear()
    slow_stand_in.finish_all()
    found = slow_stand_in.horde.requests[str(handle["id"])]
    rendering = found.generations[0].rendering
    assert rendering is not None
    await slow_stand_in.renderings.ended(rendering)
    slow_stand_in.misbehave(answering(CHECK, processing=0, waiting=1, is_possible=False))
    assert isinstance(await slow_ai_horde.poll(handle), Waiting)
    pass_time(UNSERVED_SECONDS + 1)
    result = await slow_ai_horde.poll(handle)
    assert isinstance(result, Finished)
    assert len(result.images) == 1


# --- stopping it ------------------------------------------------------------------------------------------------------


async def test_a_cancelled_request_is_taken_back(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_ai_horde)
    await slow_ai_horde.cancel(handle)
    assert slow_stand_in.horde.requests[str(handle["id"])].cancelled
    assert await slow_ai_horde.poll(handle) == Failed(Reason.CANCELLED)
    await slow_ai_horde.cancel(handle)
    assert len(slow_stand_in.calls_to(DELETE)) == 1


async def test_a_cancellation_keeps_what_is_finished(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    slow_stand_in.horde.workers = 1
    handle = await queued(slow_ai_horde, wanted(images=3))
    await slow_stand_in.horde.processing(handle["id"])
    first = slow_stand_in.horde.requests[str(handle["id"])].generations[0].rendering
    assert first is not None
    slow_stand_in.finish(first.guid)
    await slow_stand_in.renderings.ended(first)
    await slow_ai_horde.cancel(handle)
    result = await slow_ai_horde.poll(handle)
    assert isinstance(result, Finished)
    assert len(result.images) == 1


async def test_many_requests_can_be_cancelled_at_once(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    """The service counts these calls for each request."""
    handles = [await queued(slow_ai_horde) for _ in range(STATUS_CALLS + 2)]
    for handle in handles:
        await slow_ai_horde.cancel(handle)
    assert [call.status for call in slow_stand_in.calls_to(DELETE)] == [200] * len(handles)


async def test_done_while_an_image_is_being_made(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    """As after two failures of another worker. The image would be lost."""
    handle = await queued(slow_ai_horde, wanted(images=2))
    slow_stand_in.misbehave(answering(CHECK, 1, done=True, finished=1, processing=1, waiting=0, restarted=2))
    assert isinstance(await slow_ai_horde.poll(handle), Waiting)
    assert not slow_stand_in.calls_to(STATUS)


@pytest.mark.parametrize("act", [Reset(), Status(500), Status(429, {"message": "10 per 1 minute"})])
async def test_a_cancellation_that_fails_is_tried_again(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, pass_time: PassTime, act: Any
) -> None:
    handle = await queued(slow_ai_horde)
    slow_stand_in.misbehave(Fault(DELETE, act))
    with suppress(Unreachable):
        await slow_ai_horde.cancel(handle)
    assert not slow_stand_in.horde.requests[str(handle["id"])].cancelled
    pass_time(61)
    assert await slow_ai_horde.poll(handle) == Failed(Reason.CANCELLED)


async def test_a_cancelled_request_that_is_forgotten(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_ai_horde)
    slow_stand_in.horde.requests.clear()
    await slow_ai_horde.cancel(handle)
    assert await slow_ai_horde.poll(handle) == Failed(Reason.CANCELLED)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_poll_that_is_overtaken_by_a_cancellation(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn, forgotten: bool
) -> None:
    """Its answer says only that the request is over."""
    slow_stand_in.horde.workers = 0
    handle = await queued(slow_ai_horde)
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def late(exchange: Exchange) -> web.StreamResponse:
        asked.set()
        await cancelled.wait()
        return await exchange.proceed()

    slow_stand_in.misbehave(Fault(CHECK, late))
    poll = asyncio.create_task(slow_ai_horde.poll(handle))
    await asked.wait()
    await slow_ai_horde.cancel(handle)
    if forgotten:
        slow_stand_in.horde.requests.clear()
    cancelled.set()
    assert await poll == Failed(Reason.CANCELLED)


async def test_what_a_first_cancellation_brought_is_not_lost_by_a_second(
    slow_ai_horde: AiHorde, slow_stand_in: StandIn
) -> None:
    """A poll stops the request too while the first answer is on its way, and the service may have forgotten it."""
    slow_stand_in.horde.workers = 1
    handle = await queued(slow_ai_horde, wanted(images=2))
    await slow_stand_in.horde.processing(handle["id"])
    first = slow_stand_in.horde.requests[str(handle["id"])].generations[0].rendering
    assert first is not None
    slow_stand_in.finish(first.guid)
    await slow_stand_in.renderings.ended(first)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(exchange: Exchange) -> web.StreamResponse:
        asked.set()
        await answered.wait()
        return web.json_response({"message": "Not found.", "rc": "RequestNotFound"}, status=404)

    slow_stand_in.misbehave(Fault(DELETE, late))
    cancelling = asyncio.create_task(slow_ai_horde.cancel(handle))
    await asked.wait()
    assert isinstance(await slow_ai_horde.poll(handle), Finished)
    answered.set()
    await cancelling
    assert isinstance(await slow_ai_horde.poll(handle), Finished)
