"""The light of an hour: the colours of the sky, of lit things, and of the distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fakes.painting.brief import Brief
from fakes.painting.fields import Chance, Colour, colour, mix


@dataclass(frozen=True, slots=True)
class Hour:
    """Colours as hexadecimal digits: the sky from the top to the horizon, the light, clouds in light and in shade, the
    distant haze, the shade on near things, and deep water. ``level`` is how bright things are lit.
    """

    sky: tuple[str, ...]
    sun: str
    lit: str
    shade: str
    haze: str
    dark: str
    water: str
    level: float
    stars: float


HOURS: Mapping[str, Hour] = {
    "day": Hour(
        ("2a66ad", "4f8fcb", "93c0e4", "d5e8ef"), "fff3cf", "ffffff", "90a6c2", "bcd3e4", "24384a", "1d5a7c", 1, 0
    ),
    "sunset": Hour(
        ("28275a", "5a3a78", "b5526f", "ef7f4d", "ffc873"),
        "ffe9a6",
        "ffb67e",
        "61406e",
        "dd8a72",
        "221a35",
        "2a2a50",
        0.82,
        0,
    ),
    "dawn": Hour(
        ("4a68a6", "8da2d0", "dfb9c9", "ffe0bd"), "fff0cf", "ffeadb", "9089b4", "d8c3d3", "343653", "3f5f8a", 0.92, 0
    ),
    "dusk": Hour(
        ("11173a", "2a2f64", "5d4785", "b3657f", "f0a27c"),
        "ffd2a0",
        "c98596",
        "2d2a57",
        "7c5a86",
        "12122a",
        "191c42",
        0.55,
        0.35,
    ),
    "night": Hour(
        ("040919", "0a1633", "153055", "2c5079"), "eaf2ff", "6f8bb8", "0d1730", "264368", "050a16", "08172e", 0.42, 1
    ),
    "storm": Hour(
        ("1b222b", "303a45", "525d66", "9aa39e"), "dfe6df", "9aa3a8", "1b2128", "6b777d", "12181d", "1e2d36", 0.6, 0
    ),
    "fog": Hour(
        ("8c9ca8", "a9b6be", "c6cfd2", "dde1de"), "fff8e8", "eef1f0", "a3afb6", "cbd3d5", "3a474f", "7b8d96", 0.8, 0
    ),
    "space": Hour(
        ("02030a", "060a1c", "0c1230", "1a2148"), "fff6e0", "8a78c8", "0a0b22", "2a2a5a", "04050d", "0a1030", 0.6, 1.6
    ),
}


@dataclass(frozen=True, slots=True)
class Light:
    """The colours of an :class:`Hour` and the position of the sun or moon, as fractions of the width and the height."""

    sky: tuple[Colour, ...]
    sun: Colour
    lit: Colour
    shade: Colour
    haze: Colour
    dark: Colour
    water: Colour
    level: float
    stars: float
    at: tuple[float, float]
    moon: bool

    @property
    def side(self) -> float:
        """-1 if the light comes from the left, 1 if from the right."""
        return -1.0 if self.at[0] < 0.5 else 1.0

    def on(self, base: Colour, depth: float = 0.0) -> Colour:
        """A thing's own colour in this light; ``depth`` 0 is near, 1 is hidden by the haze."""
        lit = base * (0.35 + 0.65 * self.level)
        warm = lit * mix(np.ones(3, dtype=np.float32), self.sun, 0.45)
        return mix(mix(warm, self.dark, 0.25 * (1 - self.level)), self.haze, depth)


def light_of(brief: Brief, chance: Chance) -> Light:
    """The light for this picture, a little different with each seed."""
    name = brief.hour
    if brief.has("space") and not brief.has("sea", "mountain", "hill", "forest", "city", "desert"):
        name = "space"
    if brief.has("storm") and name in ("day", "dawn"):
        name = "storm"
    hour = HOURS[name]
    moon = name in ("night", "space")
    low = {"sunset": (0.66, 0.9), "dawn": (0.6, 0.85), "dusk": (0.96, 1.05)}.get(name, (0.18, 0.45))
    across = chance.uniform(0.16, 0.38) if chance.random() < 0.5 else chance.uniform(0.62, 0.84)
    drift = (chance.random(3, dtype=np.float32) - 0.5) * 0.07
    tint = colour(brief.tint) if brief.tint else None

    def paint(text: str, strength: float = 0.32) -> Colour:
        base = colour(text) + drift * 0.6
        if tint is not None:
            weight = float(base.mean())
            toned = tint * (weight / max(0.2, float(tint.mean())))
            base = mix(base, toned, strength + 0.2)
        return np.clip(base, 0, 1)

    return Light(
        sky=tuple(paint(text) for text in hour.sky),
        sun=paint(hour.sun, -0.05),
        lit=paint(hour.lit, 0.1),
        shade=paint(hour.shade),
        haze=paint(hour.haze),
        dark=paint(hour.dark),
        water=paint(hour.water),
        level=hour.level,
        stars=hour.stars if not brief.has("star") else max(1.0, hour.stars),
        at=(float(across), float(chance.uniform(*low))),
        moon=moon,
    )
