"""Water: a mirror of the scene above it, broken by waves that are larger nearby."""

from __future__ import annotations

import numpy as np

from fakes.painting.fields import Field, mix, ramp, screen, tile
from fakes.painting.scene import Scene

TEXTURE = 512


def paint_water(scene: Scene) -> None:
    """Fill everything below the horizon with water. Everything above it must be finished."""
    light, chance = scene.light, scene.chance("water")
    height, width, horizon = scene.height, scene.width, scene.horizon
    rows = np.arange(height - horizon, dtype=np.float32)
    near = (rows / max(1, height - horizon))[:, None]
    distance = 1 / (near + 0.045)
    across = ((np.arange(width, dtype=np.float32) - width / 2) / scene.unit)[None, :]
    texture = tile(chance, TEXTURE, 24, 4)
    waves = _sample(texture, across * distance * 210, distance * 620 + near * 300)
    finer = _sample(texture, across * distance * 640 + 91, distance * 1500 + near * 900 + 37)
    rough = 1.6 if scene.brief.has("storm", "lightning") or scene.brief.hour == "storm" else 1.0
    if scene.brief.hour in ("fog", "dawn"):
        rough = 0.55
    slope = ((waves - 0.5) + (finer - 0.5) * 0.6) * rough
    reach = scene.unit * (0.01 + 0.2 * near)
    source = horizon - 1 - rows[:, None] * 0.92 + slope * reach * 1.5
    column = np.arange(width, dtype=np.float32)[None, :] + slope * reach * 0.3
    mirror = scene.picture[
        np.clip(source, 0, horizon - 1).astype(np.int32), np.clip(column, 0, width - 1).astype(np.int32)
    ]
    shine = np.clip(0.86 - 0.5 * near - slope * 0.5, 0.12, 0.92)
    sea = mix(light.water * (0.8 + 0.5 * ramp(waves, 0.35, 0.75))[..., None], light.haze, 0.5 * (1 - near) ** 3)
    water = mix(sea, mirror, shine)
    sun = (light.at[0] - 0.5) * width / scene.unit
    spread = 0.03 + 0.16 * near
    path = np.exp(-(((across - sun) / spread) ** 2))
    sparks = ramp(finer + waves * 0.4, 0.86 - 0.24 * path, 1.08 - 0.12 * path)
    strength = 0.35 if scene.brief.hour in ("storm", "fog") else 1.0
    water = screen(water, (path * (0.24 + sparks * 0.9) * strength)[..., None] * light.sun)
    caps = ramp(waves * 0.7 + finer * 0.5, 0.78, 1.0) * ramp(near, 0.04, 0.3) * (0.16 if rough <= 1 else 0.5)
    water = mix(water, light.lit, caps)
    line = np.exp(-rows / (scene.unit * 0.012))[:, None, None] * 0.5
    scene.picture[horizon:] = mix(water, np.broadcast_to(light.haze, water.shape), line)


def _sample(texture: Field, u: Field, v: Field) -> Field:
    """Sample a repeating texture with interpolation, since the nearest waves are large."""
    u, v = np.broadcast_arrays(u, v)
    x, y = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    fx, fy = (u - x).astype(np.float32), (v - y).astype(np.float32)
    x0, y0 = x % TEXTURE, y % TEXTURE
    x1, y1 = (x + 1) % TEXTURE, (y + 1) % TEXTURE
    upper = texture[y0, x0] * (1 - fx) + texture[y0, x1] * fx
    lower = texture[y1, x0] * (1 - fx) + texture[y1, x1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, dtype=np.float32)
