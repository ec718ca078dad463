"""What each endpoint of aithriving takes: its path, its fields and files with their limits, and its price."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fakes.services.call_log import Json
from fakes.services.contract import (
    ASPECT_RATIOS,
    CLIP_GUIDANCE,
    SAMPLERS,
    SEED_LIMIT,
    STEPS,
    STYLES,
    fits_grid,
)

LONG = 10_000
SHORT = 2_000
SD3_MODELS = ("sd3-large", "sd3-large-turbo", "sd3-medium")
MOST_PIXELS = 9_437_184
MOST_MARGIN = 2_000
SIDES = ("left", "right", "up", "down")

_WHOLE = re.compile(r"-?[0-9]{1,12}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Words:
    """A text."""

    most: int = LONG
    required: bool = False

    def problem(self, name: str, value: Json) -> str | None:
        if self.required and (not isinstance(value, str) or not value.strip()):
            return f"{name} is required."
        if value is not None and not isinstance(value, str):
            return f"{name} is not a text that can be used."
        return f"{name} is longer than {self.most} characters." if value and len(value) > self.most else None

    def read(self, text: str) -> Json:
        return text


@dataclass(frozen=True, slots=True)
class Number:
    """A number from ``low`` to ``high``; ``whole``: an integer."""

    low: float
    high: float
    whole: bool = False
    required: bool = False

    def problem(self, name: str, value: Json) -> str | None:
        if value is None:
            return f"{name} is required." if self.required else None
        fits = isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)
        if fits and isinstance(value, int | float) and self.low <= value <= self.high:
            return None
        return f"{name} must be {'an integer' if self.whole else 'a number'} between {self.low} and {self.high}."

    def read(self, text: str) -> Json:
        if self.whole:
            return int(text) if _WHOLE.fullmatch(text) else text
        return float(text) if _NUMBER.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Side:
    """The width or the height of the result."""

    def problem(self, name: str, value: Json) -> str | None:
        if value is None:
            return f"{name} is required."
        return None if fits_grid(value) else f"{name} must be between 320 and 1536 and divisible by 64."

    def read(self, text: str) -> Json:
        return int(text) if _WHOLE.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some names."""

    allowed: tuple[str, ...]

    def problem(self, name: str, value: Json) -> str | None:
        return None if value is None or value in self.allowed else f"{name} must be one of {' '.join(self.allowed)}."

    def read(self, text: str) -> Json:
        return text


Kind: TypeAlias = Words | Number | Side | Choice


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """The limits of an uploaded picture: sides and pixels, and the longest side divided by the shortest.

    ``grid``: its sides have to be sides that the engine can make.
    """

    least_side: int = 64
    pixels: tuple[int, int] = (4_096, MOST_PIXELS)
    ratio: float | None = None
    grid: bool = False

    def problem(self, name: str, width: int, height: int) -> str | None:
        if self.grid and not (fits_grid(width) and fits_grid(height)):
            return f"{name} must have sides between 320 and 1536, divisible by 64."
        if min(width, height) < self.least_side:
            return f"{name} must have sides of at least {self.least_side} pixels."
        low, high = self.pixels
        if not low <= width * height <= high:
            return f"{name} must have between {low} and {high} pixels."
        if self.ratio is not None and max(width, height) > self.ratio * min(width, height):
            return f"{name} must have a ratio between 1:{self.ratio} and {self.ratio}:1."
        return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint.

    ``source`` is the field of the file that it starts from; None: its request is JSON, without files. ``masked``: it
    takes a mask as well. ``price`` is in millicredits; None: by size and steps. ``version`` is set if the endpoint is
    only there while its version is in use.
    """

    route: str
    path: str
    engine: str
    operation: str
    fields: Mapping[str, Kind]
    price: int | None
    source: str | None = None
    limits: PictureLimits = PictureLimits()
    masked: bool = False
    version: str | None = None


_SEED: Mapping[str, Kind] = {"seed": Number(0, SEED_LIMIT, whole=True)}
_PROMPT: Mapping[str, Kind] = {"prompt": Words(required=True)}
_NEGATIVE: Mapping[str, Kind] = {"negative_prompt": Words()}
_SIZE: Mapping[str, Kind] = {"width": Side(), "height": Side()}
_RATIO: Mapping[str, Kind] = {"aspect_ratio": Choice(tuple(ASPECT_RATIOS))}
_STYLE: Mapping[str, Kind] = {"style_preset": Choice(tuple(STYLES))}
_MODEL: Mapping[str, Kind] = {"model": Choice(SD3_MODELS)}
_OUTPUT: Mapping[str, Kind] = {"output_format": Choice(("jpeg", "png", "webp"))}
_BASIC: Mapping[str, Kind] = {
    "prompt": Words(SHORT, required=True),
    **_SIZE,
    **_SEED,
    **_STYLE,
    "cfg_scale": Number(0, 35),
    "steps": Number(STEPS.start, STEPS.stop - 1, whole=True),
    "sampler": Choice(tuple(SAMPLERS)),
    "clip_guidance_preset": Choice(tuple(CLIP_GUIDANCE)),
}
_CONTROL: Mapping[str, Kind] = {**_PROMPT, "control_strength": Number(0, 1), **_NEGATIVE, **_SEED, **_OUTPUT}
_RATIO_LIMITS = PictureLimits(ratio=2.5)


def _sd3(version: str) -> tuple[Endpoint, Endpoint]:
    base, route = f"/api/generate/{version}", f"aithriving.{version}"
    common = {**_PROMPT, **_SIZE, **_MODEL, **_SEED, **_NEGATIVE}
    return (
        Endpoint(route, f"{base}/textToImage", "sd3", "text_to_image", {**common, **_RATIO}, 8_000, version=version),
        Endpoint(
            f"{route}.image_to_image",
            f"{base}/imageToImage",
            "sd3",
            "image_to_image",
            {**common, "strength": Number(0, 1, required=True)},
            8_000,
            source="image",
            limits=PictureLimits(pixels=(0, MOST_PIXELS)),
            version=version,
        ),
    )


ENDPOINTS = (
    Endpoint("aithriving.basic", "/api/generate/basic/textToImage", "sd-1.6", "text_to_image", _BASIC, None),
    Endpoint(
        "aithriving.basic.image_to_image",
        "/api/generate/basic/imageToImage",
        "sd-1.6",
        "image_to_image",
        {**_BASIC, "image_strength": Number(0, 1)},
        None,
        source="init_image",
        limits=PictureLimits(grid=True),
    ),
    Endpoint(
        "aithriving.core",
        "/api/generate/core",
        "core",
        "text_to_image",
        {**_PROMPT, **_SIZE, **_SEED, **_STYLE, **_RATIO, **_NEGATIVE},
        6_000,
    ),
    Endpoint(
        "aithriving.ultra",
        "/api/generate/ultra",
        "ultra",
        "text_to_image",
        {**_PROMPT, **_SIZE, **_SEED, **_RATIO, **_NEGATIVE},
        16_000,
    ),
    *_sd3("sdv3"),
    *_sd3("sd3"),
    Endpoint(
        "aithriving.inpaint",
        "/api/edit/inpaint",
        "edit",
        "inpaint",
        {**_PROMPT, **_NEGATIVE, **_SEED, **_OUTPUT},
        6_000,
        source="image",
        masked=True,
    ),
    Endpoint(
        "aithriving.erase",
        "/api/edit/erase",
        "edit",
        "erase",
        {**_SEED, **_OUTPUT},
        6_000,
        source="image",
        masked=True,
    ),
    Endpoint(
        "aithriving.outpaint",
        "/api/edit/outpaint",
        "edit",
        "outpaint",
        {
            **{side: Number(0, MOST_MARGIN, whole=True) for side in SIDES},
            "creativity": Number(0, 1),
            "prompt": Words(),
            **_SEED,
            **_OUTPUT,
        },
        8_000,
        source="image",
        limits=_RATIO_LIMITS,
    ),
    Endpoint(
        "aithriving.search_and_replace",
        "/api/edit/search-and-replace",
        "edit",
        "search_and_replace",
        {**_PROMPT, "search_prompt": Words(required=True), **_NEGATIVE, **_SEED, **_OUTPUT},
        8_000,
        source="image",
        limits=_RATIO_LIMITS,
    ),
    Endpoint(
        "aithriving.sketch",
        "/api/control/sketch",
        "control",
        "sketch",
        _CONTROL,
        6_000,
        source="image",
        limits=_RATIO_LIMITS,
    ),
    Endpoint(
        "aithriving.structure",
        "/api/control/structure",
        "control",
        "structure",
        _CONTROL,
        6_000,
        source="image",
        limits=_RATIO_LIMITS,
    ),
)


def wrong_fields(endpoint: Endpoint, fields: Mapping[str, Json]) -> list[str]:
    """The faults in the fields of a request, a sentence each."""
    wrong = [
        problem
        for name, kind in endpoint.fields.items()
        if (problem := kind.problem(name, fields.get(name))) is not None
    ]
    wrong += [f"{name} is not a field of this service." for name in fields if name not in endpoint.fields]
    if endpoint.operation == "outpaint" and not wrong and not any(fields.get(side) for side in SIDES):
        wrong.append("At least one of left, right, up and down must not be 0.")
    return wrong


def read_fields(endpoint: Endpoint, form: Mapping[str, str]) -> dict[str, Json]:
    """The fields of a form in their types; a value that cannot be read stays a text."""
    return {name: endpoint.fields[name].read(text) if name in endpoint.fields else text for name, text in form.items()}
