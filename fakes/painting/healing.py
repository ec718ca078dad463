"""Fills parts of a picture so that they go with the rest: gaps are closed, and edges continued."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fakes.painting.fields import Chance, Field, clipped, mix, noise, ramp

_ALIKE = 0.045
"""How different the surroundings of two places may be."""
_NEAR = 0.15
"""How much of a side is continued into a gap."""

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
    """The picture without what is in the mask: the place is covered with what is around it.

    It takes the texture of a place with the same surroundings, if there is one, and else continues both sides.
    """
    box = box_of(mask)
    if box is None:
        return picture
    height, width = mask.shape
    rim = max(4, (box[0].stop - box[0].start + box[1].stop - box[1].start) // 12)
    rows = slice(max(0, box[0].start - rim), min(height, box[0].stop + rim))
    columns = slice(max(0, box[1].start - rim), min(width, box[1].stop + rim))
    part, hidden = picture[rows, columns], (mask[rows, columns] > 0.02).astype(np.float32)
    offset = _alike(picture, mask, (rows, columns), hidden)
    if offset is not None:
        down, across = offset
        other = picture[rows.start + down : rows.stop + down, columns.start + across : columns.stop + across]
    elif box[1].stop - box[1].start < width * 0.9:
        other = _between_sides(picture, box, chance)[rows, columns]
    else:
        turned = (box[1], box[0])
        other = _between_sides(picture.transpose(1, 0, 2), turned, chance).transpose(1, 0, 2)[rows, columns]
    cover = other + spread(part - other, 1 - hidden)
    share = mask[rows, columns, None]
    result = picture.copy()
    result[rows, columns] = clipped(part * (1 - share) + cover * share)
    return result


def _alike(picture: Field, mask: Field, box: Box, hidden: Field) -> tuple[int, int] | None:
    """How far away (down, across) a place is whose rim is like the rim of this box; None if there is none."""
    height, width = mask.shape
    tall, wide = hidden.shape
    step = max(1, min(height, width) // 160)
    small, taken = picture[::step, ::step], mask[::step, ::step] > 0.02
    detail = np.abs(np.gradient(small.mean(2))[1]) + np.abs(np.gradient(small.mean(2))[0])
    covered = hidden[::step, ::step] > 0.5
    top, left = box[0].start // step, box[1].start // step
    tall, wide = min(covered.shape[0], small.shape[0] - top), min(covered.shape[1], small.shape[1] - left)
    covered = covered[:tall, :wide]
    rim = ~covered[..., None]
    here = small[top : top + tall, left : left + wide]
    calm = float((detail[top : top + tall, left : left + wide] * rim[..., 0]).sum()) / max(1, int(rim.sum()))
    best: tuple[float, tuple[int, int]] | None = None
    reach = max(1, small.shape[0] // 8)
    for down in range(-reach, reach + 1, max(1, reach // 5)):
        for across in range(-left, small.shape[1] - wide - left + 1, 3):
            rows = slice(top + down, top + down + tall)
            columns = slice(left + across, left + across + wide)
            if rows.start < 0 or rows.stop > small.shape[0] or bool((taken[rows, columns] & covered).any()):
                continue
            apart = float((np.abs(here - small[rows, columns]) * rim).sum()) / max(1, int(rim.sum()) * 3)
            busy = float((detail[rows, columns] * covered).sum()) / max(1, int(covered.sum()))
            score = apart + 6.0 * max(0.0, busy - calm) + 0.1 * abs(down) / small.shape[0]
            if best is None or score < best[0]:
                best = score, (down * step, across * step)
    if best is None or best[0] > _ALIKE:
        return None
    down, across = best[1]
    fits = box[0].start + down >= 0 and box[0].stop + down <= height
    return best[1] if fits and box[1].start + across >= 0 and box[1].stop + across <= width else None


def _between_sides(picture: Field, box: Box, chance: Chance) -> Field:
    """The picture, with both sides of the box continued into it until they meet."""
    height, width = picture.shape[:2]
    columns = box[1]
    wide = columns.stop - columns.start
    result = picture.copy()
    sides = []
    if columns.start >= 8:
        sides.append(extended(picture[:, : columns.start], (0, wide, 0, 0), chance, _NEAR)[:, columns.start :])
    if width - columns.stop >= 8:
        sides.append(extended(picture[:, columns.stop :], (wide, 0, 0, 0), chance, _NEAR)[:, :wide])
    if len(sides) == 2:
        # The side with more detail, such as half of what is taken away, gets less room.
        left, right = (_detail(side) for side in sides)
        middle = 0.5 - 0.42 * (left - right) / (left + right + 0.004)
        across = np.linspace(0, 1, wide, dtype=np.float32)[None, :] + (noise(chance, wide, height, 1, 9) - 0.5) * 0.2
        result[:, columns] = mix(sides[0], sides[1], ramp(across - middle, -0.22, 0.22))
    elif sides:
        result[:, columns] = sides[0]
    return result


def _detail(picture: Field) -> Field:
    """How much detail each row has, smoothly from row to row, as a column."""
    rows = np.abs(np.diff(picture.mean(2), axis=1)).mean(1)
    reach = max(3, len(rows) // 12)
    kernel = np.ones(reach, dtype=np.float32) / reach
    return np.convolve(np.pad(rows, reach, mode="edge"), kernel, mode="same")[reach:-reach, None].astype(np.float32)


def extended(picture: Field, margins: tuple[int, int, int, int], chance: Chance, share: float = 0.2) -> Field:
    """The picture with these margins (left, right, up, down), which continue its edges.

    The margins show the picture's edge, mirrored and stretched more with distance, so that its middle is not repeated.
    ``share`` is how much of the width is the edge.
    """
    height, width = picture.shape[:2]
    left, right, up, down = margins
    x, away_x = _mirrored(width, left, right, share)
    y, away_y = _mirrored(height, up, down, 0.1)
    size = (up + height + down, left + width + right)
    bend = ramp(away_x[None, :] / width, 0.0, 0.35) * ramp(away_y[:, None] / height, 0.05, 0.0)
    bend = bend * (0.07 * min(width, height))
    lumps = (max(2.0, 5 * size[1] / width), max(2.0, 5 * size[0] / height))
    shift_x = (noise(chance, size[1], size[0], *lumps) - 0.5) * bend
    shift_y = (noise(chance, size[1], size[0], *lumps) - 0.5) * bend * 0.4
    # What is nearer than the lower edge is larger.
    nearer = 1 + np.maximum(np.arange(size[0], dtype=np.float32) - (up + height - 1), 0)[:, None] / height
    middle = width / 2
    result = sampled(picture, middle + (x[None, :] - middle) / nearer + shift_x, y[:, None] + shift_y)
    result[up : up + height, left : left + width] = picture
    return result


def _mirrored(length: int, before: int, after: int, share: float) -> tuple[Field, Field]:
    """For each place of an extended line, the place in the line that it shows, and its distance from the line.

    Only this ``share`` of the line, at each end, is shown a second time.
    """
    at = np.arange(-before, length + after, dtype=np.float32)
    away = np.maximum(np.maximum(-at, at - (length - 1)), 0)
    reach = share * length
    inside = reach * (1 - np.exp(-away / reach))
    shown = np.where(at < 0, inside, np.where(at > length - 1, length - 1 - inside, at))
    return shown.astype(np.float32), away
