"""Styles that redraw the image: pixels, lines, ink and dots, cubes, tiles."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fakes.painting.fields import (
    Chance,
    Field,
    clouds,
    colour,
    from_image,
    luminance,
    mix,
    noise,
    ramp,
    soften,
    to_image,
)
from fakes.painting.grading import contrasted, edges, flattened, saturated, unit


def pixel_art(picture: Field, chance: Chance) -> Field:
    height, width = picture.shape[:2]
    step = max(2, round(min(width, height) / 140))
    small = to_image(contrasted(saturated(picture, 1.25), 1.12)).resize(
        (width // step, height // step), Image.Resampling.BOX
    )
    data = from_image(small)
    matrix = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], dtype=np.float32) / 16 - 0.47
    tiled = np.tile(matrix, (data.shape[0] // 4 + 1, data.shape[1] // 4 + 1))[: data.shape[0], : data.shape[1]]
    few = (
        to_image(data + tiled[..., None] * 0.035)
        .quantize(48, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        .convert("RGB")
    )
    return from_image(few.resize((width, height), Image.Resampling.NEAREST))


def line_art(picture: Field, chance: Chance) -> Field:
    height, width = picture.shape[:2]
    scale = unit(picture)
    grey = soften(luminance(picture), 1.6 * scale)
    outline = ramp(edges(picture, 1.2 * scale), 0.012, 0.05)
    fine = ramp(grey - soften(grey, 3.5 * scale), -0.008, -0.035) * 0.55
    x = np.arange(width, dtype=np.float32)[None, :] / scale
    y = np.arange(height, dtype=np.float32)[:, None] / scale
    wobble = noise(chance, width, height, 14, 14) * 5
    hatch = np.zeros_like(grey)
    for turn, below in ((0.7, 0.46), (-0.6, 0.33), (0.08, 0.22), (1.45, 0.13)):
        wave = np.sin((x * np.cos(turn) + y * np.sin(turn) + wobble) * 0.82)
        hatch = np.maximum(hatch, ramp(wave, 0.42, 0.9) * ramp(grey, below, below - 0.1) * 0.75)
    ink = np.clip(np.maximum(np.maximum(outline, hatch), fine), 0, 1)
    paper = colour("f7f3ea") * (0.97 + 0.04 * clouds(chance, width, height, 60, 60, 4))[..., None]
    return mix(paper, np.broadcast_to(colour("20222c"), paper.shape), ink * 0.93)


def comic_book(picture: Field, chance: Chance) -> Field:
    height, width = picture.shape[:2]
    scale = unit(picture)
    vivid = contrasted(saturated(flattened(picture, 5), 1.7), 1.2)
    flat = np.round(vivid * 4) / 4
    grey = luminance(vivid)
    x = np.arange(width, dtype=np.float32)[None, :] / scale
    y = np.arange(height, dtype=np.float32)[:, None] / scale
    dots = (np.sin((x + y) * 0.5) * np.sin((x - y) * 0.5) + 1) / 2
    ink = ramp(dots, 0.30, 0.18) * ramp(grey, 0.75, 0.35) * 0.4
    halftone = mix(mix(vivid, flat, 0.65), flat * 0.62, ink)
    line = ramp(edges(picture, 1.5 * scale), 0.018, 0.05)
    black = np.maximum(line, ramp(grey, 0.13, 0.07) * 0.9)
    inked = mix(halftone, np.broadcast_to(colour("120f18"), halftone.shape), black)
    rim, gutter = int(16 * scale), int(5 * scale)
    inked[:rim] = inked[-rim:] = colour("f6efdc")
    inked[:, :rim] = inked[:, -rim:] = colour("f6efdc")
    inked[rim : rim + gutter, rim:-rim] = inked[-rim - gutter : -rim, rim:-rim] = colour("120f18")
    inked[rim:-rim, rim : rim + gutter] = inked[rim:-rim, -rim - gutter : -rim] = colour("120f18")
    return inked


def isometric(picture: Field, chance: Chance) -> Field:
    """Isometric cubes, each in the colour of its place."""
    height, width = picture.shape[:2]
    side = max(6.0, min(width, height) / 58)
    bright = saturated(contrasted(picture, 1.1), 1.3)
    small = soften(bright, side / 2.6)
    canvas = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(canvas)
    wide, tall = side * float(np.cos(np.pi / 6)), side * 0.5
    for row in range(-2, int(height / (side * 1.5)) + 3):
        for column in range(-1, int(width / (2 * wide)) + 2):
            x = column * 2 * wide + (wide if row % 2 else 0.0)
            y = row * side * 1.5
            tone = small[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))] * 255
            lift = float(tone.mean()) / 255 * 0.2 + 0.96
            top, left, right = ((int(c) for c in np.clip(tone * k * lift, 0, 255)) for k in (1.3, 1.0, 0.7))
            middle = (x, y)
            pen.polygon([(x - wide, y - tall), (x, y - 2 * tall), (x + wide, y - tall), middle], fill=tuple(top))
            pen.polygon([(x - wide, y - tall), middle, (x, y + side), (x - wide, y + tall)], fill=tuple(left))
            pen.polygon([(x + wide, y - tall), middle, (x, y + side), (x + wide, y + tall)], fill=tuple(right))
    return from_image(canvas)


def tile_texture(picture: Field, chance: Chance) -> Field:
    """A seamless tile, repeated four times."""
    height, width = picture.shape[:2]
    half = from_image(
        to_image(saturated(picture, 1.15)).resize((width - width // 2, height - height // 2), Image.Resampling.LANCZOS)
    )
    upper = np.concatenate([half[:, : width // 2], half[:, ::-1]], axis=1)[:, :width]
    whole = np.concatenate([upper[: height // 2], upper[::-1]], axis=0)[:height]
    x = np.abs(np.linspace(-1, 1, width, dtype=np.float32))[None, :]
    y = np.abs(np.linspace(-1, 1, height, dtype=np.float32))[:, None]
    seam = np.maximum(ramp(np.abs(np.maximum(x, y) - 0.985), 0.02, 0.008), ramp(np.abs(x + y - 1), 0.012, 0.006) * 0.5)
    return mix(whole, np.broadcast_to(colour("e9d6a6"), whole.shape), seam * 0.8)
