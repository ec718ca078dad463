"""Weather in front of the picture: fog, rain, falling snow, fireflies; and the underwater world."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fakes.painting.fields import Field, clouds, colour, from_image, mix, noise, profile, ramp, screen, soften
from fakes.painting.scene import Scene, around, disc, smooth, stroke


def paint_weather(scene: Scene) -> None:
    brief = scene.brief
    if brief.has("fog"):
        paint_fog(scene, 0.3)
    if brief.has("rain"):
        _rain(scene)
    if brief.has("snow"):
        _snowfall(scene)
    if scene.light.level < 0.6 and brief.has("forest", "mushroom") and not brief.has("snow", "rain", "storm"):
        _fireflies(scene)


def paint_fog(scene: Scene, strength: float) -> None:
    """Fog over everything painted so far, thickest at the horizon."""
    chance, unit = scene.chance("fog"), scene.unit
    lumps = clouds(chance, scene.width, scene.height, 2.4 * scene.width / unit, 7 * scene.height / unit, 5)
    rows = np.arange(scene.height, dtype=np.float32)[:, None]
    band = np.exp(-(((rows - scene.horizon) / (0.3 * unit)) ** 2)) * 0.85 + 0.12
    scene.picture[:] = mix(
        scene.picture,
        np.broadcast_to(scene.light.haze, scene.picture.shape),
        np.clip(band * (0.3 + lumps), 0, 0.85) * strength,
    )


def _rain(scene: Scene) -> None:
    chance, unit = scene.chance("rain"), scene.unit
    layer = Image.new("L", (scene.width, scene.height), 0)
    pen = ImageDraw.Draw(layer)
    for _ in range(int(1500 * scene.width * scene.height / 1_048_576)):
        x, y = chance.uniform(-0.1, 1.1) * scene.width, chance.uniform(-0.1, 1) * scene.height
        long = unit * chance.uniform(0.02, 0.07)
        pen.line(
            [(x, y), (x - long * 0.22, y + long)],
            fill=int(chance.uniform(40, 150)),
            width=1 if long < unit * 0.055 else 2,
        )
    drops = soften(from_image(layer.convert("RGB")), 0.6)
    scene.picture[:] = screen(scene.picture * 0.93, drops * mix(scene.light.haze, colour("ffffff"), 0.4) * 0.55)


def _snowfall(scene: Scene) -> None:
    chance, unit = scene.chance("flakes"), scene.unit
    for size, count, blur in ((0.0022, 800, 0.5), (0.0045, 240, 1.2), (0.011, 36, 4.0)):
        layer = Image.new("L", (scene.width, scene.height), 0)
        pen = ImageDraw.Draw(layer)
        for _ in range(int(count * scene.width * scene.height / 1_048_576)):
            x, y = chance.uniform(0, scene.width), chance.uniform(0, scene.height)
            r = max(0.8, unit * size * chance.uniform(0.6, 1.3))
            pen.ellipse((x - r, y - r, x + r, y + r), fill=int(chance.uniform(120, 235)))
        flakes = soften(from_image(layer.convert("RGB")), blur * unit / 1024)
        scene.picture[:] = screen(scene.picture, flakes * (0.35 + 0.55 * scene.light.level))


def _fireflies(scene: Scene) -> None:
    chance, unit = scene.chance("fireflies"), scene.unit
    for _ in range(46):
        x, y = chance.uniform(0, scene.width), chance.uniform(0.45, 0.98) * scene.height
        size = unit * chance.uniform(0.003, 0.009)
        scene.shine(x, y, size * 2.2, colour("d8ff7a"), 0.8)
        scene.shine(x, y, size * 0.6, colour("ffffe0"), 1.0)


def paint_undersea(scene: Scene) -> None:
    """Blue depth, rays of light from above, a sea bed with corals, and fish."""
    chance, light, unit = scene.chance("undersea"), scene.light, scene.unit
    height, width = scene.height, scene.width
    rows = np.linspace(0, 1, height, dtype=np.float32)
    stops = [colour(c) for c in ("9fe6e6", "3fb0c8", "1b6f9f", "0e3f6b", "08264a")]
    if light.level < 0.6:
        stops = [stop * 0.6 for stop in stops]
    if scene.brief.tint:
        stops = [mix(stop, colour(scene.brief.tint) * (float(stop.mean()) / 0.5), 0.35) for stop in stops]
    column = np.stack([np.interp(rows, np.linspace(0, 1, 5), [float(s[i]) for s in stops]) for i in range(3)], axis=1)
    scene.picture[:] = np.clip(column, 0, 1).astype(np.float32)[:, None, :]
    x = np.arange(width, dtype=np.float32)[None, :]
    slant = (x + rows[:, None] * height * 0.45 * -light.side - light.at[0] * width) / unit
    rays = noise(chance, 1024, 1, 34, 0.01)[0] * 0.6 + noise(chance, 1024, 1, 90, 0.01)[0] * 0.5
    beams = rays[np.clip((slant * 250 + 512), 0, 1023).astype(np.int32)]
    beams = ramp(beams, 0.45, 0.95) * np.exp(-np.abs(slant) * 1.3) * (1 - rows[:, None]) ** 1.3
    scene.picture[:] = screen(scene.picture, (beams * 0.55)[..., None] * colour("d8fff4"))
    for layer in range(3):
        _sea_bed(scene, layer)
    _fish(scene)
    for _ in range(60):
        bx, by, r = chance.uniform(0, width), chance.uniform(0, height), unit * chance.uniform(0.002, 0.009)
        scene.shapes([disc(bx, by, r, 1, 16)], colour("d9fbff"), opacity=0.28)
        scene.shapes([disc(bx - r * 0.3, by - r * 0.3, r * 0.35, 1, 8)], colour("ffffff"), opacity=0.7)


def _sea_bed(scene: Scene, layer: int) -> None:
    chance, unit = scene.chance(f"bed{layer}"), scene.unit
    height, width = scene.height, scene.width
    near = (layer + 1) / 3
    line = profile(chance, width, 2.5 * width / unit, 5)
    tops = (height * (0.72 + 0.09 * layer) - line * unit * 0.1).astype(np.float32)
    top = int(tops.min()) - 1
    rows = np.arange(height - top, dtype=np.float32)[:, None] + top
    mask = np.clip(rows - tops[None, :] + 0.5, 0, 1)
    net = 1 - np.abs(clouds(chance, width, height - top, 14 * width / unit, 30 * (height - top) / unit, 3) * 2 - 1)
    sand = mix(colour("0f4a72"), colour("c8b78a"), 0.25 + 0.35 * near) * (0.6 + 0.4 * scene.light.level)
    paint = sand * (0.72 + 0.4 * ramp(net, 0.7, 1.0))[..., None]
    scene.lay(mask, np.clip(paint, 0, 1), top, 0)
    tones = ("e0607a", "f09a4a", "a060c8", "e8d060", "50b090", "d84a4a")
    for _ in range(int((7 + 4 * layer) * width / unit)):
        x = chance.uniform(0, width)
        foot = float(tops[int(min(width - 1, x))]) + unit * 0.02
        tone = mix(colour("13547c"), colour(tones[int(chance.integers(0, 6))]), 0.2 + 0.62 * near) * (
            0.6 + 0.4 * scene.light.level
        )
        size = unit * chance.uniform(0.06, 0.15) * (0.5 + 0.8 * near)
        if chance.random() < 0.55:
            _coral(scene, chance, x, foot, size, tone)
        else:
            for blade in range(5):
                sway = chance.normal() * 0.16
                points = [
                    (
                        x + (blade - 2) * size * 0.12 + sway * size * t**2 + np.sin(t * 5 + blade) * size * 0.05,
                        foot - size * 1.3 * t,
                    )
                    for t in np.linspace(0, 1, 7)
                ]
                scene.shapes([stroke(points, list(np.linspace(size * 0.09, size * 0.02, 7)))], tone * 0.85)


def _coral(scene: Scene, chance: np.random.Generator, x: float, y: float, size: float, tone: Field) -> None:
    twigs = [(x, y, np.pi / 2, size * 0.42, size * 0.15)]
    outlines = []
    while twigs:
        px, py, turn, long, wide = twigs.pop()
        to = (px + long * float(np.cos(turn)), py - long * float(np.sin(turn)))
        outlines.append(stroke([(px, py), to], [wide, wide * 0.75]))
        outlines.append(disc(*to, wide * 0.4, 1, 8))
        if wide > size * 0.05:
            twigs += [(*to, turn + lean + chance.normal() * 0.15, long * 0.74, wide * 0.7) for lean in (-0.5, 0.45)]
    scene.shapes(outlines, np.clip(tone, 0, 1))


def _fish(scene: Scene) -> None:
    chance, unit = scene.chance("fish"), scene.unit
    own = scene.brief.colours.get("fish")
    tones = [own] * 4 if own else ["f08a2a", "f2c53a", "4a8ae8", "e85a7a"]
    for index in range(17):
        size = unit * (0.3 if index == 16 else chance.uniform(0.05, 0.15))
        far = 0.0 if index == 16 else chance.uniform(0.1, 0.6)
        x, y = chance.uniform(0.08, 0.92) * scene.width, chance.uniform(0.15, 0.72) * scene.height
        if index == 16:
            x, y = chance.uniform(0.35, 0.65) * scene.width, 0.46 * scene.height
        flip = float(chance.choice([-1.0, 1.0]))
        tone = mix(colour(tones[index % 4]) * (0.55 + 0.45 * scene.light.level), colour("1b6f9f"), far)
        tail = smooth([(-0.36, 0.0), (-0.56, 0.2), (-0.52, 0.0), (-0.56, -0.2)])
        scene.shape(around(x, y, size, tail, flip), np.clip(tone * 0.82, 0, 1), shade=0.2)
        for fin in (
            [(-0.2, 0.18), (-0.1, 0.36), (0.12, 0.3), (0.18, 0.16)],
            [(-0.1, -0.18), (-0.12, -0.32), (0.06, -0.2)],
        ):
            scene.shape(around(x, y, size, smooth(fin), flip), np.clip(tone * 0.85, 0, 1), shade=0.2)
        body = smooth(
            [
                (-0.4, 0.0),
                (-0.2, 0.17),
                (0.1, 0.22),
                (0.36, 0.1),
                (0.44, 0.0),
                (0.34, -0.11),
                (0.1, -0.2),
                (-0.2, -0.15),
            ]
        )
        scene.shape(around(x, y, size, body, flip), tone, shade=0.2, rough=0.06)
        belly = smooth([(-0.36, -0.02), (0.1, -0.06), (0.4, -0.03), (0.32, -0.11), (0.1, -0.19), (-0.2, -0.14)])
        scene.shapes([around(x, y, size, belly, flip)], mix(tone, colour("ffffff"), 0.5), opacity=0.55)
        bands = [
            smooth(
                [
                    (px - 0.035, 0.19),
                    (px + 0.035, 0.19),
                    (px + 0.05, 0.0),
                    (px + 0.03, -0.17),
                    (px - 0.03, -0.17),
                    (px - 0.01, 0),
                ]
            )
            for px in (-0.12, 0.14)
        ]
        scene.shapes(
            [around(x, y, size, band, flip) for band in bands],
            mix(colour("fff8ee"), colour("1b6f9f"), far),
            opacity=0.85,
        )
        scene.shapes([around(x, y, size, disc(0.3, 0.045, 0.036, 1, 14), flip)], colour("ffffff"))
        scene.shapes([around(x, y, size, disc(0.31, 0.045, 0.021, 1, 12), flip)], colour("10161c"))
    haze = soften(scene.picture, unit * 0.05)
    scene.picture[:] = screen(scene.picture, haze * 0.12)
