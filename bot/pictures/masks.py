"""Makes masks: PNG files in exactly the size of the picture as it is sent. White: repaint, black: keep.

They are 8-bit grey. For a service that looks at the alpha channel, they have one, and colours. Transparent: repaint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.areas import Area
from bot.pictures import decoding
from bot.pictures.fitting import laid, placed_on
from bot.providers.operations import Fit, MaskKind, PictureFile, Size

if TYPE_CHECKING:
    from PIL.Image import Image

GROWN = 5
"""By how many pixels an area is grown on each side, so that the edge of a thing is repainted with it."""
FEATHERED = 2.5
"""The standard deviation in pixels of the blur of an area's edges, so that no seam shows."""

# Values up to these count as black and as white: files with loss are never exact.
_BLACK, _WHITE = 40, 215
# From this part of a mask, greys and colours are no mere edges.
_UNCLEAR = 0.25


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask that was written. ``marked`` is the part of the picture that is repainted, from 0 to 1.

    ``unclear`` means that the file it was made from does not look like a mask: much of it is neither black nor white.
    """

    file: PictureFile
    marked: float
    nothing_marked: bool
    all_marked: bool
    unclear: bool = False


def area_mask(
    area: Area, aside: Path, *, source: Size, sent: Size, fit: Fit | None, kind: MaskKind = MaskKind.WHITE
) -> Mask:
    """Write the mask of an area of a picture to ``aside``, grown and feathered. Blocks. Raises OSError.

    ``source`` is the size of the stored picture, and ``sent`` that of the fitted one; ``fit`` is how it was fitted.
    """
    from PIL import Image, ImageChops, ImageDraw, ImageFilter

    place = placed_on(sent, source, fit)
    cells = Image.new("L", (sent.width, sent.height))
    grown = cells.copy()
    exact, wider = ImageDraw.Draw(cells), ImageDraw.Draw(grown)
    for cell in area.cells:
        row, column = divmod(cell - 1, area.side)
        left, right = (place.left + place.scaled.width * at // area.side for at in (column, column + 1))
        top, bottom = (place.top + place.scaled.height * at // area.side for at in (row, row + 1))
        if right > left and bottom > top:
            exact.rectangle((left, top, right - 1, bottom - 1), fill=255)
            wider.rectangle((left - GROWN, top - GROWN, right - 1 + GROWN, bottom - 1 + GROWN), fill=255)
    feathered = grown.filter(ImageFilter.GaussianBlur(FEATHERED))
    return _written(ImageChops.lighter(cells, feathered), aside, kind)


def file_mask(
    file: Path, aside: Path, *, source: Size, sent: Size, fit: Fit | None, kind: MaskKind = MaskKind.WHITE
) -> Mask:
    """Write the mask that a person attached, a stored picture, to ``aside``. Blocks.

    White is repainted, black is kept, and grey is repainted partly; colours count as their brightness. What is
    transparent is kept. A mask of another size is stretched to ``source``, then fitted as the picture was.
    Raises Undecodable for the file, and OSError for the disk.
    """
    from PIL import Image

    mask = grey_mask(file)
    unclear = _part(mask, _BLACK, _WHITE) > _UNCLEAR
    if mask.size != (source.width, source.height):
        mask = mask.resize((source.width, source.height), Image.Resampling.BILINEAR)
    black = Image.new("L", (1, 1))
    return _written(laid(mask, placed_on(sent, source, fit), border=black), aside, kind, unclear=unclear)


def grey_mask(file: Path, *, side: int | None = None) -> Image:
    """Read a mask file as brightness, at most ``side`` pixels a side; transparent is black. Raises Undecodable."""
    from PIL import Image

    picture = decoding.decode(file, side=side)
    mask = picture.convert("L")
    if picture.mode == "RGBA":
        return Image.composite(mask, Image.new("L", mask.size), picture.getchannel("A"))
    return mask


def _part(mask: Image, above: int, below: int) -> float:
    """The part of the pixels whose values are between these two."""
    counts = mask.histogram()
    return sum(counts[above + 1 : below]) / (mask.width * mask.height)


def _written(mask: Image, aside: Path, kind: MaskKind, *, unclear: bool = False) -> Mask:
    counts = mask.histogram()
    pixels = mask.width * mask.height
    with aside.open("wb") as stream:
        (_with_alpha(mask) if kind is MaskKind.ALPHA else mask).save(stream, "PNG", compress_level=3)
        length = stream.tell()
    file = PictureFile(aside, "image/png", Size(*mask.size), length)
    marked = sum(value * count for value, count in enumerate(counts)) / (255 * pixels)
    nothing, everything = sum(counts[_BLACK + 1 :]) == 0, sum(counts[:_WHITE]) == 0
    return Mask(file, marked, nothing_marked=nothing, all_marked=everything, unclear=unclear)


def _with_alpha(mask: Image) -> Image:
    """The mask in colours, transparent where anything is marked: a service repaints only what is fully transparent.

    Some imitators of that service look at the brightness instead, so it stays.
    """
    coloured = mask.convert("RGB")
    coloured.putalpha(mask.point([255 if value <= _BLACK else 0 for value in range(256)]))
    return coloured
