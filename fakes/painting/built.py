"""Buildings: lighthouse, house, castle, temple, pyramid."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Colour, colour, mix, ramp, screen
from fakes.painting.scene import Point, Scene, around, disc, stroke

WINDOW = colour("ffd27a")


def lighthouse(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A tower with bands, a gallery, and a lantern whose beam shows when it is dark."""
    light = scene.light
    white = light.on(colour("f4efe6"))
    band = light.on(paint if paint is not None else colour("c23b30"))
    iron, stone = light.on(colour("3a3d44")), light.on(colour("9a9086"))
    low, high, top = 0.115, 0.07, 0.74

    def wide(t: float) -> float:
        return low + (high - low) * t / top

    hut = [(-0.34, -0.02), (-0.34, 0.13), (-0.1, 0.13), (-0.1, -0.02)]
    scene.shape(around(x, y, size, hut, light.side), white * 0.92, shade=0.12)
    roof = [(-0.37, 0.125), (-0.3, 0.215), (-0.1, 0.215), (-0.1, 0.125)]
    scene.shape(around(x, y, size, roof, light.side), band * 0.8, shade=0.12)
    window = [(-0.25, 0.05), (-0.25, 0.095), (-0.205, 0.095), (-0.205, 0.05)]
    scene.shapes([around(x, y, size, window, light.side)], WINDOW if light.level < 0.85 else iron)
    scene.shape(around(x, y, size, [(-0.15, -0.05), (-0.13, 0.03), (0.13, 0.03), (0.15, -0.05)]), stone, round_by=0.2)
    scene.shape(
        around(x, y, size, [(-wide(0), 0), (-wide(top), top), (wide(top), top), (wide(0), 0)]),
        white,
        round_by=0.3,
        shade=0.28,
        rough=0.04,
    )
    for start in (0.12, 0.36, 0.60):
        end = start + 0.12
        ring: list[Point] = [(-wide(start), start)]
        ring += [(-wide(end), end), (wide(end), end), (wide(start), start)]
        scene.shape(around(x, y, size, _sag(ring)), band, round_by=0.3, shade=0.28, rough=0.04)
    for t in (0.3, 0.54):
        pane = [(-0.012, t), (-0.012, t + 0.035), (0.012, t + 0.035), (0.012, t)]
        scene.shapes([around(x, y, size, pane)], iron)
    scene.shape(around(x, y, size, [(-0.03, 0), (-0.03, 0.075), (0.03, 0.075), (0.03, 0)]), iron * 1.2, shade=0.1)
    scene.shape(around(x, y, size, [(-0.105, top), (-0.115, top + 0.025), (0.115, top + 0.025), (0.105, top)]), iron)
    rails = [
        [(t - 0.003, top + 0.02), (t - 0.003, top + 0.07), (t + 0.003, top + 0.07), (t + 0.003, top + 0.02)]
        for t in np.linspace(-0.108, 0.108, 9)
    ]
    rails.append([(-0.112, top + 0.064), (-0.112, top + 0.072), (0.112, top + 0.072), (0.112, top + 0.064)])
    scene.shapes([around(x, y, size, rail) for rail in rails], iron)
    glass = mix(colour("ffe9b0"), light.sky[1], 0.35 if light.level > 0.85 else 0.05)
    lamp = [(-0.055, top + 0.025), (-0.055, top + 0.125), (0.055, top + 0.125), (0.055, top + 0.025)]
    scene.shape(around(x, y, size, lamp), glass, round_by=0.2, shade=0.1, rough=0.0)
    bars = [
        [(t - 0.004, top + 0.025), (t - 0.004, top + 0.125), (t + 0.004, top + 0.125), (t + 0.004, top + 0.025)]
        for t in (-0.052, -0.018, 0.018, 0.052)
    ]
    scene.shapes([around(x, y, size, bar) for bar in bars], iron)
    dome = [(-0.068, top + 0.122)]
    dome += [(-0.062 * float(np.cos(t)), top + 0.13 + 0.06 * float(np.sin(t))) for t in np.linspace(0, np.pi, 14)]
    dome += [(0.068, top + 0.122)]
    scene.shape(around(x, y, size, dome), band * 0.85, round_by=0.3, shade=0.3)
    scene.shapes([around(x, y, size, [(-0.005, top + 0.18), (0, top + 0.245), (0.005, top + 0.18)])], iron)
    _beam(scene, x, y - (top + 0.075) * size, size)


def _sag(ring: list[Point], depth: float = 0.012, points: int = 7) -> list[Point]:
    """A band around a tower: its edges curve as seen from below."""
    (x0, y0), (x1, y1), _, _ = ring
    turns = np.linspace(0, np.pi, points)
    upper = [(x1 * float(np.cos(t)), y1 + depth * float(np.sin(t))) for t in turns]
    lower = [(-x0 * float(np.cos(t)), y0 + depth * float(np.sin(t))) for t in turns]
    return upper + lower


def _beam(scene: Scene, x: float, y: float, size: float) -> None:
    light = scene.light
    power = float(np.clip(1.15 - light.level, 0.12, 0.8))
    across = ((np.arange(scene.width, dtype=np.float32) - x) / size)[None, :]
    down = ((np.arange(scene.height, dtype=np.float32) - y) / size)[:, None]
    away = np.sqrt(across**2 + down**2)
    lamp = colour("fff0c4")
    shine = np.exp(-away * 9) * 1.1 + np.exp(-away * 3) * 0.25
    scene.picture[:] = screen(scene.picture, (shine * power)[..., None] * lamp)
    if light.level > 0.85:
        return
    forward = across * light.side
    tilt = down + forward * 0.05
    cone = np.exp(-((tilt / (0.02 + 0.11 * np.abs(forward))) ** 2))
    ray = cone * np.exp(-np.abs(forward) * 0.5) * ramp(np.abs(forward), 0.0, 0.12)
    ray = ray * np.where(forward > 0, 1.0, 0.55)
    scene.picture[:] = screen(scene.picture, (ray * power * 0.75)[..., None] * lamp)


def house(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A cottage with lit windows and smoke from its chimney."""
    light, flip = scene.light, -scene.light.side
    wall, roof = light.on(colour("e6d9c2")), light.on(paint if paint is not None else colour("8a4a3a"))
    if scene.brief.has("snow"):
        roof = light.on(colour("f2f6fa"))
    wood, stone = light.on(colour("5a4030")), light.on(colour("9a8f86"))
    scene.shape(around(x, y, size, [(0.16, 0.45), (0.16, 0.66), (0.25, 0.66), (0.25, 0.45)], flip), stone, rough=0.15)
    scene.shape(
        around(x, y, size, [(-0.42, 0), (-0.42, 0.33), (0.42, 0.33), (0.42, 0)], flip), wall, shade=0.18, rough=0.08
    )
    gable = [(-0.42, 0), (-0.42, 0.33), (-0.26, 0.58), (-0.1, 0.33), (-0.1, 0)]
    scene.shape(around(x, y, size, gable, flip), np.clip(wall * 1.08, 0, 1), shade=0.1, rough=0.08)
    scene.shape(
        around(x, y, size, [(-0.26, 0.6), (0.36, 0.6), (0.48, 0.3), (-0.1, 0.3)], flip), roof, shade=0.16, rough=0.16
    )
    eaves = [(-0.26, 0.62), (-0.47, 0.29), (-0.42, 0.29), (-0.26, 0.55), (-0.1, 0.29), (-0.05, 0.29)]
    scene.shape(around(x, y, size, eaves, flip), roof * 0.8)
    scene.shape(around(x, y, size, [(-0.32, 0), (-0.32, 0.2), (-0.2, 0.2), (-0.2, 0)], flip), wood)
    pane = WINDOW if light.level < 0.9 else mix(light.sky[1], colour("20303c"), 0.5)
    for left, low in ((0.0, 0.11), (0.2, 0.11), (-0.3, 0.28)):
        frame = [
            (left - 0.01, low - 0.01),
            (left - 0.01, low + 0.12),
            (left + 0.11, low + 0.12),
            (left + 0.11, low - 0.01),
        ]
        scene.shapes([around(x, y, size, frame, flip)], wood)
        for dx in (0, 0.055):
            quarter = [
                (left + dx, low),
                (left + dx, low + 0.11),
                (left + dx + 0.045, low + 0.11),
                (left + dx + 0.045, low),
            ]
            scene.shapes([around(x, y, size, quarter, flip)], pane)
    if light.level < 0.9:
        scene.shine(x, y - 0.16 * size, size * 0.5, WINDOW, 0.4)
    puffs = scene.chance("smoke")
    for step in range(9):
        drift = step * 0.05
        spot = disc(
            (0.205 + drift * 0.8) * flip * size + x, y - (0.7 + drift * 1.5) * size, (0.03 + 0.014 * step) * size
        )
        scene.shapes([spot], mix(light.lit, light.haze, 0.4), opacity=0.3 * (1 - step / 10) * puffs.uniform(0.7, 1))


def castle(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """Towers with pointed roofs round a keep, with flags."""
    light = scene.light
    stone = light.on(colour("c4b6a2"))
    roof = light.on(paint if paint is not None else colour("4d5f8a"))
    towers = ((-0.2, 0.07, 0.62), (0.22, 0.075, 0.7), (0.0, 0.11, 0.86), (-0.42, 0.085, 0.48), (0.42, 0.085, 0.44))
    for index, (left, half, tall) in enumerate(towers):
        if index == 3:
            wall = [(-0.42, -0.05), (-0.42, 0.3), *_battlements(-0.42, 0.42, 0.3), (0.42, 0.3), (0.42, -0.05)]
            scene.shape(around(x, y, size, wall), stone * 0.9, shade=0.15, rough=0.14)
            arch = [
                (-0.06, -0.05),
                (-0.06, 0.12),
                (-0.035, 0.17),
                (0, 0.19),
                (0.035, 0.17),
                (0.06, 0.12),
                (0.06, -0.05),
            ]
            scene.shape(around(x, y, size, arch), light.on(colour("3a2c24")))
        body = [(left - half, -0.05), (left - half, tall), (left + half, tall), (left + half, -0.05)]
        scene.shape(around(x, y, size, body), stone, round_by=0.3, shade=0.3, rough=0.14)
        crown = half * 1.2
        ring = [
            (left - crown, tall - 0.03),
            (left - crown, tall + 0.02),
            (left + crown, tall + 0.02),
            (left + crown, tall - 0.03),
        ]
        scene.shape(around(x, y, size, ring), stone * 0.94, round_by=0.3, shade=0.3, rough=0.1)
        cone = [
            (left - crown * 1.08, tall + 0.02),
            (left, tall + 0.02 + half * 3.3),
            (left + crown * 1.08, tall + 0.02),
        ]
        scene.shape(around(x, y, size, cone), roof, round_by=0.3, shade=0.34, rough=0.1)
        tip = tall + 0.02 + half * 3.3
        flag = [(left, tip + 0.07), (left + 0.07, tip + 0.05), (left, tip + 0.03)]
        scene.shapes(
            [around(x, y, size, [(left - 0.004, tip - 0.02), (left, tip + 0.075), (left + 0.004, tip - 0.02)])],
            stone * 0.4,
        )
        scene.shapes([around(x, y, size, flag, light.side)] if left == 0 else [], light.on(colour("c8372c")))
        lamp = WINDOW if light.level < 0.9 else light.dark
        for height in np.arange(0.16 if index < 3 else 0.1, tall - 0.06, 0.15):
            slit = [
                (left - 0.012, height),
                (left - 0.012, height + 0.04),
                (left, height + 0.055),
                (left + 0.012, height + 0.04),
                (left + 0.012, height),
            ]
            scene.shapes([around(x, y, size, slit)], lamp)


def _battlements(left: float, right: float, level: float) -> list[Point]:
    points: list[Point] = []
    for t in np.arange(left, right - 0.03, 0.06):
        points += [(t, level + 0.03), (t + 0.03, level + 0.03), (t + 0.03, level), (t + 0.06, level)]
    return points


def temple(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A pagoda of five storeys with upturned eaves."""
    light = scene.light
    red, tile = light.on(paint if paint is not None else colour("b23a2c")), light.on(colour("3f4a52"))
    cream = WINDOW if light.level < 0.9 else light.on(colour("eee0c4"))
    base = 0.0
    scene.shape(
        around(x, y, size, [(-0.34, -0.06), (-0.3, 0.02), (0.3, 0.02), (0.34, -0.06)]),
        light.on(colour("9c948a")),
        rough=0.12,
    )
    for storey in range(5):
        wide, tall = 0.24 - 0.032 * storey, 0.125 - 0.008 * storey
        body = [(-wide * 0.8, base), (-wide * 0.8, base + tall), (wide * 0.8, base + tall), (wide * 0.8, base)]
        scene.shape(around(x, y, size, body), cream * (0.95 if light.level < 0.9 else 1), shade=0.2, rough=0.04)
        posts = np.linspace(-wide * 0.8, wide * 0.8, 5)
        beams = [
            [(p - 0.012, base), (p - 0.012, base + tall), (p + 0.012, base + tall), (p + 0.012, base)] for p in posts
        ]
        beams.append(
            [(-wide * 0.82, base), (-wide * 0.82, base + 0.025), (wide * 0.82, base + 0.025), (wide * 0.82, base)]
        )
        scene.shapes([around(x, y, size, beam) for beam in beams], red)
        top, out = base + tall, wide * 1.5
        eave = [
            (-out, top + 0.03),
            (-out * 0.72, top - 0.012),
            (0, top - 0.025),
            (out * 0.72, top - 0.012),
            (out, top + 0.03),
        ]
        eave += [
            (out * 0.55, top + 0.06),
            (wide * 0.55, top + 0.1),
            (-wide * 0.55, top + 0.1),
            (-out * 0.55, top + 0.06),
        ]
        scene.shape(around(x, y, size, eave), tile, shade=0.3, rough=0.1)
        base = top + 0.075
    scene.shapes([around(x, y, size, [(-0.012, base), (0, base + 0.2), (0.012, base)])], light.on(colour("c9a24a")))


def pyramid(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """Pyramids: one side in the sun, one in the shade."""
    light = scene.light
    stone = light.on(paint if paint is not None else colour("d8b078"))
    for dx, scale in ((1.05, 0.55), (-0.8, 0.68), (0.0, 1.0)):
        s, px, flip = size * scale * 0.85, x + dx * size * 0.8, light.side
        veil = (1 - scale) * 0.6
        front, back = mix(mix(stone, light.sun, 0.2), light.haze, veil), mix(stone * 0.5, light.haze, veil)
        scene.shape(around(px, y, s, [(-0.75, 0), (0, 0.78), (0.18, -0.05)], flip), back, shade=0.1, rough=0.12)
        scene.shape(around(px, y, s, [(0, 0.78), (0.18, -0.05), (0.75, 0)], flip), front, shade=0.1, rough=0.12)
        for row in np.linspace(0.06, 0.7, 18):
            t = row / 0.78
            seam = [(-0.75 * (1 - t), row), (0.18 * (1 - t), row - 0.05 * (1 - t)), (0.75 * (1 - t), row)]
            scene.shapes([around(px, y, s, stroke(seam, [0.004] * 3), flip)], light.dark, opacity=0.16)
