"""How a result that could not be shown reaches its author after all: on request, in an answer to them alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord

from bot.errors import UserError
from bot.jobs.results import Results
from bot.jobs.store import BEING_DELIVERED
from bot.jobs.view import JobView
from bot.people.user_settings import UserSettings
from bot.ui.cards.job import ShownImage, failure_card, result_card
from bot.ui.cards.layout import notice
from bot.ui.cards.wording import counted, moment
from bot.ui.client import Interaction
from bot.ui.delivery.attachments import pack
from bot.ui.delivery.images import REQUEST_LIMIT, Uploads
from bot.ui.delivery.links import SHOWN_PRIVATELY, jump_url
from bot.ui.delivery.methods import WORDS_MAY_DO, Reason, Step, reason
from bot.ui.interactions import origin_of, promise, tell
from storage.images import ImageFiles
from storage.records import UNSHOWN, JobStatus


class LateResults:
    """Shows a result that could not be delivered, in a private answer to its author."""

    def __init__(
        self,
        *,
        results: Results,
        files: ImageFiles,
        view: Callable[[int], Awaitable[JobView]],
        settings_of: Callable[[int], UserSettings],
    ) -> None:
        self._results = results
        self._files = files
        self._view = view
        self._settings_of = settings_of

    async def show(self, interaction: Interaction, job_id: int) -> None:
        """Answer with the result and its images. Raises UserError where that is not for this person."""
        origin = origin_of(interaction)
        await promise(interaction)
        job = await self._results.own(origin, job_id)
        if job.status in UNSHOWN:
            raise UserError(BEING_DELIVERED if job.status is JobStatus.READY else "This is not finished yet.")
        if job.status is not JobStatus.KEPT:
            url = jump_url(job)
            await tell(interaction, notice("You were shown this already." + (f" It is [here]({url})." if url else "")))
            return
        view = await self._view(job_id)
        packed = await self._bring(interaction, view, file_limit=origin.file_limit)
        if packed.ready or not view.images:
            await self._results.shown(job_id, note=SHOWN_PRIVATELY)

    async def _bring(self, interaction: Interaction, view: JobView, *, file_limit: int) -> Uploads:
        """Fill the answer with as much of the images as Discord takes: all, half as many bytes, or the words alone."""
        why = "Too large to be sent here, but kept"
        with_text = self._settings_of(view.job.user_id).writes_png_text
        for part in (1, 2):
            packed = await pack(
                view,
                self._files,
                file_limit=file_limit // part,
                request_limit=REQUEST_LIMIT // part,
                with_text=with_text,
            )
            try:
                await self._fill(interaction, view, packed)
            except discord.HTTPException as error:
                refused = reason(Step.TOKEN, error)
                if refused not in WORDS_MAY_DO:
                    raise
                if refused is not Reason.TOO_LARGE:
                    why = f"{refused.value[0].upper()}{refused.value[1:]}, but kept"
                    break
            else:
                return packed
        packed = Uploads((), unfit=len(view.images))
        await self._fill(interaction, view, packed, why=why)
        return packed

    async def _fill(
        self,
        interaction: Interaction,
        view: JobView,
        packed: Uploads,
        *,
        why: str = "Too large to be sent here, but kept",
    ) -> None:
        """``why`` says what keeps those images away that do not fit."""
        if view.images:
            notes = []
            if packed.gone:
                notes.append(f"No longer stored: {counted(packed.gone, 'image')} of this job.")
            if packed.unfit:
                notes.append(f"{why}: {counted(packed.unfit, 'image')} of this job.")
            if packed.unfit and not packed.ready:
                until = moment(self._results.kept_until(view.job), "D")
                notes.append(f"What is kept waits in your history until {until}.")
            shown = [ShownImage(each.image, each.name, each.reencoded) for each in packed.ready]
            card = result_card(view, shown, notes=notes)
        else:
            card = failure_card(view)
        await interaction.edit_original_response(view=card, attachments=[each.file() for each in packed.ready])
