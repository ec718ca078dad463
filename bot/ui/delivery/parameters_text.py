"""Prompt and settings of an image as text, in the format of the Stable Diffusion web UI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from bot.domain.options import OPTIONS, SIZE, value_text
from bot.providers.base import Engine, ImageRequest, WeightedText
from storage.records import StoredImage

UNKNOWN = "unknown"
"""What is not known of an image, where readers want something."""

# Readers expect these first, in this order.
_FIRST = ("steps", "sampler", "guidance", "seed", "size")
# Readers end the prompt where they find this.
_NEGATIVE = re.compile(r"(negative prompt)(:)", re.IGNORECASE)
# The names that those tools know the samplers by.
_SAMPLERS: Mapping[str, str] = {
    "K_DPMPP_2M": "DPM++ 2M",
    "K_DPMPP_2S_ANCESTRAL": "DPM++ 2S a",
    "K_DPM_2": "DPM2",
    "K_DPM_2_ANCESTRAL": "DPM2 a",
    "K_EULER": "Euler",
    "K_EULER_ANCESTRAL": "Euler a",
    "K_HEUN": "Heun",
    "K_LMS": "LMS",
}


def parameters(request: ImageRequest, image: StoredImage, engine: Engine | None) -> str:
    """Prompt, negative prompt and settings of an image, in the lines that the common tools read.

    ``engine`` is None where it is no longer offered; what it would have taken by default is not known then.
    """
    wanted = [_part(part) for part in request.prompts if part.weight > 0]
    unwanted = [
        request.negative or "",
        *(_part(WeightedText(p.text, -p.weight)) for p in request.prompts if p.weight < 0),
    ]
    lines = [_plain(", ".join(wanted))]
    if negative := ", ".join(text for text in unwanted if text):
        lines.append(f"Negative prompt: {_plain(negative)}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in _settings(request, image, engine)))
    return "\n".join(lines)


def _part(part: WeightedText) -> str:
    if part.weight == 1:
        return part.text
    inside = part.text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"({inside}:{value_text(part.weight)})"


def _settings(request: ImageRequest, image: StoredImage, engine: Engine | None) -> Iterator[tuple[str, str]]:
    """The name and the value of each setting."""
    values: dict[str, str] = {SIZE.name: f"{image.width}x{image.height}"}
    for option in OPTIONS.values():
        value = getattr(request, option.name)
        if value is None and engine is not None and (bounds := option.bounds(engine)) is not None:
            value = bounds.default
        if value is not None and option.png_name:
            values.setdefault(option.name, value_text(value))
    if image.seed is not None:
        values["seed"] = str(image.seed)
    values["sampler"] = _SAMPLERS.get(values.get("sampler", ""), values.get("sampler", UNKNOWN))
    values.setdefault("seed", UNKNOWN)
    # Readers know this line by the sampler, and by at least two of the others: steps, schedule, scale and seed.
    scheduled = "steps" in values or "guidance" in values
    for name in _FIRST:
        if name in values:
            yield OPTIONS[name].png_name, values.pop(name)
        if name == "sampler" and not scheduled:
            yield "Schedule type", UNKNOWN
    yield "Model", request.engine.partition("/")[2]
    for name, text in values.items():
        yield OPTIONS[name].png_name, text
    yield "Version", "Easel"


def _plain(text: str) -> str:
    """The words without what readers would take for the line that follows them."""
    return _NEGATIVE.sub(r"\1 \2", text)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ",:\n") else value
