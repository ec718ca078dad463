"""Several A1111-compatible servers, or several jobs at one: which server gets a job, and what happens to the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from bot.providers.a1111 import A1111
from bot.providers.errors import Busy, OutcomeUnknown, Reason, Unreachable
from bot.providers.operations import Operation, Size
from bot.providers.settings import Takes, WrongSetting
from fakes.services import Fault, StandIn, flat
from fakes.services.a1111 import CHECKPOINTS, Checkpoint, Kind
from fakes.services.exchange import Exchange
from fakes.services.faults import Hang, Redirect, Reset, Status
from tests.providers.a1111_workbench import (
    DREAM,
    INTERRUPT,
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
from tests.providers.workbench import asked, reader, refusal


@pytest.fixture
async def second() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=(0, 0), painter=flat, seed=2) as server:
        yield server


@pytest.fixture
async def slow_second() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=None, painter=flat, seed=2) as server:
        yield server


def counts(*stand_ins: StandIn) -> list[int]:
    return [len(each.calls_to(TXT2IMG)) for each in stand_ins]


async def test_the_server_with_the_model_loaded_comes_first(stand_in: StandIn, second: StandIn) -> None:
    second.a1111.loaded = CHECKPOINTS[1]
    async with a1111_at(stand_in, second) as provider:
        for _ in range(2):
            await made(provider, asked(XL))
            await made(provider, asked(DREAM))
    assert counts(stand_in, second) == [2, 2]
    assert not stand_in.a1111.loads
    assert not second.a1111.loads


async def test_the_servers_are_asked_for_their_models_at_the_same_time(stand_in: StandIn, second: StandIn) -> None:
    stand_in.misbehave(Fault("a1111.models", Hang()))
    provider = make_a1111(stand_in, second)
    learning = asyncio.create_task(provider.learn())
    await second.called("a1111.models")
    assert not learning.done()
    stand_in.release()
    assert await learning
    await provider.close()


async def test_a_server_keeps_the_model_of_its_last_job(stand_in: StandIn, second: StandIn) -> None:
    async with a1111_at(stand_in, second) as provider:
        await made(provider, asked(XL))
        await made(provider, asked(DREAM))
        await made(provider, asked(XL))
    assert counts(stand_in, second) == [2, 1]
    assert (stand_in.a1111.loads, second.a1111.loads) == (["juggernautXL_v9"], [])


async def test_an_idle_server_comes_before_one_with_the_model(slow_stand_in: StandIn, slow_second: StandIn) -> None:
    slow_second.a1111.loaded = CHECKPOINTS[1]
    async with a1111_at(slow_stand_in, slow_second) as provider:
        assert provider.jobs == 2
        async with on_its_way(provider, slow_stand_in), on_its_way(provider, slow_second):
            assert counts(slow_stand_in, slow_second) == [1, 1]


async def test_a_server_gets_no_more_jobs_than_it_should(slow_stand_in: StandIn, slow_second: StandIn) -> None:
    first, other = slow_stand_in, slow_second
    other.a1111.checkpoints = CHECKPOINTS[:1]
    async with a1111_at(first, other) as provider, on_its_way(provider, first, asked(XL)) as (_, submit):
        handle = await provider.prepare(asked(XL))
        waiting = asyncio.create_task(provider.submit(handle, asked(XL)))
        for _ in range(50):
            await asyncio.sleep(0)
        assert counts(first, other) == [1, 0]
        first.finish_all()
        assert (await submit).images
        await first.called(TXT2IMG, 2)
        while not first.finish_all():
            await asyncio.sleep(0)
        assert (await waiting).images


async def test_only_servers_with_the_model_get_the_job(stand_in: StandIn, second: StandIn) -> None:
    stand_in.a1111.checkpoints = CHECKPOINTS[:1]
    second.a1111.has.samplers = ("Euler", "Euler a", "LCM")
    async with a1111_at(stand_in, second) as provider:
        samplers = {engine.id: engine.samplers for engine in checkpoints_of(provider)}
        assert samplers[DREAM] == ("Euler a", "Euler")
        assert samplers[XL] == second.a1111.has.samplers
        await made(provider, asked(XL))
    assert counts(stand_in, second) == [0, 1]


async def test_an_engine_has_what_all_its_servers_have(stand_in: StandIn, second: StandIn) -> None:
    second.a1111.checkpoints = CHECKPOINTS[:1]
    has = second.a1111.has
    has.loras, has.schedulers, has.latent_modes, has.controlnets = ("ink",), ("karras",), (), None
    async with a1111_at(stand_in, second) as provider:
        dream, xl, _ = checkpoints_of(provider)
        assert (dream.loras, dream.schedulers, dream.high_res) == (("ink",), ("Karras",), None)
        assert (xl.loras, xl.schedulers) == (stand_in.a1111.has.loras, ("Automatic", "Karras", "Exponential"))
        assert xl.high_res is not None
        assert Operation.SKETCH not in dream.operations
        assert Operation.STRUCTURE in xl.operations


async def test_a_server_with_the_upscaler_gets_the_picture(stand_in: StandIn, second: StandIn, tmp_path: Path) -> None:
    stand_in.a1111.has.upscalers = ("None",)
    request = varied("a1111/4x-UltraSharp", operation=Operation.UPSCALE, size=Size(1024, 1024), scale=2)
    async with a1111_at(stand_in, second) as provider:
        assert (await made(provider, request, pictures(tmp_path))).images
    assert [len(each.calls_to("a1111.extras")) for each in (stand_in, second)] == [0, 1]


async def test_programs_of_several_kinds_have_a_common_name(stand_in: StandIn, second: StandIn) -> None:
    second.a1111.kind = Kind.SD_NEXT
    async with a1111_at(stand_in, second) as provider:
        assert provider.label == "Stable Diffusion"
        assert provider.finds_lost_submits


async def test_the_work_of_a_server_that_is_away_goes_to_another_one(
    stand_in: StandIn, second: StandIn, pass_time: Callable[[float], None]
) -> None:
    async with a1111_at(stand_in, second) as provider:
        await stand_in.stop()
        assert (await made(provider)).images
        assert (await made(provider)).images
        assert counts(stand_in, second) == [0, 2]
        await second.stop()
        assert isinstance(await fails(provider), Unreachable)
        pass_time(60)
        assert isinstance(await fails(provider), Unreachable)


async def test_a_server_is_tried_again_after_its_rest(
    stand_in: StandIn, second: StandIn, pass_time: Callable[[float], None]
) -> None:
    async with a1111_at(stand_in, second) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Status(429)))
        for _ in range(3):
            assert (await made(provider)).images
        assert counts(stand_in, second) == [1, 3]
        pass_time(31)
        assert (await made(provider)).images
        assert counts(stand_in, second) == [2, 3]


async def test_a_job_that_all_servers_refuse_for_now_is_sent_later(stand_in: StandIn, second: StandIn) -> None:
    async with a1111_at(stand_in, second) as provider:
        for each in (stand_in, second):
            each.misbehave(Fault(TXT2IMG, Status(429)))
        assert isinstance(await fails(provider), Busy)


async def test_a_job_whose_response_was_lost_goes_to_no_other_server(stand_in: StandIn, second: StandIn) -> None:
    async with a1111_at(stand_in, second) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Reset(after_doing=True)))
        assert (await fails(provider)).reason is Reason.NO_ANSWER
    assert counts(stand_in, second) == [1, 0]


async def test_servers_that_are_away_when_the_bot_starts(stand_in: StandIn, second: StandIn) -> None:
    await second.stop()
    async with a1111_at(stand_in, second) as provider:
        assert len(checkpoints_of(provider)) == 3
        assert await provider.check() is None
        assert (await made(provider)).images
        await stand_in.stop()
        assert isinstance(await provider.check(), Unreachable)
        assert isinstance(await refusal(provider.learn()), Unreachable)
        assert len(checkpoints_of(provider)) == 3


async def test_a_server_that_was_away_at_the_start_is_asked_again_soon(stand_in: StandIn, second: StandIn) -> None:
    stand_in.a1111.checkpoints = CHECKPOINTS[:1]
    second.misbehave(Fault("a1111.models", Status(502)))
    provider = make_a1111(stand_in, second)
    assert {engine.id for engine in await provider.learn()} >= {DREAM}
    assert len(checkpoints_of(provider)) == 1
    outdated = [provider.outdated]
    # What it had is known from the second time on, so it need not be asked again soon.
    for fault in ([], [Fault("a1111.models", Status(502))]):
        second.misbehave(*fault)
        await provider.learn()
        assert len(checkpoints_of(provider)) == 3
        outdated.append(provider.outdated)
    assert outdated == [True, False, False]
    await provider.close()


@pytest.mark.parametrize("what", ["api", "password", "redirect"])
async def test_a_server_that_is_set_up_wrong_leaves_the_work_to_another_one(
    stand_in: StandIn, second: StandIn, what: str
) -> None:
    """It was started again without --api, or with another password."""
    async with a1111_at(stand_in, second) as provider:
        match what:
            case "api":
                stand_in.a1111.api = False
            case "password":
                stand_in.a1111.accounts = {("owner", "another")}
            case _:
                stand_in.misbehave(Fault(TXT2IMG, Redirect(), times=None))
        assert (await made(provider)).images
        assert provider.servers()[0].silence is not None
        await second.stop()
        # The other one may come back, so nobody is told to pick another engine.
        assert isinstance(await fails(provider), Unreachable)


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_model_that_only_one_server_has_lost_is_used_at_another_one(
    stand_in: StandIn, second: StandIn, deaf: bool
) -> None:
    async with a1111_at(stand_in, second) as provider:
        stand_in.a1111.deaf = deaf
        stand_in.a1111.checkpoints = CHECKPOINTS[:1]
        assert (await made(provider, asked(XL))).images
        assert counts(stand_in, second) == [1, 1]
        assert provider.outdated


async def test_a_model_that_a_server_loses_while_another_one_is_tried(stand_in: StandIn, second: StandIn) -> None:
    async with a1111_at(stand_in, second) as provider:

        async def loses(exchange: Exchange) -> web.StreamResponse:
            second.a1111.checkpoints = CHECKPOINTS[:1]
            await provider.learn()
            return web.json_response({}, status=429)

        stand_in.misbehave(Fault(TXT2IMG, loses))
        assert isinstance(await fails(provider, asked(XL)), Busy)
        assert counts(stand_in, second) == [1, 0]


async def test_a_checkpoint_with_the_name_of_an_upscaler(stand_in: StandIn, second: StandIn) -> None:
    stand_in.a1111.checkpoints = (*CHECKPOINTS, Checkpoint("R-ESRGAN_4x", None))
    second.a1111.has.upscalers = ("None", "R-ESRGAN_4x")
    second.a1111.checkpoints = CHECKPOINTS
    async with a1111_at(stand_in, second) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Status(429)))
        assert isinstance(await fails(provider, asked("a1111/R-ESRGAN_4x")), Busy)
        assert not second.calls_to(TXT2IMG)


async def test_a_server_that_is_away_does_not_keep_another_one_from_being_told_to_stop(
    stand_in: StandIn, slow_second: StandIn
) -> None:
    request = asked(DREAM)
    async with (
        a1111_at(stand_in, slow_second) as provider,
        a1111_at(slow_second) as before,
        on_its_way(before, slow_second, request) as (handle, _),
    ):
        stand_in.misbehave(Fault(TASK, Reset()))
        assert isinstance(await refusal(provider.cancel(handle)), Unreachable)
        assert slow_second.a1111.interrupted == [handle["task"]]


async def test_the_search_asks_every_server(slow_stand_in: StandIn, slow_second: StandIn) -> None:
    async with a1111_at(slow_stand_in, slow_second) as provider:
        async with on_its_way(provider, slow_stand_in), on_its_way(provider, slow_second) as (handle, _):
            assert (await refusal(provider.find(handle))).reason is Reason.BUSY
        nobodys = await provider.prepare(asked(DREAM))
        assert await provider.find(nobodys) is None
        # The loss is only time, so one server that is away does not keep the others from making it.
        slow_stand_in.misbehave(Fault(TASK, Reset()))
        assert await provider.find(nobodys) is None


@pytest.mark.parametrize("value", ["ftp://x", "http://", "x.example", "http://u:p@x.example", "http://x/?a=b"])
def test_an_invalid_address_is_named_without_its_value(value: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        A1111.configure(reader(A1111_URLS=f"http://127.0.0.1:7860, {value}"))
    assert (caught.value.name, caught.value.takes) == ("A1111_URLS", Takes.ADDRESSES)
    assert value not in str(caught.value)


async def test_a_path_may_precede_the_api(stand_in: StandIn) -> None:
    provider = make_a1111(f"{stand_in.url}/a1111/")
    await provider.learn()
    assert checkpoints_of(provider)
    await provider.close()


async def test_another_process_takes_over_what_one_has_prepared(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as before:
        handle = await before.prepare(asked(DREAM))
    after = make_a1111(stand_in)
    assert (await after.submit(handle, asked(DREAM))).images
    await after.close()


async def test_a_server_that_is_away_after_a_restart_is_tried_again_later(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as before:
        handle = await before.prepare(asked(DREAM))
    after = make_a1111(stand_in)
    await stand_in.stop()
    assert isinstance(await refusal(after.submit(handle, asked(DREAM))), Unreachable)
    await after.close()


async def test_each_server_tells_what_it_works_on(slow_stand_in: StandIn, slow_second: StandIn) -> None:
    first, other = slow_stand_in, slow_second
    async with a1111_at(first, other) as provider:
        assert [state.engine for state in provider.servers()] == [DREAM, DREAM]
        async with on_its_way(provider, first), on_its_way(provider, other):
            waiting = asyncio.create_task(provider.submit(await provider.prepare(asked(DREAM)), asked(DREAM)))
            for _ in range(50):
                await asyncio.sleep(0)
            assert [(state.running, state.waiting) for state in provider.servers()] == [(1, 1), (1, 0)]
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert [(state.running, state.waiting) for state in provider.servers()] == [(0, 0), (0, 0)]


async def test_a_server_that_lost_a_request_is_silent_until_it_answers(
    stand_in: StandIn, second: StandIn, pass_time: Callable[[float], None]
) -> None:
    async with a1111_at(stand_in, second) as provider:
        handle = await provider.prepare(asked(DREAM))
        stand_in.misbehave(Fault(TXT2IMG, Reset()), Fault(TASK, Reset()))
        assert isinstance(await refusal(provider.submit(handle, asked(DREAM))), OutcomeUnknown)
        pass_time(20)
        await provider.find(handle)
        lost, good = provider.servers()
        assert lost.silence is not None
        assert round(lost.silence.seconds, -1) == 20
        assert good.silence is None
        await provider.find(handle)
        assert provider.servers()[0].silence is None


async def test_a_server_is_silent_since_its_first_failure(
    stand_in: StandIn, second: StandIn, pass_time: Callable[[float], None]
) -> None:
    async with a1111_at(stand_in, second) as provider:
        stand_in.misbehave(Fault(TXT2IMG, Status(429), times=2))
        await made(provider)
        pass_time(45)
        await made(provider)
        pass_time(45)
        silent, good = provider.servers()
        assert silent.silence is not None
        assert (silent.silence.reason, round(silent.silence.seconds, -1)) == (Reason.BUSY, 90)
        assert good.silence is None
        await made(provider)
        assert [state.silence for state in provider.servers()] == [None, None]


async def test_a_job_that_a_late_interrupt_may_have_stopped_is_no_result(slow_stand_in: StandIn) -> None:
    """The interrupt reaches the server when the next job has begun, and stops that one."""
    slow = slow_stand_in
    async with (
        a1111_at(slow, jobs=2) as provider,
        on_its_way(provider, slow) as (first, _),
        on_its_way(provider, slow) as (second, submit),
    ):

        async def late(exchange: Exchange) -> web.StreamResponse:
            slow.finish_all()
            await started(slow, str(second["task"]))
            return await exchange.proceed()

        slow.misbehave(Fault(INTERRUPT, late))
        await provider.cancel(first)
        assert slow.a1111.interrupted == [second["task"]]
        assert isinstance(await refusal(submit), OutcomeUnknown)


async def started(stand_in: StandIn, task: str) -> None:
    """Wait until the server makes the images of this task."""
    async with asyncio.timeout(30):
        while stand_in.a1111.current != task or not stand_in.a1111.busy:
            await asyncio.sleep(0)
