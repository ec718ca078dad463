"""Vehicles: boat, car, balloon, rocket."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Colour, clouds, colour, mix, ramp
from fakes.painting.scene import Point, Scene, around, disc, smooth, stroke


def boat(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A sailing boat under full sail, with its reflection in the water."""
    light, side = scene.light, scene.light.side
    before = scene.picture.copy()
    hull = light.on(paint if paint is not None else colour("7a4630"))
    sail, wood = light.on(colour("f6efe0")), light.on(colour("5b4030"))
    scene.shape(
        around(x, y, size, [(-0.012, 0.08), (-0.008, 0.98), (0.008, 0.98), (0.012, 0.08)], side), wood, round_by=0.2
    )
    main = smooth([(0.02, 0.2), (0.02, 0.58), (0.015, 0.94), (0.2, 0.58), (0.36, 0.22), (0.2, 0.185)], 5)
    scene.shape(around(x, y, size, main, side), sail, round_by=0.22, shade=0.22, rough=0.03)
    jib = smooth([(-0.03, 0.2), (-0.03, 0.5), (-0.02, 0.86), (-0.2, 0.5), (-0.38, 0.17), (-0.2, 0.16)], 5)
    scene.shape(around(x, y, size, jib, side), np.clip(sail * 0.93, 0, 1), round_by=0.22, shade=0.25, rough=0.03)
    seams = [
        stroke([(0.02, t), (0.36 - (t - 0.22) * 0.47, t + 0.005)], [0.003, 0.003]) for t in (0.34, 0.48, 0.62, 0.76)
    ]
    scene.shapes([around(x, y, size, seam, side) for seam in seams], light.dark, opacity=0.22)
    scene.shape(around(x, y, size, [(0.0, 0.165), (0.0, 0.18), (0.37, 0.19), (0.37, 0.175)], side), wood)
    body = [
        (-0.42, 0.13),
        (-0.3, 0.105),
        (0.0, 0.09),
        (0.3, 0.1),
        (0.4, 0.12),
        (0.34, 0.03),
        (0.26, -0.02),
        (-0.24, -0.02),
    ]
    scene.shape(around(x, y, size, body, side), hull, shade=0.25, rough=0.1)
    stripe = [(-0.405, 0.118), (0.0, 0.075), (0.385, 0.105), (0.38, 0.09), (0.0, 0.06), (-0.385, 0.1)]
    scene.shape(around(x, y, size, stripe, side), sail)
    flag = [(0.0, 0.98), (0.0, 1.04), (-0.11, 1.01)]
    scene.shapes([around(x, y, size, flag, side)], light.on(colour("c83a30")))
    mirror(scene, before, y + 0.015 * size, size * 1.1, x, size * 0.6)
    foam = [smooth([(-0.5, -0.02), (-0.2, 0.0), (0.3, 0.0), (0.48, -0.022), (0.2, -0.035), (-0.25, -0.035)])]
    scene.shapes([around(x, y, size, wake, side) for wake in foam], mix(light.lit, light.sun, 0.4), opacity=0.45)


def mirror(scene: Scene, before: np.ndarray, line: float, tall: float, x: float, half: float) -> None:
    """Mirror what was just painted above the water line in the water below it."""
    top, left, right = int(line), max(0, int(x - half)), min(scene.width, int(x + half))
    rows = np.arange(min(int(tall), scene.height - top), dtype=np.float32)
    if len(rows) < 2 or right <= left:
        return
    lumps = clouds(scene.chance("mirror"), right - left, len(rows), 6, 60, 3) - 0.5
    columns = np.arange(left, right, dtype=np.float32)[None, :] + lumps * scene.unit * 0.05
    source = np.clip(top - 1 - rows[:, None] + lumps * scene.unit * 0.02, 0, scene.height - 1).astype(np.int32)
    column = np.clip(columns, 0, scene.width - 1).astype(np.int32)
    image = scene.picture[source, column]
    changed = np.abs(image - before[source, column]).max(axis=2)
    mask = ramp(changed, 0.01, 0.05) * ramp(rows / tall, 1.0, 0.1)[:, None] * 0.62
    scene.lay(mask, image * 0.86 + scene.light.water * 0.1, top, left)


def car(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A low, wedge-shaped car with its lights on, its shadow, and its reflection on the ground."""
    light, flip = scene.light, scene.light.side
    body = light.on(paint if paint is not None else colour("aab2bb"))
    dark, glass = mix(light.on(colour("1d2026")), light.dark, 0.4), mix(light.sky[0], colour("16202c"), 0.5)
    before = scene.picture.copy()
    shadow = smooth([(-0.62, 0.0), (-0.2, 0.02), (0.3, 0.02), (0.62, 0.0), (0.3, -0.045), (-0.3, -0.045)])
    scene.shapes([around(x, y, size, shadow, flip)], light.dark * 0.5, opacity=0.75)
    shell = [(-0.6, 0.09), (-0.595, 0.2), (-0.56, 0.235), (-0.3, 0.25), (-0.12, 0.325), (0.12, 0.33), (0.28, 0.262)]
    shell += [(0.52, 0.225), (0.6, 0.17), (0.605, 0.09), (0.5, 0.06), (-0.5, 0.06)]
    scene.shape(around(x, y, size, shell, flip), body, shade=0.14, rough=0.02)
    lower = [(-0.6, 0.09), (-0.598, 0.15), (0.602, 0.135), (0.605, 0.09), (0.5, 0.055), (-0.5, 0.055)]
    scene.shape(around(x, y, size, lower, flip), body * 0.62, shade=0.14)
    top = [(-0.11, 0.318), (-0.05, 0.328), (0.12, 0.332), (0.19, 0.302), (0.1, 0.318), (-0.09, 0.311)]
    scene.shape(around(x, y, size, top, flip), np.clip(mix(body, light.sky[-1], 0.55), 0, 1), rough=0)
    for pane in (
        [(-0.255, 0.254), (-0.11, 0.308), (-0.03, 0.316), (-0.04, 0.256)],
        [(-0.015, 0.257), (-0.005, 0.317), (0.115, 0.318), (0.235, 0.265), (0.23, 0.257)],
    ):
        scene.shape(around(x, y, size, pane, flip), glass, shade=0.3, rough=0)
    sheen = [(-0.2, 0.265), (-0.12, 0.298), (-0.085, 0.303), (-0.15, 0.26)]
    scene.shapes([around(x, y, size, sheen, flip)], light.sky[-1], opacity=0.5)
    lines = [
        [(-0.59, 0.205), (0.57, 0.19)],
        [(-0.03, 0.25), (-0.02, 0.08)],
        [(0.22, 0.25), (0.2, 0.08)],
        [(-0.3, 0.25), (-0.29, 0.1)],
    ]
    scene.shapes([around(x, y, size, stroke(seam, [0.005, 0.005]), flip) for seam in lines], dark, opacity=0.6)
    for wheel in (-0.36, 0.37):
        scene.shapes([around(x, y, size, disc(wheel, 0.085, 0.105), flip)], dark)
        scene.shape(around(x, y, size, disc(wheel, 0.075, 0.09), flip), dark * 0.7, rough=0.1)
        scene.shape(around(x, y, size, disc(wheel, 0.075, 0.055), flip), light.on(colour("c3c8ce")), shade=0.3)
        spokes = [
            stroke([(wheel, 0.075), (wheel + 0.05 * float(np.cos(t)), 0.075 + 0.05 * float(np.sin(t)))], [0.012, 0.008])
            for t in np.linspace(0, 2 * np.pi, 7)[:-1]
        ]
        scene.shapes([around(x, y, size, spoke, flip) for spoke in spokes], dark)
    scene.shapes(
        [around(x, y, size, [(0.54, 0.165), (0.545, 0.195), (0.598, 0.17), (0.6, 0.15)], flip)], colour("fff3c8")
    )
    scene.shapes(
        [around(x, y, size, [(-0.6, 0.16), (-0.6, 0.195), (-0.55, 0.195), (-0.55, 0.16)], flip)], colour("ff3a2a")
    )
    if not scene.brief.has("desert", "hill", "forest", "snow"):
        mirror(scene, before, y + 0.03 * size, size * 0.4, x, size * 0.75)
    if light.level < 0.95:
        power = float(np.clip(1.1 - light.level, 0.2, 0.7))
        scene.shine(x + 0.6 * size * flip, y - 0.17 * size, size * 0.2, colour("fff0c0"), power)
        scene.shine(x - 0.6 * size * flip, y - 0.18 * size, size * 0.13, colour("ff3020"), power)
        cone = [(0.6, 0.16), (1.6, 0.2), (1.6, -0.12), (0.6, 0.14)]
        scene.shapes([around(x, y, size, cone, flip)], colour("fff0c0"), opacity=0.12 * power)


def balloon(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A hot-air balloon with bright gores."""
    light = scene.light
    first = paint if paint is not None else colour("d8432f")
    second = colour("f3c64a") if paint is None else mix(paint, colour("ffffff"), 0.65)
    turns = np.linspace(0, 1, 24)
    half = [0.36 * float(np.sin(np.pi * min(1.0, t**0.72)) ** 0.72 * (1 - 0.0 * t) + 0.055 * t) for t in turns]
    level = [0.98 - 0.78 * float(t) for t in turns]
    edges = np.linspace(-1, 1, 10)
    for index in range(9):
        a, b = np.sin(edges[index] * np.pi / 2), np.sin(edges[index + 1] * np.pi / 2)
        gore: list[Point] = [(h * float(a), v) for h, v in zip(half, level, strict=True)]
        gore += [(h * float(b), v) for h, v in reversed(list(zip(half, level, strict=True)))]
        middle = (a + b) / 2
        bright = 0.78 + 0.34 * float(middle) * light.side - 0.2 * float(middle) ** 2
        tone = light.on(first if index % 2 == 0 else second) * bright
        scene.shape(around(x, y, size, gore), np.clip(tone, 0, 1), shade=0.06, rough=0.03)
    skirt = [(-0.07, 0.2), (-0.05, 0.15), (0.05, 0.15), (0.07, 0.2)]
    scene.shape(around(x, y, size, skirt), light.on(first) * 0.7, round_by=0.2)
    ropes = [stroke([(s * 0.05, 0.15), (s * 0.042, 0.07)], [0.004, 0.004]) for s in (-1, 1)]
    scene.shapes([around(x, y, size, rope) for rope in ropes], light.dark)
    basket = [(-0.048, 0.075), (-0.04, 0.0), (0.04, 0.0), (0.048, 0.075)]
    scene.shape(around(x, y, size, basket), light.on(colour("8a5f38")), round_by=0.25, rough=0.2)
    scene.shine(x, y - 0.17 * size, size * 0.06, colour("ffc060"), 0.5)


def rocket(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A rocket on its flame, with its trail of smoke."""
    light, chance = scene.light, scene.chance("rocket")
    white, red = light.on(colour("eef0f2")), light.on(paint if paint is not None else colour("c8372c"))
    open_space = scene.brief.has("space") and scene.horizon == scene.height
    for step in range(12 if open_space else 60):
        t = step / 60
        px, py = chance.normal() * (0.03 + 0.2 * t**1.3), 0.14 - 1.0 * t
        tone = mix(mix(light.lit, light.shade, chance.uniform(0.1, 0.75)), colour("ffb060"), max(0.0, 0.6 - 2 * t))
        scene.puff(x + px * size, y - py * size, size * (0.04 + 0.14 * t) * chance.uniform(0.7, 1.2), tone, 0.6)
    flame = smooth([(-0.06, 0.2), (-0.075, 0.08), (0, -0.25), (0.075, 0.08), (0.06, 0.2)])
    scene.shapes([around(x, y, size, flame)], colour("ff9a3a"))
    scene.shapes([around(x, y, size, [(px * 0.55, 0.2 + (py - 0.2) * 0.6) for px, py in flame])], colour("fff6cf"))
    for sign in (-1.0, 1.0):
        fin = [(0.08, 0.42), (0.2, 0.2), (0.2, 0.12), (0.08, 0.22)]
        scene.shape(around(x, y, size, fin, sign), red, shade=0.2)
    body = smooth(
        [(-0.1, 0.2), (-0.125, 0.5), (-0.1, 0.78), (0, 1.0), (0.1, 0.78), (0.125, 0.5), (0.1, 0.2), (0, 0.185)]
    )
    scene.shape(around(x, y, size, body), white, round_by=0.42, shade=0.3, rough=0.02)
    nose = smooth([(-0.098, 0.79), (-0.05, 0.93), (0, 1.0), (0.05, 0.93), (0.098, 0.79), (0, 0.775)])
    scene.shape(around(x, y, size, nose), red, round_by=0.42, shade=0.3)
    scene.shape(around(x, y, size, disc(0, 0.62, 0.056)), red)
    scene.shape(around(x, y, size, disc(0, 0.62, 0.04)), mix(light.sky[1], colour("9fd8f0"), 0.6), shade=0.3)
    scene.shape(
        around(x, y, size, [(-0.118, 0.33), (-0.12, 0.38), (0.12, 0.38), (0.118, 0.33)]), red, round_by=0.4, shade=0.3
    )
    scene.shine(x, y + 0.02 * size, size * 0.3, colour("ffb060"), 0.75)
