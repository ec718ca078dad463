"""What the buttons under a job's card do. They are found by their ids, so they outlive a restart."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import discord
import structlog
from discord import ui

from bot.errors import UserError
from bot.logs import bound
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.details import details_card
from bot.ui.cards.layout import CALM, custom_id, notice, text
from bot.ui.confirm import confirm
from bot.ui.delivery.sharing import withdraw
from bot.ui.delivery.undelivered import show_undelivered
from bot.ui.first_answer import TOO_SLOW, looked_up, promise
from bot.ui.forms import edit, use_prompt
from bot.ui.interactions import missing_permissions, origin_of, pressed_card, start
from bot.ui.replies import Press, explain, tell
from storage.records import JobStatus

log = structlog.get_logger(__name__)

_MINUTES_TO_CONFIRM = 5


class JobButton(
    ui.DynamicItem[ui.Button[Any]],
    # Ids of jobs are below 2^63; anything longer was forged.
    template=r"easel:(?P<action>[a-z-]{1,20}):(?P<job>[0-9]{1,18})",
):
    """Any button of a job. Whatever goes wrong in it is told to the one who pressed it, and logged once."""

    def __init__(self, action: str, job_id: int) -> None:
        super().__init__(ui.Button(custom_id=custom_id(action, job_id)))
        self.action = action
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["action"], int(match["job"]))

    async def callback(self, interaction: Press) -> None:  # type: ignore[override]  # the library types it for any client
        with bound(job=self.job_id):
            try:
                interaction.client.check_place(interaction)
                work = ACTIONS.get(self.action)
                if work is None:
                    raise UserError("This button is from another version of the bot. Ask for a new image instead.")
                await work(interaction, self.job_id)
            except Exception as error:  # noqa: BLE001 - told and logged by explain; the library would only log it
                await explain(interaction, error, doing=f"button {self.action}", job_id=self.job_id)


async def _cancel(interaction: Press, job_id: int) -> None:
    await promise(interaction)
    said = await interaction.client.actions.cancel(origin_of(interaction), job_id)
    await tell(interaction, notice(said))
    await interaction.client.delivery.show(job_id)


async def _again(interaction: Press, job_id: int, *, new_seed: bool = False) -> None:
    origin = origin_of(interaction)
    # What is found decides whether everybody sees the answer.
    plan = await looked_up(interaction, interaction.client.actions.plan_again(origin, job_id, new_seed=new_seed))
    if interaction.response.is_done():
        raise UserError(TOO_SLOW)
    missing = missing_permissions(interaction, origin, private=plan.options.private)
    if missing:
        raise UserError(*missing)
    await start(interaction, plan, parent_id=job_id)


async def _new_seed(interaction: Press, job_id: int) -> None:
    await _again(interaction, job_id, new_seed=True)


async def details(interaction: Press, job_id: int) -> None:
    """Show everything that is known of a job, to the one who asked."""
    await promise(interaction)
    found = await interaction.client.lineage.detailed(origin_of(interaction), job_id)
    await tell(interaction, details_card(found))


async def _walk(interaction: Press, job_id: int) -> None:
    await interaction.response.defer()
    found = await interaction.client.lineage.detailed(origin_of(interaction), job_id)
    await interaction.edit_original_response(view=details_card(found))


async def _share(interaction: Press, job_id: int) -> None:
    await interaction.client.sharing.share(interaction, job_id)


async def _refresh(interaction: Press, job_id: int) -> None:
    card = pressed_card(interaction)
    # Answered as a change of the card, the press brings a token that can edit it.
    await interaction.response.defer()
    job = await interaction.client.actions.refresh(origin_of(interaction), job_id, card)
    if job.status is JobStatus.DELIVERED:
        place = job.server_id if job.server_id is not None and job.channel_id == card.channel_id else "@me"
        link = jump_url(job) or f"https://discord.com/channels/{place}/{job.channel_id}/{job.message_id}"
        await tell(interaction, notice(f"This was shown already: {link}"))
    else:
        await interaction.client.delivery.show(job_id)


async def _delete(interaction: Press, job_id: int) -> None:
    # The answer to this press stays bound to the card, so that it can be taken away, private or not.
    await interaction.response.defer()
    results, origin = interaction.client.lineage, origin_of(interaction)
    try:
        view = await results.deletable(origin, job_id)
    except UserError:
        if not await results.may_clear(origin, job_id, asked_by=_asked_by(interaction)):
            raise
        # The job was deleted elsewhere, and this message was out of reach.
        await interaction.delete_original_response()
        return
    question = DeleteQuestion(interaction, job_id, images=len(view.images))
    question.message = await interaction.followup.send(view=question, ephemeral=True, wait=True)


def _asked_by(interaction: Press) -> int | None:
    """Who the message of the pressed button answers. A direct message answers the one who reads it."""
    if interaction.message is None:
        return None
    metadata = interaction.message.interaction_metadata
    if metadata is not None:
        return metadata.user.id
    return interaction.user.id if interaction.guild_id is None else None


ACTIONS: Mapping[str, Callable[[Press, int], Awaitable[None]]] = {
    "cancel": _cancel,
    "again": _again,
    "new-seed": _new_seed,
    "details": details,
    "walk": _walk,
    "edit": edit,
    "share": _share,
    "confirm": confirm,
    "delete": _delete,
    "show": show_undelivered,
    "use": use_prompt,
    "refresh": _refresh,
}
"""What each button does, by the name in its id."""


class DeleteQuestion(ui.LayoutView):
    """Asks once more, since images that were paid for would be gone. It lives for a few minutes and in memory only."""

    def __init__(self, press: Press, job_id: int, *, images: int) -> None:
        super().__init__(timeout=_MINUTES_TO_CONFIRM * 60)
        self.message: discord.WebhookMessage | None = None
        self._press = press
        self._job_id = job_id
        what = "This card" if not images else "The image" if images == 1 else f"The {images} images"
        confirm: ui.Button[Self] = ui.Button(label="Delete for good", style=discord.ButtonStyle.danger)
        confirm.callback = self._confirmed  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(
            ui.Container(
                text(
                    f"{what} will be gone for everybody, and cannot be brought back. The prompt and the settings are "
                    "erased too. What it cost stays counted."
                ),
                ui.ActionRow(confirm),
                accent_colour=CALM,
            )
        )

    async def _confirmed(self, interaction: Press) -> None:
        client = interaction.client
        await interaction.response.defer()
        # Its images stand there for people to see, but Discord may not have said so yet.
        await client.delivery.settled(self._job_id)
        view = await client.lineage.delete(origin_of(interaction), self._job_id)
        self.stop()
        try:
            await self._press.delete_original_response()
        except discord.NotFound:
            said = "Deleted. The card had been taken away already."
        except discord.HTTPException as error:
            log.warning("card.not_removed", job=self._job_id, status=error.status, code=error.code)
            said = "Deleted, but Discord did not let me take the card away."
        else:
            said = "Deleted."
        pressed = self._press.message.id if self._press.message is not None else None
        left = await withdraw(interaction, view.job, besides=pressed)
        await interaction.edit_original_response(view=notice(said, *left))

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, item: ui.Item[Any], /) -> None:
        await explain(interaction, error, doing="button delete, confirmed", job_id=self._job_id)

    async def on_timeout(self) -> None:
        if self.message is not None:
            # Dismissed already, perhaps: either way nobody is asked any more.
            with contextlib.suppress(discord.HTTPException):
                await self.message.delete()
