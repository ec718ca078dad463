"""Confirms prices. A price is asked for privately; the card of a public job is posted when it is confirmed.

The two buttons look alike. *Post* answers with a new public message, which is the job's card from then on. *Confirm*
continues in the card that asked: for private jobs and in direct messages. Each card has one of the two from the start,
because the first response to a press decides who sees the answer and cannot wait for a look-up.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import structlog

from bot.clock import Clock
from bot.domain.place import Origin
from bot.errors import STORAGE_FAILS, NotMade, UserError
from bot.jobs.service import JobService
from bot.ui.cards.proposal import lapsed_card
from bot.ui.client import Interaction
from bot.ui.delivery.progress import JobCards
from bot.ui.interactions import (
    TOO_SLOW,
    card_address,
    missing_permissions,
    origin_of,
    pressed_card,
    take_back,
)
from bot.ui.job_starter import AckFirst
from storage.errors import StorageError
from storage.records import JobStatus

log = structlog.get_logger(__name__)


class PriceButtons:
    """The handlers of the buttons that confirm a price."""

    def __init__(self, *, service: JobService, cards: JobCards, ack_first: AckFirst, clock: Clock) -> None:
        self._service = service
        self._proposals = service.proposals
        self._cards = cards
        self._ack_first = ack_first
        self._clock = clock
        self._confirming: set[int] = set()

    async def confirm(self, interaction: Interaction, job_id: int) -> None:
        """Accept the price. From now on, the token of this interaction edits the card."""
        origin, card = origin_of(interaction), pressed_card(interaction, self._clock)
        private = interaction.message is not None and interaction.message.flags.ephemeral
        if missing := missing_permissions(interaction, private=private):
            raise NotMade(*missing)
        await interaction.response.defer()
        try:
            await self._proposals.confirm(origin, job_id, card, private=private, in_place=True)
        except UserError:
            await self._show_lapsed(interaction, job_id)
            raise
        await self._cards.show(job_id)

    async def post(self, interaction: Interaction, job_id: int) -> None:
        """Accept the price, and post the job's card. The card that asked is deleted."""
        origin = origin_of(interaction)
        if missing := missing_permissions(interaction, private=False):
            raise NotMade(*missing)
        if job_id in self._confirming:
            await interaction.response.defer()  # A second press while the first is processed.
        elif self._proposals.may_wait(job_id, origin.user_id):
            self._confirming.add(job_id)
            try:
                await self._confirmed(interaction, origin, job_id)
            finally:
                self._confirming.discard(job_id)
        else:
            # Do not post anything just to take it back.
            await interaction.response.defer()
            await self._refuse(interaction, origin, job_id)

    async def _confirmed(self, interaction: Interaction, origin: Origin, job_id: int) -> None:
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

    async def _refuse(self, interaction: Interaction, origin: Origin, job_id: int) -> None:
        """Raise UserError with the reason why the price cannot be confirmed."""
        try:
            await self._proposals.require_waiting(origin, job_id)
        except UserError:
            await self._show_lapsed(interaction, job_id)
            raise
        raise UserError(TOO_SLOW)

    async def _show_lapsed(self, interaction: Interaction, job_id: int) -> None:
        """Show on the pressed card that its price lapsed. If the bot was down then, the card was not updated.

        The interaction must be deferred as an update of the card.
        """
        with suppress(UserError):  # It does not exist.
            view = await self._service.view(job_id)
            pressed = None if interaction.message is None else interaction.message.id
            if view.job.status is JobStatus.LAPSED and view.job.message_id == pressed:
                await interaction.edit_original_response(view=lapsed_card(view))
