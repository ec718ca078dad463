"""Who is pinged by a message: the mentions in its text that ``allowed_mentions`` allows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fakes.discord.components import Component, walk
from fakes.discord.constants import Json

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")


def pinged(payload: Json) -> frozenset[str]:
    """Ids of users, ids of roles prefixed with ``&``, and ``everyone``.

    Without ``allowed_mentions`` every mention pings, as on Discord.

    Without ``allowed_mentions`` everything that is named is pinged, as on Discord.
    """
    allowed = payload.get("allowed_mentions")
    text = "\n".join(_texts(payload))
    users, roles = set(_USER.findall(text)), set(_ROLE.findall(text))
    everyone = bool(_EVERYONE.search(text))
    if allowed is not None:
        parsed = allowed.get("parse") or ()
        users = users if "users" in parsed else users & {str(one) for one in allowed.get("users") or ()}
        roles = roles if "roles" in parsed else roles & {str(one) for one in allowed.get("roles") or ()}
        everyone = everyone and "everyone" in parsed
    return frozenset({*users, *(f"&{one}" for one in roles), *(["everyone"] if everyone else [])})


def _texts(payload: Json) -> Iterable[str]:
    yield payload.get("content") or ""
    for component in walk(payload.get("components") or ()):
        if component["type"] == Component.TEXT:
            yield component.get("content") or ""
