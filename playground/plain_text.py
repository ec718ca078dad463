"""Converts a message to plain text for a terminal, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

ROW, BUTTON, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER = 1, 2, 9, 10, 12, 13, 14, 17
ALT_AT_MOST = 60

_SMALL_PRINT = re.compile(r"^-# |^#{1,3} ", re.MULTILINE)
_MARKS = re.compile(r"\*\*|__|~~|`")
_ESCAPED = re.compile(r"\\(?=[^\w\s])")
_MENTION = re.compile(r"<@!?(\d+)>")
_COMMAND = re.compile(r"<(/[^:>]+):\d+>")
_TIME = re.compile(r"<t:(\d+)(?::([tTdDfFR]))?>")
# How Discord's timestamp styles look here; R is relative to now.
_STYLES = {"t": "%H:%M", "T": "%H:%M:%S", "d": "%Y-%m-%d", "D": "%Y-%m-%d"}
_WHOLE = "%Y-%m-%d %H:%M"


def lines(components: Iterable[Mapping[str, Any]], *, now: float, names: Mapping[int, str]) -> list[str]:
    """The text, images and buttons of components. ``now`` is Unix seconds, ``names`` maps ids to names."""
    said: list[str] = []
    for component in components:
        kind = component.get("type")
        inner = component.get("components", [])
        if kind == TEXT:
            said += words(component["content"], now=now, names=names).splitlines()
        elif kind == GALLERY:
            said += [_picture(item) for item in component["items"]]
        elif kind == FILE:
            said.append(f"[file {_name(component['file'])}]")
        elif kind == ROW:
            said.append("  ".join(f"[{button.get('label', '…')}]" for button in inner))
        elif kind in {CONTAINER, SECTION}:
            said += lines(inner, now=now, names=names)
    return said


def words(markdown: str, *, now: float, names: Mapping[int, str]) -> str:
    """Discord's markdown as plain text, with mentions and times as people see them."""
    text = _SMALL_PRINT.sub("", markdown)
    text = _MENTION.sub(lambda found: f"@{names.get(int(found[1]), 'somebody')}", text)
    text = _COMMAND.sub(lambda found: found[1], text)
    text = _TIME.sub(lambda found: _moment(int(found[1]), found[2] or "f", now), text)
    # The formatting marks are removed before unescaping: an escaped mark is literal text.
    return _ESCAPED.sub("", _MARKS.sub("", text))


def _moment(at: int, style: str, now: float) -> str:
    if style != "R":
        return datetime.fromtimestamp(at, UTC).strftime(_STYLES.get(style, _WHOLE))
    seconds = at - now
    away = round(abs(seconds))
    amount = f"{away} s" if away < 120 else f"{away // 60} min"
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def _picture(item: Mapping[str, Any]) -> str:
    alt = str(item.get("description") or "no description").replace("\n", " ")
    short = alt if len(alt) <= ALT_AT_MOST else f"{alt[: ALT_AT_MOST - 1]}…"
    return f"[picture {_name(item['media'])}: {short}]"


def _name(media: Mapping[str, Any]) -> str:
    return str(media["url"]).rpartition("/")[2]
