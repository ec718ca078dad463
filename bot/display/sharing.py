"""Shares a private result with everybody in the channel, when its author presses the button and never otherwise."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import discord

from bot.display.answers import Press, explain, tell
from bot.display.cards import notice
from bot.display.first_answer import TOO_SLOW, looked_up
from bot.display.images import REQUEST_LIMIT, Uploads
from bot.display.job_cards import ShownImage, result_card
from bot.display.packing import pack
from bot.display.starting import missing_permissions, origin_of, take_back
from bot.errors import UserError
from bot.generation.views import JobView
from storage.images import ImageFiles

_TOO_LARGE = (413, 40005)


class Sharing:
    """Posts private results for all to see, each at most once."""

    def __init__(self, files: ImageFiles) -> None:
        self._files = files
        self._under_way: set[int] = set()

    async def share(self, interaction: Press, job_id: int) -> None:
        """Show the result in this channel. Raises UserError where that is not for this person or this place."""
        origin = origin_of(interaction)
        # Everybody sees the answer, or, where it cannot be shared, the one who pressed alone.
        view = await looked_up(interaction, interaction.client.lineage.shareable(origin, job_id))
        if interaction.response.is_done():
            raise UserError(TOO_SLOW)
        if missing := missing_permissions(interaction, origin, private=False):
            raise UserError(*missing)
        if job_id in self._under_way:
            raise UserError("It is being shared already.")
        self._under_way.add(job_id)
        try:
            await self._post(interaction, view)
        finally:
            self._under_way.discard(job_id)

    async def _post(self, interaction: Press, view: JobView) -> None:
        # An answer that is edited: a request that Discord was slow to answer is sent again, and an edit does no harm.
        await interaction.response.defer(thinking=True)
        try:
            message = await self._edited(interaction, view)
        except UserError as error:
            await take_back(interaction, error, private=False)
            return
        except Exception as error:  # noqa: BLE001 - told and logged by explain, once the answer is no longer in the way
            with contextlib.suppress(discord.HTTPException):
                await interaction.edit_original_response(view=notice("This was not shared."), attachments=[])
            await explain(interaction, error, doing="button share", job_id=view.job.id)
            with contextlib.suppress(discord.HTTPException):
                await interaction.delete_original_response()
            return
        await interaction.client.lineage.shared(view.job.id, channel_id=message.channel.id, message_id=message.id)
        await tell(interaction, notice(f"Shared: {message.jump_url}"))

    async def _edited(self, interaction: Press, view: JobView) -> discord.InteractionMessage:
        uploads = await self._packed(interaction, view, 1)
        try:
            return await self._edit(interaction, view, uploads)
        except discord.HTTPException as error:
            if error.status not in _TOO_LARGE and error.code not in _TOO_LARGE:
                raise
        return await self._edit(interaction, view, await self._packed(interaction, view, 2))

    async def _packed(self, interaction: Press, view: JobView, part: int) -> Uploads:
        uploads = await pack(
            view,
            self._files.path,
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
