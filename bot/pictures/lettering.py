"""Text in drawings: which font can write it, and how much of it fits."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

ELLIPSIS = "…"
_UNASSIGNED = "\U0010ffff"
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Mn", "Me"})


class Lettering:
    """The fonts of one drawing in one size, best first. Not for use by several threads."""

    def __init__(self, size: int) -> None:
        self._fonts = _fonts(size)
        self._missing = [_mask(font, _UNASSIGNED) for font in self._fonts]

    def font(self, text: str) -> FreeTypeFont | None:
        """Return the first font that has every character of the text, or None."""
        for font, missing in zip(self._fonts, self._missing, strict=True):
            if all(each.isspace() or _mask(font, each) != missing for each in set(text)):
                return font
        return None

    def writable(self, spellings: Iterable[str]) -> str:
        """Return the first of the spellings that a font can write; an empty text if there is none.

        Signs that no font has, such as emoji, are omitted if letters or digits remain and none of them is lost.
        """
        for spelling in spellings:
            text = " ".join(_plain(spelling).split())
            if text and self.font(text) is not None:
                return text
            rest = "".join(each for each in text if each.isalnum() or self.font(each) is not None)
            rest = " ".join(rest.split())
            if any(map(str.isalnum, rest)) and self.font(rest) is not None:
                return rest
        return ""

    def fitted(self, text: str, width: float) -> tuple[str, FreeTypeFont]:
        """Shorten the text to this width in pixels. Returns it with its font, which exists for a writable text."""
        font = self.font(text) or self._fonts[0]
        if font.getlength(text) <= width:
            return text, font
        end = len(text)
        while end > 1 and font.getlength(text[:end].rstrip() + ELLIPSIS) > width:
            end -= 1
        return text[:end].rstrip() + ELLIPSIS, font


def _plain(text: str) -> str:
    """The text in compatibility form, without control characters and without marks that do not belong to a letter."""
    composed = unicodedata.normalize("NFKC", text)
    return "".join(each for each in composed if unicodedata.category(each) not in _INVISIBLE or each.isspace())


def _fonts(size: int) -> list[FreeTypeFont]:
    from PIL import ImageFont

    first = ImageFont.load_default(size)
    files = [file for file in (_more_letters(),) if file is not None]
    found = [first] if isinstance(first, ImageFont.FreeTypeFont) else []
    return [*found, *(ImageFont.truetype(file, size) for file in files)]


@cache
def _more_letters() -> Path | None:
    """A font with Greek, Cyrillic, Arabic, Hebrew and more, which the plotting library comes with."""
    # Finding the package does not import it.
    package = importlib.util.find_spec("matplotlib")
    if package is None or not package.submodule_search_locations:
        return None
    file = Path(next(iter(package.submodule_search_locations))) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return file if file.is_file() else None


def _mask(font: FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
