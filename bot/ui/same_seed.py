"""The question before the same images are made, and charged, again."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator

import aiohttp
import discord
from discord import ui

from bot.domain.money import Price
from bot.text import message
from bot.ui.cards.buttons import KEEP_IMAGES, NEW_SEED_FOR, SAME_SEED_FOR
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.layout import Card, quiet, text
from bot.ui.client import Interaction
from storage.records import Job

QUESTIONS_AT_MOST = 500

SAME_IMAGE = message(
    "same_seed.question", "This seed makes the same image again.", "These seeds make the same {count} images again."
)
THERE_ALREADY = message("same_seed.there_already", "It is already here: {url}", "They are already here: {url}")
NOT_CHARGED_YET = message("same_seed.not_charged", "Nothing was charged.")


def same_seed_card(job: Job, price: Price, *, images: int) -> Card:
    """The question. ``job`` has the images; either answer makes this number of images for this price."""
    url = jump_url(job)
    there = () if url is None else (THERE_ALREADY(url=url, count=images),)
    return Card(
        text(SAME_IMAGE(count=images), *there, quiet(NOT_CHARGED_YET)),
        ui.ActionRow(
            NEW_SEED_FOR.on(job.id, price=str(price)),
            SAME_SEED_FOR.on(job.id, price=str(price)),
            KEEP_IMAGES.on(job.id),
        ),
    )


class SameSeedQuestions:
    """Asks the question, and deletes it when it has been answered.

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
