"""What the names of ComfyUI's models tell: families, ids, LoRAs, and the ControlNet for a checkpoint."""

from __future__ import annotations

import pytest

from bot.providers.comfyui_models import Control, Hint, control_for, lora_names, model_ids
from bot.providers.operations import Operation

XL, OLD, UNKNOWN = "sd_xl_base_1.0.safetensors", "old/v1-5-pruned.ckpt", "dreamshaper_8.safetensors"
CANNY, CANNY_XL = "control_v11p_sd15_canny.pth", "diffusers_xl_canny_full.safetensors"
SCRIBBLE, UNION = "control_v11p_sd15_scribble.pth", "xinsir/controlnet-union-sdxl-1.0.safetensors"
PLAIN = "canny.safetensors"
ALL = [SCRIBBLE, CANNY, UNION, CANNY_XL, "control_v11f1p_sd15_depth.pth"]
EDGES, LINES = Hint.EDGES, Hint.SCRIBBLE


@pytest.mark.parametrize(
    ("operation", "checkpoint", "controls", "control"),
    [
        (Operation.STRUCTURE, OLD, ALL, Control(CANNY, EDGES)),
        (Operation.STRUCTURE, XL, ALL, Control(CANNY_XL, EDGES)),
        (Operation.STRUCTURE, XL, [CANNY, UNION], Control(UNION, EDGES, union=True)),
        (Operation.STRUCTURE, XL, [CANNY, SCRIBBLE], None),
        (Operation.SKETCH, OLD, ALL, Control(SCRIBBLE, LINES)),
        (Operation.SKETCH, XL, ALL, Control(UNION, LINES, union=True)),
        (Operation.SKETCH, OLD, [CANNY], Control(CANNY, EDGES)),
        # A name that tells no family may suit every checkpoint, but one that tells the right one is better.
        (Operation.STRUCTURE, OLD, [PLAIN], Control(PLAIN, EDGES)),
        (Operation.STRUCTURE, OLD, [PLAIN, CANNY], Control(CANNY, EDGES)),
        (Operation.STRUCTURE, UNKNOWN, ALL, Control(CANNY_XL, EDGES)),
        (Operation.STRUCTURE, UNKNOWN, [CANNY], Control(CANNY, EDGES)),
        (Operation.STRUCTURE, "flux1-dev-fp8.safetensors", ALL, None),
        (
            Operation.STRUCTURE,
            XL,
            ["flux-canny-controlnet.safetensors", "controllllite_sdxl_canny.pth"],
            None,
        ),
        (Operation.INPAINT, OLD, ALL, None),
    ],
)
def test_the_control_net_is_chosen_by_its_name(
    operation: Operation, checkpoint: str, controls: list[str], control: Control | None
) -> None:
    assert control_for(operation, checkpoint, controls) == control


def test_one_that_has_failed_is_not_chosen_again() -> None:
    assert control_for(Operation.STRUCTURE, UNKNOWN, ALL, {(UNKNOWN, CANNY_XL)}) == Control(UNION, EDGES, union=True)
    assert control_for(Operation.STRUCTURE, UNKNOWN, [CANNY], {(UNKNOWN, CANNY)}) is None
    assert control_for(Operation.STRUCTURE, XL, [CANNY_XL], {(UNKNOWN, CANNY_XL)}) is not None


def test_ids_are_unique_and_depend_on_the_name_alone() -> None:
    names = ["a b.safetensors", "a-b.safetensors", "a/b.ckpt", "猫.safetensors", "x" * 300 + ".ckpt"]
    ids = model_ids(names)
    assert ids["a-b.safetensors"] == "a-b"
    assert len({one.lower() for one in ids.values()}) == len(names)
    assert all(len(one) <= 60 and one.isascii() and " " not in one for one in ids.values())
    assert model_ids(reversed(names)) == ids


def test_loras_are_named_without_their_extension() -> None:
    files = ["ink.safetensors", "styles/Watercolour.pt", "a, b.safetensors"]
    assert lora_names(files) == {"ink": "ink.safetensors", "styles/Watercolour": "styles/Watercolour.pt"}
