"""Helpers for the styles: contrast, saturation, edges, brush strokes."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from fakes.painting.fields import Field, clipped, colour, from_image, luminance, mix, soften, to_image


def edges(picture: Field, radius: float = 1.0) -> Field:
    """The strength of the edges at each pixel, from 0."""
    grey = soften(luminance(picture), radius)
    down, across = np.gradient(grey)
    return np.asarray(np.hypot(across, down), dtype=np.float32)


def saturated(picture: Field, by: float) -> Field:
    return np.clip(mix(luminance(picture)[..., None] * np.ones(3, dtype=np.float32), picture, by), 0, 1)


def contrasted(picture: Field, by: float) -> Field:
    return clipped((picture - 0.5) * np.float32(by) + 0.5)


def toned(picture: Field, *stops: str) -> Field:
    """The picture's brightness mapped to other colours, from the darkest to the lightest."""
    grey = luminance(picture)
    places = np.linspace(0, 1, len(stops))
    tones = [colour(stop) for stop in stops]
    return np.stack([np.interp(grey, places, [float(t[i]) for t in tones]) for i in range(3)], axis=2).astype(
        np.float32
    )


def flattened(picture: Field, size: int) -> Field:
    """Brush strokes instead of fine detail; computed on a smaller copy, because the filter is slow."""
    height, width = picture.shape[:2]
    image = to_image(picture).resize((width // 2, height // 2), Image.Resampling.BOX)
    return from_image(image.filter(ImageFilter.ModeFilter(size)).resize((width, height), Image.Resampling.BICUBIC))


def unit(picture: Field) -> float:
    """The unit for the size of strokes and dots, in pixels: 1 in a picture of 1024x1024."""
    height, width = picture.shape[:2]
    return math.sqrt(height * width) / 1024
