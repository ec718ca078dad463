"""What the AI Horde accepts: a request is checked field by field before it is queued."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from fakes.services.call_log import Json
from fakes.services.exchange import Services
from fakes.services.pictures import Edit, Picture
from fakes.services.uploaded_pictures import UnusableUpload, size_of
from fakes.services.uploads import Upload

ANONYMOUS = "0000000000"
SAMPLERS = frozenset(
    """
    k_euler k_euler_a k_lms k_heun k_dpm_2 k_dpm_2_a k_dpm_fast k_dpm_adaptive k_dpmpp_2s_a k_dpmpp_2m k_dpmpp_sde
    dpmsolver DDIM lcm
    """.split()
)
CONTROLS = {"canny": "structure", "depth": "structure", "hed": "structure", "scribble": "sketch"}
OTHER_BASELINES = re.compile(r"xl|flux|cascade|qwen|z-image", re.I)
"""Models that do not work with ControlNet. The service knows them from a list; here their names tell."""
PROCESSINGS = {"img2img": "image_to_image", "inpainting": "inpaint"}
SOURCE_PIXELS = 3072 * 3072
MOST_SEED = 2**32


class Refused(Exception):
    """A refusal with its ``response``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.response = web.json_response({"message": message, "rc": code}, status=status)


class Invalid(Refused):
    """A field that the schema does not allow. The answer has no code."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(400, "", message)
        errors: Json = {field: message}
        self.response = web.json_response({"errors": errors, "message": "Input payload validation failed"}, status=400)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request. ``downgrades``: it may be made smaller. ``links``: its images are links to a storage host.

    ``control`` is the kind of ControlNet, if it uses one. ``loras`` are names.
    """

    prompt: str
    models: tuple[str, ...]
    pictures: tuple[Picture, ...]
    steps: int
    downgrades: bool
    links: bool
    sampler: str = "k_euler_a"
    control: str | None = None
    loras: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        return self.pictures[0].width * self.pictures[0].height


def read_request(body: Json, services: Services) -> Wanted:
    """Check the fields. Raises Refused."""
    if not isinstance(body, Mapping):
        raise Invalid("", "None is not of type 'object'")
    prompt, params, models = body.get("prompt"), body.get("params", {}), body.get("models", [])
    if not isinstance(prompt, str) or not prompt:
        raise Refused(400, "MissingPrompt", "You cannot specify an empty prompt.")
    if not isinstance(params, Mapping):
        raise Invalid("params", "is not of type 'object'")
    if not isinstance(models, list) or not all(isinstance(each, str) for each in models) or not models:
        raise Invalid("models", "is not of type 'array'")
    width, height = (_whole(params, side, 512, 64, 3072) for side in ("width", "height"))
    if width % 64 or height % 64:
        raise Invalid("params.width", "is not a multiple of 64")
    count, steps = _whole(params, "n", 1, 1, 20), _whole(params, "steps", 30, 1, 500)
    guidance = params.get("cfg_scale", 5.0)
    if isinstance(guidance, bool) or not isinstance(guidance, int | float) or not 0 <= guidance <= 100:
        raise Invalid("params.cfg_scale", "is not in range")
    if round(guidance, 2) != guidance:
        raise Refused(400, "BadCFGDecimals", "cfg_scale must be rounded to 2 decimal places")
    if params.get("sampler_name", "k_euler_a") not in SAMPLERS:
        raise Invalid("params.sampler_name", "is not one of the samplers")
    control = _control(body, params, [str(each) for each in models])
    edit = _edit(body, params)
    positive, _, negative = prompt.partition("###")
    pictures = tuple(
        Picture(positive.strip(), negative.strip(), "", seed, width, height, edit)
        for seed in _seeds(params, count, services)
    )
    return Wanted(
        prompt,
        tuple(str(each) for each in models),
        pictures,
        steps,
        downgrades=body.get("allow_downgrade") is True,
        links=body.get("r2", True) is True,
        sampler=str(params.get("sampler_name", "k_euler_a")),
        control=control,
        loras=_loras(params),
    )


def _loras(params: Mapping[str, Json]) -> tuple[str, ...]:
    """The names of the LoRAs. Raises Refused."""
    listed = params.get("loras", [])
    if not isinstance(listed, list):
        raise Invalid("params.loras", "is not of type 'array'")
    names = []
    for number, lora in enumerate(listed):
        name = lora.get("name") if isinstance(lora, Mapping) else None
        if not isinstance(lora, Mapping) or not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise Invalid(f"params.loras.{number}.name", "is not of type 'string'")
        for strength in ("model", "clip"):
            value = lora.get(strength, 1.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not -5 <= value <= 5:
                raise Invalid(f"params.loras.{number}.{strength}", "is not in range")
        names.append(name)
    if len(names) > 5:
        raise Refused(400, "TooManyLoras", "You cannot request more than 5 loras per generation.")
    return tuple(names)


def _control(body: Mapping[str, Json], params: Mapping[str, Json], models: list[str]) -> str | None:
    """The kind of ControlNet. Raises Refused where it is impossible."""
    control = params.get("control_type")
    if control is None:
        return None
    if control not in CONTROLS:
        raise Invalid("params.control_type", "is not one of the kinds")
    if not body.get("source_image"):
        raise Refused(400, "ControlNetSourceMissing", "Controlnet Requires a source image.")
    if body.get("source_processing") == "inpainting":
        raise Refused(400, "ControlNetInpaintingMismatch", "ControlNet cannot be used with inpainting at this time")
    if any(map(OTHER_BASELINES.search, models)):
        raise Refused(400, "ControlNetMismatch", "ControlNet does not work with SDXL currently.")
    return str(control)


def _whole(params: Mapping[str, Json], name: str, default: int, low: int, high: int) -> int:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"params.{name}", "is not of type 'integer'")
    if not low <= value <= high:
        raise Invalid(f"params.{name}", "is not in range")
    return value


def _seeds(params: Mapping[str, Json], count: int, services: Services) -> list[int]:
    """The seed of each image: random ones, the same one, or with a variation the given one and so many more.

    Workers that take the images one by one begin with the last.
    """
    given, variation = params.get("seed"), params.get("seed_variation")
    if given is None:
        return [services.renderings.new_seed() for _ in range(count)]
    if not isinstance(given, str):
        raise Invalid("params.seed", "is not of type 'string'")
    seed = int(given) % MOST_SEED if given.isdigit() else int.from_bytes(given.encode(), "little") % MOST_SEED
    step = variation if isinstance(variation, int) and not isinstance(variation, bool) else 0
    return [(seed + step * (count - number)) % MOST_SEED if step else seed for number in range(count)]


def _edit(body: Mapping[str, Json], params: Mapping[str, Json]) -> Edit | None:
    if body.get("source_mask") and not body.get("source_image"):
        raise Refused(400, "SourceMaskUnnecessary", "Please do not pass a source_mask unless you pass a source_image.")
    if not body.get("source_image"):
        return None
    operation = PROCESSINGS.get(str(body.get("source_processing", "img2img")))
    if operation is None:
        raise Invalid("source_processing", "is not one of the processings")
    operation = CONTROLS.get(str(params.get("control_type")), operation)
    mask = read_upload(body["source_mask"]) if body.get("source_mask") else None
    if operation == "inpaint" and mask is None:
        raise Refused(
            400, "InpaintingMissingMask", "Inpainting requests must either include a mask, or an alpha channel."
        )
    change = params.get("denoising_strength", 0.75)
    if isinstance(change, bool) or not isinstance(change, int | float) or not 0.01 <= change <= 1:
        raise Invalid("params.denoising_strength", "is not in range")
    return Edit(operation, read_upload(body["source_image"]), mask, float(change))


def read_upload(text: Json) -> Upload:
    """A picture in base64. Raises Refused."""
    try:
        upload = Upload.of(b64decode(str(text), validate=True))
        width, height = size_of(upload)
    except (binascii.Error, ValueError, UnusableUpload) as error:
        raise Refused(400, "ImageValidationFailed", "The source image is no known image.") from error
    if width * height > SOURCE_PIXELS:
        raise Refused(400, "SourceImageResolutionExceeded", "Image size cannot exceed 3072*3072 pixels")
    return upload
