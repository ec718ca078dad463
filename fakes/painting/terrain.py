"""Land: mountains, hills, dunes, and the cliff above the sea."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Chance, Colour, Field, clouds, colour, mix, noise, profile, ramp
from fakes.painting.scene import Scene

GRASS = colour("6f8f45")
ROCK = colour("8b7d6e")
SNOW = colour("eef3f8")
SAND = colour("d9a566")


def ground_colour(scene: Scene) -> Colour:
    """The colour of the near ground."""
    if scene.brief.has("snow"):
        return SNOW
    if scene.brief.has("desert"):
        return SAND
    return mix(GRASS, colour("b08a3e"), 0.35) if scene.brief.hour == "sunset" else GRASS


def paint_mountains(scene: Scene, share: float = 1.0) -> None:
    """Mountain ranges: the nearer, the lower and darker; ``share`` scales their height."""
    layers = 3
    for layer in range(layers):
        chance = scene.chance(f"mountain{layer}")
        tall = min(scene.unit * 0.5, scene.horizon * 0.72) * share * (1.0, 0.62, 0.34)[layer]
        _range(scene, chance, tall * chance.uniform(0.9, 1.1), layer, 1 - layer / layers)


def _range(scene: Scene, chance: Chance, tall: float, layer: int, depth: float) -> None:
    """One range: some peaks, the highest near the middle, each with a lit and a shaded side."""
    light, width, unit = scene.light, scene.width, scene.unit
    columns = np.arange(width, dtype=np.float32)
    count = max(3, round((3.2 + 2.2 * layer) * width / unit))
    places = (np.arange(count) + chance.uniform(0.1, 0.9, count)) / count * 1.2 - 0.1
    heights = tall * chance.uniform(0.35, 0.8, count)
    chief = int(np.argmin(np.abs(places - chance.uniform(0.3, 0.7))))
    heights[chief] = tall
    steep = chance.uniform(0.75, 1.15, count) * (1.0, 0.8, 0.42)[layer]
    rough = (profile(chance, width, 9 * width / unit, 7, sharp=True) - 0.5) * tall * (0.2, 0.24, 0.45)[layer]
    slopes = np.stack(
        [h - np.abs(columns - p * width) * k for h, p, k in zip(heights, places, steep, strict=True)]
    ).astype(np.float32)
    owner = np.argmax(slopes, axis=0)
    tops = scene.horizon - np.maximum(slopes.max(axis=0) + rough, tall * 0.04) + layer * unit * 0.012
    tops = tops.astype(np.float32)
    top = max(0, int(tops.min()) - 1)
    height = scene.height - top
    rows = np.arange(height, dtype=np.float32)[:, None] + top
    below = rows - tops[None, :]
    mask = np.clip(below + 0.5, 0, 1)
    relief = clouds(chance, width, height, 8 * width / unit, 8 * height / unit, 6)
    gullies = 1 - np.abs(clouds(chance, width, height, 15 * width / unit, 6 * height / unit, 5) * 2 - 1)
    summit = (places[owner] * width).astype(np.float32)[None, :]
    spine = summit + (relief - 0.5) * unit * 0.34 + (columns[None, :] - summit) * 0.35
    side = ramp((columns[None, :] - spine) * light.side, -0.045 * unit, 0.045 * unit)
    slope = np.gradient(relief * 0.7 + gullies * 0.3, axis=1) * unit * 0.05
    face = np.clip(0.12 + 0.66 * side + light.side * slope * 1.4, 0, 1)
    stone = light.on(colour("77706c"))
    land = mix(mix(stone * 0.5, light.shade, 0.25), mix(stone * 1.1, light.sun * stone * 1.6, 0.5), face)
    line = tall * (0.34 if not scene.brief.has("snow") else 0.8)
    height_above = scene.horizon - rows
    cover = ramp(height_above + (relief - 0.5) * unit * 0.3 - gullies * unit * 0.05, tall - line, tall - line * 0.6)
    if not scene.brief.has("desert") and layer < 2:
        snow = mix(mix(light.on(SNOW) * 0.8, light.shade, 0.6), mix(light.on(SNOW), light.sun, 0.35), face)
        land = mix(land, snow, cover * 0.95)
    elif not scene.brief.has("desert"):
        wooded = light.on(SNOW if scene.brief.has("snow") else colour("4c6242"))
        land = mix(land, wooded * (0.55 + 0.5 * face)[..., None], 0.75)
    foot = ramp(height_above, tall * 0.7, 0)
    veil = np.clip(0.1 + depth * 0.36 + foot * (0.3 + 0.2 * depth), 0, 0.93)
    scene.lay(mask, mix(land, light.haze, np.broadcast_to(veil, mask.shape)), top, 0)


def _smooth(line: Field, window: int) -> Field:
    padded = np.pad(line, window // 2, mode="edge")
    return np.asarray(np.convolve(padded, np.ones(window) / window, mode="valid")[: len(line)], dtype=np.float32)


def paint_hills(scene: Scene, count: int = 3) -> list[Field]:
    """Rolling land from the horizon to our feet. Returns the line of each hill, the farthest first."""
    light, lines = scene.light, []
    base = ground_colour(scene)
    for layer in range(count):
        chance = scene.chance(f"hill{layer}")
        near = (layer + 1) / count
        start = scene.horizon + (scene.height - scene.horizon) * (0.0 if layer == 0 else 0.62 * (layer / count) ** 1.1)
        swing = scene.unit * (0.05 + 0.05 * near)
        line = profile(chance, scene.width, (1.6 - 0.3 * layer) * scene.width / scene.unit, 2)
        fine = profile(chance, scene.width, 40, 3) * scene.unit * 0.004 * near
        tops = np.asarray(start - swing * (line - 0.35) - fine, dtype=np.float32)
        lines.append(tops)
        _hill(scene, tops, base, 1 - near, layer, light.side)
    return lines


def _hill(scene: Scene, tops: Field, base: Colour, depth: float, layer: int, side: float) -> None:
    chance, light = scene.chance(f"turf{layer}"), scene.light
    top = max(0, int(tops.min()) - 1)
    height, width = scene.height - top, scene.width
    rows = np.arange(height, dtype=np.float32)[:, None] + top
    below = rows - tops[None, :]
    mask = np.clip(below + 0.5, 0, 1)
    lean = np.gradient(_smooth(_smooth(tops, int(scene.unit / 7) | 1), int(scene.unit / 12) | 1))[None, :]
    lit = np.clip(0.55 - side * lean * 1.6 - below / (scene.unit * 0.9), 0, 1)
    patches = clouds(chance, width, height, 5 * width / scene.unit, 16 * height / scene.unit, 5)
    blades = noise(chance, width, height, width / 2.2, height / 7)
    tone = light.on(base)
    if scene.brief.has("snow"):
        low, high, coarse = mix(tone * 0.85, light.shade, 0.6), mix(tone * 1.1, light.lit, 0.45), 0.05
        lit, patches = 0.25 + 0.8 * lit, 0.5 + (patches - 0.5) * 0.4
    else:
        low, high, coarse = tone * 0.5, mix(tone, light.lit, 0.18), 0.3
    turf = mix(low, high, np.clip(lit * 0.8 + (patches - 0.5) * 0.7, 0, 1))
    turf = turf * (1 + (blades - 0.5) * coarse * (1 - depth))[..., None]
    edge = np.exp(-np.abs(below) / (scene.unit * 0.006)) * 0.3
    turf = mix(turf, np.broadcast_to(mix(tone, light.sun, 0.6), turf.shape), np.clip(edge * lit, 0, 1))
    scene.lay(mask, mix(turf, np.broadcast_to(light.haze, turf.shape), depth * 0.62), top, 0)


def paint_dunes(scene: Scene) -> list[Field]:
    """Dunes with a sharp crest: one side lit, the other in shadow, with ripples on the near ones."""
    light, count, lines = scene.light, 4, []
    for layer in range(count):
        chance = scene.chance(f"dune{layer}")
        near = (layer + 1) / count
        width = scene.width
        start = scene.horizon + (scene.height - scene.horizon) * 0.7 * (layer / count) ** 1.2
        line = profile(chance, width, (2.6 - 0.45 * layer) * width / scene.unit, 2)
        tops = np.asarray(start - scene.unit * (0.06 + 0.12 * near) * (line - 0.25), dtype=np.float32)
        lines.append(tops)
        top = max(0, int(tops.min()) - 1)
        height = scene.height - top
        rows = np.arange(height, dtype=np.float32)[:, None] + top
        below = rows - tops[None, :]
        mask = np.clip(below + 0.5, 0, 1)
        wander = (profile(chance, height, 3, 3) - 0.5)[:, None] * scene.unit * 0.16
        column = np.clip(np.arange(width)[None, :] + wander + below * 0.7 * light.side, 0, width - 1).astype(np.int32)
        lean = (np.gradient(_smooth(tops, int(scene.unit / 26) | 1)) * 3.2)[column] * -light.side
        lit = ramp(lean, -0.25, 0.3) * 0.85 + 0.15 * np.exp(-below / (scene.unit * 0.2))
        warp = clouds(chance, width, height, 3 * width / scene.unit, 6 * height / scene.unit, 3)
        ripples = np.sin(
            (below * (0.35 + 0.1 * warp) + warp * scene.unit * 0.045) * (900 / scene.unit) * (1.2 - 0.7 * near)
        )
        sand = light.on(SAND if not scene.brief.has("snow") else SNOW)
        paint = mix(mix(sand * 0.42, light.shade, 0.3), mix(sand, light.lit, 0.25), lit)
        paint = paint * (1 + ripples * 0.026 * near + (warp - 0.5) * 0.12)[..., None]
        scene.lay(mask, mix(paint, np.broadcast_to(light.haze, paint.shape), (1 - near) * 0.6), top, 0)
    return lines


def paint_bank(scene: Scene, *, far: bool) -> Field:
    """A strip of land: the far shore on the horizon, or the near one at the bottom edge. Returns its line."""
    chance, unit = scene.chance(f"bank{far}"), scene.unit
    line = profile(chance, scene.width, 1.3 * scene.width / unit, 3)
    if far:
        tops = scene.horizon - unit * (0.015 + 0.05 * line)
    else:
        slant = np.linspace(1, 0, scene.width, dtype=np.float32) ** 1.4
        slant = slant if scene.light.at[0] > 0.5 else slant[::-1]
        tops = scene.height - (scene.height - scene.horizon) * (0.26 + 0.2 * slant + 0.12 * line)
    tops = np.asarray(tops, dtype=np.float32)
    beach = scene.brief.has("palm") or scene.brief.has("desert")
    base = SAND if beach else ground_colour(scene)
    _hill(scene, tops, base, 0.55 if far else 0.0, 7 if far else 8, scene.light.side)
    return tops


def paint_cliff(scene: Scene) -> tuple[float, float]:
    """A headland that falls into the sea. Returns the place on its top where something can stand."""
    chance, light, unit = scene.chance("cliff"), scene.light, scene.unit
    width, height = scene.width, scene.height
    right = light.at[0] < 0.5
    reach = min(0.62 * width, 0.72 * unit) * chance.uniform(0.9, 1.1)
    inside = np.arange(width, dtype=np.float32) - (width - reach)
    if not right:
        inside = inside[::-1].copy()
    inside = inside / unit
    plateau = min(scene.horizon - 0.05 * unit, 0.56 * height) - chance.uniform(0.0, 0.05) * unit
    bumps = profile(chance, width, 7 * width / unit, 6, sharp=True) - 0.5
    turf = profile(chance, width, 2 * width / unit, 4) - 0.5
    fall = ramp(inside, 0.075, -0.13) ** 0.8
    foot = scene.horizon + (height - scene.horizon) * 0.36
    tops = plateau - inside * 0.05 * unit + turf * 0.05 * unit + bumps * 0.022 * unit
    tops = tops + fall * (foot - plateau) + fall * (1 - fall) * bumps * 0.34 * unit
    base = foot + np.maximum(0, inside + 0.1) * 0.42 * unit + bumps * 0.03 * unit
    top = max(0, int(tops.min()) - 2)
    tall = height - top
    rows = np.arange(tall, dtype=np.float32)[:, None] + top
    below = rows - tops[None, :]
    mask = np.clip(below + 0.5, 0, 1) * np.clip(base[None, :] - rows + 0.5, 0, 1)
    mask *= ramp(inside, -0.135, -0.125)[None, :]
    rock = _rock(scene, below, tall)
    reach_down = (0.03 + 0.035 * noise(chance, width, 1, 30, 0.01)[0] + 0.03 * noise(chance, width, 1, 7, 0.01)[0])[
        None, :
    ]
    reach_down = reach_down + (noise(chance, width, tall, width / 4, tall / 14) - 0.5) * 0.022
    grass = _edge(below / unit, reach_down)
    grass = grass * (1 - fall)[None, :] ** 2
    blades = noise(chance, width, tall, width / 2.5, tall / 6)
    green = light.on(ground_colour(scene))
    meadow = mix(
        green * 0.55, mix(green, light.lit, 0.2), np.clip(0.9 - below / (0.07 * unit) + (blades - 0.5) * 0.7, 0, 1)
    )
    paint = mix(rock, meadow, grass)
    wet = np.exp(-np.maximum(0, base[None, :] - rows) / (0.035 * unit))
    paint = mix(paint, np.broadcast_to(light.dark, paint.shape), wet * 0.55)
    _surf(scene, base, inside, behind=True)
    scene.lay(mask, paint, top, 0)
    _surf(scene, base, inside, behind=False)
    at = int(np.argmin(np.abs(inside - 0.2)))
    return float(at), float(tops[at] + 0.006 * unit)


def _edge(depth: Field, limit: Field) -> Field:
    t = np.clip((limit + 0.004 - depth) / 0.008, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _rock(scene: Scene, below: Field, tall: int) -> Field:
    """The face of a cliff: buttresses, ledges between the rock layers, and cracks."""
    chance, light, unit, width = scene.chance("rock"), scene.light, scene.unit, scene.width
    bulk = clouds(chance, width, tall, 7 * width / unit, 2.6 * tall / unit, 3)
    lumps = clouds(chance, width, tall, 16 * width / unit, 11 * tall / unit, 6)
    cracks = 1 - np.abs(clouds(chance, width, tall, 13 * width / unit, 4.5 * tall / unit, 4) * 2 - 1)
    layers = below / unit * 26 + bulk * 3.4 + lumps * 1.3
    ledges = layers - np.floor(layers)
    fine = clouds(chance, width, tall, 60 * width / unit, 44 * tall / unit, 4)
    slope = np.gradient(bulk * 1.7 + lumps * 0.42 + fine * 0.05, axis=1) * unit * 0.1
    bump = np.gradient(lumps + fine * 0.14, axis=0) * unit * 0.028
    face = light.side * slope - bump + (0.5 - ledges) * 0.45 + (lumps - 0.5) * 0.7 + (fine - 0.5) * 0.5
    face = 0.5 + 0.5 * np.tanh(face * 0.85)
    stone = light.on(ROCK)
    if scene.brief.has("snow"):
        stone = mix(stone, light.shade, 0.3)
    deep = mix(stone * 0.34, light.shade, 0.16)
    bright = np.clip(mix(stone * 1.15, light.sun * stone * 1.5, 0.5), 0, 1)
    paint = mix(deep, bright, face)
    dark = ramp(cracks, 0.93, 0.995) * 0.4 + ramp(ledges, 0.93, 1.0) * ramp(lumps, 0.4, 0.65) * 0.12
    foot = ramp(below / unit, 0.05, 0.5) * 0.25
    return mix(paint, np.broadcast_to(light.dark, paint.shape), np.clip(dark + foot, 0, 0.8))


def _surf(scene: Scene, base: Field, inside: Field, *, behind: bool) -> None:
    """White water at the foot of the cliff."""
    chance, unit = scene.chance("surf" if behind else "foam"), scene.unit
    top = int(base[inside > -0.14].min() - 0.06 * unit)
    tall = min(scene.height - top, int(0.3 * unit))
    if tall <= 2 or not scene.brief.has("sea"):
        return
    rows = np.arange(tall, dtype=np.float32)[:, None] + top
    lumps = clouds(chance, scene.width, tall, 26 * scene.width / unit, 60 * tall / unit, 5)
    off = (rows - base[None, :]) / unit
    if behind:
        band = np.exp(-(((off + 0.004) / 0.02) ** 2)) * ramp(inside, -0.2, -0.12)[None, :]
    else:
        band = (
            np.exp(-((np.maximum(0, off - 0.004) / 0.024) ** 2)) * (off > -0.006) * ramp(inside, -0.17, -0.12)[None, :]
        )
    foam = ramp(lumps * 0.6 + band * 0.6, 0.62, 0.85) * band
    scene.lay(foam * 0.9, mix(scene.light.on(SNOW), scene.light.lit, 0.4), top, 0)
