"""The models of the AI Horde as engines: which ones to offer, what they can do, and their ids.

Models have free names. No answer tells the kind of a model, so its sizes are guessed from its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from bot.providers.answers import Lenient, Name, Whole
from bot.providers.base import FREE, Ability, Bounds, Engine, Json, SizeGrid
from bot.providers.engine_ids import LONGEST
from bot.providers.operations import Operation, PictureRules, Size
from bot.providers.stable_diffusion import XL_SIZES

NAME = "ai-horde"
OFFERED = 20
"""The number of models that are offered if the operator names none: those with the most workers."""
MOST_ENGINES = 200
MOST_IMAGES = 4
MOST_MODELS = 2_000
"""The maximum number of models that are read from a list."""
GRID = SizeGrid(low=64, high=3072, step=64)
SEED = Bounds(0, 4_294_967_295)
STRENGTH = Bounds(1, 100, default=60)
CONTROL_STEPS = 20
"""The steps with ControlNet that are possible without kudos."""
MOST_CONTROL_STEPS = 40
"""With ControlNet, the service makes no more steps than this, whatever it is asked for."""
CONTROLS = {Operation.STRUCTURE: "canny", Operation.SKETCH: "scribble"}
"""The kind of ControlNet for each operation."""
REPAINTED = Bounds(1, 100, default=100)
SAMPLERS = (
    "k_euler",
    "k_euler_a",
    "k_lms",
    "k_heun",
    "k_dpm_2",
    "k_dpm_2_a",
    "k_dpm_fast",
    "k_dpm_adaptive",
    "k_dpmpp_2s_a",
    "k_dpmpp_2m",
    "k_dpmpp_sde",
    "dpmsolver",
    "DDIM",
    "lcm",
)
_PROMPT_LIMIT = 4_000
_LONGEST_NAME = 200
_MOST_WORKERS = 1_000_000
_LONGEST_QUEUE = 30 * 86_400

_SMALL_SIZES = tuple(
    Size(*sides) for sides in ((512, 512), (768, 512), (512, 768), (640, 512), (512, 640), (768, 768), (1024, 1024))
)
# Source and mask are sent as base64, which is a third longer. The service accepts about 5 MB.
_PICTURE = PictureRules(exact=True, most_pixels=3072 * 3072, bytes=4_600_000)

_LARGE = re.compile(r"xl|pony|flux|chroma|illustrious|noob|cascade|qwen|z[-_ ]?image|hi-?dream|sd[-_ ]?3", re.I)
_DISTILLED = re.compile(r"schnell|turbo|lightning|hyper|lcm|flux", re.I)
_SCHNELL = re.compile(r"schnell", re.IGNORECASE)
# A model of one account; models that make nothing from words alone; and programs that only improve a picture.
_NOT_FOR_WORDS = re.compile(
    r"::|horde_special|inpaint|pix2pix|2 depth|esrgan|gfpgan|codeformers|strip_background", re.I
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the service's list, with the number of its workers and the length of its queue in seconds."""

    name: str
    workers: int = 0
    queue_seconds: int | None = None


class _Listed(Lenient):
    name: Name = None
    count: Whole = None
    eta: Whole = None


def read_models(value: Json) -> list[Model] | None:
    """The models in a list, each once. None if it is no list. An entry without a usable name is left out."""
    if not isinstance(value, list):
        return None
    found: dict[str, Model] = {}
    for item in value[:MOST_MODELS]:
        try:
            listed = _Listed.model_validate(item)
        except ValidationError:
            continue
        name = listed.name
        if name is None or len(name) > _LONGEST_NAME or not name.isprintable():
            continue
        eta = listed.eta if listed.eta is not None and 0 <= listed.eta <= _LONGEST_QUEUE else None
        found.setdefault(name, Model(name, max(0, min(_MOST_WORKERS, listed.count or 0)), eta))
    return list(found.values())


def offered(models: Iterable[Model], wanted: Sequence[str]) -> list[Model]:
    """The models to offer: the ``wanted`` ones that exist, in that order, or those with the most workers."""
    if wanted:
        by_name = {model.name.lower(): model for model in models}
        return list({name.lower(): by_name[name.lower()] for name in wanted if name.lower() in by_name}.values())
    usual = [model for model in models if model.workers > 0 and not _NOT_FOR_WORDS.search(model.name)]
    return sorted(usual, key=lambda model: (-model.workers, model.name))[:OFFERED]


def engine_of(model: Model, part: str, *, controlled: bool = False, extended: bool = False) -> Engine:
    """The engine of a model. ``part`` is its part of the id.

    ``controlled`` and ``extended``: it can be used with ControlNet, and with any LoRA.
    """
    steps, guidance = usual_values(model.name)
    sizes = XL_SIZES if _LARGE.search(model.name) else _SMALL_SIZES
    words = frozenset({Ability.NEGATIVE, Ability.STEPS, Ability.SEED, Ability.GUIDANCE, Ability.SAMPLER})
    if extended:
        words |= {Ability.LORA}
    engine = Engine(
        id=f"{NAME}/{part}",
        name=model.name[:LONGEST],
        abilities=words,
        sizes=sizes,
        default_size=sizes[0],
        images_per_submission=MOST_IMAGES,
        prompt_limit=_PROMPT_LIMIT,
        grid=GRID,
        samplers=SAMPLERS,
        steps=Bounds(1, 500, default=steps),
        guidance=Bounds(0, 100, default=guidance),
        seed=SEED,
        price=FREE,
        workers=model.workers,
        queue_seconds=model.queue_seconds,
    )
    varied = replace(
        engine,
        operation=Operation.IMAGE_TO_IMAGE,
        abilities=words | {Ability.STRENGTH},
        strength=STRENGTH,
        picture=_PICTURE,
    )
    repainted = replace(varied, operation=Operation.INPAINT, strength=REPAINTED)
    others = [varied, repainted]
    # Only the models of the first Stable Diffusions work with ControlNet there.
    if controlled and not _LARGE.search(model.name):
        fewer = Bounds(1, MOST_CONTROL_STEPS, default=usual_values(model.name, controlled=True)[0])
        others += [replace(engine, operation=each, steps=fewer, picture=_PICTURE) for each in CONTROLS]
    return replace(engine, others=tuple(others))


def usual_values(name: str, *, controlled: bool = False) -> tuple[int, float]:
    """The steps and the guidance for a model of this name. A distilled one needs less of both."""
    steps, guidance = (8, 1.0) if _DISTILLED.search(name) else (25, 7.0)
    if _SCHNELL.search(name):
        steps = 5  # Workers that limit the steps take no more.
    return min(steps, CONTROL_STEPS) if controlled else steps, guidance
