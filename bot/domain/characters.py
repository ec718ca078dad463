"""Decides which characters are text, and which are visible.

Both use ranges of code points rather than Python's Unicode tables. So a character that the tables do not have yet, such
as a new emoji, is treated as text.
"""

from __future__ import annotations

import re
import unicodedata

# Controls, line breaks, lone surrogates, private use, noncharacters.
_NO_CHARACTERS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff" + "".join(
    f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(15)
)
# Overrides of the writing direction.
_TURNS = "\u202a-\u202e\u2066-\u2069"
# Zero-width spaces, direction marks and other invisible formatting characters. Joiners, variation selectors and tags
# are excluded, because they combine several characters into one emoji.
_FORMATTING = "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
# Invisible characters that are not white space: fillers, blank patterns, joiners, selectors, tags.
_BLANK = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

NO_TEXT = re.compile(f"[{_NO_CHARACTERS}{_TURNS}\u200b\ufeff]")
"""Characters that become spaces in a prompt."""
NOT_SHOWN = re.compile(f"[{_NO_CHARACTERS}{_TURNS}{_FORMATTING}]")
"""Characters that are removed before a person's text is shown."""
INVISIBLE = re.compile(f"[{_NO_CHARACTERS}{_TURNS}{_FORMATTING}{_BLANK}]")
"""Invisible characters besides white space."""

DASHES = (
    "-\u02d7\u058a\u05be\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\u2500\u2501\u2796\u2e3a\u2e3b"
    "\u30fc\ufe31\ufe58\ufe63\uff0d\uff70"
)
"""Hyphens, dashes and minus signs that keyboards produce, and the long vowel mark of Japanese keyboards."""


def visible(text: str) -> bool:
    """Return whether any part of the text is visible. A combining mark alone is not."""
    return any(not sign.isspace() and unicodedata.category(sign)[0] != "M" for sign in INVISIBLE.sub("", text))


def clean(text: str) -> str:
    """Replace every character that is not text by a space, which preserves positions."""
    return NO_TEXT.sub(" ", text)


def typed(text: str | None) -> str | None:
    """Normalise the spaces in a text field, as in a prompt. Returns None if nothing in it is visible."""
    found = " ".join(clean(text or "").split())
    return found if visible(found) else None
