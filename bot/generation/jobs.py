"""The transactions of a job's life: each step is one guarded update with its event and its ledger entries.

A step returns False where somebody else was first; the caller decides what that means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.credits import converted
from bot.errors import UserError
from bot.generation import limits
from bot.generation.clock import Clock
from bot.generation.limits import Limits
from bot.generation.plain_polling import PlainDurations
from bot.generation.requests import Plan, encode_request
from bot.generation.views import JobView, Progress, load
from bot.origin import CardAddress, Origin
from bot.providers.base import Cost, Engine, FetchedImage, Handle, Provider
from storage import endings, ledger, threads
from storage import jobs as rows
from storage.database import AsyncConnection, Database
from storage.jobs import Job, JobStatus, Submission, SubmissionStatus

CRASHED = (
    "Something went wrong on our side. You were not charged. If it happens again, name job {job} to the bot's admin."
)


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image whose file is ours: its name in the image folder and what is known of it."""

    position: int
    file: str
    fetched: FetchedImage
    seed: int | None
    filtered: bool


class Jobs:
    """Every change of a job or a submission goes through here."""

    def __init__(self, database: Database, providers: Mapping[str, Provider], limits: Limits, clock: Clock) -> None:
        self.database = database
        self.providers = providers
        self.engines: dict[str, Engine] = {
            engine.id: engine for provider in providers.values() for engine in provider.engines
        }
        self._limits = limits
        self._clock = clock
        self.durations = PlainDurations()

    # --- asking -------------------------------------------------------------------------------------------------

    async def submit(self, origin: Origin, plan: Plan, card: CardAddress, *, parent_id: int | None = None) -> int:
        """Write the job, its submissions and their holds, and return the job's id.

        Raises UserError where a limit would be passed: nothing is written then.
        """
        now = self._clock.now()
        holds = []
        for request in plan.requests:
            provider = self.providers[self.engines[request.engine].provider]
            holds.append(converted(provider.quote(request).hold, provider.credit_value))
        async with self.database.write() as tx:
            await limits.check(tx, self._limits, origin, hold=sum(holds), now=now)
            thread_id = await self._thread(tx, origin, plan, now)
            job_id = await rows.add_job(
                tx,
                thread_id=thread_id,
                parent_id=parent_id,
                user_id=origin.user_id,
                server_id=origin.server_id,
                status=JobStatus.WORKING,
                options=plan.options.to_json(),
                private=plan.options.private,
                spoiler=plan.options.spoiler,
                channel_id=card.channel_id,
                message_id=card.message_id,
                interaction_token=card.token,
                token_expires_at=card.token_expires_at,
                bot_present=origin.bot_present,
                file_limit=origin.file_limit,
                at=now,
            )
            for position, (request, hold) in enumerate(zip(plan.requests, holds, strict=True)):
                submission_id = await rows.add_submission(
                    tx,
                    job_id=job_id,
                    position=position,
                    user_id=origin.user_id,
                    engine=request.engine,
                    provider=self.engines[request.engine].provider,
                    request=encode_request(request),
                    at=now,
                )
                await ledger.hold(
                    tx,
                    submission_id=submission_id,
                    user_id=origin.user_id,
                    server_id=origin.server_id,
                    engine=request.engine,
                    amount=hold,
                    at=now,
                )
        return job_id

    async def _thread(self, tx: AsyncConnection, origin: Origin, plan: Plan, now: int) -> int:
        if plan.options.thread is not None:
            wanted = plan.options.thread
            thread = await threads.get_thread(tx, int(wanted), origin.user_id) if wanted.isdecimal() else None
            if thread is None or thread.place_id != origin.place_id:
                raise UserError("You have no such thread here. Pick one of those offered. Nothing was charged.")
        else:
            thread = await threads.current_thread(tx, origin.user_id, origin.place_id)
        if thread is None:
            return await threads.open_thread(
                tx, user_id=origin.user_id, place_id=origin.place_id, title=plan.title, at=now
            )
        await threads.touch(tx, thread.id, at=now)
        return thread.id

    # --- the steps of a submission ------------------------------------------------------------------------------

    async def sending(self, submission: Submission, handle: Handle) -> bool:
        """queued → submitting: committed before the paid call."""
        now = self._clock.now()
        return await self._move(
            submission,
            SubmissionStatus.QUEUED,
            SubmissionStatus.SUBMITTING,
            "sent to the provider",
            handle=handle,
            sent_at=now,
            next_attempt_at=None,
        )

    async def postpone(self, submission: Submission, *, seconds: float, why: str, handle: Handle | None = None) -> bool:
        """Stay queued, or come back to queued from submitting: nothing was accepted; try again after ``seconds``."""
        return await self._move(
            submission,
            submission.status,
            SubmissionStatus.QUEUED,
            why,
            handle=handle if handle is not None else submission.handle,
            attempts=submission.attempts + 1,
            next_attempt_at=self._clock.now() + int(seconds * 1000),
            sent_at=None,
        )

    async def accepted(self, submission: Submission, handle: Handle, *, why: str) -> bool:
        """submitting → rendering."""
        return await self._move(submission, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING, why, handle=handle)

    async def learnt(self, submission: Submission, handle: Handle) -> bool:
        """Still rendering, with a handle that knows more."""
        status = SubmissionStatus.RENDERING
        return await self._move(submission, status, status, "a poll taught something", handle=handle)

    async def done(
        self, submission: Submission, images: Sequence[KeptImage], cost: Cost, *, finished_at: int, note: str | None
    ) -> bool:
        """→ done: the files are ours; captures the cost and releases the hold in the same transaction."""
        now = self._clock.now()
        provider = self.providers[submission.provider]
        async with self.database.write() as tx:
            moved = await rows.move_submission(
                tx,
                submission.id,
                submission.status,
                SubmissionStatus.DONE,
                at=now,
                why="finished",
                finished_at=finished_at,
                ended_at=now,
                error=note,
            )
            if not moved:
                return False
            for image in images:
                await rows.add_image(
                    tx,
                    submission_id=submission.id,
                    position=image.position,
                    file=image.file,
                    media_type=image.fetched.media_type,
                    width=image.fetched.size.width,
                    height=image.fetched.size.height,
                    bytes=image.fetched.bytes,
                    seed=image.seed,
                    filtered=image.filtered,
                    at=now,
                )
            await ledger.capture(
                tx,
                submission.id,
                amount=converted(cost.millicredits, provider.credit_value),
                exact=cost.exact,
                raw_amount=cost.millicredits,
                at=now,
            )
            await self._settle(tx, submission.job_id, now)
        if submission.sent_at is not None:
            self.durations.remember(submission.engine, (finished_at - submission.sent_at) / 1000)
        return True

    async def ended_free(self, submission: Submission, status: SubmissionStatus, *, why: str, told: str) -> bool:
        """→ failed, cancelled or unknown: releases the hold; ``told`` is the sentence for the card."""
        now = self._clock.now()
        async with self.database.write() as tx:
            if not await self._end_free(tx, submission, status, why=why, told=told, now=now):
                return False
            await self._settle(tx, submission.job_id, now)
        return True

    async def crashed(self, submission: Submission) -> None:
        """An error of our own ended the run: what was sent is unknown, what was not sent has failed; both are free."""
        sent = submission.status is not SubmissionStatus.QUEUED
        status = SubmissionStatus.UNKNOWN if sent else SubmissionStatus.FAILED
        told = CRASHED.format(job=submission.job_id)
        if submission.status not in rows.ENDED:
            await self.ended_free(submission, status, why="an error of our own", told=told)

    async def _end_free(
        self, tx: AsyncConnection, submission: Submission, status: SubmissionStatus, *, why: str, told: str, now: int
    ) -> bool:
        moved = await rows.move_submission(
            tx, submission.id, submission.status, status, at=now, why=why, ended_at=now, error=told
        )
        if moved:
            await ledger.release(tx, submission.id, at=now, note=why)
        return moved

    async def _move(
        self, submission: Submission, old: SubmissionStatus, new: SubmissionStatus, why: str, **columns: object
    ) -> bool:
        async with self.database.write() as tx:
            return await rows.move_submission(tx, submission.id, old, new, at=self._clock.now(), why=why, **columns)

    # --- the steps of a job -------------------------------------------------------------------------------------

    async def _settle(self, tx: AsyncConnection, job_id: int, now: int) -> None:
        """working → ready once every submission has ended; in the transaction of the last one's end."""
        submissions = await rows.submissions_of(tx, job_id)
        if all(submission.status in rows.ENDED for submission in submissions):
            await rows.move_job(tx, job_id, JobStatus.WORKING, JobStatus.READY, at=now, ended_at=now)

    async def cancel(self, job_id: int) -> tuple[int, int]:
        """Drop what has not been sent. Returns how many submissions were dropped and how many go on."""
        now = self._clock.now()
        dropped = going_on = 0
        async with self.database.write() as tx:
            for submission in await rows.submissions_of(tx, job_id):
                if submission.status is SubmissionStatus.QUEUED:
                    dropped += await self._end_free(
                        tx, submission, SubmissionStatus.CANCELLED, why="cancelled", told="Cancelled.", now=now
                    )
                elif submission.status not in rows.ENDED:
                    going_on += 1
            if dropped:
                await self._settle(tx, job_id, now)
        return dropped, going_on

    async def shown(self, job_id: int, *, note: str) -> bool:
        """ready or kept → delivered; the token is no longer needed and erased."""
        return await self._finish(job_id, JobStatus.DELIVERED, note=note, delivered_at=self._clock.now())

    async def kept(self, job_id: int, *, note: str) -> bool:
        """ready → kept: it could not be shown; ``note`` says why."""
        return await self._finish(job_id, JobStatus.KEPT, note=note)

    async def _finish(self, job_id: int, status: JobStatus, *, note: str, **columns: object) -> bool:
        async with self.database.write() as tx:
            return await rows.move_job(
                tx,
                job_id,
                (JobStatus.READY, JobStatus.KEPT),
                status,
                at=self._clock.now(),
                delivery_note=note,
                interaction_token=None,
                token_expires_at=None,
                **columns,
            )

    async def take_up(self, *, unknown: str, not_offered: str) -> tuple[list[Submission], list[Job]]:
        """After a restart: what is on its way and what is ready to be shown, oldest first.

        The cards of what is on its way say so. What belongs to a provider that is no longer set up is ended, free, with
        the sentence ``unknown`` for what had been sent and ``not_offered`` for the rest.
        """
        now = self._clock.now()
        gone = "its provider is no longer set up"
        async with self.database.write() as tx:
            for old, new, told in (
                (rows.ON_THEIR_WAY, SubmissionStatus.UNKNOWN, unknown),
                ({SubmissionStatus.QUEUED}, SubmissionStatus.FAILED, not_offered),
            ):
                await endings.end_free(tx, old, new, at=now, why=gone, told=told, unless_provider_in=self.providers)
            await endings.mark_resumed(tx, now)
            on_their_way = await rows.with_status(tx, rows.ON_THEIR_WAY)
            ready = await rows.jobs_with_status(tx, (JobStatus.READY,))
        return on_their_way, ready

    async def note(self, job_id: int, **columns: object) -> None:
        """Keep what was learnt of the card: its message id, a fresh token, a nonce, the ladder's last step."""
        async with self.database.write() as tx:
            await rows.update_job(tx, job_id, **columns)

    async def delete(self, job_id: int) -> list[str]:
        """Mark an ended job deleted and return the names of the files that nobody needs any more.

        Raises UserError while the job is unfinished.
        """
        async with self.database.write() as tx:
            ended = (JobStatus.DELIVERED, JobStatus.KEPT, JobStatus.LAPSED)
            moved = await rows.move_job(
                tx, job_id, ended, JobStatus.DELETED, at=self._clock.now(), interaction_token=None
            )
            if not moved:
                raise UserError("This job is not finished yet. Cancel it, or wait for it, then delete it.")
            images = [image for image in await rows.images_of(tx, job_id) if image.file is not None]
            await rows.forget_files(tx, [image.id for image in images])
        return [image.file for image in images if image.file is not None]

    # --- looking ------------------------------------------------------------------------------------------------

    async def job(self, job_id: int) -> Job:
        """The job's record. Raises UserError if there is none."""
        async with self.database.read() as connection:
            job = await rows.get_job(connection, job_id)
        if job is None or job.status is JobStatus.DELETED:
            raise UserError("That job no longer exists. Start a new one with /imagine.")
        return job

    async def view(self, job_id: int, progress: Progress | None = None) -> JobView:
        """Everything there is to show of the job. Raises UserError if there is none."""
        job = await self.job(job_id)
        async with self.database.read() as connection:
            return await load(connection, job, self.providers, progress or Progress())
