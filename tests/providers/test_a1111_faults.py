"""A1111-compatible servers that fail: each with what has to follow from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.providers.base import ImageRequest, Json
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, Reason, Refused, TooLarge, Unreachable
from bot.providers.operations import Size
from fakes.services import Fate, Fault, StandIn
from fakes.services.a1111 import CHECKPOINTS, Kind
from fakes.services.faults import Body, Half, Hang, Redirect, Reset, Rewrite, Status
from tests.providers.a1111_workbench import (
    DREAM,
    TASK,
    TXT2IMG,
    XL,
    a1111_at,
    checkpoints_of,
    fails,
    made,
    make_a1111,
    on_its_way,
    pictures,
    varied,
)
from tests.providers.workbench import asked, refusal

OUT_OF_MEMORY = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
NOT_A_NUMBER = "NansException: A tensor with NaNs was produced in Unet."


def edited(**changes: Json) -> Rewrite:
    """Replace these fields of a response."""

    def change(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return answer | changes

    return Rewrite(change)


def informed(**changes: Json) -> Rewrite:
    """Replace these fields of the parameters in a response."""

    def change(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return answer | {"info": json.dumps(json.loads(str(answer["info"])) | changes)}

    return Rewrite(change)


# --- the model and the images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.A1111, Kind.FORGE, Kind.SD_NEXT])
async def test_a_model_that_the_server_silently_replaced_is_no_result(stand_in: StandIn, kind: Kind) -> None:
    stand_in.a1111.kind, stand_in.a1111.deaf = kind, True
    async with a1111_at(stand_in) as provider:
        assert (await made(provider, asked(DREAM))).images
        problem = await fails(provider, asked(XL))
        assert isinstance(problem, Refused)
        assert (problem.reason, problem.operator) == (Reason.RETIRED, True)
        assert provider.outdated
        await provider.learn()
        assert not provider.outdated


async def test_a_model_that_was_removed_is_noticed_and_no_longer_offered(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.a1111.checkpoints = stand_in.a1111.checkpoints[:1]
        assert (await fails(provider, asked(XL))).reason is Reason.RETIRED
        await provider.learn()
        assert [engine.id for engine in checkpoints_of(provider)] == [DREAM]


@pytest.mark.parametrize("kind", [Kind.SD_CPP, Kind.KOBOLD])
async def test_a_server_that_was_started_with_another_model_is_not_asked_for_the_old_one(
    stand_in: StandIn, kind: Kind
) -> None:
    """It has one model for as long as it runs, and its answers do not name it."""
    stand_in.a1111.kind = kind
    stand_in.a1111.checkpoints = CHECKPOINTS[:1]
    async with a1111_at(stand_in) as provider:
        assert (await made(provider, asked(DREAM))).images
        stand_in.a1111.checkpoints = CHECKPOINTS[1:2]
        stand_in.a1111.loaded = CHECKPOINTS[1]
        assert (await fails(provider, asked(DREAM))).reason is Reason.RETIRED
        assert len(stand_in.calls_to(TXT2IMG)) == 1
        assert provider.outdated
        await provider.learn()
        assert [engine.id for engine in checkpoints_of(provider)] == [XL]
        assert (await made(provider, asked(XL))).images
        stand_in.misbehave(Fault("a1111.models", Status(502)))
        assert isinstance(await fails(provider, asked(XL)), Unreachable)


@pytest.mark.parametrize("info", ["", None, "no json", "[]", "5", {}, '{"all_seeds": "x", "index_of_first_image": []}'])
async def test_seeds_are_known_without_any_parameters(stand_in: StandIn, info: Json) -> None:
    stand_in.misbehave(Fault(TXT2IMG, edited(info=info)))
    async with a1111_at(stand_in) as provider:
        images = (await made(provider, asked(DREAM, images=2, seed=9))).images
    assert [image.seed for image in images] == [9, 10]


async def test_seeds_are_those_that_the_server_used(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(TXT2IMG, informed(all_seeds=[77, -1, 88])))
    async with a1111_at(stand_in) as provider:
        images = (await made(provider, asked(DREAM, images=3, seed=9))).images
    assert [image.seed for image in images] == [77, 10, 88]


async def test_a_grid_before_the_images_and_maps_after_them_are_left_out(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        plain = (await made(provider, asked(DREAM, images=3, seed=9))).images
        stand_in.a1111.grid = True

        def with_maps(answer: Json) -> Json:
            assert isinstance(answer, dict)
            assert isinstance(answer["images"], list)
            return answer | {"images": [*answer["images"], answer["images"][0], "eA=="]}

        stand_in.misbehave(Fault(TXT2IMG, Rewrite(with_maps)))
        assert (await made(provider, asked(DREAM, images=3, seed=9))).images == plain


@pytest.mark.parametrize("first", [-1, 5, "x", 1e9])
async def test_an_odd_index_of_the_first_image_is_ignored(stand_in: StandIn, first: Json) -> None:
    stand_in.misbehave(Fault(TXT2IMG, informed(index_of_first_image=first)))
    async with a1111_at(stand_in) as provider:
        assert len((await made(provider, asked(DREAM, images=2))).images) == 2


async def test_a_response_may_be_as_long_as_its_images_need(stand_in: StandIn) -> None:
    def padded(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return answer | {"parameters": "x" * (12 << 20)}

    stand_in.misbehave(Fault(TXT2IMG, Rewrite(padded), times=2))
    async with a1111_at(stand_in) as provider:
        assert (await made(provider, asked(DREAM, size=Size(1024, 1024), images=4))).images
        assert isinstance(await fails(provider, asked(DREAM, size=Size(64, 64))), OutcomeUnknown)


async def test_a_broken_image_costs_neither_the_others_nor_their_seeds(stand_in: StandIn) -> None:
    def spoilt(answer: Json) -> Json:
        assert isinstance(answer, dict)
        assert isinstance(answer["images"], list)
        return answer | {"images": [None, "%%%", *answer["images"][2:]]}

    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Rewrite(spoilt)), Fault(TXT2IMG, edited(images=["%%%"])))
        (image,) = (await made(provider, asked(DREAM, images=3, seed=9))).images
        assert image.seed == 11
        problem = await fails(provider)
        assert (type(problem), problem.reason) == (OutcomeUnknown, Reason.IMAGE_BROKEN)


async def test_an_image_above_the_limit_names_the_limit(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in, largest=100) as provider:
        (image,) = (await made(provider)).images
        error = await refusal(provider.fetch(image, tmp_path / "x"))
    assert isinstance(error, Refused)
    assert (error.reason, error.setting) == (Reason.IMAGE_TOO_LARGE, "IMAGE_MAX_MIB")


async def test_a_response_without_images_is_a_failure(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(TXT2IMG, edited(images=[])), Fault(TXT2IMG, edited(images=[5, None, ""])))
    async with a1111_at(stand_in) as provider:
        for _ in range(2):
            problem = await fails(provider)
            assert isinstance(problem, Refused)
            assert (problem.reason, problem.fault) == (Reason.NOTHING_MADE, True)


# --- the server's own failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.A1111, Kind.FORGE, Kind.SD_NEXT, Kind.SD_CPP])
@pytest.mark.parametrize(
    ("error", "reason", "operator"),
    [
        (OUT_OF_MEMORY, Reason.OUT_OF_MEMORY, False),
        (NOT_A_NUMBER, Reason.NOT_A_NUMBER, True),
        ("RuntimeError: mat1 and mat2", Reason.BROKEN, False),
    ],
)
async def test_a_failure_of_the_server_is_final_and_free(
    stand_in: StandIn, kind: Kind, error: str, reason: Reason, operator: bool
) -> None:
    stand_in.a1111.kind = kind
    stand_in.misbehave(Fault(TXT2IMG, Fate(error=error)))
    async with a1111_at(stand_in) as provider:
        problem = await fails(provider)
        assert isinstance(problem, Refused)
        assert (problem.reason, problem.operator, problem.fault) == (reason, operator, True)
        assert (await made(provider)).images


async def test_a_failure_does_not_show_the_owners_folders(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(TXT2IMG, Fate(error=r"OSError: [Errno 22] Invalid argument: 'C:\\Users\\Ada L\\x.pt'")))
    async with a1111_at(stand_in) as provider:
        said = (await fails(provider)).said
    assert "Invalid argument" in said
    assert "Ada" not in said


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": "RuntimeError", "errors": "the model is not loaded"}, Reason.BROKEN),
        ({"detail": OUT_OF_MEMORY}, Reason.OUT_OF_MEMORY),
        ({"images": None, "error": NOT_A_NUMBER}, Reason.NOT_A_NUMBER),
    ],
)
async def test_a_failure_that_looks_like_a_success_is_final_too(stand_in: StandIn, body: Json, reason: Reason) -> None:
    stand_in.misbehave(Fault(TXT2IMG, Status(200, body)))
    async with a1111_at(stand_in) as provider:
        problem = await fails(provider)
    assert isinstance(problem, Refused)
    assert (problem.reason, problem.fault) == (reason, True)


@pytest.mark.parametrize("body", ["Internal Server Error", {"detail": "Internal Server Error"}, [], "", 5])
async def test_a_failure_without_a_reason_is_a_failure(stand_in: StandIn, body: Json) -> None:
    stand_in.misbehave(Fault(TXT2IMG, Status(500, body)))
    async with a1111_at(stand_in) as provider:
        assert (await fails(provider)).reason is Reason.BROKEN


@pytest.mark.parametrize("kind", [Kind.A1111, Kind.FORGE, Kind.SD_NEXT])
async def test_an_unknown_sampler_is_refused_and_the_lists_are_asked_for_again(stand_in: StandIn, kind: Kind) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        problem = await fails(provider, asked(DREAM, sampler="gone"))
        assert isinstance(problem, Refused)
        assert not isinstance(problem, NotFound)
        assert problem.reason is Reason.REFUSED
        assert "Sampler not found" in problem.said
        assert provider.outdated


async def test_a_proxy_that_takes_no_large_pictures_gets_smaller_ones(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(Fault("a1111.img2img", Status(413, "<html>", content_type="text/html")))
    async with a1111_at(stand_in) as provider:
        error = await refusal(made(provider, varied(), pictures(tmp_path)))
    assert (type(error), error.reason) == (TooLarge, Reason.UPLOAD_TOO_LARGE)


async def test_a_wrong_type_is_refused(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(TXT2IMG, Status(422, {"detail": [{"loc": ["body", "seed"], "msg": "no int"}]})))
    async with a1111_at(stand_in) as provider:
        assert (await fails(provider)).reason is Reason.REFUSED


async def test_a_server_without_the_api_is_a_wrong_address(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.a1111.api = False
        assert isinstance(await fails(provider), NotFound)
        assert isinstance(await refusal(provider.learn()), NotFound)


async def test_a_wrong_password_is_the_operators_problem(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.a1111.accounts = {("easel", "x")}
        problem = await fails(provider)
        assert isinstance(problem, Refused)
        assert (problem.reason, problem.setting) == (Reason.WRONG_KEY, "A1111_PASSWORD")


async def test_too_many_requests_are_sent_later(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Status(429, {"detail": "x"}, {"Retry-After": "7"})))
        problem = await fails(provider)
        assert isinstance(problem, Busy)
        assert problem.retry_after == 7


async def test_a_redirect_is_not_followed(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Redirect()))
        assert (await fails(provider)).reason is Reason.REDIRECTED


async def test_a_server_that_is_off_was_sent_nothing(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        await stand_in.stop()
        assert isinstance(await fails(provider), Unreachable)
        assert isinstance(await refusal(provider.learn()), Unreachable)
        assert len(checkpoints_of(provider)) == 3


# --- a lost response --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        Reset(after_doing=True),
        Half(),
        Half(reset=True),
        Body("<html>login</html>", "text/html"),
        Body("[]"),
        Body('{"images": "x"}'),
        Body('{"images": ["*"], "info": ""}'),
        *(Status(code, "<html>", content_type="text/html") for code in (408, 502, 503, 504, 520, 524)),
    ],
    ids=repr,
)
async def test_a_response_that_was_cut_off_says_nothing_about_the_job(stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(TXT2IMG, act))
    async with a1111_at(stand_in) as provider:
        assert isinstance(await fails(provider), OutcomeUnknown)
    assert len(stand_in.calls_to(TXT2IMG)) == 1


async def test_the_search_waits_for_the_server_and_then_says_that_it_is_gone(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    request = asked(DREAM)
    async with a1111_at(slow) as provider:
        assert provider.finds_lost_submits
        async with on_its_way(provider, slow, request) as (handle, _):
            for _ in range(2):
                assert isinstance(await refusal(provider.find(handle)), Unreachable)
        # The bot has hung up, and the server goes on.
        assert isinstance(await refusal(provider.find(handle)), Unreachable)
        slow.finish_all()
        while slow.a1111.current is not None:
            await asyncio.sleep(0)
        assert await provider.find(handle) is None
        again = asyncio.create_task(provider.submit(handle, request))
        await slow.called(TXT2IMG, 2)
        while not slow.finish_all():
            await asyncio.sleep(0)
        assert (await again).images
    first, second = slow.calls_to(TXT2IMG)
    assert first.body == second.body


async def test_a_queued_task_is_found_too(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    async with (
        a1111_at(slow, jobs=2) as provider,
        on_its_way(provider, slow),
        on_its_way(provider, slow) as (handle, _),
    ):
        assert (await refusal(provider.find(handle))).reason is Reason.BUSY


async def test_cancel_after_a_restart_stops_the_running_task(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    request = asked(DREAM)
    async with a1111_at(slow) as before, a1111_at(slow) as provider, on_its_way(before, slow, request) as (handle, _):
        await provider.cancel(handle)
        assert slow.a1111.interrupted == [handle["task"]]
        assert (await refusal(provider.submit(handle, request))).reason is Reason.CANCELLED


async def test_a_cancelled_request_whose_response_was_lost_is_not_sent_again(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    slow.misbehave(Fault(TXT2IMG, Reset(after_doing=True)))
    async with a1111_at(slow) as provider, on_its_way(provider, slow) as (handle, submit):
        await provider.cancel(handle)
        assert isinstance(await refusal(submit), OutcomeUnknown)
        assert await provider.find(handle) is None
        assert (await refusal(provider.submit(handle, asked(DREAM)))).reason is Reason.CANCELLED
    assert len(slow.calls_to(TXT2IMG)) == 1


@pytest.mark.parametrize("kind", [Kind.SD_NEXT, Kind.SD_CPP, Kind.KOBOLD])
async def test_a_server_that_tells_no_tasks_has_no_search(stand_in: StandIn, kind: Kind) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        assert not provider.finds_lost_submits
        assert await provider.find(await provider.prepare(asked(DREAM))) is None


async def test_a_search_without_a_response_proves_nothing(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        handle = await provider.prepare(asked(DREAM))
        stand_in.misbehave(Fault(TASK, Reset()), Fault(TASK, Status(502)))
        for _ in range(2):
            assert isinstance(await refusal(provider.find(handle)), Unreachable)


async def test_a_submit_is_given_up_after_the_patience(stand_in: StandIn, pass_time: Callable[[float], None]) -> None:
    async with a1111_at(stand_in, patience=100) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Hang()))
        call = asyncio.create_task(fails(provider))
        await stand_in.called(TXT2IMG)
        pass_time(95)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not call.done()
        pass_time(10)
        assert isinstance(await call, OutcomeUnknown)


@pytest.mark.parametrize("handle", [{}, {"task": "", "seed": 1}, {"task": "x"}, {"task": "x", "seed": True}])
async def test_a_handle_of_another_version_is_refused(handle: dict[str, Json]) -> None:
    provider = make_a1111("http://127.0.0.1:1")
    request: ImageRequest = asked(DREAM)
    calls = [provider.submit(handle, request), provider.find(handle), provider.cancel(handle)]
    for call in calls:
        assert (await refusal(call)).reason is Reason.BAD_HANDLE
    await provider.close()
