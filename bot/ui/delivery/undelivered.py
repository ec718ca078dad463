"""How a result that could not be shown reaches its author after all: on request, in an answer to them alone."""

from __future__ import annotations

import discord

from bot.errors import UserError
from bot.jobs.store import BEING_DELIVERED
from bot.jobs.view import JobView
from bot.ui.cards.job import ShownImage, failure_card, result_card
from bot.ui.cards.layout import notice
from bot.ui.cards.wording import counted, moment
from bot.ui.delivery.attachments import pack
from bot.ui.delivery.images import REQUEST_LIMIT, Uploads
from bot.ui.delivery.links import SHOWN_PRIVATELY, jump_url
from bot.ui.delivery.methods import WORDS_MAY_DO, Reason, Step, reason
from bot.ui.first_answer import promise
from bot.ui.interactions import origin_of
from bot.ui.replies import Press, tell
from storage.records import UNSHOWN, JobStatus


async def show_kept(interaction: Press, job_id: int) -> None:
    """Bring a result that could not be shown, with its images, into this very answer, to its author alone."""
    client, origin = interaction.client, origin_of(interaction)
    await promise(interaction)
    job = await client.history.own(origin, job_id)
    if job.status in UNSHOWN:
        raise UserError(BEING_DELIVERED if job.status is JobStatus.READY else "This is not finished yet.")
    if job.status is not JobStatus.KEPT:
        url = jump_url(job)
        await tell(interaction, notice("You were shown this already." + (f" It is [here]({url})." if url else "")))
        return
    view = await client.actions.view(job_id)
    packed = await _bring(interaction, view, file_limit=origin.file_limit)
    if packed.ready or not view.images:
        await client.history.shown(job_id, note=SHOWN_PRIVATELY)


async def _bring(interaction: Press, view: JobView, *, file_limit: int) -> Uploads:
    """Fill the answer with as much of the images as Discord takes: all, or half as many bytes, or the words alone."""
    client, why = interaction.client, "Too large to be sent here, but kept"
    with_text = client.personal.of(view.job.user_id).writes_png_text
    for part in (1, 2):
        packed = await pack(
            view,
            client.history.files,
            file_limit=file_limit // part,
            request_limit=REQUEST_LIMIT // part,
            with_text=with_text,
        )
        try:
            await _fill(interaction, view, packed)
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
    await _fill(interaction, view, packed, why=why)
    return packed


async def _fill(
    interaction: Press, view: JobView, packed: Uploads, *, why: str = "Too large to be sent here, but kept"
) -> None:
    """``why`` says what keeps those images away that do not fit."""
    if view.images:
        notes = []
        if packed.gone:
            notes.append(f"No longer stored: {counted(packed.gone, 'image')} of this job.")
        if packed.unfit:
            notes.append(f"{why}: {counted(packed.unfit, 'image')} of this job.")
        if packed.unfit and not packed.ready:
            until = moment(interaction.client.history.kept_until(view.job), "D")
            notes.append(f"What is kept waits in your history until {until}.")
        shown = [ShownImage(each.image, each.name, each.reencoded) for each in packed.ready]
        card = result_card(view, shown, notes=notes)
    else:
        card = failure_card(view)
    await interaction.edit_original_response(view=card, attachments=[each.file() for each in packed.ready])
