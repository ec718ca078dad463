"""Shows an undelivered result privately to its author after a press of Show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.errors import UserError
from bot.jobs.results import Results
from bot.jobs.store import BEING_DELIVERED, JobStore
from bot.jobs.view import JobView
from bot.people.user_settings import UserSettings
from bot.text import message
from bot.ui.cards.delivery_text import jump_url, missing_images
from bot.ui.cards.job import failure_card, result_card
from bot.ui.cards.layout import notice
from bot.ui.client import Interaction
from bot.ui.delivery.attachments import ImageSender, Uploads
from bot.ui.delivery.methods import TOKEN, WORDS_MAY_DO, Refused, refusals
from bot.ui.interactions import origin_of, promise, tell
from storage.images import ImageFiles
from storage.records import UNSHOWN, DeliveryMethod, DeliveryReason, JobStatus

NOT_FINISHED = message("undelivered.not_finished", "This job is not finished yet.")
SHOWN_BEFORE = message("undelivered.shown_before", "You have already seen this.")
SHOWN_BEFORE_AT = message("undelivered.shown_before_at", "You have already seen this: {url}")


class UndeliveredResults:
    """Shows results that could not be delivered."""

    def __init__(
        self,
        *,
        store: JobStore,
        results: Results,
        files: ImageFiles,
        view: Callable[[int], Awaitable[JobView]],
        settings_of: Callable[[int], UserSettings],
    ) -> None:
        self._store = store
        self._results = results
        self._files = files
        self._view = view
        self._settings_of = settings_of

    async def show(self, interaction: Interaction, job_id: int) -> None:
        """Show the result with its images in this answer. That counts as delivery if any image could be sent."""
        origin = origin_of(interaction)
        await promise(interaction)
        job = await self._results.own(origin, job_id)
        if job.status in UNSHOWN:
            raise UserError(BEING_DELIVERED if job.status is JobStatus.READY else NOT_FINISHED)
        if job.status is not JobStatus.UNDELIVERED:
            url = jump_url(job)
            await tell(interaction, notice(SHOWN_BEFORE_AT(url=url) if url else SHOWN_BEFORE))
            return
        view = await self._view(job_id)
        kept_until = self._store.kept_until(job)

        async def fill(uploads: Uploads, reason: DeliveryReason = DeliveryReason.TOO_LARGE) -> None:
            notes = missing_images(
                shown=len(uploads.ready), gone=uploads.gone, unfit=uploads.unfit, kept_until=kept_until, reason=reason
            )
            card = result_card(view, uploads.ready, notes=notes) if view.images else failure_card(view)
            await interaction.edit_original_response(view=card, attachments=uploads.files())

        async def send(uploads: Uploads) -> None:
            with refusals(TOKEN, WORDS_MAY_DO):
                await fill(uploads)

        sender = ImageSender(view, self._files, with_text=self._settings_of(job.user_id).writes_png_text)
        try:
            uploads = await sender.send(send, file_limit=origin.file_limit)
        except Refused as refused:
            uploads = Uploads((), unfit=len(view.images))
            await fill(uploads, refused.reason)
        if uploads.ready or not view.images:
            await self._store.delivered(job_id, by=DeliveryMethod.HISTORY)
