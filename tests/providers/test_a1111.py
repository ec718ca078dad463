"""A1111-compatible servers: from the request to the file, the engines, the progress, and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.providers.a1111 import A1111, PREVIEW_EVERY
from bot.providers.base import Ability, Cost, Gone, Json, Quote, Waiting, WeightedText
from bot.providers.errors import NotFound, Reason, Refused, Unreachable
from bot.providers.image_headers import inspect
from bot.providers.operations import Operation, Size
from fakes.services import Fate, Fault, StandIn, image_variants
from fakes.services.a1111 import Checkpoint, Kind
from fakes.services.faults import Rewrite, Status
from tests.providers.a1111_workbench import (
    DREAM,
    IMG2IMG,
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
    sent_body,
    varied,
)
from tests.providers.comfyui_server import comfyui_at
from tests.providers.workbench import SECRET, asked, reader, refusal


def told(progress: float, **more: Json) -> Rewrite:
    """Replace the progress in a response."""

    def change(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return answer | {"progress": progress, **more}

    return Rewrite(change)


EVERY_KIND = pytest.mark.parametrize("kind", list(Kind))


# --- from the request to the file -------------------------------------------------------------------------------------


@EVERY_KIND
async def test_images_from_the_call_to_the_files(stand_in: StandIn, tmp_path: Path, kind: Kind) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        count = checkpoints_of(provider)[0].images_per_submission
        assert count == (1 if kind is Kind.KOBOLD else 4)
        result = await made(provider, asked(DREAM, size=Size(768, 512), seed=41, images=count))
        assert result.cost == Cost(0, exact=True)
        assert [image.seed for image in result.images] == [41, 42, 43, 44][:count]
        for image in result.images:
            fetched = await provider.fetch(image, tmp_path / "x")
            assert (fetched.media_type, fetched.size) == ("image/png", Size(768, 512))
        assert len({image.data for image in result.images}) == count
    assert not stand_in.bills


async def test_the_request_as_the_server_receives_it(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        request = asked(XL, negative="fog", seed=7, steps=30, guidance=5.5, sampler="Euler a", size=Size(1152, 896))
        body = await sent_body(stand_in, provider, request)
    task = str(body.pop("force_task_id"))
    assert task.startswith("easel-")
    assert body == {
        "prompt": "a lighthouse on a cliff",
        "negative_prompt": "fog",
        "seed": 7,
        "steps": 30,
        "width": 1152,
        "height": 896,
        "batch_size": 1,
        "n_iter": 1,
        "send_images": True,
        "save_images": False,
        "override_settings": {"sd_model_checkpoint": "juggernautXL_v9.safetensors [c9e3e68f89]"},
        "override_settings_restore_afterwards": False,
        "cfg_scale": 5.5,
        "sampler_name": "Euler a",
    }


async def test_the_number_of_steps_and_a_seed_are_always_sent(stand_in: StandIn) -> None:
    async with a1111_at(stand_in, steps=12) as provider:
        body = await sent_body(stand_in, provider, asked(DREAM, seed=0))
        assert body["steps"] == 12
        assert isinstance(body["seed"], int)
        assert body["seed"] > 0
        assert not {"cfg_scale", "sampler_name"} & body.keys()


async def test_a_request_keeps_its_seed_and_its_task_when_it_is_sent_again(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        handle = await provider.prepare(asked(DREAM))
        first, second = [await provider.submit(handle, asked(DREAM)) for _ in range(2)]
        assert first.images == second.images
        assert (await provider.prepare(asked(DREAM)))["task"] != handle["task"]


async def test_a_picture_is_varied(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in) as provider:
        result = await made(provider, varied(strength=40), pictures(tmp_path))
        assert result.images[0].data
    (call,) = stand_in.calls_to(IMG2IMG)
    assert isinstance(call.body, dict)
    assert call.body["denoising_strength"] == 0.4
    assert call.body["include_init_images"] is False
    assert "mask" not in call.body
    assert stand_in.renderings.by_guid.popitem()[1].operation == "image_to_image"


async def test_the_marked_part_is_repainted(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in) as provider:
        request = varied(operation=Operation.INPAINT, mask=2, size=Size(515, 390))
        await made(provider, request, pictures(tmp_path, Size(515, 390), masked=True))
    (call,) = stand_in.calls_to(IMG2IMG)
    assert isinstance(call.body, dict)
    assert (call.body["inpainting_mask_invert"], call.body["inpainting_fill"]) == (0, 1)
    assert (call.body["width"], call.body["height"]) == (512, 384)
    assert call.body["denoising_strength"] == 0.8
    assert stand_in.renderings.by_guid.popitem()[1].operation == "inpaint"


async def test_a_request_without_its_pictures_is_not_sent(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in) as provider:
        assert (await fails(provider, varied())).reason is Reason.NO_PICTURE
        request = varied(operation=Operation.INPAINT)
        unmarked = await refusal(made(provider, request, pictures(tmp_path)))
        assert unmarked.reason is Reason.NOTHING_MARKED
        gone = pictures(tmp_path)
        gone.source.path.unlink()
        assert isinstance(await refusal(made(provider, varied(), gone)), Unreachable)
    assert not stand_in.calls_to(IMG2IMG)


@pytest.mark.parametrize(("alter", "kind"), [(image_variants.jpeg, "image/jpeg"), (image_variants.webp, "image/webp")])
async def test_the_type_of_the_images_is_read_from_their_bytes(
    stand_in: StandIn, tmp_path: Path, alter: image_variants.Alteration, kind: str
) -> None:
    stand_in.services.fate = Fate(alter=alter)
    async with a1111_at(stand_in) as provider:
        (image,) = (await made(provider)).images
        assert (await provider.fetch(image, tmp_path / "x")).media_type == kind


async def test_there_is_nothing_to_pay_and_nothing_to_poll(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        assert provider.quote(asked(DREAM)) == Quote(0, 0, 0, exact=True)
        assert await provider.poll(await provider.prepare(asked(DREAM))) == Gone()


# --- the engines ------------------------------------------------------------------------------------------------------


async def test_each_checkpoint_is_an_engine(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        dream, xl, mine = checkpoints_of(provider)
    assert (dream.id, xl.id) == (DREAM, XL)
    assert (mine.name, mine.provider) == ("My Model (v2)", "a1111")
    assert mine.model.startswith("My-Model-v2-")
    assert dream.operations[:3] == (Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE, Operation.INPAINT)
    assert dream.default_size in dream.sizes
    for engine in (dream, *dream.others):
        assert engine.samplers == stand_in.a1111.has.samplers
        assert {Ability.NEGATIVE, Ability.SEED, Ability.STEPS, Ability.GUIDANCE, Ability.SAMPLER} <= engine.abilities
    assert dream.takes_size(Size(1000, 2048))
    assert not dream.takes_size(Size(1001, 512))
    assert not dream.takes_size(Size(56, 512))
    varying, repainting, *_ = dream.others
    assert Ability.STRENGTH in varying.abilities
    assert varying.picture is not None
    assert "image/webp" not in varying.picture.formats
    assert not repainting.sized


async def test_engines_are_learnt_when_a_request_needs_them(stand_in: StandIn) -> None:
    provider = make_a1111(stand_in)
    assert not checkpoints_of(provider)
    assert (await made(provider)).images
    assert checkpoints_of(provider)
    unknown = await refusal(provider.prepare(asked("a1111/another")))
    assert (type(unknown), unknown.reason) == (Refused, Reason.RETIRED)
    await provider.close()


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        (Kind.A1111, "AUTOMATIC1111"),
        (Kind.FORGE, "Forge"),
        (Kind.SD_NEXT, "SD.Next"),
        (Kind.SD_CPP, "stable-diffusion.cpp"),
        (Kind.KOBOLD, "KoboldCpp"),
    ],
)
async def test_the_program_is_recognised(stand_in: StandIn, kind: Kind, label: str) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        assert provider.label == label
        assert provider.finds_lost_submits == (kind in {Kind.A1111, Kind.FORGE})


@pytest.mark.parametrize(
    "models",
    [
        [],
        [None, 1, "x", {}, {"title": 5}, {"title": "\x00"}, {"title": "x" * 500}, {"model_name": ["a"]}],
        [{"title": f"m{i}", "model_name": f"m{i}"} for i in range(1000)],
        [{"title": "same", "model_name": "same"}] * 3,
    ],
    ids=["none", "odd", "many", "repeated"],
)
async def test_odd_lists_of_models_are_bounded(stand_in: StandIn, models: list[Json]) -> None:
    stand_in.misbehave(Fault("a1111.models", Rewrite(lambda _: models)))
    async with a1111_at(stand_in) as provider:
        assert len(checkpoints_of(provider)) <= 200
        assert len({engine.id for engine in checkpoints_of(provider)}) == len(checkpoints_of(provider))
        assert len(checkpoints_of(provider)) == {0: 0, 8: 0, 1000: 200, 3: 1}[len(models)]


async def test_the_operator_learns_of_checkpoints_that_are_left_out(stand_in: StandIn) -> None:
    stand_in.a1111.checkpoints = tuple(Checkpoint(f"m{i}", None) for i in range(300))
    stand_in.comfyui.has.checkpoints = [f"m{i}.safetensors" for i in range(300)]
    with capture_logs() as logs:
        async with a1111_at(stand_in), comfyui_at(stand_in):
            pass
    assert [log["event"] for log in logs] == ["a1111.checkpoints_left_out", "comfyui.checkpoints_left_out"]


async def test_names_that_look_the_same_in_an_id_are_two_engines(stand_in: StandIn) -> None:
    names = ("a b", "a-b", "a(b)", "漢字", "x" * 90, "x" * 91)
    stand_in.a1111.checkpoints = tuple(Checkpoint(name, None) for name in names)
    async with a1111_at(stand_in) as provider:
        ids = [engine.model for engine in checkpoints_of(provider)]
    assert len(set(ids)) == len(names)
    assert "a-b" in ids
    assert all(len(each) <= 60 and each.isascii() for each in ids)


@pytest.mark.parametrize("answer", [{}, None, "x", 5])
async def test_a_list_of_models_that_is_none_keeps_the_engines(stand_in: StandIn, answer: Json) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault("a1111.models", Rewrite(lambda _: answer)))
        assert isinstance(await refusal(provider.learn()), Unreachable)
        assert len(checkpoints_of(provider)) == 3


# --- the progress and Cancel ------------------------------------------------------------------------------------------


async def test_the_progress_is_that_of_the_own_task(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    slow.services.fate = Fate(seconds=1000)
    async with a1111_at(slow, jobs=2) as provider:
        async with on_its_way(provider, slow) as (first, submit), on_its_way(provider, slow) as (second, waiting):
            running = await provider.progress(first)
            assert (running.percent, running.seconds_left, running.place) == (0, 12.5, None)
            assert await provider.progress(second) == Waiting(place=1)
            slow.finish_all()
            assert (await submit).images
            assert not waiting.done()
            slow.misbehave(Fault(TASK, told(0.426)))
            assert (await provider.progress(second)).percent == 42
        assert await provider.progress(first) == Waiting()


async def test_the_unfinished_image_is_shown_if_it_is_one(
    slow_stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    slow = slow_stand_in
    async with a1111_at(slow) as provider, on_its_way(provider, slow) as (handle, submit):
        preview = (await provider.progress(handle)).preview
        odd: list[Json] = [None, 5, "*", "eA==", "data:text/html;base64,PGh0bWw+", "A" * (2 << 20)]
        slow.misbehave(*(Fault(TASK, told(0.5, live_preview=each)) for each in odd))
        for _ in odd:
            pass_time(PREVIEW_EVERY)
            assert await provider.progress(handle) == Waiting(percent=50, seconds_left=12.5, preview=preview)
        await provider.cancel(handle)
        assert (await refusal(submit)).reason is Reason.CANCELLED
    assert preview is not None
    assert inspect(preview).size == Size(1024, 1024)
    asked_for = [call.body["live_preview"] for call in slow.calls_to(TASK) if isinstance(call.body, dict)]
    assert asked_for == [False, *[True] * 7, False]


async def test_an_unfinished_image_is_asked_for_as_seldom_as_it_is_shown(
    slow_stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    slow = slow_stand_in
    async with a1111_at(slow) as provider, on_its_way(provider, slow) as (handle, _):
        first = (await provider.progress(handle)).preview
        assert (await provider.progress(handle)).preview == first
        pass_time(PREVIEW_EVERY)
        await provider.progress(handle)
    asked_for = [call.body["live_preview"] for call in slow.calls_to(TASK) if isinstance(call.body, dict)]
    assert asked_for == [False, True, False, True]
    assert first is not None


@pytest.mark.parametrize("kind", [Kind.A1111, Kind.SD_NEXT])
async def test_a_global_progress_counts_only_for_a_single_job(slow_stand_in: StandIn, kind: Kind) -> None:
    slow = slow_stand_in
    slow.a1111.kind, slow.a1111.webui = kind, False
    halfway = told(0.5)
    async with a1111_at(slow, jobs=2) as provider:
        slow.misbehave(Fault("a1111.progress", halfway, times=None))
        async with on_its_way(provider, slow) as (first, _):
            assert (await provider.progress(first)).percent == 50
            async with on_its_way(provider, slow):
                assert await provider.progress(first) == Waiting()


@pytest.mark.parametrize("kind", [Kind.SD_CPP, Kind.KOBOLD])
async def test_a_server_without_progress_shows_none(slow_stand_in: StandIn, kind: Kind) -> None:
    slow_stand_in.a1111.kind = kind
    async with a1111_at(slow_stand_in) as provider, on_its_way(provider, slow_stand_in) as (handle, _):
        assert await provider.progress(handle) == Waiting()


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"active": "?", "queued": []}, {"active": True, "progress": "x", "eta": -5}],
)
async def test_an_odd_progress_is_no_progress(slow_stand_in: StandIn, answer: Json) -> None:
    async with a1111_at(slow_stand_in) as provider, on_its_way(provider, slow_stand_in) as (handle, _):
        slow_stand_in.misbehave(Fault(TASK, Rewrite(lambda _: answer)))
        assert await provider.progress(handle) == Waiting()


async def test_cancel_interrupts_the_running_job_and_drops_its_half_finished_image(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    async with a1111_at(slow) as provider, on_its_way(provider, slow) as (handle, submit):
        await provider.cancel(handle)
        assert slow.a1111.interrupted == [handle["task"]]
        assert (await refusal(submit)).reason is Reason.CANCELLED
    assert slow.calls_to(TXT2IMG)[0].status == 200


async def test_cancel_does_not_stop_somebody_elses_job(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    async with (
        a1111_at(slow) as other,
        a1111_at(slow) as provider,
        on_its_way(other, slow) as (_, somebodys),
        on_its_way(provider, slow) as (handle, submit),
    ):
        await provider.cancel(handle)
        await provider.progress(handle)
        assert not slow.calls_to(INTERRUPT)
        slow.finish_all()
        assert (await somebodys).images
        while slow.a1111.current != handle["task"]:
            await provider.progress(handle)
        await provider.progress(handle)
        assert slow.a1111.interrupted == [handle["task"]]
        assert (await refusal(submit)).reason is Reason.CANCELLED


async def test_cancel_before_it_was_sent_sends_nothing(slow_stand_in: StandIn) -> None:
    slow = slow_stand_in
    async with a1111_at(slow) as provider, on_its_way(provider, slow):
        request = asked(DREAM)
        handle = await provider.prepare(request)
        await provider.cancel(handle)
        slow.finish_all()
        assert (await refusal(provider.submit(handle, request))).reason is Reason.CANCELLED
        assert len(slow.calls_to(TXT2IMG)) == 1
        assert not slow.calls_to(INTERRUPT)


@pytest.mark.parametrize("kind", [Kind.SD_NEXT, Kind.SD_CPP])
async def test_cancel_where_nobody_tells_whose_job_runs_only_drops_the_image(
    slow_stand_in: StandIn, kind: Kind
) -> None:
    slow = slow_stand_in
    slow.a1111.kind = kind
    async with a1111_at(slow) as provider, on_its_way(provider, slow) as (handle, submit):
        await provider.cancel(handle)
        assert not slow.calls_to(INTERRUPT)
        slow.finish_all()
        assert (await refusal(submit)).reason is Reason.CANCELLED


# --- settings and the check -------------------------------------------------------------------------------------------


async def test_one_of_two_settings_enables_it(stand_in: StandIn) -> None:
    assert A1111.configure(reader(A1111_USER="x")) is None
    base = f"{stand_in.url}/a1111"
    for settings in ({"A1111_URL": f"{base}/"}, {"A1111_URLS": f"{base}/, {base}"}):
        provider = A1111.configure(reader(**settings, A1111_STEPS="9", A1111_JOBS="2", A1111_PATIENCE="99"))
        assert provider is not None
        assert (provider.jobs, provider.patience) == (2, 99)
        assert (await sent_body(stand_in, provider, asked(DREAM)))["steps"] == 9
        await provider.close()


async def test_a_user_name_and_a_password_are_sent(stand_in: StandIn) -> None:
    stand_in.a1111.accounts = {("easel", SECRET)}
    base = f"{stand_in.url}/a1111"
    provider = A1111.configure(reader(A1111_URL=base, A1111_USER="easel", A1111_PASSWORD=SECRET))
    assert provider is not None
    assert await provider.check() is None
    assert (await made(provider)).images
    await provider.close()
    wrong = A1111.configure(reader(A1111_URL=base, A1111_USER="easel", A1111_PASSWORD="other"))
    assert wrong is not None
    for problem in (await wrong.check(), await refusal(wrong.learn())):
        assert isinstance(problem, Refused)
        assert (problem.reason, problem.setting, problem.operator) == (Reason.WRONG_KEY, "A1111_PASSWORD", True)
    await wrong.close()


async def test_the_check_reports_what_is_wrong(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        assert await provider.check() is None
        stand_in.a1111.api = False
        assert isinstance(await provider.check(), NotFound)
        stand_in.misbehave(Fault("a1111.samplers", Status(503)))
        assert isinstance(await provider.check(), Unreachable)
        await stand_in.stop()
        assert isinstance(await provider.check(), Unreachable)


async def test_prompts_are_in_no_representation(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        request = asked(DREAM, prompts=(WeightedText("a very private wish"),), sampler="gone")
        problem = await fails(provider, request)
        assert "private" not in f"{problem!r} {problem.detail} {provider!r}"
