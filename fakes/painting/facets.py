"""Pictures made of flat triangles: low-poly, and folded paper."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fakes.painting.fields import Chance, Field, clouds, from_image, luminance, noise, soften, to_image
from fakes.painting.scene import Point

Triangle = tuple[Point, Point, Point]


def _triangles(picture: Field, chance: Chance, step: float) -> list[Triangle]:
    """A mesh of triangles over the picture, with its vertices moved to where the picture changes."""
    height, width = picture.shape[:2]
    columns, rows = int(width / step) + 3, int(height / step) + 3
    grey = soften(luminance(picture), 2)
    down, across = np.gradient(grey)
    change = np.hypot(across, down)
    knots = np.zeros((rows, columns, 2))
    for row in range(rows):
        for column in range(columns):
            middle = ((column - 1 + (0.5 if row % 2 else 0)) * step, (row - 1) * step)
            tries = chance.normal(0, step * 0.24, (7, 2)) + middle
            x = np.clip(tries[:, 0], 0, width - 1).astype(int)
            y = np.clip(tries[:, 1], 0, height - 1).astype(int)
            knots[row, column] = tries[int(np.argmax(change[y, x]))]
    found: list[Triangle] = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            a, b = knots[row, column], knots[row, column + 1]
            c, d = knots[row + 1, column], knots[row + 1, column + 1]
            pairs = ((a, b, d), (a, d, c)) if row % 2 else ((a, b, c), (b, d, c))
            for p, q, r in pairs:
                found.append(((float(p[0]), float(p[1])), (float(q[0]), float(q[1])), (float(r[0]), float(r[1]))))
    return found


def _middle_tone(picture: Field, triangle: Triangle) -> Field:
    height, width = picture.shape[:2]
    (ax, ay), (bx, by), (cx, cy) = triangle
    tone = np.zeros(3, dtype=np.float32)
    for wa, wb, wc in ((1 / 3, 1 / 3, 1 / 3), (0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)):
        x = int(min(width - 1, max(0, ax * wa + bx * wb + cx * wc)))
        y = int(min(height - 1, max(0, ay * wa + by * wb + cy * wc)))
        tone += picture[y, x]
    return tone / 4


def _drawn(picture: Field, chance: Chance, step: float, swing: float, crease: bool) -> Field:
    height, width = picture.shape[:2]
    fine = 2
    canvas = Image.new("RGB", (width * fine, height * fine))
    pen = ImageDraw.Draw(canvas)
    lines: list[tuple[list[Point], tuple[int, int, int]]] = []
    for triangle in _triangles(picture, chance, step):
        (ax, _), (bx, by), (cx, _) = triangle
        lean = float(np.sin(ax * 0.013 + by * 0.021) + np.cos((bx - cx) * 0.06) * 0.7) * swing
        tone = np.clip(_middle_tone(picture, triangle) * (1 + lean + chance.normal() * swing * 0.6), 0, 1) * 255
        points = [(x * fine, y * fine) for x, y in triangle]
        pen.polygon(points, fill=(int(tone[0]), int(tone[1]), int(tone[2])))
        if crease:
            bright = np.clip(tone * 1.12 + 9, 0, 255)
            lines.append(([points[0], points[1]], (int(bright[0]), int(bright[1]), int(bright[2]))))
            dim = tone * 0.84
            lines.append(([points[1], points[2]], (int(dim[0]), int(dim[1]), int(dim[2]))))
    for points, tone in lines:
        pen.line(points, fill=tone, width=3)
    return from_image(canvas.reduce(fine))


def low_poly(picture: Field, chance: Chance) -> Field:
    """Small triangles, each in one colour."""
    step = min(picture.shape[:2]) / 46
    vivid = np.clip((picture - 0.5) * 1.12 + 0.53, 0, 1)
    return _drawn(vivid, chance, step, 0.028, crease=False)


def origami(picture: Field, chance: Chance) -> Field:
    """Large folds with creases, and the grain of paper."""
    height, width = picture.shape[:2]
    step = min(height, width) / 27
    soft = from_image(to_image(soften(picture, 3)))
    folds = _drawn(np.clip(soft * 0.92 + 0.07, 0, 1), chance, step, 0.05, crease=True)
    shade = soften(luminance(folds), step / 7)
    lifted = 1 + np.clip(luminance(folds) - shade, -0.12, 0.12) * 0.9
    fibre = (
        clouds(chance, width, height, 90, 90, 3) * 0.6 + noise(chance, width, height, width / 2.0, height / 2.0) * 0.4
    )
    return np.clip(folds * lifted[..., None] * (0.93 + 0.12 * fibre)[..., None], 0, 1)
