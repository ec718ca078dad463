"""Notifications of authors whose jobs took long: when one is due, and how far each has come.

A notification is recorded before it is sent, so that it is sent at most once, whatever stops the bot.
"""

from __future__ import annotations

import structlog

from bot.clock import Clock
from bot.domain.place import TOKEN_LIFE
from bot.jobs.store import CANCELLED_SENT
from bot.jobs.view import JobView
from storage import notifications as rows
from storage.database import Database
from storage.records import DeliveryMethod, Job, NotificationState, Submission, SubmissionStatus

log = structlog.get_logger(__name__)

LONG = 60_000
"""Milliseconds after which the person has probably stopped looking at the card."""
RECENT = 10 * 60_000
"""Milliseconds after a delivery for which a notification that a restart prevented is still sent."""

# The methods that edit the card. Discord notifies nobody of an edit.
_EDITS = frozenset({DeliveryMethod.TOKEN, DeliveryMethod.BOT_EDIT, DeliveryMethod.FOUND_IN_CARD})


def is_due(view: JobView, by: DeliveryMethod, now: int) -> bool:
    """Return whether the author should be notified of this delivery at ``now`` (Unix milliseconds).

    They should if the card was edited more than a minute after they ran the command or last pressed Confirm or Refresh.
    A job without images that somebody cancelled needs no notification.
    """
    if by not in _EDITS or now - _last_press(view.job) <= LONG:
        return False
    return bool(view.images) or not any(_cancelled(each.record) for each in view.submissions)


def _last_press(job: Job) -> int:
    # Each of these gives the card a fresh token.
    pressed = 0 if job.token_expires_at is None else job.token_expires_at - TOKEN_LIFE
    return max(job.created_at, pressed)


def _cancelled(submission: Submission) -> bool:
    codes = {problem["code"] for problem in submission.problems or ()}
    return submission.status is SubmissionStatus.CANCELLED or CANCELLED_SENT.code in codes


class Notifications:
    """The progress of each notification. Every method may raise StorageError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take_up(self) -> list[Job]:
        """Return the recently delivered jobs whose authors are still to be notified, oldest first. Drop older ones."""
        async with self._database.write() as tx:
            dropped = await rows.drop_due(tx, before=self._clock.now() - RECENT)
            left = await rows.due(tx)
        if left or dropped:
            log.info("notifications.resumed", jobs=len(left), dropped=dropped)
        return left

    async def move(self, job_id: int, old: NotificationState, new: NotificationState | None) -> bool:
        """Move to ``new``, the way that is about to be tried, or None for no way. False if another task was first."""
        async with self._database.write() as tx:
            return await rows.move_notification(tx, job_id, old, new)

    async def sent(self, job_id: int, *, channel_id: int, message_id: int) -> bool:
        """Record the message, so that it can be deleted with the job. False if the job was deleted meanwhile."""
        async with self._database.write() as tx:
            return await rows.record_message(tx, job_id, channel_id=channel_id, message_id=message_id)
