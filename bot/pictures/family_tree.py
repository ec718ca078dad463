"""Draws the family of an image as one picture: who made what from what."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from bot.pictures.lettering import Lettering
from bot.pictures.tree_layout import Chosen, Layout, Link, Place, laid_out

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

log = structlog.get_logger(__name__)

# A dark panel with a frame is readable on dark and on light pages.
_PANEL, _FRAME, _BOX = "#1f2329", "#3a414b", "#2a3038"
_WORDS, _QUIET, _LINE, _ACCENT = "#f2f4f7", "#aeb6c2", "#77818f", "#f0b56a"
# In pixels. A cell is a box for the picture with two lines of text below it, and a gap to the next cell.
_CELL, _BOX_SIDE, _TEXT, _ONE_LINE, _GAP = 248, 208, 80, 50, 56
_ROW = _BOX_SIDE + _TEXT + _GAP
_MARGIN = 36
_NAME_SIZE, _CAPTION_SIZE, _BADGE_SIZE = 28, 23, 22
_RADIUS, _CURVE = 18, 16
_LINE_WIDTH, _ARROW, _RING, _RING_SPACE = 4, 8, 6, 5
_FOOT = 44
_COLUMNS_AT_LEAST = 3
_FINER = 2
"""The factor by which lines and signs are drawn larger, for smooth edges."""
_QUALITY = 88


class Sign(Enum):
    """What a node shows in place of a picture."""

    PRIVATE = auto()
    """A lock: the person may not see it."""
    WAITING = auto()
    """Three dots: it is not finished."""
    NONE = auto()
    """An empty frame: there is no picture, or no longer."""


@dataclass(frozen=True, slots=True)
class Face:
    """The labels and the picture of a node.

    ``name`` are spellings of the first line, best first; the first one that a font can write is used. ``caption`` is
    the second line. ``picture`` is an encoded picture, or the sign to show instead. ``badge`` is a short text on the
    picture's corner, such as ``+3``.
    """

    name: Sequence[str]
    caption: str
    picture: bytes | Sign
    badge: str = ""


def draw(chosen: Chosen, faces: Mapping[int, Face], *, asked: int, foot: str = "") -> bytes:
    """Draw the tree as a WebP with transparent corners. ``asked`` is emphasised; ``foot`` is a line below. Blocks."""
    from PIL import Image, ImageDraw

    layout = laid_out(chosen.children, chosen.root)
    width, height = _size(layout, foot)
    indent = (width - round(layout.columns * _CELL)) / 2
    spots = {node: _Spot.of(place, indent, faces[node]) for node, place in layout.places.items()}
    image = Image.new("RGB", (width, height), _PANEL)
    image.paste(_LINE, mask=_lines(layout.links, spots, indent, image.size))
    pen = ImageDraw.Draw(image)
    letters = _Letters(Lettering(_NAME_SIZE), Lettering(_CAPTION_SIZE), Lettering(_BADGE_SIZE))
    for node, spot in spots.items():
        _node(image, pen, spot, faces[node], letters, emphasised=node == asked)
    if foot:
        text, font = letters.caption.fitted(foot, width - 2 * _MARGIN)
        pen.text((width / 2, height - _MARGIN), text, fill=_QUIET, font=font, anchor="ms")
    return _encoded(image)


@dataclass(frozen=True, slots=True)
class _Letters:
    name: Lettering
    caption: Lettering
    badge: Lettering


@dataclass(frozen=True, slots=True)
class _Spot:
    """The pixels of a node: the centre and the top of its box, and the end of the text below it."""

    x: float
    top: float
    end: float

    @classmethod
    def of(cls, place: Place, indent: float, face: Face) -> _Spot:
        top = _MARGIN + place.row * _ROW
        return cls(round(indent + place.column * _CELL), top, top + _BOX_SIDE + (_TEXT if face.caption else _ONE_LINE))

    @property
    def box(self) -> tuple[float, float, float, float]:
        half = _BOX_SIDE / 2
        return self.x - half, self.top, self.x + half, self.top + _BOX_SIDE


def _size(layout: Layout, foot: str) -> tuple[int, int]:
    columns = max(float(_COLUMNS_AT_LEAST), layout.columns)
    height = layout.rows * _ROW - _GAP + 2 * _MARGIN + (_FOOT if foot else 0)
    return math.ceil(columns * _CELL) + 2 * (_MARGIN - (_CELL - _BOX_SIDE) // 2), height


# --- lines --------------------------------------------------------------------------------------------------------


def _lines(links: Iterable[Link], spots: Mapping[int, _Spot], indent: float, size: tuple[int, int]) -> Image:
    """A mask of all lines, with their corners rounded."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (size[0] * _FINER, size[1] * _FINER))
    pen = ImageDraw.Draw(mask)
    for link in links:
        for points in _paths(link, spots, indent):
            _line(pen, points, curve=0 if link.across else _CURVE)
    return mask.reduce(_FINER)


def _paths(link: Link, spots: Mapping[int, _Spot], indent: float) -> Iterable[list[tuple[float, float]]]:
    start = spots[link.of]
    if link.across:
        end = spots[link.to[0]]
        middle = start.top + _BOX_SIDE / 2
        yield [(start.x + _BOX_SIDE / 2, middle), (end.x - _BOX_SIDE / 2, middle)]
        # An arrow head, in the middle of the gap.
        tip = (start.x + end.x) / 2 + _ARROW / 2
        yield [(tip - _ARROW, middle - _ARROW), (tip, middle), (tip - _ARROW, middle + _ARROW)]
        return
    below = start.end
    for node in link.to:
        end = spots[node]
        rail = end.top - _GAP / 2
        if link.trunk is None:
            yield [(start.x, below), (start.x, rail), (end.x, rail), (end.x, end.top)]
        else:
            trunk = indent + link.trunk * _CELL
            first = start.top + _ROW - _GAP / 2
            yield [
                (start.x, below),
                (start.x, first),
                (trunk, first),
                (trunk, rail),
                (end.x, rail),
                (end.x, end.top),
            ]


def _line(pen: ImageDraw, points: Sequence[tuple[float, float]], *, curve: int) -> None:
    corners = [point for number, point in enumerate(points) if number == 0 or point != points[number - 1]]
    path = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        path += _curve(before, corner, after, curve)
    path.append(corners[-1])
    scaled = [(x * _FINER, y * _FINER) for x, y in path]
    pen.line(scaled, fill=255, width=_LINE_WIDTH * _FINER, joint="curve")


def _curve(
    before: tuple[float, float], corner: tuple[float, float], after: tuple[float, float], curve: int
) -> list[tuple[float, float]]:
    """A rounded corner: points of a quadratic curve."""
    radius = min(curve, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
    start, end = _towards(corner, before, radius), _towards(corner, after, radius)
    steps = 8
    points = []
    for step in range(steps + 1):
        part = step / steps
        first, second, third = (1 - part) ** 2, 2 * part * (1 - part), part**2
        points.append(
            (
                first * start[0] + second * corner[0] + third * end[0],
                first * start[1] + second * corner[1] + third * end[1],
            )
        )
    return points


def _towards(start: tuple[float, float], end: tuple[float, float], length: float) -> tuple[float, float]:
    whole = math.dist(start, end)
    return (
        start[0] + (end[0] - start[0]) * length / whole,
        start[1] + (end[1] - start[1]) * length / whole,
    )


# --- nodes --------------------------------------------------------------------------------------------------------


def _node(image: Image, pen: ImageDraw, spot: _Spot, face: Face, letters: _Letters, *, emphasised: bool) -> None:
    left, top, right, bottom = (round(side) for side in spot.box)
    if emphasised:
        out = _RING + _RING_SPACE
        ring = (left - out, top - out, right + out, bottom + out)
        _rounded(image, ring, _RADIUS + out, _ACCENT)
        space = (left - _RING_SPACE, top - _RING_SPACE, right + _RING_SPACE, bottom + _RING_SPACE)
        _rounded(image, space, _RADIUS + _RING_SPACE, _PANEL)
    content = _pictured(face.picture)
    mask = _corners(content.size, _RADIUS)
    image.paste(content, (left, top), mask)
    if face.badge:
        _badge(image, pen, face.badge, letters.badge, right, bottom)
    name = letters.name.writable(face.name)
    text, font = letters.name.fitted(name, _CELL - 12)
    pen.text((spot.x, bottom + 39), text, fill=_ACCENT if emphasised else _WORDS, font=font, anchor="ms")
    text, font = letters.caption.fitted(face.caption, _CELL - 12)
    pen.text((spot.x, bottom + 70), text, fill=_QUIET, font=font, anchor="ms")


def _pictured(picture: bytes | Sign) -> Image:
    """The content of a node's box: the whole picture on a plain ground, or a sign."""
    from PIL import Image

    side = _BOX_SIDE
    ground = Image.new("RGB", (side, side), _BOX)
    if isinstance(picture, Sign):
        _sign(ground, picture)
        return ground
    try:
        with Image.open(io.BytesIO(picture), formats=("WEBP", "JPEG", "PNG")) as opened:
            small = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        log.warning("family_tree.picture_unusable", kind=type(error).__name__)
        _sign(ground, Sign.NONE)
        return ground
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    scale = side / max(small.size)
    if scale > 1:
        small = small.resize((max(1, round(small.width * scale)), max(1, round(small.height * scale))))
    ground.paste(small, ((side - small.width) // 2, (side - small.height) // 2), small)
    return ground


def _sign(ground: Image, sign: Sign) -> None:
    from PIL import Image, ImageDraw

    mask = Image.new("L", (ground.width * _FINER, ground.height * _FINER))
    pen = ImageDraw.Draw(mask)

    def scaled(*numbers: float) -> list[float]:
        return [number * _FINER for number in numbers]

    middle = ground.width / 2
    match sign:
        case Sign.PRIVATE:
            pen.arc(scaled(middle - 22, middle - 50, middle + 22, middle - 6), 180, 360, 255, 8 * _FINER)
            for x in (middle - 22, middle + 14):
                pen.rectangle(scaled(x, middle - 28, x + 8, middle - 6), 255)
            pen.rounded_rectangle(scaled(middle - 36, middle - 10, middle + 36, middle + 44), 9 * _FINER, 255)
            pen.ellipse(scaled(middle - 7, middle + 8, middle + 7, middle + 22), 0)
            pen.rectangle(scaled(middle - 3, middle + 18, middle + 3, middle + 32), 0)
        case Sign.WAITING:
            for x in (middle - 34, middle, middle + 34):
                pen.ellipse(scaled(x - 10, middle - 10, x + 10, middle + 10), 255)
        case Sign.NONE:
            box = scaled(middle - 46, middle - 34, middle + 46, middle + 34)
            pen.rounded_rectangle(box, 9 * _FINER, outline=255, width=6 * _FINER)
            pen.ellipse(scaled(middle + 12, middle - 20, middle + 28, middle - 4), 255)
            hills = [(-40, 28), (-14, -6), (6, 18), (16, 6), (40, 28)]
            pen.polygon([((middle + x) * _FINER, (middle + y) * _FINER) for x, y in hills], 255)
    ground.paste(_LINE, mask=mask.reduce(_FINER))


def _badge(image: Image, pen: ImageDraw, words: str, lettering: Lettering, right: int, bottom: int) -> None:
    text, font = lettering.fitted(words, _BOX_SIDE - 40)
    width, height = max(40, round(font.getlength(text)) + 22), 38
    box = (right - width - 8, bottom - height - 8, right - 8, bottom - 8)
    _rounded(image, box, height // 2, _PANEL)
    pen.text(((box[0] + box[2]) / 2, box[3] - 12), text, fill=_WORDS, font=font, anchor="ms")


def _rounded(image: Image, box: tuple[int, int, int, int], radius: int, colour: str) -> None:
    mask = _corners((box[2] - box[0], box[3] - box[1]), radius)
    image.paste(colour, (box[0], box[1], box[2], box[3]), mask)


def _corners(size: tuple[int, int], radius: int) -> Image:
    """A mask of this size with round corners and smooth edges."""
    from PIL import Image, ImageDraw

    finer = 4
    disc = Image.new("L", (2 * radius * finer, 2 * radius * finer))
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), 255)
    disc = disc.reduce(finer)
    mask = Image.new("L", size, 255)
    for x, left in ((0, 0), (radius, size[0] - radius)):
        for y, top in ((0, 0), (radius, size[1] - radius)):
            mask.paste(disc.crop((x, y, x + radius, y + radius)), (left, top))
    return mask


def _encoded(image: Image) -> bytes:
    """The drawing with a frame, and with transparent corners."""
    from PIL import Image

    framed = Image.new("RGB", image.size, _FRAME)
    inner = (image.width - 4, image.height - 4)
    framed.paste(image.crop((2, 2, image.width - 2, image.height - 2)), (2, 2), _corners(inner, 26))
    framed.putalpha(_corners(image.size, 28))
    stream = io.BytesIO()
    framed.save(stream, "WEBP", quality=_QUALITY, method=2)
    return stream.getvalue()
