"""A server in which every channel and every role exists and everybody sees all of them."""

from __future__ import annotations

from bot.domain.place import Origin
from bot.domain.rules import Place

ANY_PLACE = Place(str, lambda _: True, lambda _: True)


def anywhere(_: Origin) -> Place:
    """The ``place`` of ``Servers`` in a test."""
    return ANY_PLACE
