"""Tells people who want to know it that a job of theirs that took long is done."""

from __future__ import annotations

import aiohttp
import discord
import structlog

from bot.errors import UserError
from bot.jobs.store import JobStore
from bot.text import lasted
from bot.ui.cards.layout import Card, notice
from bot.ui.delivery.links import jump_url
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.methods import Step
from storage.errors import StorageError
from storage.records import Job, JobStatus

log = structlog.get_logger(__name__)

LONG = 60_000
"""Milliseconds from asking to showing after which a person has probably looked away."""

# A new message tells its author by itself.
_TELLS_BY_ITSELF = (Step.POST.value, Step.DM.value)


async def tell_if_long(jobs: JobStore, job_id: int, messages: Messages) -> None:
    """Send the author of a job that was just shown a direct message, if it took long and nothing else told them.

    Never raises: the result is where it belongs, and this is only a word about it.
    """
    try:
        job = await jobs.job(job_id)
        if (card := _word(job)) is not None:
            await messages.dm(job, card, (), f"{job.id}-done")
    except (discord.HTTPException, aiohttp.ClientError, OSError, StorageError, UserError) as error:
        log.info("long_job.not_told", job=job_id, kind=type(error).__name__)


def _word(job: Job) -> Card | None:
    if job.status is not JobStatus.DELIVERED or (job.delivery_note or "").startswith(_TELLS_BY_ITSELF):
        return None
    took = (job.delivered_at or job.created_at) - job.created_at
    in_their_dms = job.server_id is None and job.bot_present
    if took < LONG or in_their_dms:
        return None
    private = f"It is on its private card in <#{job.channel_id}>, and in your history."
    return notice(f"Your job {job.id} is done, after {lasted(took / 1000)}.", jump_url(job) or private)
