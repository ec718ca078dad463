"""Reads and validates the forms of the entries: each version code has its own fields."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fakes.services.call_log import Json
from fakes.services.contract import AI_CLIENT_IMAGE, IMAGES, STEPS, STYLES, XL_SIZES

VERSION_CODE = "stablediffusion_text2img"
MIDJOURNEY = "midjourney"
DALLE = "dalle2_text2img"

MIDJOURNEY_IMAGES = 4
MIDJOURNEY_IMAGE = 2_500
"""Millicredits for one image of Midjourney: 10 credits for all four."""

ENGINES = ("stable-diffusion-xl-1024-v0-9", "stable-diffusion-xl-1024-v1-0")
PROMPT_LIMIT = 2_000

_PROMPT_FIELD = re.compile(r"prompts\[(\d{1,3})\]\[(text|weight)\]")
_MIDJOURNEY_PROMPT_LIMIT = 6_000
_DALLE_PROMPT_LIMIT = 1_000
_DALLE_SIZES = ("256x256", "512x512", "1024x1024")
_MIDJOURNEY_SIZES = {
    "1:1": (1024, 1024),
    "3:2": (1344, 896),
    "4:3": (1232, 928),
    "16:9": (1456, 816),
    "2:1": (1536, 768),
    "21:9": (1680, 720),
}
_FLAG = re.compile(r"\s--(?P<name>\w+)(?P<value>(?:(?!\s--\w).)*)", re.DOTALL)
_WITH_VALUE = frozenset("ar aspect v version niji stylize s chaos c weird w style q quality seed no".split())
_WITHOUT_VALUE = frozenset({"tile"})


@dataclass(frozen=True, slots=True)
class Order:
    """What a valid form asks for.

    ``content`` is the form as the service echoes it. ``price`` is millicredits for one of the ``images``. ``error`` is
    the text with which the request fails later, or None.
    """

    content: dict[str, Json]
    engine: str
    images: int
    price: int
    prompt: str
    width: int
    height: int
    negative: str = ""
    style: str = ""
    error: str | None = None


Errors = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Version:
    """What the service has under one version code. ``early``: a response entry exists while it is still at work.

    ``as_object``: the content of a response is an object with the state, not a list of images.
    """

    ai_code: str
    title: str
    read: Callable[[Mapping[str, str]], tuple[Order | None, Errors]]
    early: bool = False
    as_object: bool = False


def _read_stable_diffusion(form: Mapping[str, str]) -> tuple[Order | None, Errors]:
    content, errors = read_entry(form)
    if errors:
        return None, errors
    width, height = _sides(str(content["resolution"]))
    images = content["images"]
    assert isinstance(images, int)
    order = Order(
        content=content,
        engine=str(content["engine"]),
        images=images,
        price=AI_CLIENT_IMAGE,
        prompt=", ".join(texts(content, wanted=True)),
        negative=", ".join(texts(content, wanted=False)),
        style=str(content.get("style") or ""),
        width=width,
        height=height,
    )
    return order, errors


def _read_midjourney(form: Mapping[str, str]) -> tuple[Order | None, Errors]:
    errors: Errors = {}
    _choice("type", form.get("type", ""), ("request",), errors)
    _choice("command", form.get("command", ""), ("imagine",), errors)
    prompt = _text(form, _MIDJOURNEY_PROMPT_LIMIT, errors)
    if errors:
        return None, errors
    # A prompt may begin with a flag.
    flags = {found["name"].lower(): found["value"].strip() for found in _FLAG.finditer(f" {prompt}")}
    words = _FLAG.sub("", f" {prompt}").strip()
    order = Order(
        content={"command": "imagine", "prompt": prompt},
        engine=MIDJOURNEY,
        images=MIDJOURNEY_IMAGES,
        price=MIDJOURNEY_IMAGE,
        prompt=words,
        negative=flags.get("no", ""),
        width=0,
        height=0,
        error=_wrong_flag(words, flags),
    )
    width, height = _size_of_ratio(flags.get("ar") or flags.get("aspect") or "1:1")
    return replace(order, width=width, height=height), errors


def _wrong_flag(words: str, flags: Mapping[str, str]) -> str | None:
    """Why Midjourney refuses this prompt; None if it does not."""
    if not words:
        return "Invalid prompt: it has only parameters."
    unknown = [name for name in flags if name not in _WITH_VALUE | _WITHOUT_VALUE]
    if unknown:
        return f"Unrecognized parameter(s): --{', --'.join(unknown)}"
    wrong = [name for name, value in flags.items() if bool(value) is (name in _WITHOUT_VALUE)]
    wrong += [name for name, value in flags.items() if name not in {"no", *wrong} and len(value.split()) > 1]
    return f"Invalid value for --{wrong[0]}." if wrong else None


def _size_of_ratio(ratio: str) -> tuple[int, int]:
    """The size in pixels that Midjourney makes for a ratio: about a megapixel."""
    across, _, down = ratio.partition(":")
    if ratio in _MIDJOURNEY_SIZES:
        return _MIDJOURNEY_SIZES[ratio]
    if f"{down}:{across}" in _MIDJOURNEY_SIZES:
        width, height = _MIDJOURNEY_SIZES[f"{down}:{across}"]
        return height, width
    shape = max(0.2, min(5.0, (_number(across) or 1) / (_number(down) or 1)))
    return 16 * round(1056 * math.sqrt(shape) / 16), 16 * round(1056 / math.sqrt(shape) / 16)


def _read_dalle(form: Mapping[str, str]) -> tuple[Order | None, Errors]:
    errors: Errors = {}
    _choice("type", form.get("type", ""), ("request",), errors)
    _choice("size", form.get("size", ""), _DALLE_SIZES, errors)
    images = _whole(form, "n", IMAGES, 1, errors)
    prompt = _text(form, _DALLE_PROMPT_LIMIT, errors)
    if errors:
        return None, errors
    width, height = _sides(form["size"])
    content: dict[str, Json] = {"n": images, "size": form["size"], "prompt": prompt}
    return Order(content, "dalle-2", images, AI_CLIENT_IMAGE, prompt, width, height), errors


def _text(form: Mapping[str, str], limit: int, errors: Errors) -> str:
    prompt = form.get("prompt", "").strip()
    if not prompt:
        errors["prompt"] = ["The prompt field is required."]
    elif len(prompt) > limit:
        errors["prompt"] = [f"The prompt field must not be greater than {limit} characters."]
    return prompt


def _sides(resolution: str) -> tuple[int, int]:
    width, _, height = resolution.partition("x")
    return int(width), int(height)


VERSIONS: Mapping[str, Version] = {
    VERSION_CODE: Version(
        "stablediffusion", "New thread with Stable Diffusion Image Generation", _read_stable_diffusion
    ),
    MIDJOURNEY: Version("midjourney", "New thread with Midjourney", _read_midjourney, early=True, as_object=True),
    DALLE: Version("dalle2", "New thread with DALL-E 2", _read_dalle),
}
"""What the service has, by version code."""


def read_entry(form: Mapping[str, str]) -> tuple[dict[str, Json], Errors]:
    """The content of a request entry for Stable Diffusion, and the faults of the form by field."""
    errors: Errors = {}
    prompts = _read_prompts(form, errors)
    images = _whole(form, "images", IMAGES, 1, errors)
    steps = _whole(form, "steps", STEPS, 30, errors)
    engine = form.get("engine", "")
    resolution = form.get("resolution", "")
    style = form.get("style", "")
    _choice("type", form.get("type", ""), ("request",), errors)
    _choice("engine", engine, ENGINES, errors)
    _choice("resolution", resolution, XL_SIZES, errors)
    if style:
        _choice("style", style, STYLES, errors)
    content: dict[str, Json] = {
        "prompts": prompts,
        "engine": engine,
        "style": style or None,
        "images": images,
        "steps": steps,
        "resolution": resolution,
    }
    return content, errors


def _read_prompts(form: Mapping[str, str], errors: Errors) -> list[Json]:
    parts: dict[int, dict[str, str]] = {}
    for name, value in form.items():
        if found := _PROMPT_FIELD.fullmatch(name):
            parts.setdefault(int(found[1]), {})[found[2]] = value
    prompts: list[Json] = []
    for index, part in sorted(parts.items()):
        text = part.get("text", "").strip()
        if not text:
            errors[f"prompts.{index}.text"] = [f"The prompts.{index}.text field is required."]
        elif len(text) > PROMPT_LIMIT:
            reason = f"The prompts.{index}.text field must not be greater than {PROMPT_LIMIT} characters."
            errors[f"prompts.{index}.text"] = [reason]
        weight = _number(part.get("weight", "1"))
        if weight is None or not -10 <= weight <= 10:
            errors[f"prompts.{index}.weight"] = [f"The prompts.{index}.weight field must be between -10 and 10."]
            continue
        prompts.append({"text": text, "weight": int(weight) if weight.is_integer() else weight})
    if not parts:
        errors["prompts"] = ["The prompts field is required."]
    elif not errors and not any(_weight(prompt) > 0 for prompt in prompts):
        errors["prompts"] = ["The prompts field must have at least one positive weight."]
    return prompts


def _weight(prompt: Json) -> float:
    weight = prompt.get("weight") if isinstance(prompt, dict) else None
    return weight if isinstance(weight, int | float) else 0.0


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(form: Mapping[str, str], name: str, allowed: range, default: int, errors: Errors) -> int:
    number = _number(form.get(name) or str(default))
    if number is None or not number.is_integer():
        errors[name] = [f"The {name} field must be an integer."]
    elif int(number) not in allowed:
        errors[name] = [f"The {name} field must be between {allowed.start} and {allowed.stop - 1}."]
    else:
        return int(number)
    return default


def _choice(name: str, value: str, allowed: Sequence[str], errors: Errors) -> None:
    if not value:
        errors[name] = [f"The {name} field is required."]
    elif value not in allowed:
        errors[name] = [f"The selected {name} is invalid."]


def texts(content: dict[str, Json], *, wanted: bool) -> list[str]:
    """The texts of the prompts with a positive weight, or of the others."""
    prompts = content["prompts"]
    assert isinstance(prompts, list)
    return [str(p["text"]) for p in prompts if isinstance(p, dict) and (_weight(p) > 0) is wanted]
