"""Reads cards, and checks them against Discord's limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from discord import ui
from simcord.components import validate_message_state

from bot.ui.buttons import job_button_item
from bot.ui.cards.buttons import ACTIONS, JOB_ACTIONS, LISTS, MENUS
from bot.ui.cards.layout import Card
from bot.ui.cards.part_buttons import PART_ACTIONS
from bot.ui.cards.picture_buttons import PICTURE_ACTIONS
from bot.ui.cards.wording import units
from bot.ui.components import action_button_item, menu_item
from bot.ui.list_buttons import list_button_item
from bot.ui.part_picker import PartPicker, part_item
from bot.ui.picture_panel import PicturePanel, picture_item
from bot.ui.refused_commands import RefusedButtons, refused_button_item

COMPONENTS_V2 = 1 << 15
_PICTURES = (picture_item(cast("PicturePanel", None)), PICTURE_ACTIONS)
_PARTS = (part_item(cast("PartPicker", None)), PART_ACTIONS)
_BUTTONS = (
    (job_button_item({}), JOB_ACTIONS),
    (list_button_item({}), LISTS),
    (action_button_item({}), ACTIONS),
    _PICTURES,
    _PARTS,
)
_MENUS = ((menu_item({}), MENUS), _PICTURES, _PARTS)


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


def _known(custom_id: str, kinds: Sequence[tuple[type[ui.DynamicItem[Any]], Sequence[str]]]) -> Sequence[str]:
    """The names that a custom id of this form may have. Fails if the bot would not find it."""
    assert len(custom_id) <= 100
    (names,) = [
        names for item, names in kinds if item.__discord_ui_compiled_template__.fullmatch(custom_id) is not None
    ]
    return names


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
                assert part["custom_id"].split(":")[1] in _known(part["custom_id"], _BUTTONS)
        if part["type"] == 3:
            assert part["custom_id"].split(":")[1] in _known(part["custom_id"], _MENUS)
            assert 1 <= len(part["options"]) <= 25
            values = [option["value"] for option in part["options"]]
            assert len(set(values)) == len(values)
            for option in part["options"]:
                assert all(0 < len(option[each]) <= 100 for each in ("label", "value", "description") if each in option)
        for item in part.get("items", []):
            assert 0 < units(item["description"]) <= 1024
    components = card.to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    validate_message_state(components, flags=COMPONENTS_V2, content=None, embeds=[])
