"""Draws a stored picture for the panel in which people edit it: as it is, under a numbered grid, or with a mask.

Drawings are JPEG files. Transparent parts show a chequerboard.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.areas import Area
from bot.pictures import decoding
from bot.pictures.masks import grey_mask

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

SIDE_AT_MOST = 1024
"""Pixels of the longer side of a drawing."""
EXTENSION = "jpg"
"""The extension of a drawing's file name."""

# The shorter side of a grid has at least this many pixels, because numbers need room.
_SIDE_AT_LEAST = 512
_QUALITY = 85
# The base of a grid is compressed again with each grid.
_BASE_QUALITY = 92
_CHEQUERS, _CHEQUER_SIDE = ((236, 236, 236), (205, 205, 205)), 16
_LINE, _SHADOW = (255, 255, 255, 215), (0, 0, 0, 120)
_TINT, _EDGE = (236, 42, 142, 105), (255, 255, 255, 255)
_OUTLINE = (214, 20, 118, 255)
_RIM = 7
_BADGE, _BADGE_MARKED, _DIGITS = (16, 16, 20, 178), (214, 20, 118, 255), (255, 255, 255, 255)


def panel_picture(file: Path, side: int = SIDE_AT_MOST) -> bytes:
    """Draw the picture in at most ``side`` pixels a side. Blocks. Raises Undecodable."""
    return _jpeg(_opaque(decoding.decode(file, side=side)))


def grid_base(file: Path) -> bytes:
    """Draw the picture in the size of a grid, for :func:`grid_picture`. Blocks. Raises Undecodable."""
    return _jpeg(_opaque(_enlarged(decoding.decode(file, side=SIDE_AT_MOST))), _BASE_QUALITY)


def grid_picture(base: bytes, area: Area) -> bytes:
    """Draw a picture of :func:`grid_base` under the numbered grid of the area, its cells tinted. Blocks."""
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(base), formats=("JPEG",)) as opened:
        opened.load()
        picture = opened.convert("RGB")
    # Lines are drawn on a layer of their own, since drawing on a picture replaces its pixels instead of mixing them.
    layer = Image.new("RGBA", picture.size)
    _Grid(ImageDraw.Draw(layer), picture.size, area).draw()
    picture.paste(layer, mask=layer.getchannel("A"))
    return _jpeg(picture)


def marked_picture(file: Path, mask: Path) -> bytes:
    """Draw the picture with the white parts of a mask file tinted. Blocks. Raises Undecodable."""
    from PIL import Image, ImageFilter

    picture = _opaque(decoding.decode(file, side=SIDE_AT_MOST))
    tinted = Image.blend(picture, Image.new("RGB", picture.size, _TINT[:3]), _TINT[3] / 255)
    marked = grey_mask(mask, side=SIDE_AT_MOST).resize(picture.size, Image.Resampling.BILINEAR)
    within = marked.filter(ImageFilter.MinFilter(_RIM))
    # Of these two, only rims stay visible.
    picture.paste(_EDGE[:3], mask=marked.filter(ImageFilter.MaxFilter(_RIM)))
    picture.paste(_OUTLINE[:3], mask=marked)
    picture.paste(tinted, mask=within)
    return _jpeg(picture)


class _Grid:
    """Draws a grid on a transparent layer of a size in pixels."""

    def __init__(self, draw: ImageDraw, size: tuple[int, int], area: Area) -> None:
        self._draw = draw
        self._area = area
        self._columns = [size[0] * at // area.side for at in range(area.side + 1)]
        self._rows = [size[1] * at // area.side for at in range(area.side + 1)]
        cell_width, cell_height = size[0] / area.side, size[1] / area.side
        # A third of a square cell; more in wide and tall pictures, whose cells are small on a phone.
        self._font = _font(
            max(11, round(min(max(cell_width, cell_height) * 0.34, cell_width * 0.55, cell_height * 0.7, 46)))
        )

    def draw(self) -> None:
        for cell in self._area.cells:
            self._draw.rectangle(self._box(cell), fill=_TINT)
        self._lines()
        for fill, half in ((_EDGE, 5), (_OUTLINE, 3)):
            for left, top, right, bottom in self._edges():
                self._draw.rectangle((left - half, top - half, right + half, bottom + half), fill=fill)
        for cell in range(1, self._area.side**2 + 1):
            self._number(cell)

    def _place(self, cell: int) -> tuple[int, int]:
        return divmod(cell - 1, self._area.side)

    def _box(self, cell: int) -> tuple[int, int, int, int]:
        row, column = self._place(cell)
        return (self._columns[column], self._rows[row], self._columns[column + 1] - 1, self._rows[row + 1] - 1)

    def _lines(self) -> None:
        right, bottom = self._columns[-1], self._rows[-1]
        for fill, off, wide in ((_SHADOW, 0, 4), (_LINE, 0, 2)):
            for x in self._columns[1:-1]:
                self._draw.line((x + off, 0, x + off, bottom), fill=fill, width=wide)
            for y in self._rows[1:-1]:
                self._draw.line((0, y + off, right, y + off), fill=fill, width=wide)

    def _edges(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the edges between marked cells and neighbours that are not marked, as lines."""
        side, marked = self._area.side, self._area.cells
        for cell in marked:
            row, column = self._place(cell)
            left, right = self._columns[column], self._columns[column + 1]
            top, bottom = self._rows[row], self._rows[row + 1]
            if row == 0 or cell - side not in marked:
                yield (left, top, right, top)
            if row == side - 1 or cell + side not in marked:
                yield (left, bottom, right, bottom)
            if column == 0 or cell - 1 not in marked:
                yield (left, top, left, bottom)
            if column == side - 1 or cell + 1 not in marked:
                yield (right, top, right, bottom)

    def _number(self, cell: int) -> None:
        """Draw the number of a cell on a badge in the middle of the cell."""
        left, top, right, bottom = self._box(cell)
        middle = ((left + right) / 2, (top + bottom) / 2)
        words = str(cell)
        box = self._draw.textbbox(middle, words, font=self._font, anchor="mm", stroke_width=1)
        air = max(4, round((box[3] - box[1]) * 0.35))
        half_height = (box[3] - box[1]) / 2 + air
        half_width = max(half_height, (box[2] - box[0]) / 2 + air)
        badge = (middle[0] - half_width, middle[1] - half_height, middle[0] + half_width, middle[1] + half_height)
        fill = _BADGE_MARKED if cell in self._area.cells else _BADGE
        self._draw.rounded_rectangle(badge, radius=half_height, fill=fill)
        self._draw.text(middle, words, font=self._font, anchor="mm", fill=_DIGITS, stroke_width=1, stroke_fill=_DIGITS)


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _enlarged(picture: Image) -> Image:
    """Enlarge a small picture so that a grid has room on it, in at most SIDE_AT_MOST pixels a side."""
    from PIL import Image

    scale = min(_SIDE_AT_LEAST / min(picture.size), SIDE_AT_MOST / max(picture.size))
    if scale <= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _opaque(picture: Image) -> Image:
    """Lay a picture with transparency on a chequerboard."""
    if picture.mode != "RGBA":
        return picture
    from PIL import Image, ImageDraw

    tile = Image.new("RGB", (2 * _CHEQUER_SIDE, 2 * _CHEQUER_SIDE), _CHEQUERS[0])
    for x, y in ((0, 1), (1, 0)):
        corner = (x * _CHEQUER_SIDE, y * _CHEQUER_SIDE)
        ImageDraw.Draw(tile).rectangle(
            (*corner, corner[0] + _CHEQUER_SIDE - 1, corner[1] + _CHEQUER_SIDE - 1), fill=_CHEQUERS[1]
        )
    board = Image.new("RGB", picture.size)
    for x in range(0, picture.width, tile.width):
        for y in range(0, picture.height, tile.height):
            board.paste(tile, (x, y))
    board.paste(picture, mask=picture.getchannel("A"))
    return board


def _jpeg(picture: Image, quality: int = _QUALITY) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
