"""Sizes and ratios: parsing, naming, and finding the nearest size of an engine."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from bot.providers.base import Engine, SizeGrid
from bot.providers.operations import Size
from bot.text import Text, t

# Discord's limit on the choices of an autocomplete.
SUGGESTIONS = 25

# A size is named after a common ratio that is off by no more than this: 1344x768 is 7:4 and is called 16:9.
_SAME_RATIO = math.log(1.04)
# The size for a ratio may be off by no more than this.
_NEAR_RATIO = math.log(1.2)
# A wrong ratio counts this much more than a wrong number of pixels when a size is chosen on a grid.
_RATIO_BEFORE_PIXELS = 8.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """Width to height, as typed: ``32:18`` stays ``32:18``."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Ratio:
        """Read ``16:9``; both sides are whole numbers from 1 to 9999. Raises ValueError."""
        width, separator, height = text.partition(":")
        sides = (width.strip(), height.strip())
        if not separator or not all(side.isascii() and side.isdigit() and len(side) <= 4 for side in sides):
            raise ValueError(f"not a ratio: {text!r}")
        ratio = cls(int(sides[0]), int(sides[1]))
        if 0 in (ratio.width, ratio.height):
            raise ValueError(f"not a ratio: {text!r}")
        return ratio

    @property
    def logarithm(self) -> float:
        """Equal steps of this are equal changes of shape; turned on its side, a shape has the negative of it."""
        return math.log(self.width / self.height)

    def lowest(self) -> Ratio:
        """The same in its lowest terms."""
        divisor = gcd(self.width, self.height)
        return Ratio(self.width // divisor, self.height // divisor)

    def __str__(self) -> str:
        return f"{self.width}:{self.height}"


_COMMON_RATIOS = tuple(Ratio.parse(text) for text in "1:1 5:4 4:5 4:3 3:4 3:2 2:3 16:9 9:16 2:1 1:2 21:9 9:21".split())


SHAPES: Mapping[str, Ratio] = {
    "square": Ratio(1, 1),
    "landscape": Ratio(3, 2),
    "wide": Ratio(16, 9),
    "portrait": Ratio(2, 3),
    "tall": Ratio(9, 16),
    "phone": Ratio(9, 16),
}
"""The words for shapes that people can type in place of a ratio."""


def parse_shape(text: str) -> Size | Ratio:
    """Read a size or a shape: ``1024x768``, ``16:9`` or a word such as ``wide``. Raises ValueError."""
    text = unicodedata.normalize("NFKC", text)  # Chinese and Japanese keyboards make wider digits and colons.
    named = SHAPES.get(text.strip().lower())
    if named is not None:
        return named
    return Ratio.parse(text) if ":" in text else Size.parse(text)


def ratio_of(size: Size) -> Ratio:
    """The exact ratio of a size, in its lowest terms."""
    return Ratio(size.width, size.height).lowest()


def ratio_name(size: Size) -> str:
    """What people call the shape of a size: ``square``, a common ratio that is close by, or else the exact one."""
    return str(_ratio_text(size))


def size_text(size: Size) -> Text:
    """A size with the name of its shape: ``1344x768 (16:9)``."""
    return t("{size} ({shape})", size=str(size), shape=_ratio_text(size))


def _ratio_text(size: Size) -> Text | str:
    ratio = _common_ratio(size)
    return t("square") if ratio == Ratio(1, 1) else str(ratio)


def nearest_size(engine: Engine, ratio: Ratio) -> Size | None:
    """The engine's size that comes nearest to a ratio, or None if it has none of about that shape.

    A size that is named after the ratio comes first. On a grid, the size with about as many pixels as the engine's
    default is chosen, so that a shape alone does not change the price.
    """
    wanted = ratio.logarithm
    named = [size for size in engine.sizes if _common_ratio(size).lowest() == ratio.lowest()]
    candidates = named or [*engine.sizes, *_grid_sizes(engine)]

    def distance(size: Size) -> tuple[float, Size]:
        shape = abs(_shape(size) - wanted)
        pixels = abs(math.log(size.pixels / engine.default_size.pixels)) if engine.grid is not None else 0.0
        return (_RATIO_BEFORE_PIXELS * shape + pixels, size)

    best = min(candidates, key=distance)
    return best if abs(_shape(best) - wanted) <= _NEAR_RATIO else None


def closest_size(engine: Engine, shape: Size | Ratio) -> Size:
    """The engine's size that comes closest to one that it does not make, however far away that is.

    The shape counts more than the number of pixels. For a ratio, these are the pixels of the engine's default size.
    """
    if 0 in (shape.width, shape.height):
        return engine.default_size
    wanted = Ratio(shape.width, shape.height).logarithm
    pixels = shape.pixels if isinstance(shape, Size) else engine.default_size.pixels

    def distance(size: Size) -> tuple[float, Size]:
        off = abs(_shape(size) - wanted)
        return (_RATIO_BEFORE_PIXELS * off + abs(math.log(size.pixels / pixels)), size)

    return min([*engine.sizes, *_grid_sizes(engine)], key=distance)


def sizes_for(engine: Engine, text: str) -> tuple[Size, ...]:
    """The sizes to suggest while ``text`` is being typed, best first, at most 25.

    A complete size or ratio that the engine takes comes first, whether or not it is on the engine's list.
    """
    typed = text.strip().lower().replace("×", "x")
    found: list[Size] = []
    try:
        shape = parse_shape(typed)
    except ValueError:
        pass  # still half typed
    else:
        size = nearest_size(engine, shape) if isinstance(shape, Ratio) else shape
        if size is not None and engine.takes_size(size):
            found.append(size)
    found += sizes_matching(engine.sizes, typed)
    return tuple(dict.fromkeys(found))[:SUGGESTIONS]


def sizes_matching(sizes: Iterable[Size], text: str) -> list[Size]:
    """The sizes that match a half-typed size, ratio or word for a shape: ``1344``, ``16:``, ``portr``.

    For a word, all sizes of its orientation match; those nearest to its ratio come first.
    """
    typed = text.strip().lower().replace("×", "x")
    every = list(sizes)
    found = [size for size in every if typed in str(size) or ratio_name(size).startswith(typed)]
    for ratio in [ratio for word, ratio in SHAPES.items() if typed and word.startswith(typed)]:
        alike = [size for size in every if _orientation(ratio_of(size)) == _orientation(ratio)]
        found += sorted(alike, key=lambda size: abs(ratio_of(size).logarithm - ratio.logarithm))
    return list(dict.fromkeys(found))


def _orientation(ratio: Ratio) -> int:
    """1 for landscape, -1 for portrait, 0 for about square."""
    if abs(ratio.logarithm) <= _SAME_RATIO:
        return 0
    return 1 if ratio.width > ratio.height else -1


def _common_ratio(size: Size) -> Ratio:
    """The common ratio that a size is named after, or its exact one."""
    exact = ratio_of(size)
    nearest = min(_COMMON_RATIOS, key=lambda ratio: abs(ratio.logarithm - exact.logarithm))
    return nearest if abs(nearest.logarithm - exact.logarithm) <= _SAME_RATIO else exact


def _shape(size: Size) -> float:
    """The same as ``ratio_of(size).logarithm``, which is slower: a search compares hundreds of sizes."""
    return math.log(size.width / size.height)


def _grid_sizes(engine: Engine) -> tuple[Size, ...]:
    return () if engine.grid is None else _sizes_on(engine.grid)


@lru_cache(maxsize=16)
def _sizes_on(grid: SizeGrid) -> tuple[Size, ...]:
    """All sizes on a grid; for panels and price lists, they are searched for several engines at once."""
    sides = range(grid.low, grid.high + 1, grid.step)
    return tuple(Size(width, height) for width in sides for height in sides)
