"""The picture while it is being painted, and the state that all painters share."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from fakes.painting.brief import Brief
from fakes.painting.fields import Chance, Colour, Field, clouds, colour, from_image, mix, screen
from fakes.painting.light import Light

Point = tuple[float, float]


@dataclass(slots=True, eq=False)
class Scene:
    """``unit`` is the length in pixels that sizes are measured in, ``horizon`` the row where the ground begins."""

    picture: Field
    brief: Brief
    light: Light
    horizon: int

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])

    @property
    def unit(self) -> float:
        return float(min(self.width, self.height) * 0.6 + (self.width * self.height) ** 0.5 * 0.4)

    @property
    def sun(self) -> Point:
        """The position of the sun or moon, in pixels."""
        return self.light.at[0] * self.width, self.light.at[1] * self.horizon

    def chance(self, part: str) -> Chance:
        """Random numbers for one part of the picture, independent of all other parts."""
        return chance_of(self.brief, part)

    def own_colour(self, thing: str) -> Colour | None:
        """The colour that the prompt gives a thing, if any."""
        return colour(self.brief.colours[thing]) if thing in self.brief.colours else None

    def lay(self, mask: Field, paint: Field, top: int = 0, left: int = 0) -> None:
        """Lay paint (a colour or a picture) through the mask, with its corner at ``top`` and ``left``."""
        y0, x0 = max(0, top), max(0, left)
        y1, x1 = min(self.height, top + mask.shape[0]), min(self.width, left + mask.shape[1])
        if y1 <= y0 or x1 <= x0:
            return
        window = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        part = paint[window] if paint.ndim == 3 else paint
        self.picture[y0:y1, x0:x1] = mix(self.picture[y0:y1, x0:x1], part, mask[window])

    def shape(
        self,
        outline: Sequence[Point],
        base: Colour,
        *,
        round_by: float = 0.0,
        shade: float = 0.25,
        rough: float = 0.06,
        opacity: float = 1.0,
    ) -> None:
        """Fill an outline, in pixels, with a colour lit from the sun's side.

        ``round_by`` makes it look like a cylinder, ``shade`` darkens its far side, ``rough`` gives it a grain.
        """
        xs, ys = [p[0] for p in outline], [p[1] for p in outline]
        self._fill([list(outline)], (min(xs), min(ys), max(xs), max(ys)), base, round_by, shade, rough, opacity)

    def shapes(
        self, outlines: Sequence[Sequence[Point]], base: Colour, *, rough: float = 0.0, opacity: float = 1.0
    ) -> None:
        """Fill many outlines with one flat colour."""
        points = [point for outline in outlines for point in outline]
        if points:
            xs, ys = [p[0] for p in points], [p[1] for p in points]
            self._fill(outlines, (min(xs), min(ys), max(xs), max(ys)), base, 0.0, 0.0, rough, opacity)

    def _fill(
        self,
        outlines: Sequence[Sequence[Point]],
        box: tuple[float, float, float, float],
        base: Colour,
        round_by: float,
        shade: float,
        rough: float,
        opacity: float,
    ) -> None:
        left, top = max(0, int(box[0]) - 1), max(0, int(box[1]) - 1)
        right, bottom = min(self.width, int(box[2]) + 2), min(self.height, int(box[3]) + 2)
        if right <= left or bottom <= top:
            return
        width, height = right - left, bottom - top
        fine = 3 if width * height < 400_000 else 2
        cover = Image.new("L", (width * fine, height * fine), 0)
        pen = ImageDraw.Draw(cover)
        for outline in outlines:
            pen.polygon([((x - left) * fine, (y - top) * fine) for x, y in outline], fill=255)
        mask = np.asarray(cover.reduce(fine), dtype=np.float32) / np.float32(255 / opacity)
        paint: Field = base
        if round_by or shade or rough:
            span = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.float32(self.light.side)
            bright = 1 + shade * span - round_by * (span * 0.8 - 0.35) ** 2
            if rough:
                grain = clouds(
                    self.chance(f"grain{len(outlines)}"), width, height, max(2, width / 9), max(2, height / 9), 3
                )
                bright = bright + (grain - 0.5) * (2 * rough)
            paint = np.clip(base * bright[..., None], 0, 1) * np.ones((height, 1, 1), dtype=np.float32)
        self.lay(mask, paint, top, left)

    def shine(self, x: float, y: float, reach: float, tone: Colour, power: float) -> None:
        """Add a glow at a place; it fades over ``reach`` pixels."""
        window, away = self._around(x, y, reach)
        window[:] = screen(window, (away * power)[..., None] * tone)

    def puff(self, x: float, y: float, reach: float, tone: Colour, opacity: float) -> None:
        """Add something soft at a place, like smoke; it fades over ``reach`` pixels."""
        window, away = self._around(x, y, reach)
        window[:] = mix(window, np.broadcast_to(tone, window.shape), away * opacity)

    def _around(self, x: float, y: float, reach: float) -> tuple[Field, Field]:
        top, bottom = max(0, int(y - 2.4 * reach)), max(0, min(self.height, int(y + 2.4 * reach) + 1))
        left, right = max(0, int(x - 2.4 * reach)), max(0, min(self.width, int(x + 2.4 * reach) + 1))
        across = (np.arange(left, max(left, right), dtype=np.float32) - x)[None, :] / reach
        down = (np.arange(top, max(top, bottom), dtype=np.float32) - y)[:, None] / reach
        return self.picture[top:bottom, left:right], np.exp(-(across**2 + down**2) * 1.2)

    def stamp(self, layer: Image.Image, top: int = 0, left: int = 0) -> None:
        """Lay an RGBA layer over the picture."""
        data = from_image(layer)
        self.lay(data[..., 3], data[..., :3], top, left)


def chance_of(brief: Brief, part: str) -> Chance:
    """Random numbers for one part of the picture of a brief."""
    return np.random.default_rng([brief.key & 0xFFFFFFFF, brief.key >> 32, zlib.crc32(part.encode())])


def disc(x: float, y: float, radius: float, squash: float = 1.0, points: int = 28) -> list[Point]:
    """The outline of a circle, or of an ellipse whose height is ``squash`` times its width."""
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return [(x + radius * float(np.cos(t)), y + radius * squash * float(np.sin(t))) for t in turns]


def smooth(points: Sequence[Point], steps: int = 6) -> list[Point]:
    """A smooth closed outline through these points."""
    ring = np.asarray(points, dtype=np.float64)
    before, after, beyond = np.roll(ring, 1, 0), np.roll(ring, -1, 0), np.roll(ring, -2, 0)
    first, second, third = (
        (after - before) / 2,
        before - 2.5 * ring + 2 * after - beyond / 2,
        (beyond - before + 3 * (ring - after)) / 2,
    )
    parts = [ring + t * (first + t * (second + t * third)) for t in np.linspace(0, 1, steps, endpoint=False)]
    return [(float(x), float(y)) for x, y in np.stack(parts, axis=1).reshape(-1, 2)]


def stroke(points: Sequence[Point], widths: Sequence[float]) -> list[Point]:
    """The outline of a line through these points, with a width for each."""
    line = np.asarray(points, dtype=np.float64)
    along = np.gradient(line, axis=0)
    length = np.maximum(1e-9, np.hypot(along[:, 0], along[:, 1]))
    half = np.asarray(widths, dtype=np.float64)[:, None] / 2
    normal = np.stack([-along[:, 1] / length, along[:, 0] / length], axis=1) * half
    return [(float(x), float(y)) for x, y in np.concatenate([line + normal, (line - normal)[::-1]])]


def around(x: float, y: float, size: float, outline: Sequence[Point], flip: float = 1.0) -> list[Point]:
    """An outline in its own units, placed in the picture: x to the right, y upwards, 1 is ``size`` pixels."""
    return [(x + px * size * flip, y - py * size) for px, py in outline]
