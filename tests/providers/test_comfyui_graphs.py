"""The built-in graphs of ComfyUI beyond words and pictures: ControlNets, LoRAs, a second pass, and enlarging."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.providers.base import Ability, Failed, ImageRequest
from bot.providers.comfyui import Comfyui
from bot.providers.errors import Reason, Refused
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Operation, Pictures, Size
from fakes.services import Fate, Fault, StandIn
from tests.providers.comfyui_server import (
    LANCZOS,
    OLD,
    SIDE,
    UPSCALER,
    XL,
    comfyui_at,
    finished,
    graph_of,
    over,
    wanted,
)
from tests.providers.workbench import refusal

UNKNOWN, UNKNOWN_FILE = "comfyui/dreamshaper_8", "dreamshaper_8.safetensors"


def enlarged(engine: str = UPSCALER, scale: int = 2) -> ImageRequest:
    size = Size(SIDE.width * scale, SIDE.height * scale)
    return wanted(engine, operation=Operation.UPSCALE, prompts=(), scale=scale, size=size)


def following(operation: Operation, engine: str = OLD, **changes: object) -> ImageRequest:
    return wanted(engine, operation=operation, **changes)


def operations(provider: Comfyui, engine: str) -> set[Operation]:
    return set(next(each for each in provider.engines if each.id == engine).operations)


# --- ControlNets ------------------------------------------------------------------------------------------------------


async def test_structure_follows_the_edges(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, tmp_path: Path
) -> None:
    request = following(Operation.STRUCTURE, strength=30, negative="fog", size=Size(640, 512))
    made = await finished(comfyui, stand_in, request, files)
    assert (await comfyui.fetch(made.images[0], tmp_path / "x")).size == Size(640, 512)
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["control"]["control_net_name"] == "control_v11p_sd15_canny.pth"
    assert graph["lines"] == {"image": ["picture", 0], "low_threshold": 0.4, "high_threshold": 0.8}
    assert graph["controlled"]["strength"] == 0.7
    assert (graph["sampler"]["positive"], graph["sampler"]["negative"]) == (["controlled", 0], ["controlled", 1])
    assert graph["sampler"]["denoise"] == 1


async def test_a_sketch_becomes_white_lines_on_black(comfyui: Comfyui, stand_in: StandIn, files: Pictures) -> None:
    await finished(comfyui, stand_in, following(Operation.SKETCH), files)
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["control"]["control_net_name"] == "control_v11p_sd15_scribble.pth"
    assert [graph[node] for node in ("inverted", "grey", "strokes", "lines")] == [
        {"image": ["picture", 0]},
        {"image": ["inverted", 0], "channel": "red"},
        {"mask": ["grey", 0], "value": 0.5},
        {"mask": ["strokes", 0]},
    ]
    assert graph["controlled"]["strength"] == 0.8


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (Operation.STRUCTURE, "canny/lineart/anime_lineart/mlsd"),
        (Operation.SKETCH, "hed/pidi/scribble/ted"),
    ],
)
async def test_a_union_is_told_what_it_gets(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, operation: Operation, kind: str
) -> None:
    await finished(comfyui, stand_in, following(operation, XL), files)
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["kind"] == {"control_net": ["control", 0], "type": kind}
    assert graph["controlled"]["control_net"] == ["kind", 0]


async def test_without_a_control_net_there_is_nothing_to_follow(stand_in: StandIn) -> None:
    stand_in.comfyui.has.controls.clear()
    async with comfyui_at(stand_in) as provider:
        for engine in (XL, OLD):
            assert not {Operation.STRUCTURE, Operation.SKETCH} & operations(provider, engine)


async def test_a_wrong_guess_is_made_once(stand_in: StandIn, files: Pictures) -> None:
    stand_in.comfyui.has.checkpoints.append(UNKNOWN_FILE)
    stand_in.comfyui.unlike = {(UNKNOWN_FILE, "controlnet-union-sdxl-1.0.safetensors")}
    request = following(Operation.STRUCTURE, UNKNOWN)
    async with comfyui_at(stand_in) as provider:
        assert await over(provider, stand_in, request, files) == Failed(Reason.WRONG_CONTROL)
        assert provider.outdated
        await provider.learn()
        await finished(provider, stand_in, request, files)
        used = [graph_of(call)["control"]["control_net_name"] for call in stand_in.calls_to("comfyui.prompt")]
        assert used == ["controlnet-union-sdxl-1.0.safetensors", "control_v11p_sd15_canny.pth"]


async def test_the_last_wrong_guess_ends_the_operation(stand_in: StandIn, files: Pictures) -> None:
    control = "canny.safetensors"
    stand_in.comfyui.has.controls[:] = [control]
    stand_in.comfyui.unlike = {("sd_xl_base_1.0.safetensors", control)}
    request = following(Operation.STRUCTURE, XL)
    async with comfyui_at(stand_in) as provider:
        assert await over(provider, stand_in, request, files) == Failed(Reason.WRONG_CONTROL)
        # Another request was prepared meanwhile.
        error = await refusal(over(provider, stand_in, request, files))
        assert (type(error), error.reason) == (Refused, Reason.WRONG_CONTROL)
        await provider.learn()
        assert Operation.STRUCTURE not in operations(provider, XL)
        assert Operation.STRUCTURE in operations(provider, OLD)


@pytest.mark.parametrize("error", ["out of memory", "CUDA error: an illegal memory access was encountered"])
async def test_another_failure_is_no_wrong_guess(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, error: str
) -> None:
    stand_in.misbehave(Fault("comfyui.prompt", Fate(error=error)))
    result = await over(comfyui, stand_in, following(Operation.STRUCTURE), files)
    assert isinstance(result, Failed)
    assert result.reason is not Reason.WRONG_CONTROL
    assert not comfyui.outdated


# --- options ----------------------------------------------------------------------------------------------------------


async def test_loras_are_chained_and_a_scheduler_is_used(comfyui: Comfyui, stand_in: StandIn) -> None:
    loras = Loras((Lora("ink", 0.6), Lora("styles/Watercolour", -1)))
    assert comfyui.engines[0].loras == ("ink", "styles/Watercolour")
    await finished(comfyui, stand_in, wanted(lora=loras, scheduler="karras"))
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["lora1"] == {
        "model": ["checkpoint", 0],
        "clip": ["checkpoint", 1],
        "lora_name": "ink.safetensors",
        "strength_model": 0.6,
        "strength_clip": 0.6,
    }
    assert (graph["lora2"]["model"], graph["lora2"]["clip"]) == (["lora1", 0], ["lora1", 1])
    assert (graph["lora2"]["lora_name"], graph["lora2"]["strength_clip"]) == ("styles/Watercolour.safetensors", -1)
    assert (graph["positive"]["clip"], graph["negative"]["clip"]) == (["lora2", 1], ["lora2", 1])
    assert (graph["sampler"]["model"], graph["sampler"]["scheduler"]) == (["lora2", 0], "karras")


async def test_a_large_collection_of_loras_is_bounded(stand_in: StandIn) -> None:
    stand_in.comfyui.has.loras[:] = [f"style-{number}.safetensors" for number in range(1_500)]
    async with comfyui_at(stand_in) as provider:
        assert provider.engines[0].loras == tuple(f"style-{number}" for number in range(1_000))


async def test_a_lora_that_is_gone_is_refused(comfyui: Comfyui, stand_in: StandIn) -> None:
    stand_in.comfyui.has.loras.remove("ink.safetensors")
    error = await refusal(over(comfyui, stand_in, wanted(lora=Loras((Lora("ink"),)))))
    assert (type(error), error.reason) == (Refused, Reason.REFUSED)
    assert comfyui.outdated


async def test_a_second_pass_draws_it_larger(comfyui: Comfyui, stand_in: StandIn, tmp_path: Path) -> None:
    request = wanted(high_res=1.3)
    assert Ability.HIGH_RES in comfyui.engines[0].abilities
    made = await finished(comfyui, stand_in, request)
    assert (await comfyui.fetch(made.images[0], tmp_path / "x")).size == request.result_size == Size(664, 496)
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert (graph["sampler"]["denoise"], graph["second"]["denoise"]) == (1, 0.5)
    assert graph["larger"]["samples"] == ["sampler", 0]
    assert graph["image"]["samples"] == ["second", 0]


# --- enlarging --------------------------------------------------------------------------------------------------------


async def test_a_model_enlarges_to_the_size_that_was_asked_for(
    comfyui: Comfyui, stand_in: StandIn, files: Pictures, tmp_path: Path
) -> None:
    engine = comfyui.engines[-1]
    assert (engine.id, engine.operations, engine.abilities) == (UPSCALER, (Operation.UPSCALE,), frozenset())
    made = await finished(comfyui, stand_in, enlarged(scale=3), files)
    assert made.images[0].seed is None
    assert (await comfyui.fetch(made.images[0], tmp_path / "x")).size == Size(SIDE.width * 3, SIDE.height * 3)
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert graph["upscaler"]["model_name"] == "4x-UltraSharp.pth"
    assert graph["image"]["image"] == ["upscaled", 0]


async def test_without_a_model_it_is_enlarged_all_the_same(stand_in: StandIn, files: Pictures, tmp_path: Path) -> None:
    stand_in.comfyui.has.upscalers.clear()
    async with comfyui_at(stand_in) as provider:
        made = await finished(provider, stand_in, enlarged(LANCZOS), files)
        assert (await provider.fetch(made.images[0], tmp_path / "x")).size == Size(SIDE.width * 2, SIDE.height * 2)
    graph = graph_of(stand_in.calls_to("comfyui.prompt")[0])
    assert (graph["image"]["image"], graph["image"]["upscale_method"]) == (["picture", 0], "lanczos")


async def test_a_picture_too_large_for_png_is_fetched_as_jpeg(
    stand_in: StandIn, files: Pictures, tmp_path: Path
) -> None:
    async with comfyui_at(stand_in, largest=SIDE.pixels * 4 * 3 - 1) as provider:
        made = await finished(provider, stand_in, enlarged(), files)
        fetched = await provider.fetch(made.images[0], tmp_path / "x")
        assert (fetched.media_type, fetched.size) == ("image/jpeg", Size(SIDE.width * 2, SIDE.height * 2))


async def test_an_upscaler_that_is_gone(comfyui: Comfyui, stand_in: StandIn, files: Pictures) -> None:
    stand_in.comfyui.has.upscalers.clear()
    error = await refusal(over(comfyui, stand_in, enlarged(), files))
    assert (type(error), error.reason) == (Refused, Reason.RETIRED)
    assert comfyui.outdated
