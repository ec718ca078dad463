"""The table of routes, in the OpenAPI file's notation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fakes.discord.model import World
from fakes.discord.requests import Call, Reply

Handler = Callable[[World, Call], Reply]
_FIELD = re.compile(r"\{(\w+)\}")
_NUMBER = r"[0-9]{1,20}"
_TEXT = r"[^/]+"


@dataclass(frozen=True, slots=True)
class Route:
    """A route and its handler. ``by_token`` routes are authorised by the token in the path, not by the bot's."""

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler
    by_token: bool


_TABLE: list[Route] = []


def route(method: str, template: str, *, by_token: bool = False) -> Callable[[Handler], Handler]:
    """Register the handler of ``method template``."""
    pattern = _FIELD.sub(lambda field: f"(?P<{field[1]}>{_TEXT if 'token' in field[1] else _NUMBER})", template)

    def enter(handler: Handler) -> Handler:
        _TABLE.append(Route(method, template, re.compile(pattern), handler, by_token))
        return handler

    return enter


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route that matches a path (without the API's base) and its parameters, or None."""
    for one in _TABLE:
        if one.method == method and (match := one.pattern.fullmatch(path)):
            return one, match.groupdict()
    return None
