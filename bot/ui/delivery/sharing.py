"""Shares a private result in its channel when its author presses Share, and deletes the messages of a deleted job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import aiohttp
import discord
import structlog

from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.results import Results
from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.people.user_settings import UserSettings
from bot.text import Text, message
from bot.ui.cards.delivery_text import REASONS, jump_url, message_url
from bot.ui.cards.job import result_card
from bot.ui.cards.layout import notice
from bot.ui.client import Interaction
from bot.ui.delivery.attachments import ImageSender, Uploads
from bot.ui.delivery.messages import jobs_named
from bot.ui.delivery.methods import TOKEN, WORDS_MAY_DO, Refused, refusals
from bot.ui.delivery.progress import JobCards
from bot.ui.interactions import TOO_SLOW, explain, looked_up, missing_permissions, origin_of, take_back, tell
from storage.images import ImageFiles
from storage.records import Job, ShareState

log = structlog.get_logger(__name__)

UNDER_WAY = message("share.under_way", "This is already being shared.")
NOT_SHARED = message("share.not_shared", "This was not shared.")
SHARED = message("share.shared", "Shared: {url}")
SHARED_BEFORE = message("share.shared_before", "You already shared this: {url}")
MAYBE_SHARED = message("share.maybe_shared", "This may have been shared already, where I can't look: {url}")
NO_IMAGES = message(
    "share.no_images", "None of the images could be shared: they are gone, or too large for this channel."
)
NOT_ACCEPTED = message("share.not_accepted", "This can't be shared, because {reason}. Try another channel.")
MESSAGE_LEFT = message("delete.message_left", "I couldn't delete another message that shows it.")
MESSAGE_LEFT_AT = message("delete.message_left_at", "I couldn't delete another message that shows it: {url}")


class Sharing:
    """Posts private results in channels, each at most once.

    An empty message is posted, then recorded, and then filled with the images. If an earlier message was recorded but
    never confirmed, it is checked before another is posted. ``defer`` defers a public answer and returns the id of its
    message.
    """

    def __init__(
        self,
        *,
        files: ImageFiles,
        store: JobStore,
        results: Results,
        cards: JobCards,
        settings_of: Callable[[int], UserSettings],
        defer: Callable[[Interaction], Awaitable[int]],
    ) -> None:
        self._files = files
        self._store = store
        self._results = results
        self._cards = cards
        self._settings_of = settings_of
        self._defer = defer
        self._under_way: set[int] = set()

    async def share(self, interaction: Interaction, job_id: int) -> None:
        """Share the result in this channel. Raises UserError if the person may not share it, or not here."""
        origin = origin_of(interaction)
        if missing := missing_permissions(interaction, private=False):
            raise UserError(*missing)
        if job_id in self._under_way:
            raise UserError(UNDER_WAY)
        self._under_way.add(job_id)
        try:
            if not self._cards.busy_with(job_id):
                # The answer is public; it is private if the result cannot be shared.
                view = await looked_up(interaction, self._results.shareable(origin, job_id))
                if interaction.response.is_done():
                    raise UserError(TOO_SLOW)
                await self._answer(interaction, origin, view, await self._defer(interaction))
                return
            # The images are visible already, but Discord has not responded yet.
            message_id = await self._defer(interaction)
            await self._cards.settled(job_id)
            try:
                view = await self._results.shareable(origin, job_id)
            except UserError as error:
                await _take_back(interaction, error)
            else:
                await self._answer(interaction, origin, view, message_id)
        finally:
            self._under_way.discard(job_id)

    async def _answer(self, interaction: Interaction, origin: Origin, view: JobView, message_id: int) -> None:
        """Fill the existing answer. The library retries slow requests; a second edit is harmless."""
        job_id = view.job.id
        try:
            await self._refuse_second(interaction, view.job)
            # Results can only be shared in servers.
            place = {"server_id": origin.server_id or 0, "channel_id": origin.channel_id}
            if not await self._store.begin_share(job_id, message_id=message_id, **place):
                raise UserError(UNDER_WAY)
        except UserError as error:
            await _take_back(interaction, error)
            return
        try:
            url = await self._fill(interaction, view)
        except Exception as error:  # noqa: BLE001 - shown, and logged if unforeseen, by take_back and explain
            await self._failed(interaction, error, job_id, message_id)
            return
        if await self._store.shared(job_id, message_id=message_id):
            await tell(interaction, notice(SHARED(url=url)))
        else:
            # Deleted meanwhile.
            await interaction.delete_original_response()

    async def _fill(self, interaction: Interaction, view: JobView) -> str:
        """Put the images into the answer and return its link. Raises UserError if Discord does not accept them."""
        public = replace(view, job=replace(view.job, private=False))
        url = ""

        async def send(uploads: Uploads) -> None:
            nonlocal url
            if not uploads.ready:
                raise UserError(NO_IMAGES)
            card = result_card(public, uploads.ready)
            with refusals(TOKEN, WORDS_MAY_DO):
                url = (await interaction.edit_original_response(view=card, attachments=uploads.files())).jump_url

        with_text = self._settings_of(view.job.user_id).writes_png_text
        try:
            await ImageSender(view, self._files, with_text=with_text).send(send, file_limit=interaction.filesize_limit)
        except Refused as refused:
            raise UserError(NOT_ACCEPTED(reason=REASONS[refused.reason])) from refused
        return url

    async def _failed(self, interaction: Interaction, error: Exception, job_id: int, message_id: int) -> None:
        """Clear the answer. Allow sharing again only if the answer is certainly empty."""
        try:
            await interaction.edit_original_response(view=notice(NOT_SHARED), attachments=[])
            empty = True
        except discord.NotFound:
            empty = True
        except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
            log.warning("share.not_taken_back", kind=type(failure).__name__)
            empty = False
        if empty:
            await self._store.not_shared(job_id, message_id=message_id)
        if isinstance(error, UserError):
            await _take_back(interaction, error)
            return
        await explain(interaction, error, doing="button.share", job_id=job_id)
        if empty:
            try:
                await interaction.delete_original_response()
            except discord.HTTPException as failure:
                log.info("share.notice_not_removed", status=failure.status, code=failure.code)

    async def _refuse_second(self, interaction: Interaction, job: Job) -> None:
        """Raise UserError if an earlier press, whose outcome is unknown, shared the result or may have shared it."""
        if job.share_state is not ShareState.POSTING or job.share_channel_id is None or job.share_message_id is None:
            return
        url = message_url(job.share_server_id, job.share_channel_id, job.share_message_id)
        channel = interaction.client.get_partial_messageable(job.share_channel_id)
        try:
            found = await channel.fetch_message(job.share_message_id)
        except discord.NotFound:
            found = None
        except discord.Forbidden as error:
            raise UserError(MAYBE_SHARED(url=url)) from error
        if found is not None and job.id in jobs_named(found):
            await self._store.shared(job.id, message_id=job.share_message_id)
            raise UserError(SHARED_BEFORE(url=url))
        await self._store.not_shared(job.id, message_id=job.share_message_id)
        if found is not None:
            try:
                await found.delete()
            except discord.HTTPException as failure:
                log.info("share.notice_not_removed", status=failure.status, code=failure.code)


async def _take_back(interaction: Interaction, error: UserError) -> None:
    await take_back(interaction, error, private=False, said=NOT_SHARED)


async def withdraw(interaction: Interaction, job: Job, *, besides: int | None) -> list[Text]:
    """Delete the messages of a deleted job, except ``besides``. Returns texts about those that remain."""
    await _withdraw_notification(interaction, job)
    shown = dict.fromkeys([(job.share_channel_id, job.share_message_id), (job.channel_id, job.message_id)])
    left = []
    for channel_id, message_id in shown:
        if channel_id is None or message_id in (None, besides):
            continue
        other = interaction.client.get_partial_messageable(channel_id).get_partial_message(message_id)
        try:
            await other.delete()
        except discord.NotFound:
            continue  # It is deleted already, or it is a private card, which only its reader can remove.
        except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
            log.info("delete.message_left", job=job.id, kind=type(failure).__name__)
            url = jump_url(job)
            left.append(MESSAGE_LEFT_AT(url=url) if url else MESSAGE_LEFT())
    return left


async def _withdraw_notification(interaction: Interaction, job: Job) -> None:
    """Delete the message that notified the author. It contains nothing of the job, so a failure is not reported."""
    if job.notification_channel_id is None or job.notification_message_id is None:
        return
    channel = interaction.client.get_partial_messageable(job.notification_channel_id)
    try:
        await channel.get_partial_message(job.notification_message_id).delete()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
        log.info("delete.notification_left", job=job.id, kind=type(failure).__name__)
