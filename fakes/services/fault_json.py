"""Faults as JSON, for a stand-in in its own process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakes.services import answer_edits, image_variants
from fakes.services.call_log import Json
from fakes.services.faults import (
    Act,
    Body,
    Endless,
    Fault,
    Half,
    Hang,
    Ignore,
    Redirect,
    Reset,
    Rewrite,
    Slow,
    Spoil,
    Status,
)
from fakes.services.malformed_answers import Echo, InTurn, malformed
from fakes.services.rendering import Fate

ACTS: Mapping[str, Callable[..., Act | Fate]] = {
    "reset": Reset,
    "hang": Hang,
    "status": Status,
    "redirect": Redirect,
    "body": Body,
    "half": Half,
    "slow": Slow,
    "endless": Endless,
    "malformed": malformed,
    "echo": Echo,
    "ignore": lambda names: Ignore(tuple(map(str, names))),
}
SHAPES: Mapping[str, Callable[..., Any]] = {
    name: getattr(answer_edits, name)
    for name in (
        "unwrapped",
        "numbers_as_strings",
        "content_as_object",
        "content_as_one_image",
        "base64_in_lines",
        "not_base64",
    )
}
SHAPES_OF: Mapping[str, Callable[..., Any]] = {
    name: getattr(answer_edits, name)
    for name in (
        "error_is",
        "request_error_is",
        "response_error_is",
        "without",
        "state_is",
        "waiting",
        "without_entries",
        "first_images",
        "images_at",
        "data_url",
        "code_is",
        "refused",
        "finish_reason_is",
        "replaced",
    )
}
SPOILT = {
    name: getattr(image_variants, name)
    for name in (
        "truncated",
        "cut_at_the_end",
        "html",
        "svg",
        "noise",
        "empty",
        "bomb",
        "jpeg",
        "webp",
        "gif",
        "blurred",
        "halved",
        "squared",
    )
}


def fault_from(order: Json) -> Fault:
    """Read a fault: ``{"route": …, "times": 1, "skip": 0, "act": "status", "code": 500}``.

    Beside the acts by name there are ``{"act": "rewrite", "shape": "without", "with": ["created_at"]}``,
    ``{"act": "spoil", "picture": "truncated"}`` and ``{"act": "fate", "error": "…"}``, whose picture, if given, alters
    the result. ``{"act": "ignore", "names": ["down"]}`` drops fields of a form.
    ``{"act": "malformed", "body": "busy"}`` is an answer of malformed_answers.py, and ``{"act": "in turn",
    "of": […]}`` one act after the other. ``match`` is a text that the path must contain. Raises ValueError, TypeError
    or KeyError.
    """
    if not isinstance(order, dict):
        raise TypeError("a fault must be a JSON object")
    rest: dict[str, Any] = dict(order)
    route = rest.pop("route")
    times = rest.pop("times", 1)
    skip = rest.pop("skip", 0)
    part = rest.pop("match", None)
    act = rest.pop("act")
    if not isinstance(route, str) or not isinstance(skip, int) or not (times is None or isinstance(times, int)):
        raise ValueError("route must be a text, skip a number, times a number or null")
    match = None if part is None else (lambda call: str(part) in call.path)
    return Fault(route, _act(str(act), rest), times, skip, match)


def _act(name: str, rest: dict[str, Any]) -> Act | Fate:
    if name == "rewrite":
        shape = str(rest.pop("shape"))
        values = rest.pop("with", [])
        change = SHAPES[shape] if shape in SHAPES else SHAPES_OF[shape](*values)
        return Rewrite(change, **rest)
    if name == "spoil":
        return Spoil(SPOILT[str(rest.pop("picture"))], **rest)
    if name == "fate":
        picture = rest.pop("picture", None)
        return Fate(alter=SPOILT[picture] if picture else None, **rest)
    if name == "in turn":
        return InTurn(*map(_one_in_turn, rest.pop("of")), **rest)
    return ACTS[name](**rest)


def _one_in_turn(order: dict[str, Any]) -> Act:
    rest = dict(order)
    act = _act(str(rest.pop("act")), rest)
    if isinstance(act, Fate):
        raise TypeError("a fate is for one rendering and does not take turns")
    return act


def pair(value: Json) -> tuple[float, float]:
    """Read ``[low, high]`` in seconds. Raises ValueError."""
    if isinstance(value, list) and len(value) == 2:
        low, high = value
        if isinstance(low, int | float) and isinstance(high, int | float) and 0 <= low <= high:
            return float(low), float(high)
    raise ValueError("a time must be [low, high] in seconds")
