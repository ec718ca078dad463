"""Which characters are text, which can be seen, and which of them look alike.

What is removed and what cannot be seen is decided by ranges of code points: a character that this Python's Unicode
tables do not know yet, such as a new emoji, is text like any other.
"""

from __future__ import annotations

import re
import unicodedata

# Controls, breaks of lines, half pairs, private use, noncharacters.
_NO_CHARACTERS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff" + "".join(
    f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(15)
)
# What turns the direction of writing for all that follows.
_TURNS = "\u202a-\u202e\u2066-\u2069"
# Spaces of no width, marks of direction and other formatting that has no shape; joiners, variation selectors and tags
# are not among them, since they make one emoji of several characters.
_FORMATTING = "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
# Characters without a shape that are not white space: fillers, blank patterns, joiners, selectors, tags.
_BLANK = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

NO_TEXT = re.compile(f"[{_NO_CHARACTERS}{_TURNS}\u200b\ufeff]")
"""What is no text in a prompt."""
NOT_SHOWN = re.compile(f"[{_NO_CHARACTERS}{_TURNS}{_FORMATTING}]")
"""What is left out wherever people's text is shown."""
INVISIBLE = re.compile(f"[{_NO_CHARACTERS}{_TURNS}{_FORMATTING}{_BLANK}]")
"""What cannot be seen, besides white space."""

DASHES = (
    "-\u02d7\u058a\u05be\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\u2500\u2501\u2796\u2e3a\u2e3b"
    "\u30fc\ufe31\ufe58\ufe63\uff0d\uff70"
)
"""Signs that people type, or that keyboards make, for a hyphen or a dash; also the long vowel of Japanese keyboards."""


def visible(text: str) -> bool:
    """Whether anything of the text can be seen: a combining mark alone is nothing."""
    return any(not sign.isspace() and unicodedata.category(sign)[0] != "M" for sign in INVISIBLE.sub("", text))


def clean(text: str) -> str:
    """Put a space in place of every character that is not text; nothing changes its position."""
    return NO_TEXT.sub(" ", text)


def typed(text: str | None) -> str | None:
    """What stands in a text field, tidied like a prompt; None where nothing of it can be seen."""
    found = " ".join(clean(text or "").split())
    return found if visible(found) else None
