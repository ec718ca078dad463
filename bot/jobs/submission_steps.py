"""The transactions of submissions. Each step is one guarded update with its event and ledger entries.

A step returns False if the submission is no longer in the status in which the step starts. The caller decides what that
means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.clock import Clock
from bot.domain.money import converted
from bot.jobs.image_fetcher import KeptImage
from bot.jobs.late_images import NOTHING, Later
from bot.jobs.provider_text import as_stored
from bot.providers.base import Cost, Handle, Provider
from bot.text import message
from storage import jobs as rows
from storage import ledger, submissions
from storage.database import Database
from storage.images import add_images, positions_of
from storage.records import ENDED, EventReason, Submission, SubmissionStatus

CRASHED = message(
    "submission.crashed",
    "Something went wrong on our side. If this keeps happening, tell the bot's operator about job {job:plain}.",
)


class SubmissionSteps:
    """All changes of existing submissions, one at a time."""

    def __init__(self, database: Database, providers: Mapping[str, Provider], clock: Clock) -> None:
        self._database = database
        self._providers = providers
        self._clock = clock
        self.next_attempts: dict[int, float] = {}
        """When each postponed submission is due, by the monotonic clock, because the wall clock may be set."""

    async def sending(self, submission: Submission, handle: Handle) -> bool:
        """Move queued → submitting, committed before the paid call. The call counts from now on."""
        now = self._clock.now()
        self.next_attempts.pop(submission.id, None)
        return await self._move(
            submission,
            SubmissionStatus.QUEUED,
            SubmissionStatus.SUBMITTING,
            EventReason.SENT,
            handle=handle,
            sent_at=now,
            next_attempt_at=None,
            sendings=submission.sendings + 1,
        )

    async def postpone(
        self, submission: Submission, *, seconds: float, why: str, handle: Handle | None = None, lost: bool = False
    ) -> bool:
        """Stay queued, or move submitting → queued, because nothing was accepted. Retry after ``seconds``.

        The call counts no longer, unless it is ``lost``: no response came, and the provider does not find the request.
        """
        refused = submission.status is SubmissionStatus.SUBMITTING and not lost
        sendings = submission.sendings - refused
        due_at = self._clock.monotonic() + seconds
        postponed = await self._move(
            submission,
            submission.status,
            SubmissionStatus.QUEUED,
            why,
            handle=handle if handle is not None else submission.handle,
            attempts=submission.attempts + 1,
            next_attempt_at=self._clock.now() + int(seconds * 1000),
            sent_at=submission.sent_at if sendings else None,
            sendings=sendings,
        )
        if postponed:
            self.next_attempts[submission.id] = due_at
        return postponed

    async def accepted(self, submission: Submission, handle: Handle, *, why: str) -> bool:
        """Move submitting → rendering; also queued → rendering if an earlier call turns out to have arrived."""
        return await self._move(submission, submission.status, SubmissionStatus.RENDERING, why, handle=handle)

    async def learnt(self, submission: Submission, handle: Handle, charged: int | None) -> bool:
        """Stay rendering; store an extended handle, or the amount that the provider charged so far (millicredits)."""
        rendering = SubmissionStatus.RENDERING
        return await self._move(submission, rendering, rendering, "", handle=handle, charged=charged)

    async def done(
        self,
        submission: Submission,
        images: Sequence[KeptImage],
        cost: Cost,
        *,
        seconds: float | None,
        problems: Sequence[dict[str, Any]] | None,
        beyond: int = 0,
        later: Later = NOTHING,
    ) -> bool:
        """Move → done, after the files are stored. Captures the cost and releases the hold in the same transaction.

        A submission that was reopened for its missing images was captured before, so only the images are added.
        ``later`` is about images that can be fetched later.

        ``seconds`` is the time in which they were made, None if that is unknown. ``beyond`` is an additional charge by
        the provider, in its millicredits; no user pays for it.
        """
        now = self._clock.now()
        provider = self._providers[submission.provider]
        reopened = submission.reopened_at is not None
        async with self._database.write() as tx:
            paid = reopened and bool(await positions_of(tx, submission.id))
            # Computed from the duration, which the next start learns: the clock may have been set meanwhile.
            known = seconds is not None and submission.sent_at is not None
            finished_at = (submission.sent_at or 0) + round((seconds or 0) * 1000) if known else None
            first = {} if paid else {"finished_at": finished_at, "charged": cost.millicredits + beyond}
            moved = await submissions.move_submission(
                tx,
                submission.id,
                submission.status,
                SubmissionStatus.DONE,
                at=now,
                why=EventReason.FINISHED,
                ended_at=now,
                problems=problems,
                **later._asdict(),
                **first,
            )
            if not moved:
                return False
            await add_images(tx, submission.id, [image.row for image in images], at=now)
            if paid:
                await ledger.count_images(tx, submission.id)
            else:
                await ledger.capture(
                    tx,
                    submission.id,
                    amount=converted(cost.millicredits, provider.credit_value),
                    exact=cost.exact,
                    raw_amount=cost.millicredits,
                    at=now,
                    reopened=reopened,
                )
            await rows.settle_job(tx, submission.job_id, now)
        return True

    async def ended_free(
        self,
        submission: Submission,
        status: SubmissionStatus,
        *,
        why: str,
        problems: Sequence[dict[str, Any]],
        **known: object,
    ) -> SubmissionStatus | None:
        """Move → failed, cancelled or unknown, and release the hold. ``problems`` are the stored texts for the card.

        ``known`` are columns: an amount that the provider charged nevertheless, and facts about missing images. A
        submission that was reopened for its missing images is done again instead: what it has is paid for, and what it
        lacks stays stored. Returns the new status, or None if the submission is no longer in its old one.
        """
        now = self._clock.now()
        columns: dict[str, object] = {"problems": problems, **known}
        async with self._database.write() as tx:
            if submission.reopened_at is not None and await positions_of(tx, submission.id):
                status, columns = SubmissionStatus.DONE, {}
            moved = await submissions.move_submission(
                tx, submission.id, submission.status, status, at=now, why=why, ended_at=now, **columns
            )
            if not moved:
                return None
            # The hold of a reopened submission was released at its first end.
            if submission.reopened_at is None:
                await ledger.release(tx, submission.id, at=now, note=why)
            await rows.settle_job(tx, submission.job_id, now)
        return status

    async def crashed(self, submission: Submission) -> None:
        """End a run that a bug stopped: unknown if it was sent, failed if not. Both are free. See ``ended_free``."""
        sent = submission.status is not SubmissionStatus.QUEUED or submission.sendings > 0
        status = SubmissionStatus.UNKNOWN if sent else SubmissionStatus.FAILED
        problems = as_stored(CRASHED(job=submission.job_id))
        if submission.status not in ENDED:
            await self.ended_free(submission, status, why=EventReason.CRASHED, problems=problems)

    async def positions(self, submission: Submission) -> frozenset[int]:
        """Return the positions of the images that it has: none, unless it was reopened for the missing ones."""
        if submission.reopened_at is None:
            return frozenset()
        async with self._database.read() as connection:
            return await positions_of(connection, submission.id)

    async def _move(
        self, submission: Submission, old: SubmissionStatus, new: SubmissionStatus, why: str, **columns: object
    ) -> bool:
        async with self._database.write() as tx:
            return await submissions.move_submission(
                tx, submission.id, old, new, at=self._clock.now(), why=why, **columns
            )
