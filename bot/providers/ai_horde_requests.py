"""Writes the requests for the AI Horde."""

from __future__ import annotations

import re

from bot.providers.ai_horde_engines import CONTROLS, REPAINTED, STRENGTH, usual_values
from bot.providers.base import ImageRequest, Json
from bot.providers.errors import Reason, Refused
from bot.providers.operations import Operation, Pictures

# Everything after this sign is the negative prompt.
_DIVIDER = re.compile(r"#{3,}")


def body_of(request: ImageRequest, name: str, pictures: Pictures | None = None) -> dict[str, Json]:
    """The JSON of a request for the model with this name. Reads the pictures. Raises Refused and OSError."""
    control = CONTROLS.get(request.operation)
    steps, guidance = usual_values(name, controlled=control is not None)
    params: dict[str, Json] = {
        "width": request.size.width,
        "height": request.size.height,
        "n": request.images,
        "steps": request.steps if request.steps is not None else steps,
        # More than two decimals are refused.
        "cfg_scale": round(request.guidance if request.guidance is not None else guidance, 2),
    }
    if request.sampler is not None:
        params["sampler_name"] = request.sampler
    if request.seed is not None:
        params |= _seed(request.seed, request.images)
    if request.lora is not None:
        params["loras"] = [{"name": lora.name, "model": lora.weight, "clip": lora.weight} for lora in request.lora.each]
    body: dict[str, Json] = {
        "prompt": prompt_of(request),
        "models": [name],
        "params": params,
        "nsfw": request.adult,
        "censor_nsfw": not request.adult,
        "replacement_filter": True,
        "trusted_workers": False,
        "slow_workers": True,
        "allow_downgrade": True,
        "r2": True,
        "shared": False,
    }
    if request.operation.has_source:
        body |= _pictures(request, pictures)
        params["denoising_strength"] = _strength(request)
    if control is not None:
        # The worker finds the lines in the picture itself.
        params |= {"control_type": control, "image_is_control": False}
    return body


def _seed(seed: int, images: int) -> dict[str, Json]:
    """The fields for the seed. Without a variation, all images of a request would have the same seed."""
    if images == 1:
        return {"seed": str(seed)}
    # The service adds the variation before the first image.
    return {"seed": str(max(0, seed - 1)), "seed_variation": 1}


def prompt_of(request: ImageRequest) -> str:
    """The prompt and the negative prompt, with a divider that is removed from people's texts."""
    positive = ", ".join(_one(part.text) for part in request.prompts if part.weight > 0)
    avoided = [_one(part.text) for part in request.prompts if part.weight < 0]
    if request.negative:
        avoided.insert(0, _one(request.negative))
    return f"{positive} ### {', '.join(avoided)}" if avoided else positive


def _one(text: str) -> str:
    return " ".join(_DIVIDER.sub("##", text).split())


def _pictures(request: ImageRequest, pictures: Pictures | None) -> dict[str, Json]:
    if pictures is None:
        raise Refused(Reason.NO_PICTURE)
    fields: dict[str, Json] = {"source_image": pictures.source.base64(), "source_processing": "img2img"}
    if request.operation is Operation.INPAINT:
        if pictures.mask is None:
            raise Refused(Reason.NOTHING_MARKED)
        fields |= {"source_processing": "inpainting", "source_mask": pictures.mask.base64()}
    return fields


def _strength(request: ImageRequest) -> float:
    if request.operation in CONTROLS:
        return 1.0  # The image starts from noise. A smaller value would leave some of it.
    usual = REPAINTED if request.operation is Operation.INPAINT else STRENGTH
    percent = request.strength if request.strength is not None else usual.default or 100
    return max(1, min(100, percent)) / 100
