"""Where a job can be seen: the address of its message, for whoever asked for it."""

from __future__ import annotations

from bot.ui.delivery.methods import Step
from storage.records import Job, JobStatus, ShareState

SHOWN_PRIVATELY = "shown in the history"
"""The delivery note of a job that was shown in an answer to its author alone, where no link leads."""

# A message whose images could not go with it is kept, and still stands where it was sent.
_STANDS = tuple(step.value for step in Step)


def jump_url(job: Job) -> str | None:
    """The address of the job's message, or None where there is none that lasts: a private answer, a deleted card."""
    if job.share_state is ShareState.POSTED:
        return f"https://discord.com/channels/{job.share_server_id}/{job.share_channel_id}/{job.share_message_id}"
    note = job.delivery_note or ""
    if job.message_id is None or note.startswith(SHOWN_PRIVATELY):
        return None
    if job.status is JobStatus.KEPT and not note.startswith(_STANDS):
        return None
    sent = note.startswith(Step.DM.value)
    if job.private and not sent:
        return None
    place = "@me" if sent or job.server_id is None else str(job.server_id)
    return f"https://discord.com/channels/{place}/{job.channel_id}/{job.message_id}"
