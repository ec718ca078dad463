"""Private questions: before something is deleted for good, and before the same images are made again."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import discord
from discord import ui

from bot.text import message
from bot.ui.cards.buttons import KEEP
from bot.ui.cards.layout import WARM, Card, notice
from bot.ui.client import Interaction
from bot.ui.interactions import handle

MINUTES_TO_CONFIRM = 5
QUESTIONS_AT_MOST = 500

KEPT = message("confirm.kept", "Nothing was deleted.")


class Confirmation(ui.LayoutView):
    """A private message with a question, a button to confirm and a button to keep everything as it is.

    It works for a few minutes and is kept in memory only. ``confirmed`` is called with the interaction of the button to
    confirm; ``doing`` names it in the log. ``keep`` is a button that shows something else in place of the question; by
    default the question is replaced by a short confirmation that nothing was deleted.
    """

    def __init__(
        self,
        *content: ui.Item[Any],
        label: str,
        confirmed: Callable[[Interaction], Awaitable[None]],
        doing: str,
        job_id: int | None = None,
        keep: ui.Button[Any] | None = None,
    ) -> None:
        super().__init__(timeout=MINUTES_TO_CONFIRM * 60)
        self._confirmed = confirmed
        self._doing = doing
        self._job_id = job_id
        self._message: discord.WebhookMessage | None = None
        button: ui.Button[Any] = ui.Button(label=label, style=discord.ButtonStyle.danger)
        button.callback = self._pressed  # type: ignore[method-assign,assignment]  # a callback without a decorator
        kept: ui.Button[Any] = keep or ui.Button(label=str(KEEP))
        answer = self._kept if keep is None else self._replaced
        kept.callback = answer  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(ui.Container(*content, ui.ActionRow(button, kept), accent_colour=WARM))

    async def ask(self, interaction: Interaction) -> None:
        """Ask the person privately. The interaction must be deferred already."""
        self._message = await interaction.followup.send(view=self, ephemeral=True, wait=True)

    async def _pressed(self, interaction: Interaction) -> None:
        async def go_on(interaction: Interaction) -> None:
            await interaction.response.defer()
            await self._confirmed(interaction)
            self.stop()

        await handle(interaction, go_on, doing=self._doing, job_id=self._job_id)

    async def _kept(self, interaction: Interaction) -> None:
        async def answer(interaction: Interaction) -> None:
            await interaction.response.edit_message(view=notice(KEPT))
            self.stop()

        await handle(interaction, answer, doing="button.keep", job_id=self._job_id)

    async def _replaced(self, _interaction: Interaction) -> None:
        # The button's own handler answers. Its answer must not be deleted when this question times out.
        self.stop()

    async def on_timeout(self) -> None:
        if self._message is not None:
            # The person may have dismissed it already, or the network fails. The question no longer works anyway.
            with contextlib.suppress(discord.HTTPException, aiohttp.ClientError, OSError):
                await self._message.delete()


class SameSeedQuestions:
    """Asks whether to make the same images, and be charged, again. Deletes the question when it has been answered.

    Its buttons work after a restart. The question then stays until its reader dismisses it.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[int, discord.WebhookMessage] = OrderedDict()
        self._answered: OrderedDict[int, None] = OrderedDict()

    async def ask(self, interaction: Interaction, card: Card) -> None:
        """Show the question privately. The interaction must be deferred privately."""
        asked = await interaction.followup.send(view=card, ephemeral=True, wait=True)
        self._asked[asked.id] = asked
        if len(self._asked) > QUESTIONS_AT_MOST:
            self._asked.popitem(last=False)

    @contextlib.asynccontextmanager
    async def answering(self, interaction: Interaction) -> AsyncIterator[bool]:
        """Yield whether the pressed button is to be obeyed: only the first press on a question is.

        The block answers the interaction. The question is deleted afterwards, unless the block raises an error: then
        another press may try again. Buttons of other cards are always obeyed.
        """
        pressed = None if interaction.message is None else interaction.message.id
        if pressed in self._answered:
            yield False
            return
        asked = None if pressed is None else self._asked.pop(pressed, None)
        if asked is None:
            yield True
            return
        self._answered[asked.id] = None
        if len(self._answered) > QUESTIONS_AT_MOST:
            self._answered.popitem(last=False)
        try:
            yield True
        except BaseException:
            self._answered.pop(asked.id, None)
            self._asked[asked.id] = asked
            raise
        # Its reader may have dismissed it, the token of the question has expired, or the network fails.
        with contextlib.suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            await asked.delete()
