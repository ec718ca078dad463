"""The city: towers in the haze, lit windows, a wet street, the bridge and the clock."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fakes.painting.fields import Chance, Colour, Field, colour, mix, ramp, screen, soften
from fakes.painting.scene import Point, Scene, around, disc, stroke

NEON = ("ff4fa3", "39d5ff", "ffb03a", "8a5bff", "4dffb8", "ff5a4d")


def paint_skyline(scene: Scene) -> None:
    """Rows of towers on the horizon: the nearer, the taller, darker and sharper."""
    light, unit = scene.light, scene.unit
    dark = light.level < 0.9
    shine = np.zeros_like(scene.picture)
    for layer in range(4):
        chance = scene.chance(f"towers{layer}")
        near = (layer + 1) / 4
        layer_image = Image.new("RGBA", (scene.width, scene.height), (0, 0, 0, 0))
        lamps = Image.new("RGB", (scene.width, scene.height), (0, 0, 0))
        body, lamp = ImageDraw.Draw(layer_image), ImageDraw.Draw(lamps)
        veil = (1 - near) * 0.72 + 0.08
        x = -unit * 0.05
        while x < scene.width:
            wide = unit * chance.uniform(0.035, 0.085) * (0.6 + 0.7 * near)
            middle = np.exp(-((((x + wide / 2) / scene.width - 0.5) / 0.34) ** 2))
            tall = unit * chance.uniform(0.08, 0.24) * (0.7 + 0.5 * near) + unit * 0.3 * middle * chance.random() ** 2
            tall = min(tall, scene.horizon * 0.86)
            tone = mix(light.on(colour("6d7684")) * chance.uniform(0.5, 0.95), light.haze, veil)
            _tower(scene, chance, body, lamp, (x, scene.horizon - tall, x + wide), tone, near, dark)
            x += wide * chance.uniform(0.85, 1.5)
        scene.stamp(layer_image)
        lit = np.asarray(lamps, dtype=np.float32) / np.float32(255)
        scene.picture[:] = screen(scene.picture, lit * (0.35 + 0.65 * near))
        shine += lit * near
    if dark:
        scene.picture[:] = screen(scene.picture, soften(np.clip(shine, 0, 1), unit * 0.02) * 0.9)
        rows = np.arange(scene.height, dtype=np.float32)[:, None, None]
        lit_air = np.exp(-np.abs(rows - scene.horizon) / (unit * 0.16)) * 0.32
        scene.picture[:] = screen(scene.picture, lit_air * colour("ff9a62") * (1 - light.level))


def _tower(
    scene: Scene,
    chance: Chance,
    body: ImageDraw.ImageDraw,
    lamp: ImageDraw.ImageDraw,
    box: tuple[float, float, float],
    tone: Colour,
    near: float,
    dark: bool,
) -> None:
    left, top, right = (int(v) for v in box)
    light, unit = scene.light, scene.unit
    foot = scene.horizon
    bright, shade = _bytes(mix(tone, light.sun, 0.16)), _bytes(tone * 0.72)
    split = left + int((right - left) * (0.3 if light.side < 0 else 0.7))
    body.rectangle((left, top, right, foot), fill=shade)
    sunny = (left, top, split, foot) if light.side < 0 else (split, top, right, foot)
    body.rectangle(sunny, fill=bright)
    if chance.random() < 0.4:
        inset, step = (right - left) // 4, int(unit * chance.uniform(0.01, 0.05))
        body.rectangle((left + inset, top - step, right - inset, top), fill=shade)
        if chance.random() < 0.6:
            body.line(
                ((left + right) // 2, top - step - int(unit * 0.05), (left + right) // 2, top),
                fill=shade,
                width=max(1, int(unit / 500)),
            )
    pane = max(2, int(unit * 0.0042 * (0.6 + near)))
    gap = max(pane + 1, int(pane * 1.9))
    share = (0.42 if dark else 0.16) * chance.uniform(0.4, 1.3)
    warm = chance.random() < 0.7
    for wy in range(top + gap, foot - pane, int(gap * 1.25)):
        row = chance.random((right - left) // gap + 2)
        for index, wx in enumerate(range(left + gap // 2, right - pane + 1, gap)):
            if row[index] < share:
                tint = (
                    ((255, 206, 122) if warm else (170, 214, 255))
                    if dark
                    else _bytes(mix(light.sky[-1], tone, 0.3))[:3]
                )
                strong = 0.5 + 0.5 * row[index] / share
                target = lamp if dark else body
                target.rectangle((wx, wy, wx + pane - 1, wy + pane), fill=tuple(int(c * strong) for c in tint))
            elif not dark and row[index] < 0.8:
                body.rectangle((wx, wy, wx + pane - 1, wy + pane), fill=_bytes(tone * 0.6))
    if dark and near > 0.6 and chance.random() < 0.3:
        hue = NEON[int(chance.integers(0, len(NEON)))]
        sign = tuple(int(hue[i : i + 2], 16) for i in (0, 2, 4))
        wide = max(3, (right - left) // 4)
        at = int(chance.uniform(left, right - wide))
        high = int(chance.uniform(top + (foot - top) * 0.2, foot - (foot - top) * 0.4))
        lamp.rectangle(
            (at, high, at + wide, high + int((foot - top) * 0.22)), outline=sign, width=max(1, int(unit / 380))
        )
        lamp.line(
            (at + wide // 2, high, at + wide // 2, high + int((foot - top) * 0.22)),
            fill=sign,
            width=max(1, int(unit / 600)),
        )


def _bytes(tone: Colour) -> tuple[int, int, int, int]:
    red, green, blue = (int(max(0, min(255, c * 255))) for c in tone)
    return red, green, blue, 255


def paint_street(scene: Scene) -> None:
    """A wide wet road to the horizon that mirrors the towers and their lights."""
    light, unit, chance = scene.light, scene.unit, scene.chance("street")
    height, width, horizon = scene.height, scene.width, scene.horizon
    rows = np.arange(height - horizon, dtype=np.float32)
    near = (rows / max(1, height - horizon))[:, None]
    across = ((np.arange(width, dtype=np.float32) - width / 2) / unit)[None, :]
    ripple = (chance.random((height - horizon, 1), dtype=np.float32) - 0.5) * 2
    source = np.clip(horizon - 2 - rows[:, None] * 0.9 + ripple * unit * 0.02 * near, 0, horizon - 1).astype(np.int32)
    sway = np.clip(np.arange(width)[None, :] + ripple * unit * 0.006, 0, width - 1).astype(np.int32)
    mirror = scene.picture[source, sway]
    mirror = mix(mirror, soften(mirror, unit * 0.03), 0.55)
    asphalt = mix(light.on(colour("3c4048")), light.dark, 0.35)
    wet = 0.62 if scene.brief.has("rain", "night", "storm") or light.level < 0.6 else 0.4
    road = mix(np.broadcast_to(asphalt, mirror.shape), mirror, wet * (1 - 0.45 * near))
    place = across / (0.04 + near)
    dash = (np.mod(1 / (near + 0.06) * 2.2, 1.0) < 0.5).astype(np.float32)
    middle = _stripe(place, 0.0, 0.018) * dash
    kerbs = _stripe(place, 1.05, 0.016) + _stripe(place, -1.05, 0.016)
    paint = light.on(colour("f0e2b0"))
    road = mix(road, np.broadcast_to(paint, road.shape), np.clip(middle + kerbs, 0, 1) * 0.6)
    walk = ramp(np.abs(place), 1.1, 1.14)
    road = mix(road, road * 0.62 + asphalt * 0.22, walk)
    scene.picture[horizon:] = road


def _stripe(place: Field, at: float, half: float) -> Field:
    return ramp(np.abs(place - np.float32(at)), half * 1.3, half * 0.7)


def bridge(scene: Scene) -> None:
    """A suspension bridge over the water, seen from the side."""
    light, unit = scene.light, scene.unit
    own = scene.own_colour("bridge")
    steel = light.on(own if own is not None else colour("b8483a"))
    deck = scene.horizon - 0.055 * unit
    width, tall, thin = scene.width, 0.3 * unit, unit * 0.004
    pillars = [width * 0.24, width * 0.76]
    cables: list[list[Point]] = []

    def line(points: list[Point], wide: float) -> None:
        cables.append(stroke(points, [wide] * len(points)))

    spans = [(-0.28 * width, pillars[0]), (pillars[0], pillars[1]), (pillars[1], 1.28 * width)]
    for left, right in spans:
        curve = []
        for t in np.linspace(0, 1, 41):
            sag = tall * (1 - 4 * t * (1 - t) * 0.93)
            x = left + (right - left) * t
            curve.append((x, deck - sag))
            cables.append(
                [(x - thin / 5, deck - sag), (x - thin / 5, deck), (x + thin / 5, deck), (x + thin / 5, deck - sag)]
            )
        line(curve, thin)
    scene.shapes(cables, steel)
    road = [(-9.0, deck), (-9.0, deck + 0.018 * unit), (width + 9.0, deck + 0.018 * unit), (width + 9.0, deck)]
    scene.shape(road, steel * 0.8, shade=0.1)
    for x in pillars:
        for dx in (-0.02, 0.013):
            leg = [(x + dx * unit, deck - tall - 0.02 * unit), (x + dx * unit, scene.horizon + 0.03 * unit)]
            leg += [
                (x + (dx + 0.011) * unit, scene.horizon + 0.03 * unit),
                (x + (dx + 0.011) * unit, deck - tall - 0.02 * unit),
            ]
            scene.shape(leg, steel, shade=0.2)
        for up in (0.06, 0.15, 0.24, 0.31):
            bar = [(x - 0.02 * unit, deck - up * unit), (x - 0.02 * unit, deck - (up - 0.014) * unit)]
            bar += [(x + 0.024 * unit, deck - (up - 0.014) * unit), (x + 0.024 * unit, deck - up * unit)]
            scene.shape(bar, steel * 0.92, shade=0.1)


def clock(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A great clock that hangs in the air."""
    light, chance = scene.light, scene.chance("clock")
    rim = light.on(paint if paint is not None else colour("b08a4a"))
    y -= size * 0.5
    scene.shape(disc(x, y, size * 0.36, 1, 64), rim, round_by=0.25, shade=0.35, rough=0.05)
    scene.shape(disc(x, y, size * 0.315, 1, 64), light.on(colour("f3ead6")), shade=0.12, rough=0.03)
    ink = mix(light.on(colour("2c2a30")), light.dark, 0.3)
    marks = []
    for hour in range(60):
        turn = hour * np.pi / 30
        inner = 0.25 if hour % 5 == 0 else 0.285
        ends = [(x + size * r * float(np.sin(turn)), y - size * r * float(np.cos(turn))) for r in (inner, 0.3)]
        marks.append(stroke(ends, [size * (0.016 if hour % 5 == 0 else 0.004)] * 2))
    for turn, length, wide in ((chance.uniform(0, 6.28), 0.16, 0.022), (chance.uniform(0, 6.28), 0.25, 0.014)):
        ends = [(x - size * 0.04 * float(np.sin(turn)), y + size * 0.04 * float(np.cos(turn)))]
        ends.append((x + size * length * float(np.sin(turn)), y - size * length * float(np.cos(turn))))
        marks.append(stroke(ends, [size * wide, size * wide * 0.4]))
    scene.shapes([*marks, disc(x, y, size * 0.02, 1, 16)], ink)
    bell = around(x, y, size, [(-0.02, 0.35), (-0.05, 0.42), (0.05, 0.42), (0.02, 0.35)])
    scene.shape(bell, rim, round_by=0.3)
