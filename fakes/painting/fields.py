"""Noise and colour: the arrays that everything is painted with.

Pictures are float32 arrays of height x width x 3, red, green and blue from 0 to 1. Fields are height x width.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Field: TypeAlias = NDArray[np.floating[Any]]
Colour: TypeAlias = NDArray[np.floating[Any]]
Chance: TypeAlias = np.random.Generator


def colour(text: str) -> Colour:
    """A colour written as six hexadecimal digits."""
    return np.array([int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)], dtype=np.float32)


def clipped(picture: Field) -> Field:
    """The array, limited to 0 to 1."""
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def mix(first: Field, second: Field, share: Field | float) -> Field:
    """Blend from the first to the second as ``share`` goes from 0 to 1; a field as the share applies to all colours."""
    if isinstance(share, np.ndarray) and share.ndim == 2 and (first.ndim == 3 or first.ndim == 1):
        share = share[..., None]
    return np.asarray(first + (second - first) * share, dtype=np.float32)


def ramp(values: Field, low: Field | float, high: Field | float) -> Field:
    """0 below ``low``, 1 above ``high``, and smooth between; descending if ``high`` is less than ``low``."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def noise(chance: Chance, width: int, height: int, across: float, down: float) -> Field:
    """Smooth random values about 0 to 1, in ``across`` x ``down`` lumps."""
    columns, rows = max(1, int(np.ceil(across))) + 3, max(1, int(np.ceil(down))) + 3
    grid = chance.random((rows, columns), dtype=np.float32)
    box = (1.0, 1.0, 1.0 + max(across, 0.01), 1.0 + max(down, 0.01))
    spread = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(spread, dtype=np.float32)


def tile(chance: Chance, side: int, lumps: int, octaves: int = 5) -> Field:
    """A square of cloudy noise, 0 to 1, that repeats without a seam."""
    total = np.zeros((side, side), dtype=np.float32)
    share, whole = 1.0, 0.0
    for _ in range(octaves):
        grid = np.pad(chance.random((lumps, lumps), dtype=np.float32), 3, mode="wrap")
        box = (3.0, 3.0, 3.0 + lumps, 3.0 + lumps)
        spread = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC, box=box)
        total += np.float32(share) * np.asarray(spread, dtype=np.float32)
        whole += share
        share *= 0.52
        lumps *= 2
    return clipped((total / np.float32(whole) - 0.5) * 1.7 + 0.5)


def clouds(chance: Chance, width: int, height: int, across: float, down: float, octaves: int = 5) -> Field:
    """Noise in finer and finer grains, 0 to 1 with a mean of about 0.5."""
    total = np.zeros((height, width), dtype=np.float32)
    share, whole = 1.0, 0.0
    for _ in range(octaves):
        if whole and across > width / 2 and down > height / 2:
            break
        total += np.float32(share) * noise(chance, width, height, across, down)
        whole += share
        share *= 0.52
        across, down = across * 2.03, down * 2.03
    field = total / np.float32(whole)
    return clipped((field - 0.5) * 1.7 + 0.5)


def profile(chance: Chance, width: int, lumps: float, octaves: int = 6, *, sharp: bool = False) -> Field:
    """A line of heights, 0 to 1, across the width: round hills, or ridges if ``sharp``."""
    places = np.linspace(0, 1, width, dtype=np.float32)
    total = np.zeros(width, dtype=np.float32)
    share, whole = 1.0, 0.0
    for _ in range(octaves):
        knots = chance.random(int(lumps) + 4, dtype=np.float32)
        at = places * lumps + chance.random()
        left = np.clip(at.astype(np.int32), 0, len(knots) - 2)
        part = at - left
        if not sharp:
            part = part * part * (3 - 2 * part)
        total += np.float32(share) * (knots[left] * (1 - part) + knots[left + 1] * part)
        whole += share
        share *= 0.5
        lumps *= 2.1
    line = total / np.float32(whole)
    return np.asarray((line - line.min()) / max(1e-6, float(np.ptp(line))), dtype=np.float32)


def soften(picture: Field, radius: float) -> Field:
    """A blurred copy; ``radius`` in pixels. A wide blur works on a smaller copy, with no visible difference."""
    return from_image(_blurred(to_image(picture), radius))


def _blurred(image: Image.Image, radius: float) -> Image.Image:
    step = max(1, int(radius / 2.5))
    if step == 1:
        return image.filter(ImageFilter.GaussianBlur(radius))
    size = (max(2, image.width // step), max(2, image.height // step))
    small = image.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(radius / step))
    return small.resize(image.size, Image.Resampling.BICUBIC)


def to_image(picture: Field) -> Image.Image:
    """The picture as a Pillow image with integer values."""
    return Image.fromarray(np.asarray(np.clip(picture * 255 + 0.5, 0, 255), dtype=np.uint8))


def from_image(image: Image.Image) -> Field:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def screen(picture: Field, light: Field) -> Field:
    """The picture with light added (screen blend), which never exceeds white."""
    return np.asarray(1 - (1 - np.clip(picture, 0, 1)) * (1 - np.clip(light, 0, 1)), dtype=np.float32)


def luminance(picture: Field) -> Field:
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(picture @ weights, dtype=np.float32)
