"""ComfyUI from the request to the file, against the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.errors import SettingsError
from bot.providers.base import Ability, Cost, Failed, Finished, Gone, Quote, Waiting, WeightedText
from bot.providers.comfyui import QUEUE_EVERY, QUEUE_KNOWN, Comfyui
from bot.providers.errors import Reason, Refused, Unreachable
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import Call, Fault, StandIn, Upload
from fakes.services.faults import Reset, Rewrite, Status
from tests.providers.comfyui_server import (
    LANCZOS,
    OLD,
    UPSCALER,
    XL,
    body_of,
    comfyui_at,
    finished,
    graph_of,
    make_comfyui,
    queued,
    varied,
    wanted,
)
from tests.providers.form_server import picture_file
from tests.providers.workbench import SECRET, reader, refusal

# --- engines ----------------------------------------------------------------------------------------------------------


async def test_each_checkpoint_is_an_engine(comfyui: Comfyui) -> None:
    assert [engine.id for engine in comfyui.engines] == [XL, OLD, UPSCALER]
    xl = comfyui.engines[0]
    assert xl.operations[:3] == (Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE, Operation.INPAINT)
    assert xl.samplers == ("euler", "euler_ancestral", "dpmpp_2m", "ddim")
    assert xl.price == Quote(0, 0, 0, exact=True)
    assert xl.schedulers == ("normal", "karras", "simple")
    assert [engine.default_size for engine in comfyui.engines[:2]] == [Size(1024, 1024), Size(512, 512)]


async def test_without_the_class_the_folder_is_listed(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("comfyui.info", Rewrite(lambda _: {}), times=None))
    async with comfyui_at(stand_in) as provider:
        assert [engine.id for engine in provider.engines] == [XL, OLD, LANCZOS]
        lists = {Ability.SAMPLER, Ability.SCHEDULER, Ability.LORA}
        assert not lists & provider.engines[0].abilities


async def test_a_list_as_newer_servers_declare_it(stand_in: StandIn) -> None:
    stand_in.misbehave(
        Fault(
            "comfyui.info",
            Rewrite(
                lambda _: {
                    "CheckpointLoaderSimple": {
                        "input": {"required": {"ckpt_name": ["COMBO", {"options": ["a/b c.safetensors", 7, ""]}]}}
                    }
                }
            ),
        )
    )
    async with comfyui_at(stand_in) as provider:
        assert [(engine.id, engine.name) for engine in provider.engines] == [
            ("comfyui/a-b-c", "b c"),
            (UPSCALER, "4x-UltraSharp"),
        ]


@pytest.mark.parametrize("answer", [[], 7, "x", {"KSampler": 1}, {"CheckpointLoaderSimple": {"input": []}}])
async def test_odd_lists_make_no_engines(stand_in: StandIn, answer: Any) -> None:
    stand_in.misbehave(
        Fault("comfyui.info", Rewrite(lambda _: answer), times=None),
        Fault("comfyui.models", Rewrite(lambda _: answer), times=None),
    )
    async with comfyui_at(stand_in) as provider:
        assert {engine.id for engine in provider.engines} <= {"comfyui/x"}


async def test_a_failure_keeps_the_engines(comfyui: Comfyui, stand_in: StandIn) -> None:
    before = comfyui.engines
    stand_in.misbehave(Fault("comfyui.info", Status(500)))
    await refusal(comfyui.learn())
    assert comfyui.engines == before != ()


async def test_a_list_that_the_server_cannot_read_costs_only_itself(stand_in: StandIn) -> None:
    """A folder of LoRAs on a machine that is off."""
    loras = partial(Fault, "comfyui.info", Status(500, "500", content_type="text/plain"), match=_about("LoraLoader"))
    stand_in.misbehave(loras())
    async with comfyui_at(stand_in) as provider:
        seen = [(bool(engine.samplers), bool(engine.loras), provider.outdated) for engine in provider.engines[:1]]
        for faults in ((), (loras(),)):
            stand_in.misbehave(*faults)
            await provider.learn()
            seen += [(bool(engine.samplers), bool(engine.loras), provider.outdated) for engine in provider.engines[:1]]
    # What was known stays.
    assert seen == [(True, False, True), (True, True, False), (True, True, True)]


def _about(node: str) -> Callable[[Call], bool]:
    return lambda call: call.path.endswith(f"/{node}")


async def test_prepare_learns_what_it_does_not_know(stand_in: StandIn) -> None:
    provider = make_comfyui(stand_in.url)
    await provider.prepare(wanted())
    assert provider.engines
    error = await refusal(provider.prepare(wanted("comfyui/another")))
    assert (type(error), error.reason) == (Refused, Reason.RETIRED)
    await provider.close()


# --- the whole path ---------------------------------------------------------------------------------------------------


async def test_from_words_to_a_file(comfyui: Comfyui, stand_in: StandIn, tmp_path: Path) -> None:
    request = wanted(seed=77, negative="fog", steps=12, guidance=4.5, sampler="ddim", size=Size(640, 512))
    made = await finished(comfyui, stand_in, request)
    (image,) = made.images
    assert (image.seed, made.cost) == (77, Cost(0, exact=True))
    fetched = await comfyui.fetch(image, tmp_path / "x")
    assert (fetched.media_type, fetched.size) == ("image/png", Size(640, 512))
    (call,) = stand_in.calls_to("comfyui.prompt")
    graph = graph_of(call)
    assert graph["checkpoint"] == {"ckpt_name": "sd_xl_base_1.0.safetensors"}
    sampler = graph["sampler"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"], sampler["sampler_name"]) == (77, 12, 4.5, "ddim")
    assert (sampler["denoise"], graph["negative"]["text"]) == (1, "fog")
    assert not stand_in.bills


async def test_every_call_has_the_credentials_and_no_origin(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, tmp_path: Path
) -> None:
    made = await finished(comfyui, stand_in, varied(), files)
    await comfyui.fetch(made.images[0], tmp_path / "x")
    assert {"comfyui.info", "comfyui.upload", "comfyui.prompt", "comfyui.history", "comfyui.view"} <= {
        call.route for call in stand_in.calls
    }
    assert all(call.headers["X-Key"] == SECRET and "Origin" not in call.headers for call in stand_in.calls)


async def test_each_request_has_a_seed_of_its_own(comfyui: Comfyui, stand_in: StandIn) -> None:
    made = [await finished(comfyui, stand_in) for _ in range(2)]
    seeds = [result.images[0].seed for result in made]
    assert seeds[0] != seeds[1]
    assert all(seed is not None and 0 < seed < 2**32 for seed in seeds)
    assert made[0].images[0].url != made[1].images[0].url
    assert [graph_of(call)["sampler"]["seed"] for call in stand_in.calls_to("comfyui.prompt")] == seeds


async def test_parentheses_are_words_and_parts_have_weights(comfyui: Comfyui, stand_in: StandIn) -> None:
    parts = (WeightedText("a (red:2) fox"), WeightedText("snow", 1.5), WeightedText("fog", -1.25))
    await finished(comfyui, stand_in, wanted(prompts=parts, negative="mist"))
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["positive"]["text"] == r"a \(red:2\) fox, (snow:1.5)"
    assert graph["negative"]["text"] == "mist, (fog:1.25)"


async def test_a_picture_is_varied(comfyui: Comfyui, stand_in: StandIn, files: Pictures) -> None:
    made = await finished(comfyui, stand_in, varied(strength=35), files)
    assert len(made.images) == 1
    (upload,) = stand_in.calls_to("comfyui.upload")
    assert upload.files["image"].length == files.source.bytes
    assert body_of(upload) == {"type": "input", "subfolder": "easel"}
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["picture"]["image"].startswith("easel/")
    assert graph["sampler"]["denoise"] == 0.35
    assert "empty" not in graph


async def test_the_marked_part_is_repainted(comfyui: Comfyui, stand_in: StandIn, files: Pictures) -> None:
    await finished(comfyui, stand_in, wanted(operation=Operation.INPAINT), files)
    assert files.mask is not None
    uploads = [call.files["image"].length for call in stand_in.calls_to("comfyui.upload")]
    assert uploads == [files.source.bytes, files.mask.bytes]
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["mask"]["channel"] == "red"
    assert graph["mask"]["image"] != graph["picture"]["image"]
    assert graph["sampler"]["denoise"] == 1
    assert graph["sampler"]["latent_image"] == ["masked", 0]


async def test_pictures_that_are_missing(comfyui: Comfyui, files: Pictures) -> None:
    assert (await refusal(queued(comfyui, varied()))).reason is Reason.NO_PICTURE
    request = wanted(operation=Operation.INPAINT)
    assert (await refusal(queued(comfyui, request, Pictures(files.source)))).reason is Reason.NOTHING_MARKED


async def test_a_renamed_upload_goes_by_its_new_name(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, tmp_path: Path
) -> None:
    handle = await comfyui.prepare(varied())
    theirs = picture_file(tmp_path, "theirs", Size(64, 64))
    stand_in.comfyui.inputs[f"easel/{handle['id']}.png"] = Upload.of(theirs.path.read_bytes())
    await comfyui.submit(handle, varied(), files)
    assert graph_of(stand_in.calls_to("comfyui.prompt")[0])["picture"]["image"] == f"easel/{handle['id']} (1).png"


# --- the queue --------------------------------------------------------------------------------------------------------


async def test_the_place_in_the_queue_is_the_order_of_the_numbers(
    slow_comfyui: Comfyui, slow_stand_in: StandIn
) -> None:
    handles = [await queued(slow_comfyui) for _ in range(4)]
    # A browser that jumps the queue: the list is a heap now.
    comfyui = slow_stand_in.comfyui
    results = [await slow_comfyui.poll(handle) for handle in handles[1:]]
    assert [result.place for result in results if isinstance(result, Waiting)] == [1, 2, 3]
    comfyui.pending[:] = [comfyui.pending[2], comfyui.pending[0], comfyui.pending[1]]
    again = make_comfyui(slow_stand_in.url)
    result = await again.poll(handles[3])
    assert isinstance(result, Waiting)
    assert result.place == 3
    await again.close()


async def test_the_queue_is_asked_for_rarely(
    slow_comfyui: Comfyui, slow_stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    handle = await queued(slow_comfyui)
    for _ in range(5):
        assert isinstance(await slow_comfyui.poll(handle), Waiting)
    assert len(slow_stand_in.calls_to("comfyui.queue")) == 1
    pass_time(QUEUE_EVERY)
    await slow_comfyui.poll(handle)
    assert len(slow_stand_in.calls_to("comfyui.queue")) == 2


async def test_the_length_of_the_queue_is_known_after_a_look_at_it(
    slow_comfyui: Comfyui, pass_time: Callable[[float], None]
) -> None:
    handles = [await queued(slow_comfyui) for _ in range(3)]
    assert [state.queue for state in slow_comfyui.servers()] == [None]
    await slow_comfyui.poll(handles[0])
    assert [state.queue for state in slow_comfyui.servers()] == [2]
    pass_time(QUEUE_KNOWN)
    assert [state.queue for state in slow_comfyui.servers()] == [None]


async def test_what_neither_queue_nor_history_knows_is_gone(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_comfyui)
    slow_stand_in.comfyui.restart()
    assert [await slow_comfyui.poll(handle) for _ in range(2)] == [Gone(), Gone()]
    routes = [call.route for call in slow_stand_in.calls if call.route in {"comfyui.queue", "comfyui.history"}]
    assert routes == ["comfyui.history", "comfyui.queue", "comfyui.history"] * 2


async def test_an_end_between_queue_and_history_is_seen(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_comfyui)
    await slow_stand_in.comfyui.started(handle["id"])

    async def ends_meanwhile(exchange: object) -> object:
        slow_stand_in.finish_all()
        await slow_stand_in.comfyui.ended(handle["id"])
        return await exchange.proceed()  # type: ignore[attr-defined]  # an exchange

    slow_stand_in.misbehave(Fault("comfyui.queue", ends_meanwhile))  # type: ignore[arg-type]  # an act
    assert isinstance(await slow_comfyui.poll(handle), Finished)


# --- cancelling -------------------------------------------------------------------------------------------------------


async def test_a_waiting_prompt_is_cancelled_without_a_trace(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    first, second = await queued(slow_comfyui), await queued(slow_comfyui)
    await slow_stand_in.comfyui.started(first["id"])
    await slow_comfyui.cancel(second)
    assert await slow_comfyui.poll(second) == Failed(Reason.CANCELLED)
    assert not slow_stand_in.calls_to("comfyui.interrupt")
    slow_stand_in.finish_all()
    await slow_stand_in.comfyui.ended(first["id"])
    assert isinstance(await slow_comfyui.poll(first), Finished)


@pytest.mark.parametrize("old", [False, True])
async def test_the_running_prompt_is_interrupted(slow_comfyui: Comfyui, slow_stand_in: StandIn, old: bool) -> None:
    slow_stand_in.comfyui.old_interrupt = old
    first, second = await queued(slow_comfyui), await queued(slow_comfyui)
    await slow_stand_in.comfyui.started(first["id"])
    await slow_comfyui.cancel(first)
    (call,) = slow_stand_in.calls_to("comfyui.interrupt")
    assert call.body == {"prompt_id": first["id"]}
    await slow_stand_in.comfyui.ended(first["id"])
    assert await slow_comfyui.poll(first) == Failed(Reason.CANCELLED)
    await slow_stand_in.comfyui.started(second["id"])
    slow_stand_in.finish_all()
    await slow_stand_in.comfyui.ended(second["id"])
    assert isinstance(await slow_comfyui.poll(second), Finished)


async def test_a_prompt_that_is_queued_twice_is_cancelled_twice(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    first = await queued(slow_comfyui)
    await slow_stand_in.comfyui.started(first["id"])
    handle = await slow_comfyui.prepare(wanted())
    for _ in range(2):
        await slow_comfyui.submit(handle, wanted())
    await slow_comfyui.cancel(handle)
    assert not slow_stand_in.comfyui.pending
    assert await slow_comfyui.poll(handle) == Failed(Reason.CANCELLED)


async def test_a_cancelled_prompt_is_not_looked_for_even_if_the_response_was_lost(
    slow_comfyui: Comfyui, slow_stand_in: StandIn
) -> None:
    first, second = await queued(slow_comfyui), await queued(slow_comfyui)
    await slow_stand_in.comfyui.started(first["id"])
    slow_stand_in.misbehave(Fault("comfyui.delete", Reset(after_doing=True)))
    assert isinstance(await refusal(slow_comfyui.cancel(second)), Unreachable)
    assert await slow_comfyui.poll(second) == Failed(Reason.CANCELLED)


async def test_a_server_that_could_not_be_reached_is_told_again_to_stop(
    slow_comfyui: Comfyui, slow_stand_in: StandIn
) -> None:
    """While it loads a model, it often answers nothing for a minute."""
    handle = await queued(slow_comfyui)
    await slow_stand_in.comfyui.started(handle["id"])
    slow_stand_in.misbehave(Fault("comfyui.delete", Reset()))
    assert isinstance(await refusal(slow_comfyui.cancel(handle)), Unreachable)
    assert isinstance(await slow_comfyui.poll(handle), Waiting)
    await slow_stand_in.comfyui.ended(handle["id"])
    assert await slow_comfyui.poll(handle) == Failed(Reason.CANCELLED)


async def test_too_late_to_cancel(comfyui: Comfyui, stand_in: StandIn) -> None:
    handle = await queued(comfyui)
    await stand_in.comfyui.ended(handle["id"])
    await comfyui.cancel(handle)
    assert isinstance(await comfyui.poll(handle), Finished)


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_settings(stand_in: StandIn) -> None:
    url = f"{stand_in.url}/comfyui"
    assert Comfyui.configure(reader()) is None
    provider = Comfyui.configure(reader(COMFYUI_URL=url, COMFYUI_JOBS="9", COMFYUI_RATE="2", COMFYUI_PATIENCE="60"))
    assert provider is not None
    assert (provider.jobs, provider.rate, provider.patience) == (9, 2.0, 60.0)
    assert await provider.check() is None
    await provider.close()
    stand_in.keys = frozenset({"Basic b3duZXI6cGFzcw==", "Bearer abc def"})
    for settings in (
        {"COMFYUI_USER": "owner", "COMFYUI_PASSWORD": "pass"},
        {"COMFYUI_HEADER": "X-Gate: Bearer abc def"},
    ):
        provider = Comfyui.configure(reader(COMFYUI_URL=url, **settings))
        assert provider is not None
        assert await provider.check() is None
        await provider.close()


@pytest.mark.parametrize("value", ["no colon", ": x", "a b: c", "A:", "A: ü"])
def test_a_header_that_is_none(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Comfyui.configure(reader(COMFYUI_URL="http://127.0.0.1:1", COMFYUI_HEADER=value))
    assert value not in str(caught.value)


async def test_check_says_what_is_wrong(comfyui: Comfyui, stand_in: StandIn) -> None:
    for act, reason in (
        (Status(401), Reason.WRONG_KEY),
        (Status(502, "<html>", content_type="text/html"), Reason.BROKEN),
        (Status(302, {}, {"Location": "https://elsewhere.example/"}), Reason.MOVED),
        (Status(200, {"hello": 1}), Reason.NOT_FOUND),
        (Status(200, "<html>", content_type="text/html"), Reason.NOT_FOUND),
    ):
        stand_in.misbehave(Fault("comfyui.stats", act))
        problem = await comfyui.check()
        assert problem is not None
        assert problem.reason is reason
