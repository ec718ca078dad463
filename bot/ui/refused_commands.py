"""The buttons of refused commands: they start what was offered instead, or open the command in a form.

A refused command is kept in memory only, for half an hour, because it is stored nowhere. After that, and after a
restart, its buttons say so.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from discord import ui

from bot.clock import Clock
from bot.domain.form_data import Draft, draft_of_refused
from bot.errors import NotMade, UserError
from bot.jobs.refusals import Refusal
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.providers.operations import Operation
from bot.text import message, t
from bot.ui.cards.layout import Card
from bot.ui.cards.refusal import refused_card
from bot.ui.client import Interaction
from bot.ui.components import Component, component
from bot.ui.forms import FORM_SECONDS, EditForm
from bot.ui.interactions import origin_of
from bot.ui.job_starter import Incoming, JobStarter

KEPT_AT_MOST = 2000
"""The maximum number of refused commands that are kept. The oldest are dropped first."""
KEPT_OF_EACH = 20
"""The maximum number for each person, so that one person cannot push out the commands of others."""

FORGOTTEN = message(
    "refused.forgotten",
    "I no longer remember this command: that was more than half an hour ago, or I was restarted. Run it again.",
)
SOMEBODY_ELSES = message("refused.somebody_elses", "This belongs to somebody else. Run the command yourself.")
PRESSED_BEFORE = message("refused.pressed_before", "You have already pressed this one.")


@dataclass(slots=True)
class RefusedCommand:
    """A refused command of a person. ``started`` are the numbers of the offers that were accepted.

    ``incoming`` has the pictures that it starts from, if they were not received yet.
    """

    user_id: int
    refused: Refusal
    draft: Draft
    parent_id: int | None
    at: float
    incoming: Incoming | None = None
    started: set[int] = field(default_factory=set)


class RefusedCommands:
    """The refused commands of the last half hour, by a random key."""

    def __init__(self, engines_doing: Callable[[Operation], Mapping[str, Engine]], clock: Clock) -> None:
        """``engines_doing`` returns the engines that have an operation, by id."""
        self._engines_doing = engines_doing
        self._clock = clock
        self._kept: OrderedDict[str, RefusedCommand] = OrderedDict()

    def card(
        self,
        refused: Refusal,
        *,
        user_id: int,
        draft: Draft | None = None,
        parent_id: int | None = None,
        incoming: Incoming | None = None,
    ) -> Card:
        """Remember the command, and return the card of its refusal.

        ``draft`` is the submitted form that it comes from, if any, and ``parent_id`` the job that it continues.
        ``incoming`` has the pictures that it starts from, if they were not received yet.
        """
        self._drop_old(KEPT_AT_MOST - 1)
        theirs = [key for key, kept in self._kept.items() if kept.user_id == user_id]
        for old in theirs[: max(0, len(theirs) - KEPT_OF_EACH + 1)]:
            del self._kept[old]
        key = secrets.token_hex(8)
        draft = draft or draft_of_refused(
            refused.options, self._engines_doing(refused.options.operation), complete=refused.complete
        )
        self._kept[key] = RefusedCommand(user_id, refused, draft, parent_id, self._clock.monotonic(), incoming)
        return refused_card(refused.problems, refused.offers, key)

    def of(self, key: str, user_id: int) -> RefusedCommand:
        """Return the command. Raises UserError if it is no longer known or somebody else's."""
        self._drop_old(KEPT_AT_MOST)
        found = self._kept.get(key)
        if found is None:
            raise NotMade(FORGOTTEN)
        if found.user_id != user_id:
            raise UserError(SOMEBODY_ELSES)
        return found

    def _drop_old(self, most: int) -> None:
        """Drop those of more than half an hour ago, and the oldest ones above this number."""
        now = self._clock.monotonic()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= most and now - oldest.at <= FORM_SECONDS:
                break
            self._kept.popitem(last=False)


class RefusedButtons:
    """The actions of the buttons."""

    def __init__(self, *, service: JobService, starter: JobStarter, commands: RefusedCommands) -> None:
        self._service = service
        self._starter = starter
        self._commands = commands

    async def edit(self, interaction: Interaction, key: str) -> None:
        """Open a form with the command as it was typed."""
        found = self._commands.of(key, interaction.user.id)
        operation = found.refused.options.operation
        engines = {engine.id: engine for engine in self._service.offered(origin_of(interaction), operation)}
        form = EditForm(
            found.draft,
            engines or self._service.engines_doing(operation),
            self._starter,
            job_id=found.parent_id,
            title=str(t("Edit and try again")),
            complete=found.refused.complete,
            incoming=found.incoming,
        )
        await interaction.response.send_modal(form)

    async def accept(self, interaction: Interaction, key: str, number: int) -> None:
        """Start what was offered, as a command with these options would."""
        found = self._commands.of(key, interaction.user.id)
        if number >= len(found.refused.offers):
            raise NotMade(FORGOTTEN)
        if number in found.started:
            raise UserError(PRESSED_BEFORE)
        # Recorded before anything waits, so that a second press starts nothing.
        found.started.add(number)
        offered, job_id = found.refused.offers[number], None
        try:
            job_id = await self._starter.run(
                interaction,
                offered.options,
                complete=found.refused.complete,
                parent_id=found.parent_id,
                named_price=offered.price.high,
                picture=None if found.incoming is None else found.incoming.picture,
                mask=None if found.incoming is None else found.incoming.mask,
            )
        finally:
            if job_id is None:  # Refused, or asked about first: nothing was started.
                found.started.discard(number)


def refused_button_item(buttons: RefusedButtons) -> Component:
    """Return the class of the buttons of refused commands."""

    async def press(interaction: Interaction, match: re.Match[str], _item: ui.Item[Any]) -> None:
        if match["what"] == "edit":
            await buttons.edit(interaction, match["key"])
        else:
            await buttons.accept(interaction, match["key"], int(match["what"]))

    return component(r"refused:(?P<key>[0-9a-f]{16}):(?P<what>edit|[0-9])", press, doing="refused.{what}")
