"""The actions of a job's buttons. They are found by their custom ids, so they work after a restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import aiohttp
import discord
import structlog
from discord import ui

from bot.clock import Clock
from bot.errors import UserError
from bot.jobs.lineage import Lineage
from bot.jobs.results import JobDetails, Results
from bot.jobs.service import JobService
from bot.text import message, t
from bot.ui.attached_files import fill
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.delivery_text import jump_url, message_url
from bot.ui.cards.details import details_card
from bot.ui.cards.event_log import log_card
from bot.ui.cards.family import faces, family_sheet, foot
from bot.ui.cards.layout import Card, notice, text
from bot.ui.client import Interaction
from bot.ui.components import Component, component
from bot.ui.delivery.progress import JobCards
from bot.ui.delivery.sharing import Sharing, withdraw
from bot.ui.delivery.undelivered import SHOWN_BEFORE_AT, UndeliveredResults
from bot.ui.forms import EditForms
from bot.ui.interactions import (
    origin_of,
    pressed_card,
    promise,
    tell,
)
from bot.ui.job_starter import AckFirst, JobStarter
from bot.ui.names import names_of
from bot.ui.picture_panel import PicturePanel
from bot.ui.price_buttons import PriceButtons
from bot.ui.questions import Confirmation
from bot.ui.repeat_buttons import RepeatButtons
from storage.records import JobStatus

log = structlog.get_logger(__name__)

Handler: TypeAlias = Callable[[Interaction, int], Awaitable[None]]

DELETE_CARD = message("buttons.delete_card", "Delete this message for everyone? This can't be undone.")
DELETE_IMAGES = message(
    "buttons.delete_images",
    "Delete this image for everyone? This can't be undone.",
    "Delete these {count} images for everyone? This can't be undone.",
)
ERASED_TOO = message("buttons.erased_too", "The prompt and the settings are erased too. The credits stay spent.")
DELETED = message("buttons.deleted", "Deleted.")
DELETED_BEFORE = message("buttons.deleted_before", "Deleted. The message was gone already.")
MESSAGE_LEFT = message("buttons.message_left", "Deleted, but Discord didn't let me delete the message.")


class JobButtons:
    """The handlers of a job's buttons, by the names in the table of ``cards.buttons``."""

    def __init__(
        self,
        *,
        service: JobService,
        results: Results,
        lineage: Lineage,
        cards: JobCards,
        starter: JobStarter,
        ack_first: AckFirst,
        forms: EditForms,
        sharing: Sharing,
        undelivered: UndeliveredResults,
        panel: PicturePanel,
        clock: Clock,
    ) -> None:
        self._service = service
        self._results = results
        self._lineage = lineage
        self._cards = cards
        self._clock = clock
        repeats = RepeatButtons(service=service, starter=starter)
        prices = PriceButtons(service=service, cards=cards, ack_first=ack_first, clock=clock)
        self.handlers: Mapping[str, Handler] = {
            "cancel": self._cancel,
            "again": repeats.again,
            "new-seed": repeats.new_seed,
            "same-seed": repeats.same_seed,
            "keep": repeats.keep,
            "details": self.details,
            "walk": self._walk,
            "log": self._log,
            "tree": self._tree,
            "edit": forms.edit,
            "picture": panel.open_single,
            "share": sharing.share,
            "confirm": prices.confirm,
            "post": prices.post,
            "delete": self._delete,
            "show": undelivered.show,
            "use": forms.use_prompt,
            "refresh": self._refresh,
        }

    async def details(self, interaction: Interaction, job_id: int) -> None:
        """Show all details of a job, privately."""
        await promise(interaction)
        found = await self._results.detailed(origin_of(interaction), job_id)
        await tell(interaction, details_card(found))

    async def _walk(self, interaction: Interaction, job_id: int) -> None:
        """Show the details of a related job in the same message."""
        await self._replace(interaction, job_id, details_card)

    async def _log(self, interaction: Interaction, job_id: int) -> None:
        """Show every step of a job, in the place of its details."""
        await self._replace(interaction, job_id, log_card)

    async def _tree(self, interaction: Interaction, job_id: int) -> None:
        """Show the family of a job as one picture, in the place of its details."""
        await interaction.response.defer()
        family = await self._lineage.family(origin_of(interaction), job_id)
        names = await names_of(interaction, family.people)
        drawing = await self._lineage.drawn(family, faces(family, names), foot=foot(family))
        await fill(interaction, family_sheet(family, names, drawing))

    async def _replace(self, interaction: Interaction, job_id: int, card: Callable[[JobDetails], Card]) -> None:
        """Show a card about a job in the place of the pressed one, which is private like all details."""
        await interaction.response.defer()
        found = await self._results.detailed(origin_of(interaction), job_id)
        await interaction.edit_original_response(view=card(found), attachments=[])

    async def _cancel(self, interaction: Interaction, job_id: int) -> None:
        await promise(interaction)
        said = await self._service.cancel(origin_of(interaction), job_id)
        await tell(interaction, notice(said))
        await self._cards.show(job_id)

    async def _refresh(self, interaction: Interaction, job_id: int) -> None:
        card = pressed_card(interaction, self._clock)
        # Deferred as an update of the card, so that this interaction's token can edit it.
        await interaction.response.defer()
        job = await self._service.refresh(origin_of(interaction), job_id, card)
        if job.status is JobStatus.DELIVERED:
            server_id = job.server_id if job.channel_id == card.channel_id else None
            url = jump_url(job) or message_url(server_id, job.channel_id, job.message_id)
            await tell(interaction, notice(SHOWN_BEFORE_AT(url=url)))
        else:
            await self._cards.show(job_id)

    async def _delete(self, interaction: Interaction, job_id: int) -> None:
        # Deferring as an update lets this interaction's token delete the card, even a private one.
        await interaction.response.defer()
        origin = origin_of(interaction)
        try:
            view = await self._results.deletable(origin, job_id)
        except UserError:
            if not await self._results.may_clear(origin, job_id, asked_by=_asked_by(interaction)):
                raise
            # The job was deleted from elsewhere, but this message could not be deleted.
            await interaction.delete_original_response()
            return

        async def confirmed(confirming: Interaction) -> None:
            await self._deleted(confirming, job_id, pressed=interaction)

        images = len(view.images)
        question = Confirmation(
            text(DELETE_IMAGES(count=images) if images else DELETE_CARD, ERASED_TOO),
            label=str(t("Delete for good")),
            confirmed=confirmed,
            doing="button.delete.confirmed",
            job_id=job_id,
        )
        await question.ask(interaction)

    async def _deleted(self, interaction: Interaction, job_id: int, *, pressed: Interaction) -> None:
        """Delete a job, then the messages that show it. The interaction ``pressed`` can delete its own card."""
        # People may see the images already, although Discord has not confirmed the request.
        await self._cards.settled(job_id)
        view = await self._results.delete(origin_of(interaction), job_id)
        try:
            await pressed.delete_original_response()
        except discord.NotFound:
            said = DELETED_BEFORE
        except discord.HTTPException as error:
            log.warning("card.not_removed", job=job_id, status=error.status, code=error.code)
            said = MESSAGE_LEFT
        except (aiohttp.ClientError, OSError) as error:
            log.warning("card.not_removed", job=job_id, kind=type(error).__name__)
            said = MESSAGE_LEFT
        else:
            said = DELETED
        besides = pressed.message.id if pressed.message is not None else None
        left = await withdraw(interaction, view.job, besides=besides)
        await interaction.edit_original_response(view=notice(said, *left))


def _asked_by(interaction: Interaction) -> int | None:
    """The person who ran the command that this message answers. In a direct message, that is its reader."""
    if interaction.message is None:
        return None
    metadata = interaction.message.interaction_metadata
    if metadata is not None:
        return metadata.user.id
    return interaction.user.id if interaction.guild_id is None else None


def job_button_item(handlers: Mapping[str, Handler]) -> Component:
    """Return the class of the buttons of jobs; it calls these handlers."""

    async def press(interaction: Interaction, match: re.Match[str], _item: ui.Item[Any]) -> None:
        handler = handlers.get(match["action"])
        if handler is None:
            raise UserError(OLD_BUTTON)
        await handler(interaction, int(match["job"]))

    # Job ids are below 2^63; anything longer is forged.
    return component(r"easel:(?P<action>[a-z-]{1,20}):(?P<job>[0-9]{1,18})", press, doing="button.{action}")
