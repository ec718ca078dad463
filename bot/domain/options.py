"""The options of ``/imagine``: one table for commands, flags, defaults, checks, cards and image files.

To add an option, add its row to ``OPTIONS``, and a field of the same name to ``ImagineOptions`` (the stored options)
and to ``ImageRequest`` (the request to a provider). Then extend the adapters that support it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.domain.characters import typed
from bot.domain.features import Feature, Option
from bot.domain.loras import LORAS_LENGTH, parse_loras
from bot.domain.pictures import SourcePicture
from bot.domain.sizes import parse_shape
from bot.domain.values import decimal_number, whole_number
from bot.providers.base import Ability, Json
from bot.providers.loras import LORAS_AT_MOST
from bot.providers.operations import Fit, Operation
from bot.text import message, t

IMAGES_PER_JOB = 10
PROMPT_LIMIT = 2000
"""The maximum length of a prompt, and of a negative prompt, in characters. The syntax is not counted."""
SIZE_AT_MOST = 20
SEED_AT_MOST = 4_294_967_294

NOT_A_SIZE = message(
    "options.not_a_size",
    "“{text}” isn't a size. Write a width and a height such as 1024x1024, or a shape such as 16:9.",
)
UNREADABLE = message("options.unreadable", "{label}: “{text}” can't be read. It takes {expects}.")

T = TypeVar("T")


# --- the table ----------------------------------------------------------------------------------------------------


WEIGHTS = Feature(
    name="weights",
    label=t("Weights"),
    noun=t("weighted parts"),
    ability=Ability.WEIGHTS,
    bounds=lambda engine: engine.weights,
)

_ROWS = (
    Option(
        name="engine",
        label=t("Engine"),
        noun=t("an engine"),
        description=t("Which engine makes it"),
        expects=t("the name of an engine"),
        said=message("option.engine", "engine {value}"),
        has_default=True,
    ),
    Option(
        name="size",
        label=t("Size"),
        noun=t("a size"),
        description=t("A shape such as wide, portrait or 16:9, or pixels such as 1024x1024"),
        high=SIZE_AT_MOST,
        flags=("size", "ar", "aspect"),
        expects=t("a size such as 1024x1024 or a shape such as 16:9"),
        read=parse_shape,
        said=message("option.size", "size {value}"),
        suits=lambda engine: engine.sized,
        has_default=True,
        png_name="Size",
    ),
    Option(
        name="images",
        label=t("Images"),
        noun=t("a number of images"),
        description=t("How many images"),
        kind=int,
        high=IMAGES_PER_JOB,
        expects=t("a whole number"),
        read=whole_number,
        said=message("option.images", "{value} image", "{value} images"),
        has_default=True,
    ),
    Option(
        name="negative",
        label=t("Negative prompt"),
        noun=t("a negative prompt"),
        ability=Ability.NEGATIVE,
        description=t("What to leave out"),
        high=PROMPT_LIMIT,
        flags=("no", "negative"),
        expects=t("the things to leave out, such as text or frames"),
        said=message("option.negative", "without {value}"),
        several_words=True,
    ),
    Option(
        name="style",
        label=t("Style"),
        noun=t("a style"),
        ability=Ability.STYLE,
        description=t("One of the engine's styles"),
        expects=t("the name of a style"),
        said=message("option.style", "style {value}"),
        names=lambda engine: engine.styles,
        has_default=True,
        png_name="Style",
    ),
    Option(
        name="steps",
        label=t("Steps"),
        noun=t("a number of steps"),
        ability=Ability.STEPS,
        bounds=lambda engine: engine.steps,
        description=t("How many steps the engine takes; more can be finer and cost more"),
        kind=int,
        high=150,
        expects=t("a whole number"),
        read=whole_number,
        said=message("option.steps", "{value} step", "{value} steps"),
        png_name="Steps",
    ),
    Option(
        name="seed",
        label=t("Seed"),
        noun=t("a seed"),
        ability=Ability.SEED,
        bounds=lambda engine: engine.seed,
        description=t("The same number gives the same image again"),
        kind=int,
        low=0,
        high=SEED_AT_MOST,
        expects=t("a whole number of at most 12 digits"),
        read=whole_number,
        said=message("option.seed", "seed {value}"),
        any_value=0,
        png_name="Seed",
    ),
    Option(
        name="guidance",
        label=t("Guidance"),
        noun=t("a guidance scale"),
        ability=Ability.GUIDANCE,
        bounds=lambda engine: engine.guidance,
        description=t("How closely to follow the prompt"),
        kind=float,
        low=0,
        high=35,
        expects=t("a number such as 7.5"),
        read=decimal_number,
        said=message("option.guidance", "guidance {value}"),
        png_name="CFG scale",
    ),
    Option(
        name="sampler",
        label=t("Sampler"),
        noun=t("a sampler"),
        ability=Ability.SAMPLER,
        description=t("How the engine removes noise"),
        expects=t("the name of a sampler"),
        said=message("option.sampler", "sampler {value}"),
        names=lambda engine: engine.samplers,
        png_name="Sampler",
    ),
    Option(
        name="scheduler",
        label=t("Scheduler"),
        noun=t("a scheduler"),
        ability=Ability.SCHEDULER,
        description=t("How the noise is divided over the steps"),
        expects=t("the name of a scheduler"),
        said=message("option.scheduler", "scheduler {value}"),
        names=lambda engine: engine.schedulers,
        png_name="Schedule type",
    ),
    Option(
        name="lora",
        label=t("LoRA"),
        noun=t("LoRAs"),
        ability=Ability.LORA,
        description=t("Additions to the model, with weights if you like: ink, detail:0.8"),
        high=LORAS_LENGTH,
        flags=("lora", "loras"),
        expects=t("up to {most} names with weights from -2 to 2, such as: ink, detail:0.8", most=LORAS_AT_MOST),
        read=parse_loras,
        said=message("option.lora", "LoRA {value}"),
        names=lambda engine: engine.loras,
        several_words=True,
        png_name="LoRA",
    ),
    Option(
        name="high_res",
        label=t("High-res"),
        noun=t("a second pass"),
        ability=Ability.HIGH_RES,
        bounds=lambda engine: engine.high_res,
        description=t("Draw it larger in a second pass: how many times, from 1.25 to 2"),
        kind=float,
        low=1.25,
        high=2.0,
        flags=("high-res", "hires"),
        expects=t("a number such as 1.5"),
        read=decimal_number,
        said=message("option.high_res", "{value} times larger"),
        png_name="Hires upscale",
    ),
    Option(
        name="strength",
        label=t("Strength"),
        noun=t("a strength"),
        ability=Ability.STRENGTH,
        bounds=lambda engine: engine.strength,
        description=t("How much of the picture may change, from 0 to 100"),
        kind=int,
        low=0,
        high=100,
        expects=t("a whole number from 0 to 100"),
        read=whole_number,
        said=message("option.strength", "strength {value}"),
        png_name="Strength",
    ),
)

OPTIONS: dict[str, Option] = {row.name: row for row in _ROWS}
"""Every option by name, in the order of the command."""
FLAGS: dict[str, Option] = {flag: row for row in _ROWS for flag in row.flags}
"""The option that each flag sets."""
ENGINE, SIZE, IMAGES, NEGATIVE, STYLE = (OPTIONS[name] for name in ("engine", "size", "images", "negative", "style"))
SEED, LORA, HIGH_RES, STRENGTH = (OPTIONS[name] for name in ("seed", "lora", "high_res", "strength"))


def features() -> list[Feature]:
    """Return the features that an engine must declare, in the order of the command."""
    return [feature for feature in (WEIGHTS, *OPTIONS.values()) if feature.ability is not None]


# --- typed options ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """Why the engine of a command is not the default one: the default's name, and the features that it does not have.

    ``lacking`` are names of features.
    """

    instead_of: str
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImagineOptions:
    """The options of a command. Values are as the person typed them. None: the field was left empty.

    ``size`` is ``1024x1024``, ``16:9`` or ``square``, and ``lora`` is ``ink, detail:0.8``. ``thread`` is the id or the
    title of one of the person's threads. ``engines`` are the ids of the engines to compare. If it is not None, the
    command is a comparison and ``engine`` is ignored. Two fields are applied after the prompt is parsed: ``added`` are
    plain words to add to each prompt, and ``new_seed`` replaces the typed seeds. ``chosen`` is set if the bot chose
    ``engine`` because of the other options.

    The fields from ``operation`` on are for commands that start from a picture, the ``source``; see
    :mod:`bot.domain.edits`. ``search`` are the words for the thing to replace, ``extend`` names an extension, ``area``
    is the part to repaint, or ``mask`` is a picture that marks it. ``fit`` is how the picture may get another ratio.
    ``scale`` is how many times larger an upscaled picture becomes on each side.
    """

    prompt: str
    engine: str | None = None
    size: str | None = None
    images: int | None = None
    negative: str | None = None
    style: str | None = None
    steps: int | None = None
    seed: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    lora: str | None = None
    high_res: float | None = None
    thread: str | None = None
    private: bool = False
    spoiler: bool = False
    engines: tuple[str, ...] | None = None
    added: str | None = None
    new_seed: int | None = None
    chosen: ChosenEngine | None = None
    operation: Operation = Operation.TEXT_TO_IMAGE
    source: SourcePicture | None = None
    strength: int | None = None
    search: str | None = None
    extend: str | None = None
    area: str | None = None
    mask: SourcePicture | None = None
    fit: Fit | None = None
    scale: int | None = None

    def to_json(self) -> dict[str, Json]:
        """Encode the options as plain JSON, to be stored with the job."""
        data = asdict(self)
        if self.engines is not None:
            data["engines"] = list(self.engines)
        if self.chosen is not None:
            data["chosen"]["lacking"] = list(self.chosen.lacking)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> ImagineOptions:
        """Read stored options. Missing and unknown fields are ignored. Raises Unreadable if one is wrong."""
        return decoded(_STORED, data)

    def setting(self, values: Mapping[str, str | float | None]) -> ImagineOptions:
        """Return a copy with these fields changed, by option name."""
        changes: dict[str, Any] = dict(values)
        return replace(self, **changes)

    def typed_values(self) -> dict[str, str | float]:
        """Return the options that are not empty, as typed."""
        found = {name: getattr(self, name, None) for name in OPTIONS}
        return {
            name: value
            for name, value in found.items()
            if value is not None and not (isinstance(value, str) and typed(value) is None)
        }


FIELDS = tuple(
    field.name for field in fields(ImagineOptions) if field.name not in {"chosen", "operation", "source", "mask", "fit"}
)
"""The fields that a person can type, and those that are applied after the prompt is parsed."""


@dataclass(frozen=True)
class Defaults:
    """Default values for options that were not typed. None: no default. ``engine`` is an id, ``size`` is as typed.

    ``text`` are plain words to add to every prompt.
    """

    engine: str | None = None
    size: str | None = None
    style: str | None = None
    images: int | None = None
    private: bool | None = None
    text: str | None = None


# --- reading stored data ------------------------------------------------------------------------------------------


class Unreadable(ValueError):
    """Stored data that cannot be read. The text has the place and the kind of the error, but none of the content."""


def decoded(adapter: TypeAdapter[T], stored: Mapping[str, Any]) -> T:
    """Decode stored JSON. Raises Unreadable, because the validator's own error would put prompts into the log."""
    try:
        return adapter.validate_python(dict(stored))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        places = (f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in wrong)
        raise Unreadable("; ".join(places)) from None


_STORED = TypeAdapter(ImagineOptions)
