"""Standing figures: person, astronaut, robot."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Colour, colour, mix
from fakes.painting.scene import Point, Scene, around, disc, smooth, stroke


def shadow(scene: Scene, x: float, y: float, size: float) -> None:
    """The shadow on the ground under a standing thing."""
    lies = smooth([(-0.36, 0.0), (0, 0.03), (0.36, 0.0), (0, -0.05)])
    scene.shapes([around(x - scene.light.side * 0.08 * size, y, size, lies)], scene.light.dark, opacity=0.4)


def person(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A person in a long coat who looks into the distance."""
    light, flip = scene.light, scene.light.side
    coat = light.on(paint if paint is not None else colour("4a4f63"))
    dark = mix(light.on(colour("2a2428")), light.dark, 0.3)
    s = size * 0.75
    shadow(scene, x, y, s)
    for dx in (-0.06, 0.05):
        leg = [(dx - 0.035, 0.3), (dx - 0.03, 0.0), (dx + 0.045, 0.0), (dx + 0.035, 0.3)]
        scene.shape(around(x, y, s, leg, flip), dark)
    body = [
        (-0.12, 0.78),
        (-0.15, 0.6),
        (-0.19, 0.2),
        (-0.24, 0.12),
        (0.0, 0.15),
        (0.2, 0.14),
        (0.16, 0.4),
        (0.14, 0.66),
        (0.11, 0.78),
        (0, 0.81),
    ]
    scene.shape(around(x, y, s, smooth(body), flip), coat, round_by=0.28, shade=0.34, rough=0.08)
    for sign, reach in ((-1, 0.43), (1, 0.41)):
        arm = stroke([(sign * 0.11, 0.74), (sign * 0.17, 0.56), (sign * 0.15, reach)], [0.075, 0.07, 0.055])
        scene.shape(around(x, y, s, arm, flip), coat * (0.82 if sign < 0 else 1.05), rough=0.06)
    folds = [stroke([(px, 0.62), (px * 1.4, 0.18)], [0.006, 0.012]) for px in (-0.07, -0.01, 0.06)]
    scene.shapes([around(x, y, s, fold, flip) for fold in folds], light.dark, opacity=0.3)
    scarf = smooth([(-0.08, 0.83), (0.08, 0.83), (0.1, 0.77), (-0.02, 0.75), (-0.1, 0.77)])
    tail = stroke([(-0.08, 0.79), (-0.22, 0.76), (-0.33, 0.8)], [0.05, 0.055, 0.03])
    red = light.on(colour("c0392f"))
    scene.shape(around(x, y, s, tail, flip), red * 0.9)
    scene.shape(around(x, y, s, disc(0, 0.9, 0.078), flip), light.on(colour("d9a884")), shade=0.3)
    hair = [(-0.088, 0.9), (-0.075, 0.975), (0, 1.0), (0.075, 0.975), (0.088, 0.91), (0.05, 0.84), (-0.05, 0.835)]
    scene.shape(
        around(x, y, s, smooth(hair), flip), mix(light.on(colour("4a3024")), light.dark, 0.2), shade=0.3, rough=0.12
    )
    scene.shape(around(x, y, s, scarf, flip), red, shade=0.25)


def astronaut(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """An astronaut with a golden visor."""
    light, flip = scene.light, scene.light.side
    suit, grey = light.on(colour("eef0f3")), light.on(colour("8d949c"))
    trim = light.on(paint if paint is not None else colour("d8622e"))
    s = size * 0.85
    shadow(scene, x, y, s)

    def part(points: list[Point], tone: Colour, round_by: float = 0.3) -> None:
        scene.shape(around(x, y, s, points, flip), np.clip(tone, 0, 1), round_by=round_by, shade=0.32, rough=0.03)

    part(smooth([(-0.19, 0.42), (-0.2, 0.74), (0.2, 0.74), (0.19, 0.42)]), grey)
    for sign in (-1, 1):
        part(stroke([(sign * 0.075, 0.38), (sign * 0.09, 0.2), (sign * 0.1, 0.03)], [0.14, 0.125, 0.12]), suit * 0.96)
        part(smooth([(sign * 0.03, 0.0), (sign * 0.04, 0.08), (sign * 0.16, 0.08), (sign * 0.2, 0.0)]), grey * 0.9)
        part(stroke([(sign * 0.16, 0.66), (sign * 0.25, 0.5), (sign * 0.22, 0.36)], [0.11, 0.1, 0.085]), suit * 0.94)
        part(disc(sign * 0.22, 0.34, 0.05), grey)
        part(stroke([(sign * 0.225, 0.56), (sign * 0.255, 0.5)], [0.115, 0.11]), trim)
    part(smooth([(-0.16, 0.34), (-0.19, 0.52), (-0.15, 0.7), (0.15, 0.7), (0.19, 0.52), (0.16, 0.34)]), suit)
    part([(-0.08, 0.44), (-0.08, 0.54), (0.08, 0.54), (0.08, 0.44)], grey * 0.85, 0.0)
    for px, tone in ((-0.05, "d83a30"), (0.0, "3fae5a"), (0.05, "3a7ad8")):
        scene.shapes([around(x, y, s, disc(px, 0.505, 0.014, 1, 12), flip)], colour(tone))
    part(disc(0, 0.83, 0.165, 1, 40), suit)
    part(
        smooth(
            [(-0.12, 0.83), (-0.1, 0.91), (0, 0.94), (0.1, 0.91), (0.12, 0.83), (0.09, 0.75), (0, 0.725), (-0.09, 0.75)]
        ),
        mix(light.on(colour("c9882a")), light.sky[0], 0.25),
        0.5,
    )
    scene.shapes(
        [around(x, y, s, smooth([(0.03, 0.9), (0.075, 0.875), (0.09, 0.83), (0.06, 0.86)]), flip)],
        colour("fff3d0"),
        opacity=0.85,
    )


def robot(scene: Scene, x: float, y: float, size: float, paint: Colour | None) -> None:
    """A friendly robot with glowing eyes."""
    light, flip = scene.light, scene.light.side
    metal = light.on(paint if paint is not None else colour("8fa3ad"))
    dark, glow_tone = mix(light.on(colour("2b3238")), light.dark, 0.3), colour("6ff0ff")
    s = size * 0.85
    shadow(scene, x, y, s)

    def part(points: list[Point], tone: Colour, round_by: float = 0.3) -> None:
        scene.shape(around(x, y, s, points, flip), np.clip(tone, 0, 1), round_by=round_by, shade=0.32, rough=0.04)

    for sign in (-1, 1):
        part(stroke([(sign * 0.09, 0.36), (sign * 0.1, 0.06)], [0.06, 0.06]), dark)
        part(smooth([(sign * 0.02, 0.0), (sign * 0.04, 0.1), (sign * 0.16, 0.1), (sign * 0.2, 0.0)]), metal)
        part(stroke([(sign * 0.2, 0.62), (sign * 0.29, 0.5), (sign * 0.27, 0.36)], [0.06, 0.055, 0.05]), dark)
        part(disc(sign * 0.2, 0.63, 0.055), metal)
        part(disc(sign * 0.27, 0.34, 0.05), metal * 0.9)
    part([(-0.19, 0.32), (-0.21, 0.66), (-0.17, 0.7), (0.17, 0.7), (0.21, 0.66), (0.19, 0.32)], metal)
    part([(-0.11, 0.42), (-0.11, 0.6), (0.11, 0.6), (0.11, 0.42)], dark, 0.1)
    for row, share in enumerate((0.16, 0.1, 0.13)):
        bar = [
            (-0.08, 0.55 - row * 0.045),
            (-0.08, 0.565 - row * 0.045),
            (-0.08 + share, 0.565 - row * 0.045),
            (-0.08 + share, 0.55 - row * 0.045),
        ]
        scene.shapes([around(x, y, s, bar, flip)], glow_tone)
    part([(-0.04, 0.69), (-0.04, 0.75), (0.04, 0.75), (0.04, 0.69)], dark)
    part(
        smooth([(-0.18, 0.75), (-0.19, 0.92), (-0.14, 0.98), (0.14, 0.98), (0.19, 0.92), (0.18, 0.75)], 4), metal * 1.05
    )
    part(smooth([(-0.14, 0.8), (-0.14, 0.9), (0.14, 0.9), (0.14, 0.8)], 4), dark, 0.1)
    for sign in (-1, 1):
        scene.shapes([around(x, y, s, disc(sign * 0.065, 0.85, 0.033), flip)], glow_tone)
        scene.shine(x + sign * 0.065 * s, y - 0.85 * s, s * 0.07, glow_tone, 0.5)
    scene.shapes([around(x, y, s, stroke([(0, 0.97), (0, 1.08)], [0.014, 0.01]), flip)], dark)
    scene.shapes([around(x, y, s, disc(0, 1.1, 0.024), flip)], colour("ff5a4a"))
    scene.shine(x, y - 1.1 * s, s * 0.06, colour("ff5a4a"), 0.6)
