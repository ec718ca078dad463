"""How a person's jobs are found by words: in any letter case of any script, which databases do not agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS_AT_MOST = 4000
"""So much of a prompt is searched; no prompt is longer."""

_ESCAPE = "\\"


def words_of(options: Mapping[str, Any]) -> str:
    """What a job with these options is found by: the words of its prompt."""
    return folded(str(options.get("prompt", "")))[:WORDS_AT_MOST]


def folded(text: str) -> str:
    """The text without letter case and with single spaces, as it is stored and as it is looked for."""
    return " ".join(text.casefold().split())


def pattern(text: str) -> str:
    """The LIKE pattern of whatever holds the text; what has a meaning in a pattern loses it. Escaped by ``\\``."""
    wanted = folded(text)[:WORDS_AT_MOST]
    for sign in (_ESCAPE, "%", "_"):
        wanted = wanted.replace(sign, _ESCAPE + sign)
    return f"%{wanted}%"
