"""The classes of ComfyUI's nodes that Easel's graphs use: what each takes, and what each gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fakes.services.call_log import Json


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, both inclusive."""

    low: float
    high: float


Takes: TypeAlias = str | Range | tuple[str, ...]
"""What an input takes: the type of a link, TEXT, a list's name in lower case, a range, or one of some words."""

SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "ddim")
SCHEDULERS = ("normal", "karras", "simple")
METHODS = ("nearest-exact", "bilinear", "area", "bicubic")
UNION_TYPES = ("auto", "openpose", "depth", "hed/pidi/scribble/ted", "canny/lineart/anime_lineart/mlsd")
OUTPUTS = frozenset({"PreviewImage", "SaveImage"})
_SIDE = Range(0, 16_384)
_LATENT_SIDE = Range(16, 16_384)
_THRESHOLD = Range(0.01, 0.99)


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of nodes. ``gives`` are the types of its outputs. ``newer``: it declares its lists as newer ones do."""

    takes: Mapping[str, Takes] = field(default_factory=dict)
    gives: tuple[str, ...] = ()
    newer: bool = False


KINDS: Mapping[str, Kind] = {
    "CheckpointLoaderSimple": Kind({"ckpt_name": "checkpoints"}, ("MODEL", "CLIP", "VAE")),
    "LoraLoader": Kind(
        {
            "model": "MODEL",
            "clip": "CLIP",
            "lora_name": "loras",
            "strength_model": Range(-100, 100),
            "strength_clip": Range(-100, 100),
        },
        ("MODEL", "CLIP"),
    ),
    "CLIPTextEncode": Kind({"text": "TEXT", "clip": "CLIP"}, ("CONDITIONING",)),
    "EmptyLatentImage": Kind(
        {"width": _LATENT_SIDE, "height": _LATENT_SIDE, "batch_size": Range(1, 4_096)}, ("LATENT",)
    ),
    "KSampler": Kind(
        {
            "model": "MODEL",
            "seed": Range(0, 2**64 - 1),
            "steps": Range(1, 10_000),
            "cfg": Range(0, 100),
            "sampler_name": SAMPLERS,
            "scheduler": SCHEDULERS,
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
            "denoise": Range(0, 1),
        },
        ("LATENT",),
    ),
    "LatentUpscale": Kind(
        {
            "samples": "LATENT",
            "upscale_method": (*METHODS, "bislerp"),
            "width": _SIDE,
            "height": _SIDE,
            "crop": ("disabled", "center"),
        },
        ("LATENT",),
    ),
    "VAEDecode": Kind({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",)),
    "VAEEncode": Kind({"pixels": "IMAGE", "vae": "VAE"}, ("LATENT",)),
    "SetLatentNoiseMask": Kind({"samples": "LATENT", "mask": "MASK"}, ("LATENT",)),
    "LoadImage": Kind({"image": "inputs"}, ("IMAGE", "MASK")),
    "LoadImageMask": Kind({"image": "inputs", "channel": ("alpha", "red", "green", "blue")}, ("MASK",)),
    "ControlNetLoader": Kind({"control_net_name": "controls"}, ("CONTROL_NET",)),
    "SetUnionControlNetType": Kind({"control_net": "CONTROL_NET", "type": UNION_TYPES}, ("CONTROL_NET",)),
    "ControlNetApplyAdvanced": Kind(
        {
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "control_net": "CONTROL_NET",
            "image": "IMAGE",
            "strength": Range(0, 10),
            "start_percent": Range(0, 1),
            "end_percent": Range(0, 1),
        },
        ("CONDITIONING", "CONDITIONING"),
    ),
    "Canny": Kind({"image": "IMAGE", "low_threshold": _THRESHOLD, "high_threshold": _THRESHOLD}, ("IMAGE",)),
    "ImageInvert": Kind({"image": "IMAGE"}, ("IMAGE",)),
    "ImageToMask": Kind({"image": "IMAGE", "channel": ("red", "green", "blue", "alpha")}, ("MASK",)),
    "ThresholdMask": Kind({"mask": "MASK", "value": Range(0, 1)}, ("MASK",)),
    "MaskToImage": Kind({"mask": "MASK"}, ("IMAGE",)),
    "UpscaleModelLoader": Kind({"model_name": "upscalers"}, ("UPSCALE_MODEL",), newer=True),
    "ImageUpscaleWithModel": Kind({"upscale_model": "UPSCALE_MODEL", "image": "IMAGE"}, ("IMAGE",), newer=True),
    "ImageScale": Kind(
        {
            "image": "IMAGE",
            "upscale_method": (*METHODS, "lanczos"),
            "width": _SIDE,
            "height": _SIDE,
            "crop": ("disabled", "center"),
        },
        ("IMAGE",),
    ),
    "ImageScaleBy": Kind(
        {"image": "IMAGE", "upscale_method": (*METHODS, "lanczos"), "scale_by": Range(0.01, 8)}, ("IMAGE",)
    ),
    "PreviewImage": Kind({"images": "IMAGE"}),
    "SaveImage": Kind({"images": "IMAGE", "filename_prefix": "TEXT"}),
}


@dataclass(slots=True)
class Files:
    """The names of the models in its folders."""

    checkpoints: list[str] = field(default_factory=lambda: ["sd_xl_base_1.0.safetensors", "old/v1-5-pruned.ckpt"])
    loras: list[str] = field(default_factory=lambda: ["ink.safetensors", "styles/Watercolour.safetensors"])
    controls: list[str] = field(
        default_factory=lambda: [
            "control_v11f1p_sd15_depth.pth",
            "control_v11p_sd15_canny.pth",
            "control_v11p_sd15_scribble.pth",
            "controlnet-union-sdxl-1.0.safetensors",
        ]
    )
    upscalers: list[str] = field(default_factory=lambda: ["4x-UltraSharp.pth"])

    def listed(self, takes: Takes) -> list[str] | None:
        """The words that an input takes. None if it takes something else."""
        match takes:
            case "checkpoints":
                return self.checkpoints
            case "loras":
                return self.loras
            case "controls":
                return self.controls
            case "upscalers":
                return self.upscalers
        return list(takes) if isinstance(takes, tuple) else None


def declared(node: str, files: Files) -> dict[str, Json]:
    """The answer about a class of nodes; empty if it does not exist."""
    if node not in KINDS:
        return {}
    required: dict[str, Json] = {}
    for name, takes in KINDS[node].takes.items():
        words = files.listed(takes)
        if words is not None:
            options: list[Json] = [*words]
            required[name] = ["COMBO", {"options": options}] if KINDS[node].newer else [options, {}]
        elif isinstance(takes, str):
            required[name] = [takes, {}]
        elif isinstance(takes, Range):
            required[name] = ["INT", {"min": takes.low, "max": takes.high}]
    return {node: {"input": {"required": required}, "output_node": node in OUTPUTS, "name": node}}


def fits(checkpoint: str, control: str) -> bool:
    """Whether a ControlNet works with a checkpoint. A real server sees it by the shapes; the names tell it here."""
    families: Sequence[str | None] = [_family(name.lower()) for name in (checkpoint, control)]
    return None in families or families[0] == families[1]


def _family(name: str) -> str | None:
    return "xl" if "xl" in name else "1.5" if re.search(r"1[-.]?5", name) else None
