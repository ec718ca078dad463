"""How a person's jobs are found by words, which databases do not agree on: in any letter case of any script, with or
without accents, and in whichever form of Unicode they were typed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

WORDS_AT_MOST = 4000
"""So much of a prompt is searched; no prompt is longer."""

DOT_ABOVE = "\u0307"
"""What is left of a Turkish capital İ in small letters, which only older rows still hold."""

_ESCAPE = "\\"
# Accents of Latin, Greek and Cyrillic letters, and signs without a shape; marks of other scripts are letters there.
_LEFT_OUT = re.compile("[\u0300-\u036f\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")


def words_of(options: Mapping[str, Any]) -> str:
    """What a job with these options is found by: the words of its prompt, and those that were added to it."""
    return folded(f"{options.get('prompt', '')} {options.get('added') or ''}")[:WORDS_AT_MOST]


def folded(text: str) -> str:
    """The text without letter case, accents and other forms of the same letters, and with single spaces.

    So it is stored, and so it is looked for.
    """
    bare = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return " ".join(unicodedata.normalize("NFC", bare).split())


def patterns(text: str) -> list[str]:
    """The LIKE patterns of whatever holds the text; what has a meaning in a pattern loses it. Escaped by ``\\``.

    One is that of :func:`folded`. The others find rows that were stored by an older version, which changed letter case
    alone: they may hold accents in either form. ``DOT_ABOVE`` has to be taken out of what is compared with them.
    """
    older = (" ".join(unicodedata.normalize(form, text).casefold().split()) for form in ("NFC", "NFD"))
    wanted = dict.fromkeys([folded(text), *(each.replace(DOT_ABOVE, "") for each in older)])
    return [_pattern(each[:WORDS_AT_MOST]) for each in wanted]


def _pattern(wanted: str) -> str:
    for sign in (_ESCAPE, "%", "_"):
        wanted = wanted.replace(sign, _ESCAPE + sign)
    return f"%{wanted}%"
