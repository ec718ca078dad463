"""Prompt and settings of an image as text, in the form that the tools around Stable Diffusion read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from bot.domain.prompt.parser import number_text
from bot.providers.base import Bounds, Engine, ImageRequest, WeightedText
from storage.records import StoredImage

UNKNOWN = "unknown"
"""What is not known of an image, where readers want something."""

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
    return f"({inside}:{number_text(part.weight)})"


def _settings(request: ImageRequest, image: StoredImage, engine: Engine | None) -> Iterator[tuple[str, str]]:
    steps = request.steps if request.steps is not None else _default(engine.steps if engine else None)
    guidance = request.guidance if request.guidance is not None else _default(engine.guidance if engine else None)
    seed = image.seed if image.seed is not None else request.seed
    # Readers know this line by the sampler, and by at least two of the others: steps, schedule, scale and seed.
    if steps is not None:
        yield "Steps", number_text(steps)
    yield "Sampler", _SAMPLERS.get(request.sampler, request.sampler) if request.sampler else UNKNOWN
    if steps is None and guidance is None:
        yield "Schedule type", UNKNOWN
    if guidance is not None:
        yield "CFG scale", number_text(guidance)
    yield "Seed", UNKNOWN if seed is None else str(seed)
    yield "Size", f"{image.width}x{image.height}"
    yield "Model", request.engine.partition("/")[2]
    if request.style:
        yield "Style", request.style
    yield "Version", "Easel"


def _plain(text: str) -> str:
    """The words without what readers would take for the line that follows them."""
    return _NEGATIVE.sub(r"\1 \2", text)


def _default(bounds: Bounds | None) -> float | None:
    return None if bounds is None else bounds.default


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ",:\n") else value
