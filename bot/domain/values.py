"""The values of options: reads them from text, and writes them as a person would type them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from bot.domain.characters import DASHES, typed, visible
from bot.domain.sizes import Ratio
from bot.providers.loras import Loras
from bot.providers.operations import Size

Value: TypeAlias = str | int | float | Size | Ratio | Loras
"""The value of an option."""
Values: TypeAlias = Mapping[str, Value]
"""The values of the options that are set, by option name."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,12}", re.ASCII)
_MINUS_SIGNS = str.maketrans("−–", "--")
_NOTHING = frozenset({"", "none", "no", "nothing", "clear", "reset"})


def whole_number(text: str) -> int:
    """Parse a whole number of at most 12 digits. Raises ValueError."""
    # Chinese and Japanese keyboards produce full-width digits.
    text = unicodedata.normalize("NFKC", text)
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(f"not a whole number: {text!r}")
    return int(text)


def decimal_number(text: str) -> float:
    """Parse a number such as ``7.5`` or ``-0.5``. Raises ValueError."""
    text = text.translate(_MINUS_SIGNS)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    return float(text) + 0.0  # -0 becomes 0


def value_text(value: Value) -> str:
    """Format a value as a person would type it. Numbers never have an exponent: ``2``, ``0.5``."""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return str(value)


def names_in(value: str | Loras) -> tuple[str, ...]:
    """Return the names that the value of an option has: one, or those of all LoRAs."""
    return (value,) if isinstance(value, str) else tuple(lora.name for lora in value.each)


def means_nothing(text: str) -> bool:
    """Return whether this text clears a setting: ``none``, a dash and the like."""
    wanted = (typed(text) or "").strip(f"\"'“”.{DASHES} ").casefold()
    return visible(text) and wanted in _NOTHING
