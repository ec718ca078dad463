"""Writes the requests for A1111-compatible servers: prompts, bodies, and the engine for a checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from bot.providers.a1111_answers import Checkpoint
from bot.providers.a1111_inventory import LATENT, Control, Inventory
from bot.providers.a1111_servers import MOST_IMAGES, Kind
from bot.providers.base import FREE, Ability, Bounds, Engine, ImageRequest, Json, SizeGrid, WeightedText
from bot.providers.errors import Reason, Refused
from bot.providers.loras import Loras
from bot.providers.operations import Operation, PictureRules, Pictures, Size

NAME = "a1111"
STEPS = 25
MOST_STEPS = 150
SEED = Bounds(0, 2**32 - 1 - MOST_IMAGES)

_GUIDANCE = Bounds(1, 30, default=7)
_DISTILLED_GUIDANCE = Bounds(1, 30, default=3.5)
_WEIGHTS = Bounds(-2, 2, default=1)
_STRENGTH = Bounds(0, 100, default=75)
_HIGH_RES = Bounds(1.25, 2)
# Half the strength is the usual weight of a ControlNet: 1.
_CONTROLLED = Bounds(0, 100, default=50)
_REPAINTED = 80
"""How much of a marked part may change, in percent."""
# How much of the image may change in the second pass. The latent mode leaves it blurred, so it needs more.
_REDRAWN, _REDRAWN_FROM_LATENT = 0.4, 0.6
_SCALES = (2, 3, 4)
_GRID = SizeGrid(low=64, high=2048, step=8)
_PROMPT_LIMIT = 4_000
_LONGEST_LABEL = 60
_LARGE = tuple(
    Size(*sides)
    for sides in ((1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216), (1344, 768), (768, 1344))
)
_SMALL = tuple(Size(*sides) for sides in ((512, 512), (768, 512), (512, 768), (640, 512), (512, 640), (768, 768)))
# Not all of these servers read WebP.
_FORMATS = ("image/png", "image/jpeg")
_TO_VARY = PictureRules(exact=True, ratio=None, formats=_FORMATS)
_TO_REPAINT = PictureRules(most_pixels=1_572_864, ratio=4.0, formats=_FORMATS)
_TO_IMPROVE = PictureRules(least_side=16, least_pixels=256, most_pixels=4_194_304, ratio=None, formats=_FORMATS)
_CONTROLS: Mapping[Operation, tuple[Control, ...]] = {
    Operation.SKETCH: (Control.SCRIBBLE,),
    Operation.STRUCTURE: (Control.CANNY, Control.DEPTH),
}
"""The kinds of ControlNet for each operation, the best one first."""

_BRACKETS = re.compile(r"([\\()\[\]])")
_NETWORK = re.compile(r"<\s*\w+\s*:[^<>]*>")
# The beginning of a tag, which another part of the prompt could complete. The second one is stable-diffusion.cpp's: it
# sets any parameter, even one that names a file of the server.
_TAG = re.compile(r"<(?=\s*\w+\s*:)|</?\s*sd_cpp_extra_args", re.IGNORECASE)
# In capitals, these words divide a prompt. A person means them as words.
_KEYWORDS = re.compile(r"\b(AND|BREAK)\b")
_FLUX = re.compile(r"flux|chroma", re.IGNORECASE)
_OF_2022 = re.compile(r"(?<!\d)(1[._-]?[45]|sd[._ -]?1)(?!\d)", re.IGNORECASE)
_NOT_OF_2022 = re.compile(r"xl|flux|pony|illustrious|noob|sd[._ -]?3", re.IGNORECASE)


def engine_of(checkpoint: Checkpoint, has: Inventory, steps: int, images: int = MOST_IMAGES) -> Engine:
    """The engine for a checkpoint: from words, and from pictures in all ways that its servers have.

    ``images`` is how many are made at a time.
    """
    abilities = {Ability.NEGATIVE, Ability.WEIGHTS, Ability.STEPS, Ability.SEED, Ability.GUIDANCE}
    listed = {Ability.SAMPLER: has.samplers, Ability.SCHEDULER: has.schedulers, Ability.LORA: has.loras}
    sizes = _SMALL if _is_of_2022(checkpoint.name) else _LARGE
    base = Engine(
        id=f"{NAME}/{checkpoint.model}",
        name=checkpoint.name[:_LONGEST_LABEL],
        abilities=frozenset(abilities | {ability for ability, names in listed.items() if names}),
        sizes=sizes,
        default_size=sizes[0],
        images_per_submission=images,
        prompt_limit=_PROMPT_LIMIT,
        grid=_GRID,
        samplers=has.samplers,
        schedulers=has.schedulers,
        loras=tuple(has.loras),
        steps=Bounds(1, MOST_STEPS, default=steps),
        guidance=_DISTILLED_GUIDANCE if is_flux(checkpoint) else _GUIDANCE,
        seed=SEED,
        weights=_WEIGHTS,
        price=FREE,
    )
    strong = base.abilities | {Ability.STRENGTH}
    varying = replace(base, operation=Operation.IMAGE_TO_IMAGE, abilities=strong, strength=_STRENGTH, picture=_TO_VARY)
    repainting = replace(base, operation=Operation.INPAINT, sizes=(), grid=None, picture=_TO_REPAINT)
    controlled = [
        replace(repainting, operation=operation, abilities=strong, strength=_CONTROLLED)
        for operation, kinds in _CONTROLS.items()
        if has.control(checkpoint.name, *kinds) is not None
    ]
    first = base
    if has.second_pass is not None:
        first = replace(base, abilities=base.abilities | {Ability.HIGH_RES}, high_res=_HIGH_RES)
    return replace(first, others=(varying, repainting, *controlled))


def upscaler_of(part: str, name: str) -> Engine:
    """The engine for an upscaler. ``part`` is its part of the id."""
    return replace(restorer_of(part, name), operation=Operation.UPSCALE, scales=_SCALES)


def restorer_of(part: str, name: str) -> Engine:
    """The engine for a restorer of faces. ``part`` is its part of the id."""
    return Engine(
        id=f"{NAME}/{part}",
        name=name,
        abilities=frozenset(),
        sizes=(),
        default_size=Size(1024, 1024),
        images_per_submission=1,
        prompt_limit=_PROMPT_LIMIT,
        price=FREE,
        operation=Operation.RESTORE_FACES,
        picture=_TO_IMPROVE,
    )


def _is_of_2022(name: str) -> bool:
    """Whether a model of this name is probably trained for images of 512 pixels. The servers do not tell."""
    return _OF_2022.search(name) is not None and _NOT_OF_2022.search(name) is None


def is_flux(checkpoint: Checkpoint) -> bool:
    """Whether this model has a separate setting for its guidance, and ignores negative prompts."""
    return _FLUX.search(checkpoint.name) is not None


# --- prompts --------------------------------------------------------------------------------------------------------


def prompts(request: ImageRequest, *, tags: bool = True) -> tuple[str, str]:
    """The prompt and the negative prompt. Parts with a negative weight go into the latter.

    The servers' own syntax in a person's text is made harmless. ``tags``: LoRAs are written into the prompt.
    """
    wanted = [part for part in request.prompts if part.weight >= 0]
    avoided = [replace(part, weight=-part.weight) for part in request.prompts if part.weight < 0]
    loras = request.lora.each if request.lora is not None and tags else ()
    networks = [f"<lora:{lora.name}:{lora.weight:g}>" for lora in loras]
    negative = [request.negative] if request.negative else []
    avoid = [*map(WeightedText, negative), *avoided]
    return " ".join((_joined(wanted), *networks)).strip(), _joined(avoid)


def _joined(parts: Sequence[WeightedText]) -> str:
    texts = ((escaped(part.text), part.weight) for part in parts)
    return ", ".join(text if weight == 1 else f"({text}:{weight:g})" for text, weight in texts if text)


def escaped(text: str) -> str:
    """Escape the text, so that its brackets and capitals mean nothing, and remove tags of extra networks."""
    text = _without_tags(text)
    if _without_tags(text) != text:
        # Removing nested tags can leave another tag behind. Nobody nests tags by mistake.
        text = text.replace("<", " ")
    text = _KEYWORDS.sub(lambda found: found[0].lower(), text)
    return " ".join(_BRACKETS.sub(r"\\\1", text).split())


def _without_tags(text: str) -> str:
    return _TAG.sub(" ", _NETWORK.sub(" ", text))


# --- bodies ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for one server. ``task`` is its id there, and ``seed`` is the seed of its first image.

    ``restore``: the server loads its owner's model again afterwards. ``kind`` is the program that the server runs, and
    ``has`` is what it has.
    """

    request: ImageRequest
    checkpoint: Checkpoint
    task: str
    seed: int
    steps: int
    restore: bool = False
    kind: Kind | None = None
    has: Inventory = field(default_factory=Inventory)

    @property
    def path(self) -> str:
        painted_over = self.request.operation in {Operation.IMAGE_TO_IMAGE, Operation.INPAINT}
        return "/sdapi/v1/img2img" if painted_over else "/sdapi/v1/txt2img"

    def body(self, pictures: Pictures | None = None) -> dict[str, Json]:
        """The JSON of the request, with the pictures. Reads files. Raises OSError, and Refused for what is gone."""
        request = self.request
        prompt, negative = prompts(request, tags=self.kind is not Kind.SD_CPP)
        body: dict[str, Json] = {
            "prompt": prompt,
            "negative_prompt": negative,
            "seed": self.seed,
            "steps": request.steps or self.steps,
            "width": request.size.width // 8 * 8,
            "height": request.size.height // 8 * 8,
            # The images are made one after another, because a batch needs more memory. stable-diffusion.cpp makes
            # those of a batch one after another.
            "batch_size": request.images if self.kind is Kind.SD_CPP else 1,
            "n_iter": 1 if self.kind is Kind.SD_CPP else request.images,
            "send_images": True,
            "save_images": False,
            "override_settings": {"sd_model_checkpoint": self.checkpoint.title},
            "override_settings_restore_afterwards": self.restore,
            "force_task_id": self.task,
        }
        body |= self._guidance(prompt)
        if request.sampler is not None:
            body["sampler_name"] = request.sampler
        if request.scheduler is not None:
            body["scheduler"] = request.scheduler
        if request.lora is not None:
            body |= self._loras(request.lora)
        if request.high_res is not None:
            body |= self._second_pass(request.high_res)
        if pictures is not None and request.operation in _CONTROLS:
            body |= self._controlled(pictures)
        elif pictures is not None:
            body |= _pictures(request, pictures)
        return body

    def _loras(self, loras: Loras) -> dict[str, Json]:
        """The field for LoRAs, if the server does not read them in the prompt. Raises Refused if it lacks one.

        Most servers ignore a LoRA that they do not have, without an error.
        """
        if not all(lora.name in self.has.loras for lora in loras.each):
            raise Refused(Reason.RETIRED, detail="a LoRA that the server no longer has")
        if self.kind is not Kind.SD_CPP:
            return {}
        return {"lora": [{"path": self.has.loras[lora.name], "multiplier": lora.weight} for lora in loras.each]}

    def _second_pass(self, factor: float) -> dict[str, Json]:
        upscaler = self.has.second_pass or LATENT
        redrawn = _REDRAWN_FROM_LATENT if upscaler == LATENT else _REDRAWN
        fields: dict[str, Json] = {
            "enable_hr": True,
            "hr_scale": factor,
            "hr_upscaler": upscaler,
            "denoising_strength": redrawn,
        }
        # Without this list, Forge fails after the first pass.
        return fields | {"hr_additional_modules": ["Use same choices"]} if self.kind is Kind.FORGE else fields

    def _controlled(self, pictures: Pictures) -> dict[str, Json]:
        """The field for a ControlNet, which takes something from the picture. Raises Refused."""
        control = self.has.control(self.checkpoint.name, *_CONTROLS[self.request.operation])
        if control is None:
            raise Refused(Reason.RETIRED, detail="a ControlNet that the server no longer has")
        percent = self.request.strength
        changed = _CONTROLLED.default if percent is None else percent
        unit: dict[str, Json] = {
            "enabled": True,
            "module": control.module,
            "model": control.model,
            "image": pictures.source.base64(),
            "weight": (100 - (changed or 0)) / 50,
            "pixel_perfect": True,
        }
        return {"alwayson_scripts": {"controlnet": {"args": [unit]}}}

    def _guidance(self, prompt: str) -> dict[str, Json]:
        """The fields for the guidance. Flux has a separate one."""
        told = self.request.guidance
        if not is_flux(self.checkpoint) or self.kind is Kind.SD_NEXT:
            return {} if told is None else {"cfg_scale": told}
        distilled = _DISTILLED_GUIDANCE.default if told is None else told
        if self.kind is not Kind.SD_CPP:
            return {"cfg_scale": 1, "distilled_cfg_scale": distilled}
        more = json.dumps({"sample_params": {"guidance": {"distilled_guidance": distilled}}})
        return {"cfg_scale": 1, "prompt": f"{prompt}<sd_cpp_extra_args>{more}</sd_cpp_extra_args>"}


def _pictures(request: ImageRequest, pictures: Pictures) -> dict[str, Json]:
    percent = request.strength
    fields: dict[str, Json] = {"init_images": [pictures.source.base64()], "include_init_images": False}
    if pictures.mask is None:
        fields["denoising_strength"] = (75 if percent is None else percent) / 100
        return fields
    return fields | {
        "denoising_strength": (_REPAINTED if percent is None else percent) / 100,
        "mask": pictures.mask.base64(),
        "mask_blur": 4,
        "inpainting_fill": 1,
        "inpaint_full_res": False,
        "inpainting_mask_invert": 0,
    }


@dataclass(frozen=True, slots=True)
class Improving:
    """A request for one server to make a picture larger or to restore its faces. ``tool`` is the server's name."""

    request: ImageRequest
    tool: str
    path: ClassVar[str] = "/sdapi/v1/extra-single-image"

    def body(self, pictures: Pictures | None = None) -> dict[str, Json]:
        """The JSON of the request, with the picture. Reads files. Raises OSError."""
        body: dict[str, Json] = {"image": "" if pictures is None else pictures.source.base64(), "resize_mode": 0}
        if self.request.operation is Operation.UPSCALE:
            return body | {"upscaling_resize": self.request.scale or _SCALES[0], "upscaler_1": self.tool}
        # The name of the field is that of the tool in small letters. With "None", the size stays.
        return body | {"upscaling_resize": 1, "upscaler_1": "None", f"{self.tool.lower()}_visibility": 1}
