"""Everything above the horizon except land: colour, sun, moon, stars, clouds, aurora, rainbow, lightning."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fakes.painting.fields import Chance, Field, clouds, from_image, mix, noise, ramp, screen, soften, tile
from fakes.painting.scene import Scene


def paint_sky(scene: Scene) -> None:
    light, chance = scene.light, scene.chance("sky")
    height = scene.height
    rows = np.linspace(0, height / max(1, scene.horizon), height, dtype=np.float32)
    stops = np.linspace(0, 1, len(light.sky))
    column = np.stack([np.interp(rows, stops, [c[i] for c in light.sky]) for i in range(3)], axis=1)
    scene.picture[:] = column.astype(np.float32)[:, None, :]
    _warm_towards_sun(scene)
    if light.stars > 0:
        _stars(scene, scene.chance("stars"))
    if scene.brief.has("space"):
        _nebula(scene, scene.chance("nebula"))
    if scene.brief.has("planet"):
        _planet(scene, scene.chance("planet"))
    if scene.brief.has("aurora"):
        _aurora(scene, scene.chance("aurora"))
    _disc(scene)
    if not (scene.brief.has("space") and not scene.brief.has("cloud", "storm")):
        _clouds(scene, chance)
    if scene.brief.has("rainbow"):
        _rainbow(scene)
    if scene.brief.has("lightning") or (scene.brief.has("storm") and chance.random() < 0.6):
        _lightning(scene, scene.chance("lightning"))


def _distance(scene: Scene) -> Field:
    """The distance of each pixel from the sun, in units of the shorter side."""
    x, y = scene.sun
    across = (np.arange(scene.width, dtype=np.float32) - x) / scene.unit
    down = (np.arange(scene.height, dtype=np.float32) - y) / scene.unit
    return np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)


def _warm_towards_sun(scene: Scene) -> None:
    light = scene.light
    distance = _distance(scene)
    strength = 0.3 if light.moon else 0.62
    wide = np.exp(-distance * 2.2) * strength + np.exp(-distance * 7) * strength * 0.7
    scene.picture[:] = screen(scene.picture, wide[..., None] * light.sun)


def _disc(scene: Scene) -> None:
    light = scene.light
    if scene.brief.hour in ("storm", "fog") or (scene.brief.has("space") and scene.brief.has("planet")):
        return
    radius = 0.055 if light.moon else 0.04
    if scene.brief.has("moon"):
        radius = 0.09
    distance = _distance(scene)
    edge = 1.5 / scene.unit if light.moon else 0.02
    disc = ramp(distance, radius + edge, radius - edge)
    white = np.ones(3, dtype=np.float32)
    face = np.ones((1, 1, 3), dtype=np.float32) * (light.sun if light.moon else mix(light.sun, white, 0.65))
    if light.moon or scene.brief.has("moon"):
        x, y = (int(v) for v in scene.sun)
        r = max(4, int(radius * scene.unit * 1.3))
        spots = clouds(scene.chance("moon"), 2 * r, 2 * r, 5, 5, 4)
        face = np.ones((scene.height, scene.width, 1), dtype=np.float32) * light.sun
        top, left = max(0, y - r), max(0, x - r)
        bottom, right = min(scene.height, y + r), min(scene.width, x + r)
        if bottom > top and right > left:
            part = spots[top - y + r : bottom - y + r, left - x + r : right - x + r]
            face[top:bottom, left:right] *= (0.74 + 0.3 * ramp(part, 0.3, 0.6))[..., None]
    scene.picture[:] = mix(scene.picture, face, disc)
    halo = np.exp(-np.maximum(0, distance - radius) * 16) * (0.5 if light.moon else 0.75)
    scene.picture[:] = screen(scene.picture, halo[..., None] * light.sun)


def _stars(scene: Scene, chance: Chance) -> None:
    strength = scene.light.stars
    count = int(scene.width * scene.horizon / 2600 * strength)
    layer = np.zeros((scene.height, scene.width), dtype=np.float32)
    xs = chance.integers(0, scene.width, count)
    ys = chance.integers(0, max(1, scene.horizon), count)
    bright = chance.random(count, dtype=np.float32) ** 5
    layer[ys, xs] = np.maximum(layer[ys, xs], 0.25 + 0.75 * bright)
    big = bright > 0.55
    soft = np.zeros_like(layer)
    soft[ys[big], xs[big]] = 1.0
    layer += soften(soft, 1.6 * scene.unit / 1024) * 5 + soften(soft, 5 * scene.unit / 1024) * 9
    fade = ramp(np.arange(scene.height, dtype=np.float32), scene.horizon, scene.horizon * 0.35)[:, None]
    warmth = noise(chance, scene.width, scene.height, 40, 40)
    tone = mix(np.array([0.75, 0.86, 1.0], dtype=np.float32), np.array([1.0, 0.9, 0.76], dtype=np.float32), warmth)
    scene.picture[:] = screen(scene.picture, (layer * fade * min(1.0, strength))[..., None] * tone)
    if strength >= 1:
        _milky_way(scene, chance)


def _milky_way(scene: Scene, chance: Chance) -> None:
    height, width = scene.height, scene.width
    slope = chance.uniform(0.35, 1.1) * (1 if chance.random() < 0.5 else -1)
    across = (np.arange(width, dtype=np.float32) / width - 0.5)[None, :]
    down = (np.arange(height, dtype=np.float32) / scene.horizon - 0.45)[:, None]
    off = (down - across * slope) / np.float32(np.hypot(1, slope))
    lumps = clouds(chance, width, height, 5 * width / height, 5, 6)
    band = np.exp(-(((off + (lumps - 0.5) * 0.22) / 0.17) ** 2)) * (0.35 + 0.9 * lumps)
    lanes = ramp(lumps, 0.42, 0.62)
    fade = ramp(np.arange(height, dtype=np.float32), scene.horizon, scene.horizon * 0.5)[:, None]
    tone = np.array([0.62, 0.66, 0.95], dtype=np.float32)
    scene.picture[:] = screen(scene.picture, (band * lanes * fade * 0.34)[..., None] * tone)


def _nebula(scene: Scene, chance: Chance) -> None:
    height, width = scene.height, scene.width
    hues = ("c2438f", "3f7fe0", "7b46d8", "2fb8b0", "e08a3c")
    first, second = chance.permutation(len(hues))[:2]
    for index, tone in enumerate((first, second)):
        lumps = clouds(chance, width, height, 2.5 * width / height, 2.5, 6)
        veins = 1 - np.abs(clouds(chance, width, height, 4 * width / height, 4, 6) * 2 - 1)
        cloud = ramp(lumps, 0.45, 0.85) * (0.25 + veins**3)
        hue = np.array([int(hues[tone][i : i + 2], 16) / 255 for i in (0, 2, 4)], dtype=np.float32)
        scene.picture[:] = screen(scene.picture, (cloud * (0.8 - 0.2 * index))[..., None] * hue)


def _planet(scene: Scene, chance: Chance) -> None:
    radius = chance.uniform(0.2, 0.3)
    x, y = chance.uniform(0.3, 0.7) * scene.width, 0.38 * scene.horizon
    across = ((np.arange(scene.width, dtype=np.float32) - x) / scene.unit)[None, :]
    down = ((np.arange(scene.height, dtype=np.float32) - y) / scene.unit)[:, None]
    away = np.sqrt(across**2 + down**2)
    inside = ramp(away, radius + 0.0015, radius - 0.0015)
    depth = np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1))
    lean = down + across * 0.3
    wobble = clouds(chance, scene.width, scene.height, 5, 9, 5)
    bands = 0.5 + 0.5 * np.sin((lean / radius * 9 + wobble * 4) + chance.uniform(0, 6))
    base, other = np.array([0.86, 0.62, 0.42], dtype=np.float32), np.array([0.45, 0.34, 0.5], dtype=np.float32)
    if chance.random() < 0.5:
        base, other = np.array([0.42, 0.62, 0.86], dtype=np.float32), np.array([0.85, 0.85, 0.95], dtype=np.float32)
    sun = np.clip(depth * 0.55 + (-across * 0.7 - down * 0.5) / radius * 0.75, 0, 1)
    face = mix(base, other, bands) * (0.03 + 1.1 * sun)[..., None]
    scene.picture[:] = mix(scene.picture, np.clip(face, 0, 1), inside)
    rim = np.exp(-(((away - radius) / 0.02) ** 2)) * np.clip((-across * 0.7 - down * 0.5) / radius, 0, 1)
    scene.picture[:] = screen(scene.picture, (rim * 0.6)[..., None] * base)
    ring = np.sqrt(across**2 + ((down - across * 0.28) * 3.6) ** 2) / radius
    stripes = noise(chance, 1, 400, 0.01, 60)[:, 0]
    told = stripes[np.clip((ring * 160).astype(np.int32), 0, 399)]
    belt = ramp(ring, 1.35, 1.4) * ramp(ring, 2.15, 2.05) * (0.35 + 0.65 * told)
    behind = (down - across * 0.28 < 0) * inside
    scene.picture[:] = mix(scene.picture, mix(base, np.ones(3, dtype=np.float32), 0.4), belt * (1 - behind) * 0.75)


def _aurora(scene: Scene, chance: Chance) -> None:
    height, width = scene.height, scene.width
    total = np.zeros((height, width, 3), dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    for foot, tone, crown in ((0.62, "3df29a", "7a4bd8"), (0.42, "2fd6a8", "c24bb0")):
        wave = (noise(chance, width, 1, 3.2, 0.01)[0] - 0.5) * 0.55 + foot
        rays = noise(chance, width, 1, width / 14, 0.01)[0] * 0.6 + noise(chance, width, 1, 9, 0.01)[0] * 0.7
        base = (wave * scene.horizon)[None, :]
        above = (base - rows) / scene.horizon
        veil = np.where(above >= 0, np.exp(-above * 4.2), np.exp(above * 40)) * np.clip(rays, 0, 1)[None, :]
        low, high = (
            np.array([int(t[i : i + 2], 16) / 255 for i in (0, 2, 4)], dtype=np.float32) for t in (tone, crown)
        )
        total += veil[..., None] * mix(low, high, np.clip(above * 2.2, 0, 1))
    scene.picture[:] = screen(scene.picture, total * 0.8)


def _clouds(scene: Scene, chance: Chance) -> None:
    """A ceiling of clouds that recedes to the horizon, lit from the side of the sun."""
    light, brief = scene.light, scene.brief
    width, horizon = scene.width // 2, max(8, scene.horizon // 2)
    cover = chance.uniform(0.34, 0.56)
    if brief.has("storm", "rain", "cloud") or brief.hour == "storm":
        cover = 0.74
    if brief.hour == "night":
        cover = chance.uniform(0.18, 0.36)
    if brief.has("star", "aurora"):
        cover = 0.1
    if brief.hour == "fog":
        cover = 0.5
    size = 1024
    texture = tile(chance, size, 7, 7)
    rows = np.arange(horizon, dtype=np.float32)
    depth = 1 / (1.06 - rows / horizon) - 0.9
    across = (np.arange(width, dtype=np.float32) / width - 0.5) * (scene.width / scene.unit)
    start = chance.random(2) * size
    u = across[None, :] * (0.22 + 0.34 * depth)[:, None] * 820 + start[0]
    v = np.broadcast_to((depth * 250 + start[1])[:, None], u.shape)
    thick = _pick(texture, u, v)
    towards = light.side
    nearer = _pick(texture, u + 30 * towards * (0.4 + 0.3 * depth)[:, None], v + 24)
    veil = ramp(thick, 0.74 - cover * 0.6, 0.93 - cover * 0.48)
    fade = ramp(rows, horizon * 1.02, horizon * 0.86)[:, None]
    body = ramp(thick - nearer * 0.55, 0.02, 0.4)
    sunward = np.exp(-np.abs(across[None, :] - (light.at[0] - 0.5) * scene.width / scene.unit) * 1.6)
    tone = mix(light.shade, light.lit, np.clip(body * 0.75 + 0.3 * sunward * (1 - veil * 0.4), 0, 1))
    tone = mix(tone, light.haze, ramp(rows, horizon * 0.55, horizon)[:, None] * 0.55)
    rim = veil * (1 - veil) * 4 * sunward * 0.6
    tone = screen(tone, rim[..., None] * light.sun)
    opaque = veil * fade * (0.92 if cover > 0.6 else 0.82)
    tall = np.concatenate([tone, opaque[..., None]], axis=2)
    large = _enlarge(tall, scene.width, scene.horizon)
    scene.picture[: scene.horizon] = mix(scene.picture[: scene.horizon], large[..., :3], large[..., 3])


def _pick(texture: Field, u: Field, v: Field) -> Field:
    size = texture.shape[0]
    found: Field = texture[v.astype(np.int32) % size, u.astype(np.int32) % size]
    return found


def _enlarge(layers: Field, width: int, height: int) -> Field:
    whole = Image.fromarray(np.asarray(np.clip(layers * 255 + 0.5, 0, 255), dtype=np.uint8), "RGBA")
    return from_image(whole.resize((width, height), Image.Resampling.BICUBIC))


def _rainbow(scene: Scene) -> None:
    x, y = (1 - scene.light.at[0]) * scene.width, scene.horizon * 1.15
    across = ((np.arange(scene.width, dtype=np.float32) - x) / scene.unit)[None, :]
    down = ((np.arange(scene.height, dtype=np.float32) - y) / scene.unit)[:, None]
    away = (np.sqrt(across**2 + down**2) - 0.62) / 0.075
    inside = np.exp(-(away**2) * 1.2) * 0.4
    hue = np.clip(0.5 - away * 0.5, 0, 1)
    tones = np.stack([ramp(hue, 0.75, 0.15), 1 - np.abs(hue * 2 - 1), ramp(hue, 0.3, 0.9)], axis=2)
    scene.picture[:] = screen(scene.picture, inside[..., None] * tones)


def _lightning(scene: Scene, chance: Chance) -> None:
    layer = Image.new("L", (scene.width, scene.height), 0)
    pen = ImageDraw.Draw(layer)
    x, y = chance.uniform(0.2, 0.8) * scene.width, 0.0
    forks = [(x, y, max(2, int(scene.unit / 260)), float(scene.horizon))]
    while forks:
        x, y, thick, end = forks.pop()
        while y < end:
            step = scene.unit * chance.uniform(0.015, 0.045)
            to = (x + chance.normal() * step * 0.9, y + step)
            pen.line([(x, y), to], fill=255, width=thick)
            x, y = to
            if thick > 1 and chance.random() < 0.13:
                forks.append((x + chance.normal() * step, y, thick - 1, y + scene.unit * chance.uniform(0.1, 0.3)))
    bolt = from_image(layer.convert("RGB"))
    tone = np.array([0.82, 0.86, 1.0], dtype=np.float32)
    shine = soften(bolt, scene.unit * 0.02) * 2.4 + soften(bolt, scene.unit * 0.1) * 5
    scene.picture[:] = screen(scene.picture, np.clip(shine, 0, 0.9) * tone)
    scene.picture[:] = screen(scene.picture, bolt)
