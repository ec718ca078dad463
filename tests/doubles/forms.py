"""Reads forms and submits them with changes, as a person would."""

from __future__ import annotations

from typing import Any

import simcord


def fields(shown: simcord.InteractionResult) -> dict[str, dict[str, Any]]:
    """The form's components by their labels."""
    assert shown.modal is not None, "no form was shown"
    assert len(shown.modal["title"]) <= 45
    assert 1 <= len(shown.modal["components"]) <= 5
    return {label["label"]: label["component"] for label in shown.modal["components"]}


def filled(shown: simcord.InteractionResult) -> dict[str, Any]:
    """The form's current values by their labels."""
    values: dict[str, Any] = {}
    for label, component in fields(shown).items():
        chosen = [option["value"] for option in component.get("options", ()) if option.get("default")]
        values[label] = chosen if "options" in component else component.get("value") or ""
    return values


def offered(shown: simcord.InteractionResult) -> dict[str, list[str]]:
    """The form's choices by their labels."""
    return {
        label: [option["value"] for option in component["options"]]
        for label, component in fields(shown).items()
        if "options" in component
    }


async def send(
    person: simcord.MemberActor | simcord.UserHandle, shown: simcord.InteractionResult, **changes: Any
) -> simcord.InteractionResult:
    """Submit the form with these fields changed. The names are the labels with underscores for spaces."""
    before = filled(shown)
    values = {
        part["custom_id"]: changes.pop(label.replace(" ", "_"), before[label]) for label, part in fields(shown).items()
    }
    assert not changes, f"no such field: {changes}"
    return await person.submit_modal(shown, values)
