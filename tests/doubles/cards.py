"""Reads cards, and checks them against Discord's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from simcord.components import validate_message_state

from bot.ui.buttons import job_button_item
from bot.ui.cards.buttons import JOB_ACTIONS
from bot.ui.cards.layout import Card
from bot.ui.cards.wording import units
from bot.ui.refused_commands import RefusedButtons, refused_button_item

COMPONENTS_V2 = 1 << 15


def everything(card: Card) -> list[dict[str, Any]]:
    """All components of the card, as they are sent."""

    def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for component in components:
            yield component
            yield from walk(component.get("components", []))

    return list(walk(card.to_components()))  # type: ignore[no-untyped-call]  # the library leaves it untyped


def said(card: Card) -> str:
    return "\n".join(part["content"] for part in everything(card) if part["type"] == 10)


def labels(card: Card) -> list[str]:
    return [part["label"] for part in everything(card) if part["type"] == 2]


REFUSED = refused_button_item(cast("RefusedButtons", None)).__discord_ui_compiled_template__
"""The custom ids of the buttons of refused commands."""


def check(card: Card) -> None:
    """Assert that Discord would accept the card."""
    parts = everything(card)
    assert len(parts) <= 40
    texts = [part["content"] for part in parts if part["type"] == 10]
    assert all(texts)
    assert sum(map(units, texts)) <= 4000
    for part in parts:
        if part["type"] == 2:
            assert 0 < len(part["label"]) <= 80
            if REFUSED.fullmatch(part["custom_id"]) is None:
                assert job_button_item({}).__discord_ui_compiled_template__.fullmatch(part["custom_id"])
                assert part["custom_id"].split(":")[1] in JOB_ACTIONS
        for item in part.get("items", []):
            assert 0 < units(item["description"]) <= 1024
    components = card.to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    validate_message_state(components, flags=COMPONENTS_V2, content=None, embeds=[])
