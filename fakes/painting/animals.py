"""Animals: cat, dog, fox, deer, birds, whale."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Colour, colour, mix
from fakes.painting.people import shadow
from fakes.painting.scene import Point, Scene, around, disc, smooth, stroke
from fakes.painting.vehicles import mirror


def _sitting(scene: Scene, x: float, y: float, size: float, coat: Colour, chest: Colour, kind: str) -> None:
    """A sitting animal that faces us; the kinds differ in ears, muzzle and tail."""
    light, flip = scene.light, scene.light.side
    fur, soft = light.on(coat), light.on(chest)
    deep = mix(fur * 0.6, light.dark, 0.2)
    shadow(scene, x, y, size)

    def part(points: list[Point], tone: Colour, *, rough: float = 0.1, round_by: float = 0.22) -> None:
        scene.shape(around(x, y, size, points, flip), np.clip(tone, 0, 1), round_by=round_by, shade=0.2, rough=rough)

    if kind == "fox":
        part(
            smooth(
                [(-0.16, 0.02), (-0.36, 0.03), (-0.5, 0.16), (-0.5, 0.34), (-0.4, 0.28), (-0.28, 0.18), (-0.14, 0.16)]
            ),
            fur,
        )
        part(smooth([(-0.5, 0.22), (-0.515, 0.36), (-0.46, 0.42), (-0.4, 0.3), (-0.44, 0.26)]), soft)
    else:
        tail = (
            [(-0.14, 0.05), (-0.34, 0.04), (-0.42, 0.14), (-0.36, 0.26)]
            if kind == "cat"
            else [(-0.16, 0.06), (-0.3, 0.12), (-0.36, 0.26)]
        )
        widths = [0.08, 0.07, 0.06, 0.035] if kind == "cat" else [0.09, 0.07, 0.03]
        part(stroke(tail, widths), fur * 0.92)
    part(
        smooth(
            [
                (-0.23, 0.0),
                (-0.25, 0.16),
                (-0.17, 0.38),
                (-0.1, 0.54),
                (0.1, 0.54),
                (0.17, 0.36),
                (0.22, 0.16),
                (0.2, 0.0),
            ]
        ),
        fur,
    )
    part(smooth([(-0.27, 0.0), (-0.28, 0.12), (-0.18, 0.2), (-0.07, 0.12), (-0.07, 0.0)]), fur * 0.94)
    part(smooth([(0.08, 0.0), (0.08, 0.12), (0.19, 0.2), (0.27, 0.12), (0.25, 0.0)]), fur * 0.94)
    part(smooth([(-0.1, 0.2), (-0.09, 0.46), (0.09, 0.46), (0.1, 0.2), (0.0, 0.12)]), soft)
    for sign in (-1, 1):
        part(
            smooth(
                [(sign * 0.02, 0.0), (sign * 0.035, 0.3), (sign * 0.1, 0.3), (sign * 0.115, 0.0), (sign * 0.07, -0.015)]
            ),
            fur if kind != "fox" else deep,
        )
    level = 0.66
    ears: list[list[Point]]
    if kind == "dog":
        ears = [[(0.1, 0.8), (0.2, 0.8), (0.25, 0.66), (0.22, 0.52), (0.15, 0.56), (0.13, 0.68)]]
    else:
        tall = 0.95 if kind == "fox" else 0.92
        ears = [[(0.03, 0.78), (0.145, tall), (0.185, 0.68)]]
    wide = 0.19 if kind != "fox" else 0.18
    if kind != "dog":
        for sign in (-1, 1):
            part([(sign * px, py) for px, py in ears[0]], deep if kind == "fox" else fur)
            part(
                [(sign * (0.06 + (px - 0.06) * 0.8), 0.7 + (py - 0.7) * 0.78) for px, py in ears[0]],
                mix(soft, light.on(colour("d98a80")), 0.6),
            )
    head = [(-wide, level), (-wide * 0.8, level + 0.12), (0, level + 0.165), (wide * 0.8, level + 0.12), (wide, level)]
    head += [(wide * 0.72, level - 0.12), (0, level - 0.17), (-wide * 0.72, level - 0.12)]
    part(smooth(head), fur * 1.04)
    cheek = [
        (-0.12, level - 0.04),
        (-0.06, level - 0.14),
        (0, level - 0.16),
        (0.06, level - 0.14),
        (0.12, level - 0.04),
        (0, level + (0.02 if kind != "fox" else -0.01)),
    ]
    part(smooth(cheek), soft, rough=0.05)
    if kind == "dog":
        for sign in (-1, 1):
            part(smooth([(sign * px, py) for px, py in ears[0]]), deep)
    ink = colour("1b1416")
    iris = colour("e0b53a") if kind == "cat" else colour("7a4a22")
    for sign in (-1, 1):
        eye = (sign * 0.082, level + 0.028)
        scene.shapes([around(x, y, size, disc(*eye, 0.036, 0.92, 18), flip)], ink)
        scene.shapes([around(x, y, size, disc(*eye, 0.03, 0.92, 18), flip)], light.on(iris))
        scene.shapes(
            [around(x, y, size, disc(*eye, 0.011 if kind == "cat" else 0.018, 2.2 if kind == "cat" else 1, 14), flip)],
            ink,
        )
        scene.shapes([around(x, y, size, disc(eye[0] - 0.01, eye[1] + 0.013, 0.008, 1, 10))], colour("ffffff"))
    nose_wide = 0.018 if kind == "cat" else 0.03
    scene.shapes(
        [around(x, y, size, [(-nose_wide, level - 0.05), (nose_wide, level - 0.05), (0, level - 0.075)], flip)],
        mix(ink, colour("c86a6a"), 0.45 if kind == "cat" else 0),
    )
    mouth = [
        stroke([(0, level - 0.072), (s * 0.02, level - 0.1), (s * 0.048, level - 0.094)], [0.006] * 3) for s in (-1, 1)
    ]
    scene.shapes([around(x, y, size, lip, flip) for lip in mouth], ink, opacity=0.7)
    if kind == "cat":
        hairs = [
            stroke([(s * 0.05, level - 0.07), (s * 0.25, level - 0.05 + k * 0.035)], [0.004, 0.001])
            for s in (-1, 1)
            for k in (-1, 0, 1)
        ]
        scene.shapes([around(x, y, size, hair, flip) for hair in hairs], colour("f7f4ee"), opacity=0.7)
        stripes = [
            stroke([(s * 0.03 * k, level + 0.15), (s * 0.022 * k, level + 0.09)], [0.014, 0.004])
            for s in (-1, 1)
            for k in (0, 1, 2)
        ]
        scene.shapes([around(x, y, size, stripe, flip) for stripe in stripes], deep, opacity=0.6)


def cat(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A cat."""
    coats = ("d08a45", "8a8078", "3a3538", "c9b8a0")
    coat = paint if paint is not None else colour(coats[scene.brief.key % len(coats)])
    _sitting(scene, x, y, size * 0.8, coat, mix(coat, colour("fff6ea"), 0.7), "cat")


def dog(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A dog."""
    coats = ("b98550", "6b5242", "d9c39a")
    coat = paint if paint is not None else colour(coats[scene.brief.key % len(coats)])
    _sitting(scene, x, y, size * 0.86, coat, mix(coat, colour("fff6ea"), 0.65), "dog")


def fox(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A fox."""
    coat = paint if paint is not None else colour("d9692a")
    _sitting(scene, x, y, size * 0.82, coat, colour("fbf3e6"), "fox")


def deer(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A stag."""
    light, flip = scene.light, scene.light.side
    coat = light.on(paint if paint is not None else colour("9a6a42"))
    shadow(scene, x, y, size)
    legs = [((-0.2, 0.36), (-0.23, 0.18), (-0.2, 0.0)), ((-0.12, 0.36), (-0.14, 0.18), (-0.12, 0.0))]
    legs += [((0.13, 0.38), (0.14, 0.2), (0.13, 0.0)), ((0.2, 0.38), (0.22, 0.2), (0.22, 0.0))]
    for index, leg in enumerate(legs):
        scene.shape(
            around(x, y, size, stroke(leg, [0.085, 0.04, 0.026]), flip),
            coat * (0.68 if index % 2 else 0.92),
            rough=0.08,
        )
    body = [
        (-0.3, 0.44),
        (-0.26, 0.54),
        (0.0, 0.54),
        (0.18, 0.58),
        (0.26, 0.5),
        (0.2, 0.36),
        (0.0, 0.33),
        (-0.22, 0.33),
    ]
    scene.shape(around(x, y, size, smooth(body), flip), coat, shade=0.2, rough=0.14)
    neck = [(0.1, 0.5), (0.2, 0.68), (0.23, 0.8), (0.32, 0.78), (0.31, 0.62), (0.26, 0.42)]
    scene.shape(around(x, y, size, smooth(neck), flip), coat * 1.02, shade=0.2, rough=0.12)
    head = [(0.22, 0.8), (0.25, 0.86), (0.34, 0.84), (0.44, 0.765), (0.44, 0.73), (0.34, 0.735), (0.26, 0.75)]
    scene.shape(around(x, y, size, smooth(head), flip), coat, shade=0.2, rough=0.06)
    scene.shape(around(x, y, size, smooth([(0.24, 0.83), (0.15, 0.875), (0.14, 0.85), (0.22, 0.8)]), flip), coat * 0.8)
    scene.shapes(
        [
            around(x, y, size, disc(0.315, 0.803, 0.013, 1, 10), flip),
            around(x, y, size, disc(0.436, 0.755, 0.014, 1, 10), flip),
        ],
        colour("1b1416"),
    )
    scene.shape(
        around(x, y, size, smooth([(-0.3, 0.5), (-0.35, 0.46), (-0.31, 0.4), (-0.28, 0.44)]), flip),
        light.on(colour("efe2cc")),
    )
    bone = light.on(colour("d9c7a4"))
    for lean in (-0.08, 0.05):
        beam = [(0.27, 0.85), (0.25 + lean, 0.97), (0.2 + lean * 2, 1.08), (0.26 + lean * 2.4, 1.18)]
        prongs = [stroke(beam, [0.026, 0.022, 0.018, 0.008])]
        for at, tip in ((1, (0.36 + lean, 1.02)), (2, (0.12 + lean * 2, 1.16)), (2, (0.31 + lean * 2, 1.1))):
            prongs.append(stroke([beam[at], tip], [0.018, 0.006]))
        scene.shapes([around(x, y, size, prong, flip) for prong in prongs], bone)


def birds(scene: Scene, paint: Colour | None) -> None:
    """A flock in the sky."""
    light, chance = scene.light, scene.chance("birds")
    tone = light.on(paint) if paint is not None else mix(light.dark, light.haze, 0.25)
    if scene.brief.has("sea") and paint is None and light.level > 0.5:
        tone = mix(light.on(colour("f4f4f2")), light.shade, 0.15)
    x, y = chance.uniform(0.25, 0.75) * scene.width, chance.uniform(0.22, 0.5) * scene.horizon
    outlines = []
    for index in range(13):
        size = scene.unit * chance.uniform(0.018, 0.045) * (2.2 if index == 0 else 1)
        px, py = x + chance.normal() * 0.17 * scene.unit, y + chance.normal() * 0.08 * scene.unit
        lift, turn = chance.uniform(0.15, 0.6), chance.choice([-1.0, 1.0])
        wings = [(-1.0, lift * 0.8), (-0.5, lift), (-0.1, 0.06), (0.1, 0.06), (0.5, lift * 0.9), (1.0, lift * 0.6)]
        wings += [(0.5, lift * 0.66), (0.12, -0.1), (0.0, -0.14), (-0.12, -0.1), (-0.5, lift * 0.72)]
        outlines.append(around(px, py, size, wings, float(turn)))
    scene.shapes(outlines, tone)


def whale(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """The tail of a diving whale, with water running off it."""
    light, chance = scene.light, scene.chance("whale")
    before = scene.picture.copy()
    skin = light.on(paint if paint is not None else colour("46586a"))
    s = size * 1.1
    stem = smooth(
        [
            (-0.13, -0.02),
            (-0.085, 0.16),
            (-0.05, 0.34),
            (-0.02, 0.46),
            (0.02, 0.46),
            (0.05, 0.34),
            (0.085, 0.16),
            (0.13, -0.02),
        ]
    )
    scene.shape(around(x, y, s, stem), skin, round_by=0.35, shade=0.4, rough=0.08)
    for sign in (-1.0, 1.0):
        fluke = [
            (0.0, 0.4),
            (0.0, 0.49),
            (0.1, 0.55),
            (0.28, 0.62),
            (0.46, 0.58),
            (0.54, 0.5),
            (0.4, 0.5),
            (0.22, 0.44),
            (0.08, 0.36),
        ]
        scene.shape(
            around(x, y, s, smooth(fluke), sign), skin * (1.1 if sign == light.side else 0.8), shade=0.25, rough=0.1
        )
    mirror(scene, before, y + 0.02 * s, s * 0.6, x, s * 0.7)
    drops = []
    for _ in range(260):
        t = chance.random()
        px, py = chance.uniform(-0.5, 0.5) * (0.4 + 0.6 * t), 0.52 * t * chance.random()
        drops.append(disc(x + px * s, y - py * s, s * chance.uniform(0.002, 0.006), 1.5, 6))
    foam = [
        disc(x + chance.normal() * 0.14 * s, y + chance.normal() * 0.012 * s, s * chance.uniform(0.01, 0.035), 0.45, 12)
        for _ in range(70)
    ]
    white = mix(light.lit, light.on(colour("ffffff")), 0.5)
    scene.shapes(drops, white, opacity=0.6)
    scene.shapes(foam, white, opacity=0.7)
