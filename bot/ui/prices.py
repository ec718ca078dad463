"""Confirms prices. A price is asked for privately; the card of a public job is posted when it is confirmed.

The two buttons look alike. *Post* answers with a new public message, which is the job's card from then on. *Confirm*
goes on in the card that asked: a private job's, or one in direct messages. Which of them a card has is known when it
is made, since the first answer to a press decides who sees it and cannot wait for a look-up.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from bot.clock import Clock
from bot.errors import STORAGE_FAILS, UserError
from bot.jobs.proposals import Proposals
from bot.ui.client import Interaction
from bot.ui.delivery.progress import JobCards
from bot.ui.interactions import (
    TOO_SLOW,
    card_address,
    missing_permissions,
    origin_of,
    pressed_card,
    promise,
    take_back,
)
from bot.ui.job_starter import AckFirst
from storage.errors import StorageError

log = structlog.get_logger(__name__)


class PriceButtons:
    """The handlers of the buttons that confirm a price."""

    def __init__(self, *, proposals: Proposals, cards: JobCards, ack_first: AckFirst, clock: Clock) -> None:
        self._proposals = proposals
        self._cards = cards
        self._ack_first = ack_first
        self._clock = clock

    async def confirm(self, interaction: Interaction, job_id: int) -> None:
        """Accept the price. From now on, the token of this interaction edits the card."""
        origin, card = origin_of(interaction), pressed_card(interaction, self._clock)
        private = interaction.message is not None and interaction.message.flags.ephemeral
        if missing := missing_permissions(interaction, private=private):
            raise UserError(*missing)
        await interaction.response.defer()
        await self._proposals.confirm(origin, job_id, card, private=private)
        await self._cards.show(job_id)

    async def post(self, interaction: Interaction, job_id: int) -> None:
        """Accept the price, and post the job's card. The card that asked is deleted."""
        origin = origin_of(interaction)
        if missing := missing_permissions(interaction, private=False):
            raise UserError(*missing)
        if not self._proposals.may_wait(job_id, origin.user_id):
            # Do not post anything just to take it back.
            await promise(interaction)
            await self._proposals.require_waiting(origin, job_id)
            raise UserError(TOO_SLOW)
        address = card_address(interaction, self._clock, origin.channel_id, None)
        card = replace(address, message_id=await self._ack_first.defer(interaction, private=False))
        try:
            asked = await self._proposals.confirm(origin, job_id, card, private=False)
        except UserError as error:
            await take_back(interaction, error, private=False)
            return
        except StorageError as error:
            log.error("price.not_confirmed", job=job_id, reason=str(error))  # noqa: TRY400 - the reason says everything
            await take_back(interaction, UserError(STORAGE_FAILS), private=False)
            return
        await self._cards.remove(asked)
        await self._cards.show(job_id)
