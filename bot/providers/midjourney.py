"""Midjourney's prompt: one text with words and ``--flags``, in which all of its options are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from bot.providers.base import ImageRequest
from bot.providers.errors import Reason, Refused
from bot.providers.operations import Size

IMAGES = 4
"""The number of images that every request makes."""

RATIOS: Mapping[Size, str] = {
    Size(1024, 1024): "1:1",
    Size(1344, 896): "3:2",
    Size(896, 1344): "2:3",
    Size(1456, 816): "16:9",
    Size(816, 1456): "9:16",
    Size(1232, 928): "4:3",
    Size(928, 1232): "3:4",
    Size(1536, 768): "2:1",
    Size(768, 1536): "1:2",
    Size(1680, 720): "21:9",
    Size(720, 1680): "9:21",
}
"""The sizes to offer, each with the value of ``--ar`` for it. Midjourney takes a ratio and chooses the pixels."""

_NUMBER = r"\d{1,4}(?:\.\d{1,2})?"
_WORD = r"[a-z0-9]{1,12}"
_ALLOWED = {
    "v": _NUMBER,
    "version": _NUMBER,
    "niji": _NUMBER,
    "stylize": _NUMBER,
    "s": _NUMBER,
    "chaos": _NUMBER,
    "c": _NUMBER,
    "weird": _NUMBER,
    "w": _NUMBER,
    "style": _WORD,
    "tile": None,
}
"""The flags that people may write into their words, with the pattern of their value. None of them changes the price."""
_SAME = {"version": "v", "niji": "v", "stylize": "s", "chaos": "c", "weird": "w"}
"""Flags that set the same as another one. Of several, the last one counts."""
_RATIO = r"\d{1,4}(?::\d{1,4})?"
_ANYTHING = r"\S+"
_REMOVED = {
    # The bot sets these itself.
    "ar": _RATIO,
    "aspect": _RATIO,
    # These change the price, the number of images or the account.
    "q": _NUMBER,
    "quality": _NUMBER,
    "r": _NUMBER,
    "repeat": _NUMBER,
    "fast": None,
    "turbo": None,
    "relax": None,
    "draft": None,
    "hd": None,
    "video": None,
    "stealth": None,
    "public": None,
    # These take a picture, or the style of an account.
    "iw": _NUMBER,
    "sref": _ANYTHING,
    "cref": _ANYTHING,
    "oref": _ANYTHING,
    "p": None,
    "profile": _ANYTHING,
    "seed": r"\d{1,12}",
    "sameseed": r"\d{1,12}",
    "stop": _NUMBER,
}
_NO = "no"
_KNOWN = {**_ALLOWED, **_REMOVED}

_FLAG = re.compile(r"(?P<dashes>-{2,}|[—–]+)(?P<name>[^\W\d_][\w-]*)(?:=(?P<value>.*))?", re.DOTALL)
# Midjourney would start from the picture at this address.
_LINK = re.compile(r"\W*https?://\S*", re.IGNORECASE)
_ONLY_DASHES = re.compile(r"-{2,}")
# Midjourney makes a job of each combination of the words in braces, and charges for each.
_BRACES = str.maketrans("{}", "()")


@dataclass(frozen=True, slots=True)
class Words:
    """A text without its flags: the words, the allowed flags as they are sent, and the words after ``--no``."""

    text: str
    flags: tuple[str, ...] = ()
    left_out: str = ""


def read_words(text: str) -> Words:
    """Take the flags and the links out of a text.

    Midjourney also accepts a long dash in place of ``--``, because phones write one. So a long dash starts a flag if
    the name of a known flag follows it.
    """
    # Forms are UTF-8, which cannot encode a lone surrogate.
    rest = text.encode("utf-8", "ignore").decode().translate(_BRACES).split()[::-1]
    words: list[str] = []
    left_out: list[str] = []
    flags: dict[str, str] = {}
    target = words
    while rest:
        word = rest.pop()
        if _LINK.match(word):
            continue
        found = _FLAG.fullmatch(word)
        if found is None or (not found["dashes"].startswith("-") and found["name"].lower() not in _KNOWN):
            target.append("–" if _ONLY_DASHES.fullmatch(word) else word)
            continue
        name = found["name"].lower()
        target = left_out if name == _NO else words
        pattern = _KNOWN.get(name)
        value = found["value"] or ""
        if pattern is not None and not value and rest and re.fullmatch(pattern, rest[-1], re.IGNORECASE):
            value = rest.pop()
        if name in _ALLOWED and (pattern is None or re.fullmatch(pattern, value, re.IGNORECASE)):
            flags[_SAME.get(name, name)] = f"--{name} {value}" if pattern is not None else f"--{name}"
        elif name not in _KNOWN and value:
            target.append(value)
    return Words(" ".join(words), tuple(flags.values()), " ".join(left_out))


def ratio_of(size: Size) -> str:
    """The value of ``--ar`` for a size."""
    divisor = gcd(size.width, size.height)
    return RATIOS.get(size) or f"{size.width // divisor}:{size.height // divisor}"


def prompt_of(request: ImageRequest) -> str:
    """Build the whole prompt: the words, the ratio, the allowed flags, and what to leave out at the end.

    Raises Refused if there are no words besides flags and links.
    """
    words = read_words(", ".join(part.text for part in request.prompts if part.weight > 0))
    if not any(sign.isalnum() for sign in words.text):
        raise Refused(Reason.NO_WORDS, detail="a prompt without words")
    negative = [read_words(request.negative or "").text, words.left_out]
    parts = [words.text, f"--ar {ratio_of(request.size)}", *words.flags]
    if left_out := ", ".join(filter(None, negative)):
        parts.append(f"--no {left_out}")
    return " ".join(parts)
