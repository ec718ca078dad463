"""Words for cards: escaped text, counts and times. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from bot.domain.characters import NOT_SHOWN
from bot.domain.edits import NAMES
from bot.domain.money import FREE, Price
from bot.providers.operations import Operation
from bot.text import Message, Text, amount_text, message, relative

JOBS = message("count.jobs", "{count} job", "{count} jobs")
IMAGES = message("count.images", "{count} image", "{count} images")
THREADS = message("count.threads", "{count} thread", "{count} threads")

FROM_ABOUT = message("price.from_about", "~{price:amount}")
FROM_TO = message("price.from_to", "{low:amount}–{high:amount}")

# Characters that can start markup anywhere: emphasis, code, spoilers, links, mentions, timestamps, emoji.
_MARKS = frozenset("\\`*_~|<>[]@&")
# Characters that can start a heading, small text, a list or a rule at the beginning of a line.
_LEADING = re.compile(r"(?P<digits>\d{0,9})(?P<mark>[-#+=.)])")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SPACE = re.compile(r"\s+")
_ACCENTS_AT_MOST = 4


def units(text: str) -> int:
    """The length in UTF-16 code units, as Discord counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain(text: str, limit: int) -> str:
    """One line without invisible characters, at most ``limit`` long: for alt text and autocomplete."""
    return _cut(_one_line(text), limit)


def safe(text: str, limit: int) -> str:
    """Escape all markup: the text cannot format, link, mention, show a time or break a line.

    The result is at most ``limit`` long, backslashes included, and ends in ``…`` if it was cut.
    """
    line = _one_line(text)
    lead = _LEADING.match(line)
    parts = []
    for place, sign in enumerate(line):
        in_front = lead is not None and place == lead.start("mark")
        # Two slashes would turn an address into a link.
        after_slash = sign == "/" and place > 0 and line[place - 1] == "/"
        parts.append(f"\\{sign}" if sign in _MARKS or in_front or after_slash else sign)
    return _cut(parts, limit)


def operation_name(code: str) -> str:
    """What people call an operation: ``Change a part`` for ``inpaint``. A code of a newer version stays as it is."""
    return str(NAMES[Operation(code)]) if code in NAMES else code


def style_name(style: str) -> str:
    """A style as people write it: ``Neon punk`` for ``neon-punk``. Names in another form stay as they are."""
    return style.replace("-", " ").capitalize() if _SLUG.fullmatch(style) else style


def _one_line(text: str) -> str:
    kept: list[str] = []
    accents = 0
    for sign in NOT_SHOWN.sub("", _SPACE.sub(" ", text)).strip():
        accents = accents + 1 if unicodedata.category(sign) in {"Mn", "Me"} else 0
        if accents <= _ACCENTS_AT_MOST:
            kept.append(sign)
    return _SPACE.sub(" ", "".join(kept)).strip()


def _cut(parts: Iterable[str], limit: int) -> str:
    """Join the parts; if they do not fit, join as many as possible and an ellipsis."""
    whole = list(parts)
    text = "".join(whole)
    if units(text) <= limit:
        return text
    kept: list[str] = []
    room = limit - 1
    for part in whole:
        room -= units(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept).rstrip() + "…" if limit > 0 else ""


def moment(milliseconds: int, style: str = "") -> str:
    """A timestamp that each reader's client formats; relative without a ``style``."""
    return f"<t:{milliseconds // 1000}:{style}>" if style else relative(milliseconds)


def price_text(price: Price) -> str | Text | Message:
    """A price as short as a button needs it: the number of credits."""
    if not price.high:
        return FREE
    if price.low != price.high:
        return FROM_TO(low=price.low, high=price.high)
    return amount_text(price.high) if price.exact else FROM_ABOUT(price=price.high)
