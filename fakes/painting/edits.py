"""Pictures that start from another: varied, repainted in a part, extended, or made from a drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from PIL import Image

from fakes.painting.brief import COLOURS, HOURS, Brief, meanings, read
from fakes.painting.fields import (
    Field,
    clipped,
    clouds,
    colour,
    from_image,
    luminance,
    mix,
    noise,
    ramp,
    soften,
    to_image,
)
from fakes.painting.grading import flattened, unit
from fakes.painting.healing import box_of, extended, healed, sampled, spread
from fakes.painting.light import HOURS as LIGHTS
from fakes.painting.light import light_of
from fakes.painting.lines import is_drawing, lines_of, shapes_of
from fakes.painting.painter import composed, grained, paint_thing, things_in
from fakes.painting.scene import Scene, chance_of
from fakes.painting.sky import paint_sky
from fakes.painting.styles import styled
from fakes.painting.weather import paint_weather

WORKED = 1_200_000
"""Pictures are worked on at most at this many pixels, and enlarged afterwards."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an edit is to make. ``size`` is that of the result; ``change`` is how much may change, 0 to 1.

    ``mask`` is white where the picture may change; ``margins`` are pixels of the source: left, right, above, below.
    """

    prompt: str
    size: tuple[int, int]
    negative: str = ""
    style: str = ""
    seed: int = 0
    mask: bytes | None = None
    change: float = 0.5
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)


def edit(operation: str, source: bytes, wanted: Wanted, output: str = "png") -> bytes:
    """Paint the result of an operation on the picture ``source``, as the bytes of a PNG, JPEG or WebP.

    The same arguments always give the same bytes.
    """
    with Image.open(BytesIO(source)) as opened:
        upright = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    alpha = upright.getchannel("A") if upright.mode == "RGBA" else None
    if operation == "outpaint":
        return _saved(_outpainted(upright.convert("RGB"), wanted), output)
    if operation == "remove_background":
        return _saved(_cut_out(upright.convert("RGB").resize(wanted.size)), output)
    base = upright.convert("RGB").resize(wanted.size, Image.Resampling.LANCZOS)
    if operation in {"upscale", "restore_faces"}:
        return _saved(base, output)
    factor = min(1.0, math.sqrt(WORKED / (base.width * base.height)))
    small = base.resize((round(base.width * factor), round(base.height * factor)), Image.Resampling.BOX)
    picture = from_image(small)
    brief = _brief(wanted, picture)
    if operation in WHOLE:
        result = WHOLE[operation](picture, brief, wanted)
        image = grained(styled(result, wanted.style, chance_of(brief, "style")), wanted.style, brief)
        return _saved(image.resize(base.size, Image.Resampling.LANCZOS), output)
    mask = _found(picture) if operation == "search_and_replace" else _mask(wanted.mask, alpha, small.size)
    place = _feathered(mask)
    result = healed(picture, ramp(soften(mask, 6 * unit(picture)), 0.0, 0.35), chance_of(brief, "heal"))
    if operation != "erase":
        result = _put(result, place, brief, wanted)
    changed = grained(result, wanted.style, brief).resize(base.size, Image.Resampling.LANCZOS)
    cover = to_image(place).resize(base.size, Image.Resampling.BILINEAR)
    return _saved(Image.composite(changed, base, cover), output)


def _saved(image: Image.Image, output: str) -> bytes:
    out = BytesIO()
    match output:
        case "jpeg":
            image.save(out, "JPEG", quality=92)
        case "webp":
            image.save(out, "WEBP", quality=90, method=1)
        case _:
            image.save(out, "PNG", compress_level=2)
    return out.getvalue()


def _brief(wanted: Wanted, picture: Field) -> Brief:
    """What the words ask for, in the light of the picture unless they name another."""
    brief = read(wanted.prompt, wanted.negative, wanted.seed)
    if brief.has(*HOURS, "moon", "star", "aurora", "space", "storm", "lightning", "rain", "fog"):
        return brief
    return replace(brief, hour=_hour_of(picture))


def _hour_of(picture: Field) -> str:
    """The hour whose sky is most like the upper part of the picture."""
    upper = picture[: max(1, picture.shape[0] // 3)].mean((0, 1))

    def apart(hour: str) -> float:
        sky = np.mean([colour(text) for text in LIGHTS[hour].sky], axis=0)
        return float(np.abs(sky - upper).sum())

    return min(("day", "sunset", "dawn", "dusk", "night"), key=apart)


# -- the whole picture


def _varied(picture: Field, brief: Brief, wanted: Wanted) -> Field:
    """The same picture in another light, under another sky, and in other shapes; the more, the more may change."""
    height, width = picture.shape[:2]
    change = min(1.0, max(0.0, wanted.change))
    toned = _in_tones_of(picture, _miniature(brief, (width, height)), min(1.0, change * 1.1))
    swing = 0.05 * change * min(width, height)
    chance = chance_of(brief, "warp")
    shift_x, shift_y = ((noise(chance, width, height, 4, 4) - 0.5) * swing for _ in range(2))
    columns = np.arange(width, dtype=np.float32)[None, :]
    rows = np.arange(height, dtype=np.float32)[:, None]
    result = sampled(toned, columns + shift_x, rows + shift_y)
    sky = sampled(_sky_of(picture)[..., None], columns + shift_x, rows + shift_y)[..., 0]
    result = mix(result, _new_sky(brief, (width, height), sky), sky * min(1.0, max(0.0, change - 0.2) / 0.3))
    if change > 0.25:
        scene = _scene(result, brief)
        paint_weather(scene)
        result = scene.picture
    if change <= 0.6:
        return result
    lumps = clouds(chance, width, height, 3, 3, 4)
    return mix(result, composed(brief, (width, height)), ramp(lumps, 1.25 - change, 1.0 - change))


def _restructured(picture: Field, brief: Brief, wanted: Wanted) -> Field:
    """Another picture in the layout of this one: its shapes in the colours and under the sky of the words."""
    height, width = picture.shape[:2]
    target = _miniature(brief, (width, height))
    flat = flattened(picture, 5)
    toned = mix(_in_tones_of(flat, target, 1.0), _mapped(flat, target), 0.7)
    sky = _sky_of(picture)
    result = mix(toned, _new_sky(brief, (width, height), sky), sky)
    scene = _scene(result, brief)
    paint_weather(scene)
    line = lines_of(picture)[..., None]
    return clipped(scene.picture * (1 - 0.45 * line * (1 - 0.5 * wanted.change)))


def _drawn(picture: Field, brief: Brief, wanted: Wanted) -> Field:
    """A scene in which the shapes of the drawing are things, with its lines as their edges."""
    if not is_drawing(picture):
        return _restructured(picture, brief, wanted)
    height, width = picture.shape[:2]
    ground = replace(brief, features=brief.features - set(brief.things), things=())
    result = composed(ground, (width, height))
    lines = lines_of(picture)
    light = light_of(brief, chance_of(brief, "light"))
    tones = _tones(wanted.prompt)
    chance = chance_of(brief, "shapes")
    grain = clouds(chance, width, height, 14, 14, 5)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    for index, shape in enumerate(shapes_of(lines)):
        box = box_of(shape)
        assert box is not None
        tone = light.on(colour(tones[index % len(tones)]), 0.08)
        if box[0].stop < height * 0.4 and float(shape.mean()) < 0.03:
            tone = mix(light.sun, colour("ffe9a0"), 0.5)  # a sun or a moon
        rows = np.arange(height, dtype=np.float32)[:, None]
        fall = 1.12 - 0.3 * np.clip((rows - box[0].start) / max(1, box[0].stop - box[0].start), 0, 1)
        middle = (box[1].start + box[1].stop) / width - 1
        span = max(0.05, (box[1].stop - box[1].start) / width)
        side = 1 + 0.16 * light.side * np.clip((across - middle) / span, -1, 1)
        paint = tone * (fall * side * (0.88 + 0.24 * grain))[..., None]
        result = mix(result, clipped(paint), shape)
    shade = soften(lines, 7 * unit(picture))
    result = result * (1 - 0.22 * shade)[..., None]
    return clipped(mix(result, np.broadcast_to(light.dark, result.shape), lines * 0.75))


def _tones(prompt: str) -> list[str]:
    """The colours of the drawing's shapes: those that are named, and then some that go together."""
    named = [COLOURS[word] for word in meanings(prompt) if word in COLOURS]
    return [*(named or ["c9705a"]), "8a5a4a", "6f8f6a", "e3c08a", "d8dccf", "5f7f9a"]


WHOLE: Mapping[str, Callable[[Field, Brief, Wanted], Field]] = {
    "image_to_image": _varied,
    "structure": _restructured,
    "sketch": _drawn,
}
"""The operations that change the whole picture."""


def _miniature(brief: Brief, size: tuple[int, int]) -> Field:
    """A small picture for the brief, for its colours."""
    return composed(brief, (max(64, size[0] // 3), max(64, size[1] // 3)))


def _in_tones_of(picture: Field, target: Field, share: float) -> Field:
    """The picture with the mean and the spread of the colours of another."""
    mean, spread = picture.mean((0, 1)), picture.std((0, 1))
    other_mean, other_spread = target.mean((0, 1)), target.std((0, 1))
    factor = np.clip(other_spread / np.maximum(spread, 0.02), 0.5, 1.7)
    return clipped(mix(picture, (picture - mean) * factor + other_mean, share))


def _mapped(picture: Field, target: Field) -> Field:
    """The picture's brightness in the other's colours: the darkest part in the darkest, and so on."""
    grey, other = luminance(picture), luminance(target)
    order = np.argsort(other[::4, ::4].ravel())
    steps = target[::4, ::4].reshape(-1, 3)[order]
    stops = np.stack([part.mean(0) for part in np.array_split(steps, 24)])
    ranks = np.interp(grey, np.quantile(grey[::4, ::4], np.linspace(0, 1, 24)), np.linspace(0, 1, 24))
    places = np.linspace(0, 1, 24)
    return np.stack([np.interp(ranks, places, stops[:, i]) for i in range(3)], axis=2).astype(np.float32)


def _sky_of(picture: Field) -> Field:
    """How much each pixel belongs to the sky: from the top down to the first sharp edge, or else to the horizon."""
    height, width = picture.shape[:2]
    small = from_image(to_image(picture).resize((max(8, width // 4), max(8, height // 4)), Image.Resampling.BOX))
    down = np.abs(np.diff(small, axis=0, prepend=small[:1])).sum(2)
    across = np.abs(np.diff(small, axis=1, prepend=small[:, :1])).sum(2)
    # The sun's own edge is sharp as well.
    sharp = (np.maximum(down, across) > 0.34) & (soften(luminance(small), 2) < 0.8)
    first = np.where(sharp.any(0), sharp.argmax(0), len(sharp))
    horizon = int(np.median(down, axis=1)[len(down) // 5 :].argmax()) + len(down) // 5
    ends = np.minimum(np.minimum(first, horizon), np.quantile(first, 0.85))
    # A single early edge is a star or a piece of a cloud.
    near = np.lib.stride_tricks.sliding_window_view(np.pad(ends, 5, mode="edge"), 11)
    ends = np.median(near, axis=1)
    rows = np.arange(len(small), dtype=np.float32)[:, None]
    whole = to_image(ramp(rows - ends[None, :], 0.5, -1.5)).resize((width, height), Image.Resampling.BICUBIC)
    return from_image(whole)


def _new_sky(brief: Brief, size: tuple[int, int], sky: Field) -> Field:
    width, height = size
    rows = np.flatnonzero(sky.mean(1) > 0.1)
    horizon = int(rows[-1]) + 1 if len(rows) else height // 2
    scene = _scene(np.zeros((height, width, 3), dtype=np.float32), brief, max(height // 5, horizon))
    paint_sky(scene)
    return scene.picture


def _scene(picture: Field, brief: Brief, horizon: int | None = None) -> Scene:
    light = light_of(brief, chance_of(brief, "light"))
    return Scene(picture, brief, light, horizon if horizon is not None else int(picture.shape[0] * 0.6))


# -- a part of it


def _mask(mask: bytes | None, alpha: Image.Image | None, size: tuple[int, int]) -> Field:
    """The part to change: white in the mask, or else transparent in the picture."""
    if mask is not None:
        with Image.open(BytesIO(mask)) as opened:
            return from_image(opened.convert("L").resize(size, Image.Resampling.BILINEAR))
    if alpha is not None:
        return 1 - from_image(alpha.resize(size, Image.Resampling.BILINEAR))
    return np.zeros((size[1], size[0]), dtype=np.float32)


def _cut_out(picture: Image.Image) -> Image.Image:
    """The picture with only its most striking thing. The rest is transparent."""
    place = to_image(_found(from_image(picture))).resize(picture.size, Image.Resampling.BILINEAR)
    cut = picture.copy()
    cut.putalpha(place)
    return cut


def _feathered(mask: Field) -> Field:
    return np.asarray(np.maximum(soften(mask, 10 * math.sqrt(mask.size) / 1024), mask), dtype=np.float32)


def _put(picture: Field, place: Field, brief: Brief, wanted: Wanted) -> Field:
    """What the words name, in this place: its things on the old ground, or else a piece of a new scene."""
    box = box_of(place * (place > 0.5))
    if box is None:
        return picture
    rows, columns = box
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    scene = _scene(picture.copy(), brief, max(1, int(rows.start + tall * 0.45)))
    things = things_in(brief)
    if not things and (wide > 0.6 * scene.width or tall > 0.6 * scene.height):
        scene.picture[:] = _in_tones_of(composed(brief, (scene.width, scene.height)), picture, 0.25)
        return scene.picture
    if not things:
        whole = composed(brief, _at_least(wide, tall))
        piece = from_image(to_image(whole).resize((wide, tall), Image.Resampling.LANCZOS))
        scene.picture[rows, columns] = _in_tones_of(piece, picture, 0.25)
        return scene.picture
    for index, thing in enumerate(things):
        size = min(tall * 0.86, wide / len(things) * WIDTHS.get(thing, 1.05))
        x = columns.start + wide * (index + 0.5) / len(things)
        paint_thing(scene, thing, x, rows.stop - tall * 0.07, size)
    return scene.picture


WIDTHS: Mapping[str, float] = {
    "whale": 0.42,
    "car": 0.45,
    "pyramid": 0.55,
    "temple": 0.6,
    "castle": 0.7,
    "house": 0.7,
    "deer": 0.8,
    "boat": 0.85,
}
"""How tall a thing may be in a place as wide as 1, if it is wider than others."""


def _at_least(width: int, height: int, side: int = 320) -> tuple[int, int]:
    factor = max(1.0, side / min(width, height))
    return round(width * factor), round(height * factor)


def _found(picture: Field) -> Field:
    """The place of the most striking thing: what differs from the rest of its rows, in rare colours, in the middle."""
    height, width = picture.shape[:2]
    size = (96, max(16, round(96 * height / width)))
    small = from_image(to_image(picture).resize(size, Image.Resampling.BOX))
    bins = (np.clip(small * 5, 0, 4.99).astype(np.int32) * (25, 5, 1)).sum(2)
    counts = np.bincount(bins.ravel(), minlength=125)
    rarity = -np.log((counts[bins] + 1) / bins.size)
    apart = np.abs(small - np.median(small, axis=1, keepdims=True)).sum(2)
    x = np.linspace(0, 1, size[0], dtype=np.float32)[None, :]
    y = np.linspace(0, 1, size[1], dtype=np.float32)[:, None]
    striking = np.minimum(apart, 0.8) * np.maximum(rarity - 1.5, 0) ** 2
    striking = striking * np.exp(-4.5 * ((x - 0.5) ** 2 + (y - 0.55) ** 2))
    at_x, at_y, wide, tall = 0.5, 0.55, 0.5, 0.5
    for _ in range(6):
        near = striking**2 * np.exp(-(((x - at_x) / wide) ** 2) - ((y - at_y) / tall) ** 2)
        whole = max(1e-9, float(near.sum()))
        at_x, at_y = float((near * x).sum()) / whole, float((near * y).sum()) / whole
        wide = min(0.5, max(0.15, 2.6 * math.sqrt(float((near * (x - at_x) ** 2).sum()) / whole)))
        tall = min(0.5, max(0.15, 2.6 * math.sqrt(float((near * (y - at_y) ** 2).sum()) / whole)))
    half_wide, half_tall = min(0.32, wide), min(0.36, tall * 0.9)
    inside = np.abs(x[0] - at_x) < half_wide * 0.7
    profile = striking[:, inside].max(1) > 0.12 * striking[:, inside].max()
    top = round((at_y - half_tall) * size[1])
    while top > 0 and bool(profile[max(0, top - 8) : top + 1].any()):
        top -= 1
    # What stands there is taken away whole, up to its top.
    grown = max(0.0, at_y - half_tall - (top - 3) / size[1])
    half_tall, at_y = half_tall + grown / 2, at_y - grown / 2
    at_x = min(0.99 - half_wide, max(0.01 + half_wide, at_x))
    at_y = min(0.99 - half_tall, max(0.01 + half_tall, at_y)) if half_tall < 0.48 else 0.5
    across = (np.arange(width, dtype=np.float32) / width - at_x)[None, :] / half_wide
    down = (np.arange(height, dtype=np.float32) / height - at_y)[:, None] / half_tall
    return ramp(across**4 + down**4, 1.0, 0.9)


# -- beyond its edges


def _outpainted(source: Image.Image, wanted: Wanted) -> Image.Image:
    """The source unchanged, and around it what goes on at its edges."""
    left, right, up, down = wanted.margins
    whole = (left + source.width + right, up + source.height + down)
    factor = min(1.0, math.sqrt(WORKED / (whole[0] * whole[1])))
    small = source.resize(
        (max(8, round(source.width * factor)), max(8, round(source.height * factor))), Image.Resampling.BOX
    )
    picture = from_image(small)
    brief = _brief(wanted, picture)
    left, right, up, down = (round(margin * factor) for margin in wanted.margins)
    chance = chance_of(brief, "extend")
    around = extended(picture, (left, right, up, down), chance)
    if up:
        around[:up] = _more_sky(around, brief, up)
    image = grained(around, wanted.style, brief).resize(whole, Image.Resampling.LANCZOS)
    image.paste(source, (wanted.margins[0], wanted.margins[2]))
    return image if image.size == wanted.size else image.resize(wanted.size, Image.Resampling.LANCZOS)


def _more_sky(around: Field, brief: Brief, up: int) -> Field:
    """The sky above the row ``up``, in which the colours of this row go on."""
    height, width = around.shape[:2]
    scene = _scene(np.zeros_like(around), replace(brief, features=brief.features & SKIES), int(height * 0.62))
    paint_sky(scene)
    band = min(height, up + max(8, height // 8))
    seam = around[up:band]
    sky = _in_tones_of(scene.picture[:band], seam, 0.8)
    known = np.zeros((up + 4, width), dtype=np.float32)
    known[up:] = 1
    apart = spread(around[: up + 4] - sky[: up + 4], known)[:up]
    return clipped(sky[:up] + apart)


SKIES = frozenset({"star", "aurora", "cloud", "storm", "rain", "fog", "space", *HOURS})
"""What an extended sky may have: nothing that is already in the picture."""
