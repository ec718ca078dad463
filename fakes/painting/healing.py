"""Fills parts of a picture so that they go with the rest: gaps are closed, and edges continued."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fakes.painting.fields import Chance, Field, clipped, noise, ramp

Box = tuple[slice, slice]
"""Rows and columns."""


def sampled(picture: Field, x: Field, y: Field) -> Field:
    """The picture's colours at these places, in pixels, blended between pixels."""
    height, width = picture.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def spread(picture: Field, known: Field) -> Field:
    """The picture, with smooth colours wherever ``known`` is 0, taken from where it is 1."""
    height, width = known.shape
    weight = known[..., None]
    if float(known.min()) >= 1 or min(height, width) < 3:
        whole = float(known.sum())
        mean = (picture * weight).sum((0, 1)) / whole if whole > 0 else np.zeros(picture.shape[2], dtype=np.float32)
        return np.asarray(picture * weight + mean * (1 - weight), dtype=np.float32)
    rows, columns = height % 2, width % 2
    colours = np.pad(picture * weight, ((0, rows), (0, columns), (0, 0)))
    weights = np.pad(known, ((0, rows), (0, columns)))
    shape = ((height + rows) // 2, 2, (width + columns) // 2, 2)
    total = weights.reshape(shape).sum((1, 3))
    small = colours.reshape(*shape, picture.shape[2]).sum((1, 3)) / np.maximum(total, 1e-6)[..., None]
    below = spread(small.astype(np.float32), np.minimum(total, 1))
    planes = [Image.fromarray(np.ascontiguousarray(below[..., i])) for i in range(picture.shape[2])]
    large = [np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    return np.asarray(picture * weight + np.stack(large, axis=2) * (1 - weight), dtype=np.float32)


def box_of(mask: Field) -> Box | None:
    """The smallest box around everything in the mask; None if it is empty."""
    rows, columns = np.flatnonzero(mask.max(1) > 0.02), np.flatnonzero(mask.max(0) > 0.02)
    if not len(rows) or not len(columns):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def healed(picture: Field, mask: Field, chance: Chance) -> Field:
    """The picture without what is in the mask: the place is covered with the texture of a similar place.

    The texture comes from where the surroundings are most alike, and its colours are shifted to fit the edge.
    """
    box = box_of(mask)
    if box is None:
        return picture
    height, width = mask.shape
    rim = max(4, (box[0].stop - box[0].start + box[1].stop - box[1].start) // 12)
    top, bottom = max(0, box[0].start - rim), min(height, box[0].stop + rim)
    left, right = max(0, box[1].start - rim), min(width, box[1].stop + rim)
    part, hidden = picture[top:bottom, left:right], (mask[top:bottom, left:right] > 0.02).astype(np.float32)
    offset = _alike(picture, mask, (slice(top, bottom), slice(left, right)), hidden)
    if offset is None:
        cover = spread(part, 1 - hidden) + (noise(chance, right - left, bottom - top, 60, 60)[..., None] - 0.5) * 0.02
    else:
        down, across = offset
        other = picture[top + down : bottom + down, left + across : right + across]
        cover = other + spread(part - other, 1 - hidden)
    share = mask[top:bottom, left:right, None]
    result = picture.copy()
    result[top:bottom, left:right] = clipped(part * (1 - share) + cover * share)
    return result


def _alike(picture: Field, mask: Field, box: Box, hidden: Field) -> tuple[int, int] | None:
    """How far away (down, across) the place is whose rim is most like the rim of this box; None if no place fits."""
    height, width = mask.shape
    tall, wide = hidden.shape
    step = max(1, min(height, width) // 160)
    rim = (hidden < 0.5)[::step, ::step, None]
    here = picture[box[0], box[1]][::step, ::step]
    taken = mask > 0.02
    best: tuple[float, tuple[int, int]] | None = None
    for top in range(0, height - tall + 1, max(1, height // 24)):
        for left in range(0, width - wide + 1, max(1, width // 32)):
            down, across = top - box[0].start, left - box[1].start
            there = slice(top, top + tall), slice(left, left + wide)
            if bool((taken[there][::step, ::step] & (hidden[::step, ::step] > 0.5)).any()):
                continue
            other = picture[there][::step, ::step]
            apart = float((np.abs(here - other) * rim).mean()) + 0.04 * abs(down) / height + 0.004 * abs(across) / width
            if best is None or apart < best[0]:
                best = apart, (down, across)
    return best[1] if best else None


def extended(picture: Field, margins: tuple[int, int, int, int], chance: Chance) -> Field:
    """The picture with these margins (left, right, up, down), in which its edges go on.

    The margins show the picture's edge, mirrored and more and more stretched, so that its middle does not come twice.
    """
    height, width = picture.shape[:2]
    left, right, up, down = margins
    x, away_x = _mirrored(width, left, right)
    y, away_y = _mirrored(height, up, down)
    size = (up + height + down, left + width + right)
    away = np.maximum(away_x[None, :] / width, away_y[:, None] / height)
    bend = ramp(away, 0.0, 0.35) * (0.09 * min(width, height))
    lumps = (max(2.0, 5 * size[1] / width), max(2.0, 5 * size[0] / height))
    shift_x = (noise(chance, size[1], size[0], *lumps) - 0.5) * bend
    shift_y = (noise(chance, size[1], size[0], *lumps) - 0.5) * bend * 0.6
    result = sampled(picture, x[None, :] + shift_x, y[:, None] + shift_y)
    result[up : up + height, left : left + width] = picture
    return result


def _mirrored(length: int, before: int, after: int) -> tuple[Field, Field]:
    """For each place of an extended line, the place in the line that it shows, and its distance from the line."""
    at = np.arange(-before, length + after, dtype=np.float32)
    away = np.maximum(np.maximum(-at, at - (length - 1)), 0)
    reach = 0.3 * length
    inside = reach * (1 - np.exp(-away / reach))
    shown = np.where(at < 0, inside, np.where(at > length - 1, length - 1 - inside, at))
    return shown.astype(np.float32), away
