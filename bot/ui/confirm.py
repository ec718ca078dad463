"""The question "Are you sure?" before something is deleted for good."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord import ui

from bot.ui.cards.layout import WARM
from bot.ui.client import Interaction
from bot.ui.interactions import handle

MINUTES_TO_CONFIRM = 5


class Confirmation(ui.LayoutView):
    """A private message with a question and a button to confirm. It works for a few minutes and is kept in memory only.

    ``confirmed`` is called with the interaction of that button; ``doing`` names it in the log. ``further`` are more
    buttons; each shows something else in place of the question.
    """

    def __init__(
        self,
        *content: ui.Item[Any],
        label: str,
        confirmed: Callable[[Interaction], Awaitable[None]],
        doing: str,
        job_id: int | None = None,
        further: tuple[ui.Button[Any], ...] = (),
    ) -> None:
        super().__init__(timeout=MINUTES_TO_CONFIRM * 60)
        self._confirmed = confirmed
        self._doing = doing
        self._job_id = job_id
        self._message: discord.WebhookMessage | None = None
        button: ui.Button[Any] = ui.Button(label=label, style=discord.ButtonStyle.danger)
        button.callback = self._pressed  # type: ignore[method-assign,assignment]  # a callback without a decorator
        for other in further:
            other.callback = self._replaced  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(ui.Container(*content, ui.ActionRow(button, *further), accent_colour=WARM))

    async def ask(self, interaction: Interaction) -> None:
        """Ask the person privately. The interaction must be deferred already."""
        self._message = await interaction.followup.send(view=self, ephemeral=True, wait=True)

    async def _pressed(self, interaction: Interaction) -> None:
        async def go_on(interaction: Interaction) -> None:
            await interaction.response.defer()
            await self._confirmed(interaction)
            self.stop()

        await handle(interaction, go_on, doing=self._doing, job_id=self._job_id)

    async def _replaced(self, _interaction: Interaction) -> None:
        # The button's own handler answers. Its answer must not be deleted when this question times out.
        self.stop()

    async def on_timeout(self) -> None:
        if self._message is not None:
            # The person may have dismissed it already. The question is gone in both cases.
            with contextlib.suppress(discord.HTTPException):
                await self._message.delete()
