"""The users who go on from an image of a result: they open its panel, choose a tool, and fill in its form."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.users import EDIT, Ask, Crowd, pressed
from fakes.discord.components import Component, walk
from fakes.discord.handle import Handle
from fakes.discord.people import NotOfferedError, Person
from fakes.discord.seen import Seen, look_at

TOOLS = ("words", "structure", "sketch", "start")
"""The tools whose forms ask for words, by the names of their buttons."""
AT_ONCE = 2
"""How many panels are opened at the same time."""
OPENED, ORIGINAL = "picture:open", "picture:original:"
"""The custom id of the menu that opens panels, and the beginning of that of a button that only panels have."""
EDIT_BUTTON = "easel:picture:"


def is_panel(seen: Seen) -> bool:
    """Whether this message is the panel of a picture."""
    return any((button.custom_id or "").startswith(ORIGINAL) for button in seen.buttons)


@dataclass(eq=False, slots=True)
class Visit:
    """A panel that a person opened from the result of ``ask``, and the form that they opened from it."""

    person: Person
    ask: Ask
    tool: str
    panel: Handle = field(repr=False)
    form: Handle | None = field(default=None, repr=False)


class Editors:
    """Opens panels and starts edits, one step of each at a time, because the bot may die at any of them."""

    def __init__(self, crowd: Crowd, chance: random.Random, tools: Sequence[str] = TOOLS) -> None:
        self._crowd = crowd
        self._chance = chance
        self._tools = tools
        self._visits: list[Visit] = []
        self.opened = 0
        """How many panels were shown."""

    async def step(self) -> list[Handle]:
        """Go on with each edit, and begin some more. Returns what was pressed and sent."""
        made = []
        for visit in list(self._visits):
            made += await (self._press_tool(visit) if visit.form is None else self._send_form(visit, visit.form))
        for ask, card in self._crowd.editable(self._chance):
            if len(self._visits) >= AT_ONCE:
                break
            made += await self._open(ask, card)
        return made

    def forget(self) -> None:
        """End the edits that a restart ends. The buttons of a panel outlive it, but not a form."""
        self._visits = [
            visit for visit in self._visits if visit.form is None and visit.panel.interaction.answer is not None
        ]

    async def _open(self, ask: Ask, card: Seen) -> list[Handle]:
        person = self._chance.choice(self._crowd.visitors(ask))
        button = next((one for one in card.buttons if (one.custom_id or "").startswith(EDIT_BUTTON)), None)
        menu = next((one for one in card.choices if one["custom_id"] == OPENED), None)
        try:
            if button is not None:
                handle = await person.press(card, custom_id=button.custom_id)
            elif menu is not None:
                value = self._chance.choice(menu["options"])["value"]
                handle = await person.choose(card, value, custom_id=OPENED)
            else:
                return []
        except NotOfferedError:
            return []
        ask.edited = True
        self._visits.append(Visit(person, ask, self._chance.choice(self._tools), handle))
        return [handle]

    async def _press_tool(self, visit: Visit) -> list[Handle]:
        interaction = visit.panel.interaction
        shown = None if interaction.original is None else look_at(interaction.original)
        if shown is None or shown.loading:
            if interaction.late or interaction.over:
                self._visits.remove(visit)
            return []
        button = next(
            (one for one in shown.buttons if (one.custom_id or "").startswith(f"picture:{visit.tool}:")), None
        )
        if button is None:
            # It was refused, or there is no engine for it.
            self._visits.remove(visit)
            return []
        self.opened += 1
        visit.form = await pressed(visit.person, shown, button.label)
        if visit.form is None:
            self._visits.remove(visit)
            return []
        return [visit.form]

    async def _send_form(self, visit: Visit, form: Handle) -> list[Handle]:
        if form.interaction.answer is None and not form.interaction.late:
            return []
        self._visits.remove(visit)
        modal = form.interaction.modal
        if modal is None:
            return []
        crowd, number = self._crowd, len(self._crowd.asks) + 1
        values, engine = {}, EDIT
        for item in walk(modal["components"]):
            if item["type"] == Component.TEXT_INPUT and item["style"] == 2:
                values[item["custom_id"]] = crowd.prompt(number)
            elif item["type"] == Component.TEXT_INPUT and not item.get("value"):
                values[item["custom_id"]] = "paper"
            elif "options" in item:
                engine = _chosen(item) or engine
        handle = await visit.person.submit(form, **values)
        crowd.asks.append(Ask(number, visit.person, visit.ask.where, engine, 1, visit.ask.private, handle))
        return [handle]


def _chosen(select: dict[str, Any]) -> str | None:
    return next((option["value"] for option in select["options"] if option.get("default")), None)
