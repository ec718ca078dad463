"""Reads and validates the form of a thread's entry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from fakes.services.call_log import Json
from fakes.services.contract import IMAGES, STEPS, STYLES, XL_SIZES

ENGINES = ("stable-diffusion-xl-1024-v0-9", "stable-diffusion-xl-1024-v1-0")
PROMPT_LIMIT = 2_000

_PROMPT_FIELD = re.compile(r"prompts\[(\d{1,3})\]\[(text|weight)\]")


def read_entry(form: Mapping[str, str]) -> tuple[dict[str, Json], dict[str, list[str]]]:
    """The content of a request entry as the service echoes it, and the faults of the form by field."""
    errors: dict[str, list[str]] = {}
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


def _read_prompts(form: Mapping[str, str], errors: dict[str, list[str]]) -> list[Json]:
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


def _whole(form: Mapping[str, str], name: str, allowed: range, default: int, errors: dict[str, list[str]]) -> int:
    number = _number(form.get(name) or str(default))
    if number is None or not number.is_integer():
        errors[name] = [f"The {name} field must be an integer."]
    elif int(number) not in allowed:
        errors[name] = [f"The {name} field must be between {allowed.start} and {allowed.stop - 1}."]
    else:
        return int(number)
    return default


def _choice(name: str, value: str, allowed: Sequence[str], errors: dict[str, list[str]]) -> None:
    if not value:
        errors[name] = [f"The {name} field is required."]
    elif value not in allowed:
        errors[name] = [f"The selected {name} is invalid."]


def texts(content: dict[str, Json], *, wanted: bool) -> list[str]:
    """The texts of the prompts with a positive weight, or of the others."""
    prompts = content["prompts"]
    assert isinstance(prompts, list)
    return [str(p["text"]) for p in prompts if isinstance(p, dict) and (_weight(p) > 0) is wanted]
