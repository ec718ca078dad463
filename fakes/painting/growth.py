"""Plants: forests, single trees, palms, flowers, mushrooms."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Chance, Colour, Field, colour, mix
from fakes.painting.scene import Point, Scene, around, disc, smooth, stroke

PINE = colour("3c5a3e")
LEAF = colour("5f8a3a")
BARK = colour("6b4d38")
PETAL = smooth([(0.08, 0.0), (0.45, 0.28), (0.85, 0.3), (1.0, 0.0), (0.85, -0.3), (0.45, -0.28)], 4)
PETALS = ("e8483f", "f2b632", "f4f0e6", "d964a8", "8f62d6", "f08a3c")


def paint_forest(scene: Scene, lines: list[Field], nearest: float = 1.0) -> None:
    """Pines on these lines of land, the farthest first, faded by the haze; ``nearest`` 1 is at our feet."""
    light, unit = scene.light, scene.unit
    for layer, line in enumerate(lines):
        near = nearest * (layer + 1) / len(lines)
        chance = scene.chance(f"pines{layer}")
        tall = unit * (0.06 + 0.2 * near**1.7)
        trees = int(scene.width / (tall * 0.17) * (1.0 if near < 0.9 else 0.3))
        outlines, rims, snow = [], [], []
        for x in np.sort(chance.uniform(-0.02, 1.02, trees)) * scene.width:
            if near > 0.9 and abs(x / scene.width - 0.5) < 0.2:
                continue
            at = int(np.clip(x, 0, scene.width - 1))
            foot = float(line[at]) + tall * 0.04 + (chance.random() * 0.1 * unit * near if near > 0.5 else 0)
            size = tall * chance.uniform(0.6, 1.15)
            left, right = _pine(chance, 7 if near < 0.5 else 11)
            outlines.append(around(float(x), foot, size, left + right[::-1]))
            lit = right if light.side > 0 else left
            rims.append(around(float(x), foot, size, [*lit, (0.0, 0.0)]))
            if scene.brief.has("snow"):
                snow += [around(float(x), foot, size, cap) for cap in _caps(left, right)]
        tone = mix(light.on(PINE), light.dark, 0.35)
        veil = (1 - near) * 0.72
        scene.shapes(outlines, mix(tone * 0.75, light.haze, veil))
        scene.shapes(rims, mix(mix(tone, light.lit, 0.2), light.haze, veil), opacity=0.65)
        if snow:
            scene.shapes(snow, mix(light.on(colour("f2f6fa")), light.haze, veil), opacity=0.8)


def _pine(chance: Chance, tiers: int) -> tuple[list[Point], list[Point]]:
    """The two sides of a pine of height 1, from the foot to the tip."""
    sides: list[list[Point]] = []
    for sign in (-1, 1):
        side: list[Point] = [(sign * 0.02, 0.0), (sign * 0.02, 0.07)]
        for tier in range(tiers):
            t = tier / tiers
            wide = 0.23 * (1 - t) ** 0.85 * chance.uniform(0.8, 1.15)
            side.append((sign * wide, 0.06 + 0.94 * t - 0.012))
            side.append((sign * wide * 0.66, 0.06 + 0.94 * (t + 0.6 / tiers)))
        side.append((0.0, 1.0))
        sides.append(side)
    return sides[0], sides[1]


def _caps(left: list[Point], right: list[Point]) -> list[list[Point]]:
    caps = []
    for index in range(2, len(left) - 1, 2):
        (lx, ly), (rx, ry) = left[index], right[index]
        top = left[index + 1][1]
        caps.append([(lx, ly), (lx * 0.72, top), (rx * 0.3, top), (rx * 0.1, ry + 0.012), (lx * 0.45, ly + 0.03)])
    return caps


def tree(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A broad tree with a crown of leaves."""
    chance, light = scene.chance("tree"), scene.light
    leaf = paint if paint is not None else LEAF
    if paint is None and scene.brief.has("blossom"):
        leaf = colour("f0a9c0")
    elif paint is None and scene.brief.hour == "sunset":
        leaf = colour("c2702c")
    trunk = [(0.02, -0.02), (0.0, 0.2), (0.02, 0.4), (-0.01, 0.62)]
    scene.shape(around(x, y, size, stroke(trunk, [0.12, 0.07, 0.06, 0.03])), light.on(BARK), round_by=0.3, rough=0.2)
    for tip in ((-0.24, 0.62), (0.25, 0.6), (-0.1, 0.78), (0.12, 0.76)):
        limb = [(0.0, 0.32), (tip[0] * 0.5, 0.48), tip]
        scene.shape(around(x, y, size, stroke(limb, [0.05, 0.03, 0.012])), light.on(BARK) * 0.8, rough=0.2)
    tone = light.on(leaf)
    spots = []
    for _ in range(420):
        turn, out = chance.uniform(0, 2 * np.pi), chance.random() ** 0.6
        spots.append(
            (0.36 * out * float(np.cos(turn)), 0.68 + 0.27 * out * float(np.sin(turn)), chance.uniform(0.018, 0.05))
        )
    for share, toned in (
        (0.0, mix(tone * 0.4, light.dark, 0.3)),
        (0.3, tone * 0.68),
        (0.6, tone),
        (0.84, mix(tone, light.sun, 0.4)),
    ):
        outlines = []
        for px, py, radius in spots:
            lit = 0.5 + light.side * px * 1.1 + (py - 0.68) * 1.3 + chance.normal() * 0.12
            if lit > share:
                grow = 1.25 if share == 0 else 0.9 - share * 0.5
                blob = [(px + dx * radius * grow, py + dy * radius * grow) for dx, dy in _ragged(chance)]
                outlines.append(around(x, y, size, blob))
        scene.shapes(outlines, np.clip(toned, 0, 1))


def _ragged(chance: Chance, points: int = 11) -> list[Point]:
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    out = chance.uniform(0.65, 1.25, points)
    return [(float(r * np.cos(t)), float(r * np.sin(t))) for t, r in zip(turns, out, strict=True)]


def bushes(scene: Scene, x: float, y: float, size: float) -> None:
    """Low bushes at the foot of a building, so that it stands in the land and not on it."""
    chance, light = scene.chance(f"bushes{int(x)}"), scene.light
    base = colour("e8eef4") if scene.brief.has("snow") else colour("56793c")
    spots = []
    for _ in range(70):
        px = float(np.clip(chance.normal() * 0.3, -0.56, 0.56))
        if abs(px) > 0.12 or chance.random() < 0.2:
            spots.append((px, chance.uniform(-0.075, -0.02), chance.uniform(0.014, 0.04)))
    for lift, tone in (
        (0.0, mix(light.on(base) * 0.5, light.dark, 0.2)),
        (0.012, light.on(base) * 0.8),
        (0.022, mix(light.on(base), light.lit, 0.2)),
    ):
        outlines = []
        for px, py, radius in spots:
            shape = [
                (
                    px + dx * radius * (1 - lift * 14) + light.side * lift * 0.4,
                    py + lift + dy * radius * 0.8 * (1 - lift * 14),
                )
                for dx, dy in _ragged(chance, 13)
            ]
            outlines.append(around(x, y, size, shape))
        scene.shapes(outlines, tone)


def palm(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A palm that leans towards the light."""
    chance, light = scene.chance(f"palm{int(x)}"), scene.light
    lean = light.side * chance.uniform(0.12, 0.28)
    spine = [(lean * t**1.8, t * 0.82 - 0.02) for t in np.linspace(0, 1, 9)]
    widths = list(np.linspace(0.062, 0.034, 9))
    scene.shape(around(x, y, size, stroke(spine, widths)), light.on(colour("8a6a4a")), round_by=0.35, rough=0.22)
    green = light.on(paint if paint is not None else colour("4d8a46"))
    top = spine[-1]
    fan = [float(f) for f in 0.005 + 0.075 * np.sin(np.linspace(0.25, 3.1, 17)) * (0.45 + 0.75 * (np.arange(17) % 2))]
    for turn in (*np.linspace(-0.5, 3.6, 9), *chance.uniform(-0.3, 3.4, 4)):
        reach = chance.uniform(0.32, 0.44)
        rise = float(np.sin(turn)) * 0.6 + 0.1
        rib = [
            (top[0] + reach * t * float(np.cos(turn)), top[1] + reach * t * (rise - 0.5 * t))
            for t in np.linspace(0, 1, 17)
        ]
        tone = green * (0.62 + 0.38 * max(0.0, float(np.sin(turn)))) * chance.uniform(0.85, 1.1)
        scene.shape(around(x, y, size, stroke(rib, fan)), np.clip(tone, 0, 1), shade=0.2)


def paint_flowers(scene: Scene, paint: Colour | None) -> None:
    """A meadow in bloom, from specks at the horizon to whole flowers at our feet."""
    chance, light, unit = scene.chance("flowers"), scene.light, scene.unit
    picked = [colour(PETALS[i]) for i in chance.permutation(len(PETALS))[:3]]
    tones = [
        light.on(t)
        for t in ([paint, mix(paint, colour("ffffff"), 0.25), paint * 0.82] if paint is not None else picked)
    ]
    start = scene.horizon + (scene.height - scene.horizon) * 0.12
    stems: list[list[Point]] = []
    heads: list[tuple[float, float, float, int]] = []
    for row in np.linspace(0, 1, 26) ** 1.6:
        y = start + (scene.height * 1.02 - start) * row
        size = unit * (0.004 + 0.062 * row**1.8)
        for _ in range(int(scene.width / unit * (90 - 78 * row**0.5))):
            x = chance.uniform(-0.02, 1.02) * scene.width
            heads.append(
                (x, y + chance.normal() * size * 0.8, size * chance.uniform(0.75, 1.2), int(chance.integers(0, 3)))
            )
    green = light.on(colour("47702f"))
    for x, y, size, _ in heads:
        if size > unit * 0.014:
            lean = chance.normal() * 0.3
            stems.append(
                stroke(
                    [(x, y), (x + lean * size, y + size * 1.6), (x + lean * size * 0.4, y + size * 3.6)],
                    [size * 0.13] * 3,
                )
            )
    middle = light.on(colour("f0c33a") if paint is None or paint[2] < 0.6 else colour("6b4a2a"))
    scene.shapes([stem for stem in stems if stem[0][1] < scene.height * 2], green)
    big = [head for head in heads if head[2] > unit * 0.011]
    for index, tone in enumerate(tones):
        small = [disc(x, y, size * 0.8, 0.7, 7) for x, y, size, kind in heads if kind == index and size <= unit * 0.011]
        scene.shapes(small, tone)
    for x, y, size, kind in sorted(big, key=lambda head: head[1]):
        turn = chance.uniform(0, 1)
        petals = [_petal(x, y, size, turn + k * 2 * np.pi / 6) for k in range(6)]
        scene.shapes(petals, np.clip(tones[kind] * 0.72, 0, 1))
        inner = [_petal(x, y - size * 0.05, size * 0.84, turn + 0.12 + k * 2 * np.pi / 6) for k in range(6)]
        scene.shapes(inner, np.clip(mix(tones[kind], light.sun, 0.15), 0, 1))
        scene.shapes([disc(x, y, size * 0.26, 0.75, 10)], middle)


def _petal(x: float, y: float, size: float, turn: float) -> list[Point]:
    c, s = float(np.cos(turn)), float(np.sin(turn))
    out = []
    for along, aside in PETAL:
        out.append((x + size * (along * c - aside * s), y + size * (along * s + aside * c) * 0.72))
    return out


def mushroom(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A toadstool, and two smaller ones beside it."""
    light = scene.light
    cap_tone = light.on(paint if paint is not None else colour("c8372c"))
    cream = light.on(colour("f3e8d2"))
    for dx, scale in ((0.34, 0.45), (-0.36, 0.6), (0.0, 1.0)):
        s, px = size * scale * 0.8, x + dx * size * light.side
        stem = smooth([(-0.1, -0.02), (-0.07, 0.25), (-0.075, 0.5), (0.075, 0.5), (0.07, 0.25), (0.1, -0.02)])
        scene.shape(around(px, y, s, stem), cream, round_by=0.3, shade=0.3)
        gills = smooth([(-0.36, 0.47), (0, 0.40), (0.36, 0.47), (0, 0.53)])
        scene.shape(around(px, y, s, gills), cream * 0.7)
        cap = smooth(
            [
                (-0.4, 0.47),
                (-0.33, 0.68),
                (-0.13, 0.84),
                (0.13, 0.84),
                (0.33, 0.68),
                (0.4, 0.47),
                (0.15, 0.52),
                (-0.15, 0.52),
            ]
        )
        scene.shape(around(px, y, s, cap), cap_tone, round_by=0.35, shade=0.3)
        for sx, sy, r in (
            (-0.2, 0.62, 0.055),
            (0.02, 0.72, 0.07),
            (0.22, 0.6, 0.05),
            (-0.05, 0.57, 0.04),
            (0.12, 0.8, 0.03),
        ):
            scene.shapes([around(px, y, s, disc(sx, sy, r, 0.7, 14))], cream)
