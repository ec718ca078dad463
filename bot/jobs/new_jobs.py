"""Adds new jobs: checks the limits, then stores the job, its submissions and their holds in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog

from bot.clock import Clock
from bot.domain.money import converted
from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import Plan, encode_request, for_place
from bot.errors import NotMade, Problem, UserError
from bot.jobs import limits
from bot.jobs.limits import TOO_MANY_JOBS, TOO_MANY_JOBS_HERE, Limits
from bot.jobs.store import JobStore
from bot.jobs.view import ASKED_PRICE, PLANNED, REPEATS, JobView, load_all, planned_requests, price_of
from bot.providers.base import ImageRequest
from bot.text import message
from storage import jobs, ledger, retention, sources, threads
from storage.database import AsyncConnection
from storage.errors import StorageError
from storage.jobs import NewJob
from storage.records import Job, JobStatus, LapseReason
from storage.submissions import Asked, add_submissions
from storage.threads import Thread

PROPOSED_AT_MOST = 20
"""The maximum number of a person's proposals. One more lets the oldest lapse."""
LAPSED_KEPT = 5
"""The minimum number of a person's latest lapsed proposals that are kept so that their buttons still work."""

NEW_THREAD_AFTER = 24 * 60 * 60 * 1000
"""Milliseconds without a new job after which a person's next job starts a new thread."""

_OF_PROPOSALS = frozenset({PLANNED, REPEATS, ASKED_PRICE})

SOURCE_GONE = message(
    "sources.gone", "The picture that this starts from is no longer stored. Nothing was charged. Attach it again."
)
ENGINE_GONE = message("jobs.engine_gone", "One of the engines is no longer offered. Run the command again.")
NO_SUCH_THREAD = message("threads.not_found", "You have no such thread here. Pick one from the list.")

log = structlog.get_logger(__name__)

LISTED = 8
"""The maximum number of jobs that a refusal lists."""


class NewJobs:
    """Adds jobs, directly or as proposals whose price must be confirmed first."""

    def __init__(self, store: JobStore, limits: Limits, clock: Clock) -> None:
        self._store = store
        self._database = store.database
        self._limits = limits
        self._clock = clock

    async def add(
        self,
        origin: Origin,
        plan: Plan,
        card: CardAddress,
        *,
        parent_id: int | None = None,
        proposed: bool = False,
        repeats: bool = False,
    ) -> int:
        """Store the job with its submissions and their holds, and return its id.

        For a ``proposed`` job, :meth:`confirm` adds the submissions and holds; ``repeats`` is noted for its card: it
        would make images that exist. Raises UserError if a limit would be exceeded; nothing is stored then.
        """
        now = self._clock.now()
        holds = self._holds(plan.requests)
        options = plan.options.to_json()
        if proposed:
            options[PLANNED] = [encode_request(request) for request in plan.requests]
            options[REPEATS] = repeats
            options[ASKED_PRICE] = price_of(plan.requests, self._store.providers).high
        async with listing_running(self._store, origin), self._database.write() as tx:
            granted = await limits.check(
                tx,
                self._limits,
                origin,
                hold=sum(holds),
                images=plan.images,
                free=self.free_images(plan.requests),
                now=now,
                running=not proposed,
            )
            thread_id, opened = await self._thread(tx, origin, plan, now)
            if plan.options.thread is not None:
                # Stored by id, because the title may change and a repeated job belongs to the same thread.
                options["thread"] = str(thread_id)
            job = NewJob(
                thread_id=thread_id,
                parent_id=parent_id,
                user_id=origin.user_id,
                server_id=origin.server_id,
                status=JobStatus.PROPOSED if proposed else JobStatus.WORKING,
                options=options,
                private=plan.options.private,
                spoiler=plan.options.spoiler,
                channel_id=card.channel_id,
                message_id=card.message_id,
                interaction_token=card.token,
                token_expires_at=card.token_expires_at,
                bot_present=origin.bot_present,
                file_limit=origin.file_limit,
                created_at=now,
                source_id=None if plan.options.source is None else plan.options.source.id,
                mask_id=None if plan.options.mask is None else plan.options.mask.id,
            )
            await self._use_pictures(tx, plan.options, now)
            job_id = await jobs.add_job(tx, job)
            if opened:
                await threads.titled(tx, thread_id, job_id)
            if not proposed:
                await self._add_submissions(tx, job_id, origin, plan.requests, holds, granted, now)
        return job_id

    async def limit_problems(
        self, origin: Origin, requests: Sequence[ImageRequest], images: int
    ) -> tuple[Problem, ...]:
        """Return the limits that these requests would exceed now. Raises StorageError."""
        hold, free = sum(self._holds(requests)), self.free_images(requests)
        async with self._database.read() as connection:
            try:
                now = self._clock.now()
                await limits.check(connection, self._limits, origin, hold=hold, images=images, free=free, now=now)
            except UserError as error:
                return error.problems
        return ()

    async def room(self, origin: Origin) -> limits.Room:
        """Return what the person may still make now. Raises StorageError."""
        async with self._database.read() as connection:
            return await limits.room(connection, self._limits, origin, now=self._clock.now())

    def hold_for(self, requests: Sequence[ImageRequest]) -> int:
        """Return the millicredits that would be held for these requests."""
        return sum(self._holds(requests))

    def free_images(self, requests: Sequence[ImageRequest]) -> int:
        """Return how many images of these requests cost nothing."""
        return sum(each.images for each, hold in zip(requests, self._holds(requests), strict=True) if not hold)

    async def confirm(self, origin: Origin, job: Job, card: CardAddress) -> bool:
        """Move proposed → working, with the requests that were shown and their holds. False if no longer proposed.

        Raises UserError if a limit would be exceeded or an engine no longer exists. The job stays proposed then.
        """
        now = self._clock.now()
        # The channel may have been changed meanwhile.
        requests = for_place(planned_requests(job), origin)
        if any(request.engine not in self._store.engines for request in requests):
            raise NotMade(ENGINE_GONE)
        holds = self._holds(requests)
        async with listing_running(self._store, origin), self._database.write() as tx:
            moved = await jobs.move_job(
                tx,
                job.id,
                JobStatus.PROPOSED,
                JobStatus.WORKING,
                at=now,
                options={name: value for name, value in job.options.items() if name not in _OF_PROPOSALS},
                channel_id=card.channel_id,
                message_id=card.message_id,
                interaction_token=card.token,
                token_expires_at=card.token_expires_at,
                file_limit=origin.file_limit,
            )
            if moved:
                images = sum(request.images for request in requests)
                granted = await limits.check(
                    tx,
                    self._limits,
                    origin,
                    hold=sum(holds),
                    images=images,
                    free=self.free_images(requests),
                    now=now,
                    counted_already=1,
                )
                await self._add_submissions(tx, job.id, origin, requests, holds, granted, now)
        return moved

    async def ask_again(self, job: Job, price: int) -> None:
        """Record that the card of a proposed job now names this price (millicredits)."""
        async with self._database.write() as tx:
            now = await jobs.get_job(tx, job.id)
            if now is not None and now.status is JobStatus.PROPOSED:
                await jobs.update_job(tx, job.id, options=now.options | {ASKED_PRICE: price})

    async def make_room(self, user_id: int) -> list[Job]:
        """Let the person's oldest proposals lapse if they have the maximum. Returns those that lapsed."""
        async with self._database.read() as connection:
            waiting = await jobs.proposed_by(connection, user_id)
        oldest = waiting[: max(0, len(waiting) - PROPOSED_AT_MOST + 1)]
        return [job for job in oldest if await self.lapse(job, LapseReason.REPLACED)]

    async def lapse(self, job: Job, reason: LapseReason) -> bool:
        """Move proposed → lapsed. The token is kept so that the card can still be updated."""
        async with self._database.write() as tx:
            moved = await jobs.move_job(
                tx,
                job.id,
                JobStatus.PROPOSED,
                JobStatus.LAPSED,
                at=self._clock.now(),
                lapse_reason=reason,
                interaction_token=job.interaction_token,
            )
            # Proposals are free, so they must not pile up. Those that could be open at the same time are kept, because
            # their cards must still show that they lapsed.
            await retention.delete_lapsed_of(tx, job.user_id, keep=PROPOSED_AT_MOST + LAPSED_KEPT)
        return moved

    async def proposed(self) -> list[Job]:
        """Return all jobs that wait for a confirmation, oldest first."""
        async with self._database.read() as connection:
            return await jobs.jobs_with_status(connection, (JobStatus.PROPOSED,))

    async def _use_pictures(self, tx: AsyncConnection, options: ImagineOptions, now: int) -> None:
        """Keep the pictures that the job starts from. Raises UserError if one of them is gone."""
        ids = [picture.id for picture in (options.source, options.mask) if picture is not None]
        if ids and not await sources.touch(tx, ids, at=now):
            raise NotMade(SOURCE_GONE)

    def _holds(self, requests: Sequence[ImageRequest]) -> list[int]:
        providers = [self._store.providers[self._store.engines[request.engine].provider] for request in requests]
        return [
            converted(provider.quote(request).hold, provider.credit_value)
            for request, provider in zip(requests, providers, strict=True)
        ]

    async def _add_submissions(
        self,
        tx: AsyncConnection,
        job_id: int,
        origin: Origin,
        requests: Sequence[ImageRequest],
        holds: Sequence[int],
        granted: int,
        now: int,
    ) -> None:
        asked = [
            Asked(
                request.engine,
                self._store.engines[request.engine].provider,
                encode_request(request),
                _operation(request),
            )
            for request in requests
        ]
        ids = await add_submissions(tx, job_id, asked, user_id=origin.user_id, at=now)
        parts = limits.from_grants(granted, holds)
        wanted = [
            ledger.Hold(id_, one.engine, hold, part, one.operation)
            for id_, one, hold, part in zip(ids, asked, holds, parts, strict=True)
        ]
        await ledger.hold(tx, *wanted, user_id=origin.user_id, server_id=origin.server_id, at=now)

    async def _thread(self, tx: AsyncConnection, origin: Origin, plan: Plan, now: int) -> tuple[int, bool]:
        """Find or open the job's thread. Returns its id, and whether it was opened for this job."""
        if plan.options.thread is not None:
            thread = await threads.named_thread(tx, origin.user_id, origin.place_id, plan.options.thread)
            if thread is None:
                raise NotMade(NO_SUCH_THREAD)
        else:
            thread = await threads.current_thread(tx, origin.user_id, origin.place_id)
            if thread is not None and not continues(thread, now):
                thread = None
        if thread is None:
            opened = await threads.open_thread(
                tx, user_id=origin.user_id, place_id=origin.place_id, title=plan.title, at=now
            )
            return opened, True
        await threads.touch(tx, thread.id, at=now)
        return thread.id, False


def _operation(request: ImageRequest) -> str | None:
    """The operation as it is stored: None for images from words."""
    return request.operation.value if request.operation.has_source else None


def continues(thread: Thread, now: int) -> bool:
    """Return whether the person's next job belongs to their current thread, or starts a new one after a pause."""
    return now - thread.updated_at < NEW_THREAD_AFTER


class TooManyJobs(NotMade):
    """The person has too many running jobs. ``running`` are the oldest of them."""

    def __init__(self, *problems: Problem, running: Iterable[JobView]) -> None:
        super().__init__(*problems)
        self.running = tuple(running)


@asynccontextmanager
async def listing_running(store: JobStore, origin: Origin) -> AsyncIterator[None]:
    """Turn a UserError that is about running jobs into TooManyJobs within the block; other errors pass."""
    try:
        yield
    except UserError as error:
        codes = {problem.code for problem in error.problems}
        if codes.isdisjoint({TOO_MANY_JOBS.code, TOO_MANY_JOBS_HERE.code}):
            raise
        server_id = None if TOO_MANY_JOBS.code in codes else origin.server_id
        try:
            async with store.database.read() as connection:
                found = await jobs.running_jobs(connection, origin.user_id, server_id=server_id, limit=LISTED)
                running = await load_all(connection, found, store.providers)
        except StorageError as failure:
            log.warning("running_jobs.not_read", reason=str(failure))
            raise error from failure
        raise TooManyJobs(*error.problems, running=running) from error
