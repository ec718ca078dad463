"""Shares a private result with everybody in the channel, when its author presses the button and never otherwise."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import discord
import structlog

from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.ui.cards.job import ShownImage, result_card
from bot.ui.cards.layout import notice
from bot.ui.delivery.attachments import pack
from bot.ui.delivery.images import REQUEST_LIMIT, Uploads
from bot.ui.delivery.links import jump_url
from bot.ui.delivery.messages import jobs_named
from bot.ui.delivery.methods import WORDS_MAY_DO, Reason, Step, reason
from bot.ui.first_answer import TOO_SLOW, looked_up
from bot.ui.interactions import deferred, missing_permissions, origin_of, take_back
from bot.ui.replies import Press, explain, tell
from storage.images import ImageFiles
from storage.records import Job, ShareState

log = structlog.get_logger(__name__)

UNDER_WAY = "It is being shared already."
NOT_SHARED = "This was not shared."


class Sharing:
    """Posts private results for all to see, each at most once.

    The message is there, empty, before it is recorded, and recorded before the images are put into it. What was
    recorded and never confirmed is looked at before there is another one.
    """

    def __init__(self, files: ImageFiles, store: JobStore) -> None:
        self._store = store
        self._files = files
        self._under_way: set[int] = set()

    async def share(self, interaction: Press, job_id: int) -> None:
        """Show the result in this channel. Raises UserError where that is not for this person or this place."""
        origin = origin_of(interaction)
        if missing := missing_permissions(interaction, origin, private=False):
            raise UserError(*missing)
        if job_id in self._under_way:
            raise UserError(UNDER_WAY)
        self._under_way.add(job_id)
        try:
            delivery, lineage = interaction.client.delivery, interaction.client.lineage
            if not delivery.busy_with(job_id):
                # Everybody sees the answer, or, where it cannot be shared, the one who pressed alone.
                view = await looked_up(interaction, lineage.shareable(origin, job_id))
                if interaction.response.is_done():
                    raise UserError(TOO_SLOW)
                await self._answer(interaction, origin, view, await deferred(interaction, private=False))
                return
            # Its images stand there for people to see, but Discord has not said so yet.
            message_id = await deferred(interaction, private=False)
            await delivery.settled(job_id)
            try:
                view = await lineage.shareable(origin, job_id)
            except UserError as error:
                await take_back(interaction, error, private=False, said=NOT_SHARED)
            else:
                await self._answer(interaction, origin, view, message_id)
        finally:
            self._under_way.discard(job_id)

    async def _answer(self, interaction: Press, origin: Origin, view: JobView, message_id: int) -> None:
        """Fill the answer, which is there already. A request that Discord was slow to answer is sent again by the
        library, and an edit does no harm then: so it is no new message.
        """
        job_id = view.job.id
        try:
            await self._refuse_second(interaction, view.job)
            # The place is one of a server: a result is not shareable elsewhere.
            place = {"server_id": origin.server_id or 0, "channel_id": origin.channel_id}
            if not await self._store.begin_share(job_id, message_id=message_id, **place):
                raise UserError(UNDER_WAY)
        except UserError as error:
            await take_back(interaction, error, private=False, said=NOT_SHARED)
            return
        try:
            message = await self._edited(interaction, view)
        except Exception as error:  # noqa: BLE001 - told, and logged where it is unforeseen, by take_back and explain
            await self._failed(interaction, error, job_id, message_id)
            return
        if await self._store.shared(job_id, message_id=message_id):
            await tell(interaction, notice(f"Shared: {message.jump_url}"))
        else:
            # Deleted meanwhile.
            await interaction.delete_original_response()

    async def _failed(self, interaction: Press, error: Exception, job_id: int, message_id: int) -> None:
        """Leave nothing behind, and let it be shared anew only where that is certain."""
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
            await take_back(interaction, error, private=False, said=NOT_SHARED)
            return
        await explain(interaction, error, doing="button share", job_id=job_id)
        if empty:
            try:
                await interaction.delete_original_response()
            except discord.HTTPException as failure:
                log.info("share.notice_not_removed", status=failure.status, code=failure.code)

    async def _refuse_second(self, interaction: Press, job: Job) -> None:
        """Raise UserError where an earlier press, of which nobody heard, has shared it or may have."""
        if job.share_state is not ShareState.POSTING or job.share_channel_id is None or job.share_message_id is None:
            return
        url = f"https://discord.com/channels/{job.share_server_id}/{job.share_channel_id}/{job.share_message_id}"
        channel = interaction.client.get_partial_messageable(job.share_channel_id)
        try:
            message = await channel.fetch_message(job.share_message_id)
        except discord.NotFound:
            message = None
        except discord.Forbidden as error:
            raise UserError(f"It may have been shared already, where I cannot look: {url}") from error
        if message is not None and job.id in jobs_named(message):
            await self._store.shared(job.id, message_id=job.share_message_id)
            raise UserError(f"It was shared already: {url}")
        await self._store.not_shared(job.id, message_id=job.share_message_id)
        if message is not None:
            try:
                await message.delete()
            except discord.HTTPException as failure:
                log.info("share.notice_not_removed", status=failure.status, code=failure.code)

    async def _edited(self, interaction: Press, view: JobView) -> discord.InteractionMessage:
        """Raises UserError where Discord does not take the images, also not half as many bytes of them."""
        try:
            return await self._edit(interaction, view, await self._packed(interaction, view, 1))
        except discord.HTTPException as error:
            why = reason(Step.TOKEN, error)
            if why not in WORDS_MAY_DO:
                raise
            if why is not Reason.TOO_LARGE:
                raise UserError(f"{why.value[0].upper()}{why.value[1:]}. Share it in another channel.") from error
        return await self._edit(interaction, view, await self._packed(interaction, view, 2))

    async def _packed(self, interaction: Press, view: JobView, part: int) -> Uploads:
        uploads = await pack(
            view,
            self._files,
            file_limit=interaction.filesize_limit // part,
            request_limit=REQUEST_LIMIT // part,
            with_text=interaction.client.personal.of(view.job.user_id).writes_png_text,
        )
        if not uploads.ready:
            raise UserError("None of its images could be shared: they are gone, or too large for this place.")
        return uploads

    async def _edit(self, interaction: Press, view: JobView, uploads: Uploads) -> discord.InteractionMessage:
        public = replace(view, job=replace(view.job, private=False))
        shown = [ShownImage(each.image, each.name, each.reencoded) for each in uploads.ready]
        files = [each.file() for each in uploads.ready]
        return await interaction.edit_original_response(view=result_card(public, shown), attachments=files)


async def withdraw(interaction: Press, job: Job, *, besides: int | None) -> list[str]:
    """Take away the other messages that show a job that was deleted, all but ``besides``; what to say of those that
    stay, with links.
    """
    shown = dict.fromkeys([(job.share_channel_id, job.share_message_id), (job.channel_id, job.message_id)])
    left = []
    for channel_id, message_id in shown:
        if channel_id is None or message_id in (None, besides):
            continue
        message = interaction.client.get_partial_messageable(channel_id).get_partial_message(message_id)
        try:
            await message.delete()
        except discord.NotFound:
            continue  # Taken away already, or a private card, which nobody but its reader can take away.
        except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
            log.info("delete.message_left", job=job.id, kind=type(failure).__name__)
            url = jump_url(job)
            left.append("Discord did not let me take it away in another place" + (f": {url}" if url else "."))
    return left
