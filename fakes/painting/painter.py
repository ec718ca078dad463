"""From a prompt to a PNG: what is painted where, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO

import numpy as np
from PIL import Image

from fakes.painting.animals import birds, cat, deer, dog, fox, whale
from fakes.painting.brief import GROUNDS, Brief, read
from fakes.painting.built import castle, house, lighthouse, pyramid, temple
from fakes.painting.city import bridge, clock, paint_skyline, paint_street
from fakes.painting.fields import Chance, Colour, Field, screen, soften, to_image
from fakes.painting.growth import bushes, mushroom, paint_flowers, paint_forest, palm, tree
from fakes.painting.light import light_of
from fakes.painting.people import astronaut, person, robot
from fakes.painting.scene import Scene, chance_of
from fakes.painting.sky import paint_sky
from fakes.painting.styles import styled
from fakes.painting.terrain import paint_bank, paint_cliff, paint_dunes, paint_hills, paint_mountains
from fakes.painting.vehicles import balloon, boat, car, rocket
from fakes.painting.water import paint_water
from fakes.painting.weather import paint_fog, paint_undersea, paint_weather

Thing = Callable[[Scene, float, float, float, "Colour | None"], None]

ON_LAND: Mapping[str, tuple[Thing, float]] = {
    "castle": (castle, 0.44),
    "temple": (temple, 0.5),
    "house": (house, 0.36),
    "pyramid": (pyramid, 0.42),
    "lighthouse": (lighthouse, 0.42),
    "tree": (tree, 0.6),
    "palm": (palm, 0.5),
    "mushroom": (mushroom, 0.4),
    "car": (car, 0.42),
    "robot": (robot, 0.42),
    "astronaut": (astronaut, 0.44),
    "person": (person, 0.42),
    "deer": (deer, 0.42),
    "dog": (dog, 0.42),
    "fox": (fox, 0.42),
    "cat": (cat, 0.42),
}
"""What stands on the ground, and its height in units. The first are painted first, behind the others."""

ALONE: Mapping[str, Thing] = {
    **{thing: draw for thing, (draw, _) in ON_LAND.items()},
    "clock": clock,
    "balloon": balloon,
    "rocket": rocket,
    "boat": boat,
    "whale": whale,
}
"""What can be painted anywhere."""

BUILDINGS = frozenset({"castle", "temple", "pyramid", "house", "lighthouse"})


def paint(
    prompt: str, *, negative: str = "", style: str = "", seed: int = 0, size: tuple[int, int] = (1024, 1024)
) -> bytes:
    """Paint a picture of ``size`` (width, height) in pixels, as the bytes of a PNG.

    It shows what the prompt names and leaves out what the negative prompt names, in one of the services' styles. The
    same arguments always give the same bytes; another seed gives another composition.
    """
    brief = read(prompt, negative, seed)
    picture = styled(composed(brief, size), style, chance_of(brief, "style"))
    return encoded(picture, style, brief)


def composed(brief: Brief, size: tuple[int, int]) -> Field:
    """The picture for a brief, without a style."""
    width, height = size
    chance = np.random.default_rng([brief.key & 0xFFFFFFFF, 1])
    light = light_of(brief, chance)
    low = 0.54 if brief.has("hill", "desert", "forest") and not brief.has("sea") else 0.6
    horizon = int(height * chance.uniform(low, low + 0.08))
    if not brief.has(*GROUNDS, *ON_LAND):
        horizon = height
    scene = Scene(np.zeros((height, width, 3), dtype=np.float32), brief, light, horizon)
    if brief.has("fish"):
        paint_undersea(scene)
    else:
        _world(scene)
        paint_weather(scene)
    return _finish(scene)


def things_in(brief: Brief) -> list[str]:
    """The things of a brief that can be painted alone, each in its place."""
    return [thing for thing in brief.things if thing in ALONE and not (thing == "tree" and brief.has("palm"))]


def paint_thing(scene: Scene, thing: str, x: float, y: float, size: float) -> None:
    """Paint one thing that stands (or floats) at this place; x, y and ``size``, its height, are pixels."""
    ALONE[thing](scene, x, y, size, scene.own_colour(thing))


def _world(scene: Scene) -> None:
    brief = scene.brief
    paint_sky(scene)
    if brief.has("mountain"):
        paint_mountains(scene)
    if brief.has("city"):
        paint_skyline(scene)
    spot: tuple[float, float] | None = None
    if brief.has("bridge"):
        bridge(scene)
    lines = _ground(scene)
    if brief.has("cliff"):
        spot = paint_cliff(scene)
    if brief.has("flower") and not brief.has("cliff"):
        paint_flowers(scene, scene.own_colour("flower"))
    if brief.has("fog"):
        paint_fog(scene, 0.85)
    _things(scene, spot, lines)


def _ground(scene: Scene) -> list[Field]:
    """Paint the picture below the horizon; return the lines of the land, if it is land."""
    brief = scene.brief
    if brief.has("sea"):
        if brief.has("forest", "hill") and not brief.has("cliff"):
            shore = paint_bank(scene, far=True)
            if brief.has("forest"):
                paint_forest(scene, [shore], nearest=0.5)
        paint_water(scene)
        standing = [thing for thing in brief.things if thing in ON_LAND]
        if brief.has("cliff") or (not standing and not brief.has("forest", "hill", "flower", "palm")):
            return []
        near = paint_bank(scene, far=False)
        return [near]
    if brief.has("desert"):
        return paint_dunes(scene)
    if brief.has("city"):
        paint_street(scene)
        return []
    if scene.horizon == scene.height:
        return []
    lines = paint_hills(scene)
    if brief.has("forest"):
        paint_forest(scene, lines)
    return lines


def _things(scene: Scene, spot: tuple[float, float] | None, lines: list[Field]) -> None:
    """Paint everything in the prompt that stands, flies or floats."""
    for place in (_in_the_air, _on_the_water):
        place(scene, scene.chance(place.__name__))
    standing = [thing for thing in ON_LAND if thing in scene.brief.things]
    if "palm" in standing:
        standing.insert(standing.index("palm"), "palm")
    chance = scene.chance("things")
    for index, thing in enumerate(standing):
        draw, tall = ON_LAND[thing]
        if spot is None:
            x = (index + 1) / (len(standing) + 1) + chance.uniform(-0.05, 0.05)
            if len(standing) == 1:
                x = float(chance.choice([0.36, 0.5, 0.64]))
            y = _foot(scene, lines, x, far=thing in BUILDINGS)
            size = min(scene.unit * tall, y * 0.74)
        elif thing in (*BUILDINGS, "tree"):
            x, y, size = spot[0] / scene.width, spot[1], scene.unit * min(tall, 0.42)
        else:
            aside = 0.12 + 0.1 * index
            x, y, size = (
                spot[0] / scene.width + (aside if spot[0] > scene.width / 2 else -aside),
                spot[1],
                scene.unit * tall * 0.4,
            )
        draw(scene, scene.width * x, y, size, scene.own_colour(thing))
        if thing in ("castle", "temple", "house") and not scene.brief.has("city", "desert"):
            bushes(scene, scene.width * x, y, size)


def _in_the_air(scene: Scene, chance: Chance) -> None:
    brief, unit, sky = scene.brief, scene.unit, scene.horizon
    if brief.has("clock"):
        size = min(unit * 0.62, sky * 0.8)
        clock(scene, scene.width * chance.uniform(0.4, 0.6), sky * 0.75, size, scene.own_colour("clock"))
    if brief.has("bird"):
        birds(scene, scene.own_colour("bird"))
    if brief.has("balloon"):
        for share, reach in ((0.4, 0.75), (0.55, 0.35), (1.0, 0.5)):
            x = chance.uniform(max(0.1, reach - 0.25), min(0.9, reach + 0.25))
            place = (scene.width * x, sky * chance.uniform(0.5, 0.9))
            balloon(scene, *place, min(unit * 0.42, sky * 0.6) * share, scene.own_colour("balloon"))
    if brief.has("rocket"):
        size = min(unit * 0.6, sky * 0.62)
        rocket(scene, scene.width * chance.uniform(0.4, 0.6), sky * 0.78, size, scene.own_colour("rocket"))


def _on_the_water(scene: Scene, chance: Chance) -> None:
    brief, water = scene.brief, scene.height - scene.horizon
    if brief.has("boat"):
        x = (0.3 if scene.light.at[0] < 0.5 else 0.7) + chance.uniform(-0.06, 0.06)
        boat(scene, scene.width * x, scene.horizon + water * 0.26, scene.unit * 0.34, scene.own_colour("boat"))
    if brief.has("whale"):
        x = chance.uniform(0.38, 0.62)
        whale(scene, scene.width * x, scene.horizon + water * 0.38, scene.unit * 0.42, scene.own_colour("whale"))


def _foot(scene: Scene, lines: list[Field], x: float, *, far: bool) -> float:
    """The row where a thing at this fraction of the width stands."""
    column = int(min(scene.width - 1, max(0, x * scene.width)))
    if lines and far:
        line = lines[len(lines) // 2] if len(lines) > 1 else lines[0]
        return float(line[column]) + 0.02 * scene.unit
    if lines:
        below = float(lines[-1][column])
        return min(scene.height * 0.95, below + (scene.height - below) * 0.45)
    return scene.horizon + (scene.height - scene.horizon) * (0.3 if far else 0.62)


def _finish(scene: Scene) -> Field:
    """Add a little bloom, and darken the corners."""
    picture = np.clip(scene.picture, 0, 1)
    bright = np.clip(picture - 0.72, 0, 1)
    picture = screen(picture, soften(bright * 2, scene.unit * 0.03) * 0.28)
    across = np.linspace(-1, 1, scene.width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, scene.height, dtype=np.float32)[:, None]
    corners = 1 - 0.2 * np.clip((across**2 + down**2) * 0.62 - 0.2, 0, 1)
    return np.asarray(picture * corners[..., None], dtype=np.float32)


def encoded(picture: Field, style: str, brief: Brief) -> bytes:
    """The picture as the bytes of a PNG."""
    out = BytesIO()
    grained(picture, style, brief).save(out, "PNG", compress_level=3)
    return out.getvalue()


def grained(picture: Field, style: str, brief: Brief) -> Image.Image:
    """The picture with the grain of its style."""
    chance = np.random.default_rng([brief.key & 0xFFFFFFFF, 2])
    return to_image(picture if style == "pixel-art" else picture + _grain(picture, style, chance))


def _grain(picture: Field, style: str, chance: np.random.Generator) -> Field:
    """Add fine film noise; it also keeps smooth skies free of bands."""
    deviation = {"analog-film": 6.0, "photographic": 2.2, "cinematic": 2.6, "line-art": 0.8}.get(style, 1.3)
    grain = chance.standard_normal(picture.shape, dtype=np.float32)
    return np.asarray(grain * np.float32(deviation / 255), dtype=np.float32)
