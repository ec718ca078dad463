"""The transactions of jobs. Each step is one guarded update.

A step returns False if the job is no longer in the status in which the step starts. The caller decides what that means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Unpack

from bot.clock import Clock
from bot.domain.place import CardAddress
from bot.errors import UserError
from bot.jobs.durations import Durations
from bot.jobs.hints import Hints
from bot.jobs.provider_text import as_stored
from bot.jobs.repeats import RecentResults
from bot.jobs.submission_steps import SubmissionSteps
from bot.jobs.view import JobView, Progress, load
from bot.providers.base import Engine, Provider
from bot.providers.operations import Operation
from bot.text import message
from storage import endings, reports, retention, sources, submissions
from storage import jobs as rows
from storage.database import AsyncConnection, Database
from storage.hints import Hint, record_shown
from storage.images import add_removals, forget_files, forget_previews, images_of
from storage.jobs import JobColumns
from storage.records import (
    ENDED,
    ON_THEIR_WAY,
    DeliveryMethod,
    DeliveryReason,
    EventReason,
    Job,
    JobStatus,
    Submission,
    SubmissionStatus,
)

GONE = message("jobs.gone", "This job no longer exists. Start a new one with /imagine.")
BEING_DELIVERED = message(
    "jobs.being_delivered", "The images are ready, but Discord hasn't accepted all of them yet. Try again in a moment."
)
NOT_FINISHED = message("jobs.not_finished", "This job isn't finished. Cancel it or wait until it ends, then delete it.")
NOT_YOURS = message("jobs.not_yours", "This job belongs to somebody else.")
OLD_CARD = message("jobs.old_card", "This button no longer works. Use the newest message of this job.")
CANCELLED = message("submission.cancelled", "Cancelled.")
CANCELLED_SENT = message(
    "submission.cancelled_sent", "Cancelled after it was sent. We can't tell if the image service made it."
)
LONGEST_STORED_WAIT = 60.0  # The maximum rest of a wait from an earlier process, in seconds: clocks may be set.


class TakenUp(NamedTuple):
    """The work that is left after a restart, and the submissions that wait for the operator."""

    on_their_way: list[Submission]
    ready: list[Job]
    waiting: list[reports.Waits]


class JobStore:
    """All changes of existing jobs. ``NewJobs`` adds new ones, and ``steps`` changes their submissions."""

    def __init__(self, database: Database, providers: Mapping[str, Provider], clock: Clock, *, kept_days: int) -> None:
        """``kept_days`` is for how many days the images of an undelivered job are kept after its end."""
        self.database = database
        self.providers = providers
        self.engines: dict[str, Engine] = {}
        """All engines by id, each for its first operation, including those that their services no longer have."""
        self._clock = clock
        self._kept_days = kept_days
        self.steps = SubmissionSteps(database, providers, clock)
        self.durations = Durations(database)
        self.recent = RecentResults()
        self.hints = Hints(database)
        self._ready_before: frozenset[int] = frozenset()
        for provider in providers.values():
            self.add_engines(provider.engines)

    def engines_doing(self, operation: Operation) -> dict[str, Engine]:
        """Return the engines that have this operation and are not retired, for this operation, by id."""
        for provider in self.providers.values():
            self.add_engines(provider.engines)  # A provider may also ask its service before a request.
        every = (
            (provider, engine.doing(operation)) for provider in self.providers.values() for engine in provider.engines
        )
        return {each.id: each for provider, each in every if each is not None and not provider.has_retired(each)}

    def add_engines(self, engines: Iterable[Engine]) -> None:
        """Take over what a service says that it has."""
        self.engines.update((engine.id, engine) for engine in engines)

    # --- the steps of a job -------------------------------------------------------------------------------------

    async def cancel(self, job_id: int) -> tuple[int, list[Submission]]:
        """Drop unsent submissions. Returns the number of dropped submissions, and those that continue.

        Those that continue are marked as cancelled if their providers can stop them, so that a restart does so too.

        Those that wait for a second call or for an unconfigured provider are dropped too. Their outcome is unknown, and
        the provider is not asked about them again.
        """
        queued, on_their_way = {SubmissionStatus.QUEUED}, ON_THEIR_WAY
        cancelled, unknown = SubmissionStatus.CANCELLED, SubmissionStatus.UNKNOWN
        now, why, sent = self._clock.now(), EventReason.CANCELLED, as_stored(CANCELLED_SENT())
        async with self.database.write() as tx:
            dropped = await endings.end_free(
                tx, queued, cancelled, at=now, why=why, problems=as_stored(CANCELLED()), of_job=job_id, sent=False
            )
            dropped += await endings.end_free(
                tx, queued, unknown, at=now, why=why, problems=sent, of_job=job_id, forget_handle=True
            )
            if self.providers:
                dropped += await endings.end_free(
                    tx,
                    on_their_way,
                    unknown,
                    at=now,
                    why=why,
                    problems=sent,
                    of_job=job_id,
                    unless_provider_in=self.providers,
                    forget_handle=True,
                )
            stoppable = [name for name, provider in self.providers.items() if provider.cancels]
            await endings.mark_cancelled(tx, job_id, stoppable, at=now)
            left = await submissions.submissions_of(tx, job_id)
        return dropped, [submission for submission in left if submission.status not in ENDED]

    async def delivered(
        self,
        job_id: int,
        *,
        by: DeliveryMethod,
        reasons: Sequence[DeliveryReason] = (),
        hint: Hint | None = None,
        **where: Unpack[JobColumns],
    ) -> bool:
        """Move ready or undelivered → delivered, and erase the token, which is no longer needed.

        ``reasons`` are why the methods before could not be used. ``where`` is the channel and the message of a result
        outside its card, and whether its author is to be notified. The card shows the ``hint``.
        """
        where |= {"delivered_by": by, "delivery_reasons": list(reasons), "attempting": None}
        return await self._finish(job_id, JobStatus.DELIVERED, where, hint)

    async def undelivered(
        self,
        job_id: int,
        *,
        reasons: Sequence[DeliveryReason],
        by: DeliveryMethod | None = None,
        **where: Unpack[JobColumns],
    ) -> bool:
        """Move ready → undelivered. ``by`` is the method that showed its card without the images, if any did."""
        where |= {"delivered_by": by, "delivery_reasons": list(reasons)}
        return await self._finish(job_id, JobStatus.UNDELIVERED, where)

    async def renew(self, job_id: int, user_id: int, card: CardAddress, *, file_limit: int) -> Job:
        """Store the fresh token from the author's button press on the card. An undelivered job becomes ready again.

        Returns the job before the change. Raises UserError if the job does not exist, if it is not the user's, or if
        the card is no longer the job's.
        """
        async with self.database.write() as tx:
            job = await job_that_exists(tx, job_id)
            if job.user_id != user_id:
                raise UserError(NOT_YOURS)
            if job.message_id not in (None, card.message_id) and job.status is not JobStatus.DELIVERED:
                raise UserError(OLD_CARD)
            fresh: JobColumns = {
                "interaction_token": card.token,
                "token_expires_at": card.token_expires_at,
                "file_limit": file_limit,
            }
            if job.status is JobStatus.UNDELIVERED:
                fresh["ended_at"] = job.ended_at
                await rows.move_job(tx, job_id, JobStatus.UNDELIVERED, JobStatus.READY, at=self._clock.now(), **fresh)
            elif job.status is not JobStatus.DELIVERED:
                await rows.update_job(tx, job_id, **fresh)
        return job

    async def _finish(self, job_id: int, status: JobStatus, changes: JobColumns, hint: Hint | None = None) -> bool:
        before, now = (JobStatus.READY, JobStatus.UNDELIVERED), self._clock.now()
        changes |= {"interaction_token": None, "token_expires_at": None}
        async with self.database.write() as tx:
            moved = await rows.move_job(tx, job_id, before, status, at=now, **changes)
            if moved and hint is not None:
                await record_shown(tx, job_id, hint, at=now)
        return moved

    async def take_up(self, *, not_offered: Sequence[dict[str, Any]]) -> TakenUp:
        """Take up work after a restart: submissions on their way and jobs ready to be shown, oldest first.

        Cards of resumed jobs show the restart. If a provider is not configured any more, its unsent submissions end for
        free with the stored texts ``not_offered``. Its sent ones wait for it, because they may be charged.
        """
        now = self._clock.now()
        async with self.database.write() as tx:
            await endings.end_free(
                tx,
                {SubmissionStatus.QUEUED},
                SubmissionStatus.FAILED,
                at=now,
                why=EventReason.PROVIDER_REMOVED,
                problems=not_offered,
                unless_provider_in=self.providers,
                sent=False,
            )
            await endings.mark_resumed(tx, now)
            on_their_way = await submissions.with_status(tx, ON_THEIR_WAY)
            ready = await rows.jobs_with_status(tx, (JobStatus.READY,))
            waiting = await reports.waiting(tx, self.providers)
            postponed = await submissions.next_attempts(tx)
        self._ready_before = frozenset(job.id for job in ready)
        began = self._clock.monotonic()
        self.steps.next_attempts = {
            id_: began + min(LONGEST_STORED_WAIT, max(0.0, (at - now) / 1000)) for id_, at in postponed.items()
        }
        return TakenUp([each for each in on_their_way if each.provider in self.providers], ready, waiting)

    def kept_until(self, job: Job) -> int:
        """Return the time until which the images of an undelivered job are kept, in Unix milliseconds."""
        return (job.ended_at or job.updated_at) + self._kept_days * reports.DAY

    def ready_before(self, job: Job) -> bool:
        """Return whether an earlier attempt may have shown it: before this process, or before it became undelivered."""
        tried = job.attempting is not None or job.delivered_by is not None or bool(job.delivery_reasons)
        return tried or job.id in self._ready_before

    async def token_over(self, job: Job) -> None:
        """Record that Discord no longer accepts the job's token. A token stored in the meantime is kept."""
        async with self.database.write() as tx:
            now = await rows.get_job(tx, job.id)
            if now is not None and now.interaction_token == job.interaction_token:
                await rows.update_job(tx, job.id, interaction_token=None, token_expires_at=None)

    async def note(self, job_id: int, **columns: Unpack[JobColumns]) -> None:
        """Store facts about the card: its message, a fresh token, the delivery method that is being tried."""
        async with self.database.write() as tx:
            await rows.update_job(tx, job_id, **columns)

    async def begin_share(self, job_id: int, *, server_id: int, channel_id: int, message_id: int) -> bool:
        """Record where a private result is about to be shared. False if it was, or may have been, shared before."""
        async with self.database.write() as tx:
            return await rows.begin_share(tx, job_id, server_id=server_id, channel_id=channel_id, message_id=message_id)

    async def shared(self, job_id: int, *, message_id: int) -> bool:
        """Record the share, which delivers an undelivered job. Returns False if the job was deleted meanwhile."""
        async with self.database.write() as tx:
            job = await rows.finish_share(tx, job_id, message_id=message_id, at=self._clock.now())
        return job is not None and job.status is not JobStatus.DELETED

    async def not_shared(self, job_id: int, *, message_id: int) -> None:
        """Record that the message certainly does not show the result, so that it can be shared again."""
        async with self.database.write() as tx:
            await rows.undo_share(tx, job_id, message_id=message_id)

    async def delete(self, job_id: int) -> list[str]:
        """Mark an ended job deleted, and erase its prompt and settings. Returns the names of the files to remove.

        The picture that it started from is deleted too, unless another job needs it. Raises UserError while
        the job is unfinished.
        """
        async with self.database.write() as tx:
            ended = (JobStatus.DELIVERED, JobStatus.UNDELIVERED, JobStatus.LAPSED)
            moved = await rows.move_job(
                tx, job_id, ended, JobStatus.DELETED, at=self._clock.now(), interaction_token=None
            )
            if not moved:
                job = await job_that_exists(tx, job_id)
                if job.status is JobStatus.READY:
                    raise UserError(BEING_DELIVERED)
                raise UserError(NOT_FINISHED)
            made = await images_of(tx, job_id)
            await submissions.forget_results(tx, job_id)
            ids = [image.id for image in made]
            await forget_files(tx, ids)
            await forget_previews(tx, ids)
            await retention.erase_request(tx, job_id)
            names = [name for image in made for name in (image.file, image.preview) if name is not None]
            await add_removals(tx, names)
            names += await sources.release(tx, job_id)
        return names

    # --- reading ------------------------------------------------------------------------------------------------

    async def job(self, job_id: int) -> Job:
        """Read the job. Raises UserError if it does not exist."""
        async with self.database.read() as connection:
            return await job_that_exists(connection, job_id)

    async def view(self, job_id: int, progress: Progress | None = None) -> JobView:
        """Read everything that the job's card shows. Raises UserError if the job does not exist."""
        async with self.database.read() as connection:
            job = await job_that_exists(connection, job_id)
            return await load(connection, job, self.providers, progress or Progress())


async def job_that_exists(connection: AsyncConnection, job_id: int) -> Job:
    """Read the job. Raises UserError if it does not exist or is deleted."""
    job = await rows.get_job(connection, job_id)
    if job is None or job.status is JobStatus.DELETED:
        raise UserError(GONE)
    return job
