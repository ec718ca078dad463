"""One function for each of the services' styles; each restyles a finished picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fakes.painting.drawn import comic_book, isometric, line_art, pixel_art, tile_texture
from fakes.painting.facets import low_poly, origami
from fakes.painting.fields import (
    Chance,
    Field,
    clipped,
    clouds,
    colour,
    from_image,
    luminance,
    mix,
    noise,
    ramp,
    screen,
    soften,
    to_image,
)
from fakes.painting.grading import contrasted, edges, flattened, saturated, toned, unit

Style = Callable[[Field, Chance], Field]


def styled(picture: Field, style: str, chance: Chance) -> Field:
    """The picture in this style; unchanged if the style is empty or unknown."""
    manner = STYLES.get(style)
    return picture if manner is None else np.clip(manner(picture, chance), 0, 1)


def neon_punk(picture: Field, chance: Chance) -> Field:
    scale = unit(picture)
    base = toned(contrasted(picture, 1.25), "05030f", "1a0b3d", "55108c", "d81e8f", "ff7ac0", "d8f6ff")
    cool = toned(contrasted(picture, 1.2), "02060f", "06264d", "0a6fa8", "22d3ee", "a8fff4", "ffffff")
    across = np.linspace(0, 1, picture.shape[1], dtype=np.float32)[None, :]
    down = np.linspace(0, 1, picture.shape[0], dtype=np.float32)[:, None]
    mixed = mix(
        base,
        cool,
        ramp(
            across * 0.7 + down * 0.5 + (noise(chance, picture.shape[1], picture.shape[0], 3, 3) - 0.5) * 0.5,
            0.25,
            0.85,
        ),
    )
    mixed = mix(mixed, saturated(picture, 1.6) * 0.75, 0.22) * 0.8
    line = ramp(edges(picture, 1.3 * scale), 0.02, 0.09)
    hue = mix(colour("ff2fa8"), colour("28f0ff"), ramp(across + np.sin(down * 5) * 0.2, 0.3, 0.7))
    tubes = line[..., None] * hue
    lit = screen(screen(mixed, tubes * 0.8), soften(tubes, 14 * scale) * 1.3)
    lit = screen(lit, soften(np.clip(mixed - 0.5, 0, 1), 34 * scale) * 0.8)
    rows = 0.94 + 0.06 * np.sin(np.arange(picture.shape[0], dtype=np.float32) * np.float32(np.pi / max(1.0, 2 * scale)))
    return np.asarray(lit * rows[:, None, None], dtype=np.float32)


def analog_film(picture: Field, chance: Chance) -> Field:
    height, width = picture.shape[:2]
    scale = unit(picture)
    soft = mix(picture, soften(picture, 2.2 * scale), 0.55)
    faded = contrasted(saturated(soft, 0.78), 0.86) * colour("fff0d6") + colour("140c10") * 0.9
    halo = soften(np.clip(luminance(picture) - 0.7, 0, 1)[..., None] * colour("ff7a4a") * 2, 12 * scale)
    faded = screen(faded, halo * 0.7)
    across, down = (
        np.linspace(0, 1, width, dtype=np.float32)[None, :],
        np.linspace(0, 1, height, dtype=np.float32)[:, None],
    )
    edge = across if chance.random() < 0.5 else 1 - across
    leak = np.exp(-((edge / 0.16) ** 2)) * np.exp(-(((down - chance.uniform(0.2, 0.8)) / 0.42) ** 2))
    faded = screen(faded, (leak * 0.62)[..., None] * colour("ff6a2c"))
    corner = 1 - 0.42 * np.clip(((across - 0.5) ** 2 + (down - 0.5) ** 2) * 2.2 - 0.2, 0, 1)
    return faded * corner[..., None]


def anime(picture: Field, chance: Chance) -> Field:
    scale = unit(picture)
    flat = flattened(saturated(contrasted(picture, 1.12), 1.5), 7)
    grey = luminance(flat)
    steps = np.floor(grey * 7) / 7 + ramp(grey * 7 - np.floor(grey * 7), 0.7, 1.0) / 7
    cel = mix(clipped(flat * ((steps + 0.06) / np.maximum(grey, 0.05))[..., None]), flat, 0.4)
    line = ramp(edges(soften(picture, 1.5 * scale), 1.0), 0.03, 0.08)
    inked = mix(cel, cel * 0.25 * colour("8a90ff"), line * 0.75)
    bright = soften(np.clip(inked - 0.62, 0, 1) * 1.8, 26 * scale)
    return screen(inked * 1.03, bright * 0.55)


def cinematic(picture: Field, chance: Chance) -> Field:
    height, width = picture.shape[:2]
    scale = unit(picture)
    grey = luminance(picture)[..., None]
    graded = contrasted(picture, 1.14)
    graded = graded * mix(colour("6fb6c4") * 1.25, colour("ffcf9a") * 1.12, np.clip(grey * 1.25, 0, 1))
    flare = np.clip(grey - 0.8, 0, 1)[..., 0]
    small = to_image(np.repeat(flare[..., None], 3, axis=2)).resize(
        (max(2, width // 60), max(2, height // 4)), Image.Resampling.BOX
    )
    streak = from_image(small.filter(ImageFilter.GaussianBlur(2)).resize((width, height), Image.Resampling.BICUBIC))
    graded = screen(graded, streak * colour("7ac8ff") * 1.4)
    graded = screen(graded, soften(np.clip(graded - 0.66, 0, 1), 30 * scale) * 0.7)
    bar = int(height * 0.07) if width >= height else 0
    shade = 1 - 0.35 * (np.linspace(-1, 1, width, dtype=np.float32)[None, :, None] ** 2) ** 1.5
    graded = graded * shade
    if bar:
        graded[:bar] = graded[height - bar :] = 0.012
    return graded


def digital_art(picture: Field, chance: Chance) -> Field:
    scale = unit(picture)
    strokes = mix(picture, flattened(picture, 9), 0.75)
    vivid = contrasted(saturated(strokes, 1.4), 1.1)
    vivid = vivid * mix(colour("c8c0ff"), colour("fff2d8"), luminance(vivid)) * 1.1
    return screen(vivid, soften(np.clip(vivid - 0.6, 0, 1), 24 * scale) * 0.8)


def enhance(picture: Field, chance: Chance) -> Field:
    scale = unit(picture)
    local = picture + (picture - soften(picture, 22 * scale)) * 0.38 + (picture - soften(picture, 2 * scale)) * 0.7
    return saturated(contrasted(np.clip(local, 0, 1), 1.06), 1.22)


def fantasy_art(picture: Field, chance: Chance) -> Field:
    height, width = picture.shape[:2]
    scale = unit(picture)
    strokes = mix(picture, flattened(picture, 9), 0.6)
    magic = mix(saturated(strokes, 1.25), toned(strokes, "120a2e", "3c1f6e", "8a4fb0", "e89a6a", "ffe9b0"), 0.48)
    mist = clouds(chance, width, height, 3, 4, 5) * np.linspace(0, 1, height, dtype=np.float32)[:, None] ** 2
    magic = screen(magic, (mist * 0.34)[..., None] * colour("c89aff"))
    magic = screen(magic, soften(np.clip(magic - 0.5, 0, 1) * 1.4, 36 * scale) * 0.8)
    sparks = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(sparks)
    for _ in range(150):
        x, y, r = chance.uniform(0, width), chance.uniform(0, height), chance.exponential(1.3) * scale + 0.6
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 232, 170))
    light = from_image(sparks)
    return screen(screen(magic, light * 0.85), soften(light, 9 * scale) * 2.2)


def clay(picture: Field, chance: Chance) -> Field:
    """Modelled in clay: soft lumps, lit from above, with fingerprints."""
    height, width = picture.shape[:2]
    scale = unit(picture)
    soft = soften(flattened(saturated(picture, 1.25), 11), 3 * scale)
    relief = soften(luminance(soft), 5 * scale) * 30 * scale + clouds(chance, width, height, 26, 26, 2) * 3 * scale
    down, across = np.gradient(relief)
    lit = np.clip(0.96 - across * 0.62 - down * 0.75, 0.4, 1.4)
    prints = np.sin(clouds(chance, width, height, 9, 9, 2) * 130) * 0.014
    return clipped(mix(soft, np.ones(3, dtype=np.float32) * 0.72, 0.12) * (lit + prints)[..., None])


def model(picture: Field, chance: Chance) -> Field:
    """A 3D rendering: smooth surfaces, a soft light from the side, a gloss on bright parts."""
    scale = unit(picture)
    smooth = mix(soften(picture, 1.8 * scale), flattened(picture, 7), 0.5)
    relief = soften(luminance(smooth), 3 * scale) * 20 * scale
    down, across = np.gradient(relief)
    lit = np.clip(1 - across * 0.55 - down * 0.6, 0.5, 1.5)
    gloss = np.clip(-across - down - 0.35, 0, 1) * 0.5
    return screen(np.clip(saturated(smooth, 1.2) * lit[..., None], 0, 1), gloss[..., None] * colour("ffffff"))


def photographic(picture: Field, chance: Chance) -> Field:
    scale = unit(picture)
    sharp = picture + (picture - soften(picture, 1.6 * scale)) * 0.6
    graded = contrasted(saturated(np.clip(sharp, 0, 1), 0.94), 1.08)
    rows = np.abs(np.linspace(-0.62, 0.38, picture.shape[0], dtype=np.float32))
    far = ramp(rows, 0.3, 0.62)[:, None]
    return mix(graded, soften(graded, 3.2 * scale), far * 0.8)


STYLES: Mapping[str, Style] = {
    "3d-model": model,
    "analog-film": analog_film,
    "anime": anime,
    "cinematic": cinematic,
    "comic-book": comic_book,
    "digital-art": digital_art,
    "enhance": enhance,
    "fantasy-art": fantasy_art,
    "isometric": isometric,
    "line-art": line_art,
    "low-poly": low_poly,
    "modeling-compound": clay,
    "neon-punk": neon_punk,
    "origami": origami,
    "photographic": photographic,
    "pixel-art": pixel_art,
    "tile-texture": tile_texture,
}
