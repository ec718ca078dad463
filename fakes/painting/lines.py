"""A drawing: its lines, and the shapes that they enclose."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fakes.painting.fields import Field, from_image, luminance, ramp, soften, to_image
from fakes.painting.grading import edges, unit

_SMALL = 160


def is_drawing(picture: Field) -> bool:
    """Whether the picture is mostly paper, as a drawing is."""
    grey = luminance(picture)
    paper = float(np.median(grey))
    return float((np.abs(grey - paper) < 0.08).mean()) > 0.6


def lines_of(picture: Field) -> Field:
    """How much each pixel belongs to a line, 0 to 1: strokes on paper, or the edges of things."""
    scale = unit(picture)
    grey = luminance(picture)
    if is_drawing(picture):
        return ramp(np.abs(grey - np.float32(np.median(grey))), 0.12, 0.4)
    return ramp(edges(picture, 1.2 * scale), 0.015, 0.06)


def shapes_of(lines: Field) -> list[Field]:
    """The areas that lines enclose, the largest first, each as a field from 0 to 1."""
    height, width = lines.shape
    factor = _SMALL / max(height, width)
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = from_image(to_image(soften(lines, 0.5 / factor)).resize(size, Image.Resampling.BOX))
    labels = _labelled((small < 0.16).astype(np.float32))
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    numbers, counts = np.unique(labels[~np.isin(labels, [0, *rim])], return_counts=True)
    found = sorted(zip(counts.tolist(), numbers.tolist(), strict=True), reverse=True)
    shapes = []
    for count, number in found[:12]:
        if count > 0.0012 * labels.size:
            cover = Image.fromarray((labels == number).astype(np.uint8) * 255)
            whole = from_image(cover.resize((width, height), Image.Resampling.BICUBIC))
            # The lines take some room from both sides: the shape goes on below them.
            shapes.append(ramp(soften(whole, 1.2 / factor), 0.12, 0.4))
    return shapes


def _labelled(free: Field) -> Field:
    """A number for each connected area; 0 where nothing is free."""
    labels = np.where(free > 0, np.arange(1, free.size + 1).reshape(free.shape), 0.0)
    while True:
        before = labels
        labels = _carried(_carried(labels, free).T, free.T).T
        if np.array_equal(labels, before):
            return labels


def _carried(labels: Field, free: Field) -> Field:
    """The highest number of each unbroken column of free places, on all of them."""
    result = labels.copy()
    rows = range(1, len(result))
    for row, neighbour in [*((row, row - 1) for row in rows), *((row - 1, row) for row in reversed(rows))]:
        result[row] = np.maximum(result[row], result[neighbour]) * free[row]
    return result
