"""The worker: starts submissions fairly, resumes them after a restart, and triggers the delivery of ready jobs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat

import structlog

from bot.clock import Clock, wait_at_most
from bot.errors import Undelivered
from bot.jobs.circuit_breaker import CircuitBreaker, Outage
from bot.jobs.provider_text import NOT_OFFERED, as_stored
from bot.jobs.queue import Queue
from bot.jobs.rate import Rate
from bot.jobs.sources import Sources
from bot.jobs.store import JobStore
from bot.jobs.submission import SubmissionRun
from bot.jobs.view import Progress
from bot.providers.base import Provider
from bot.providers.server_states import ServerState
from storage import jobs as rows
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.records import JobStatus, Submission, SubmissionStatus

log = structlog.get_logger(__name__)

# Seconds between attempts to deliver a job after a temporary failure; the last value is repeated.
DELIVERY_BACKOFF = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)
# The backoff in seconds after a crash: a submission that was sent may be paid for, so it is retried before it is ended
# if that is free. Also the backoff for everything while the disk or the database fails; the last value is repeated.
CRASH_BACKOFF = (2.0, 10.0, 30.0, 120.0)


@dataclass(slots=True)
class ProviderSlot:
    """The run state of one provider: its rate, its circuit breaker, and its submissions that are on their way."""

    provider: Provider
    rate: Rate
    breaker: CircuitBreaker
    running: dict[int, SubmissionRun] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return self.provider.jobs - len(self.running)


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service with servers of its own: the number of requests that it works on, and of those that wait for it.

    ``place`` is the first place of a request in the service's own queue, where 1 is next. ``ready``: it has engines.
    """

    label: str
    servers: tuple[ServerState, ...]
    running: int
    waiting: int
    place: int | None
    ready: bool


async def _nobody(job_id: int) -> None:
    """Do nothing: the delivery function until the worker has started."""


class Worker:
    """Runs submissions concurrently, with each provider's rate and maximum number, round robin over users."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        files: ImageFiles,
        sources: Sources,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._sources = sources
        self._clock = clock
        self._changed: Callable[[int], None] = lambda _: None
        self._deliver: Callable[[int], Awaitable[None]] = _nobody
        self._slots = {name: self._slot(name, provider) for name, provider in jobs.providers.items()}
        self._queue = Queue(jobs, clock)
        # Each task, with a function that returns whether to wait for it now instead of cancelling it.
        self._tasks: dict[asyncio.Task[None], Callable[[], bool]] = {}
        self._ready: set[int] = set()
        self._delivering: set[int] = set()
        self._uploading: set[int] = set()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._stopping = False
        self._dispatcher: asyncio.Task[None] | None = None

    def _slot(self, name: str, provider: Provider) -> ProviderSlot:
        rate = Rate(provider.rate, self._clock, polls_per_second=provider.poll_rate)
        # Some providers learn their names for people after the start.
        breaker = CircuitBreaker(name, lambda: provider.label, self._clock, self.wake)
        return ProviderSlot(provider, rate, breaker)

    # --- public methods -----------------------------------------------------------------------------------------

    async def start(self, *, changed: Callable[[int], None], deliver: Callable[[int], Awaitable[None]]) -> None:
        """Resume unfinished submissions, oldest first, and start the loops. Raises StorageError.

        ``changed`` is called with the id of each job whose card must be updated. ``deliver`` delivers a ready job.
        """
        self._changed, self._deliver = changed, deliver
        await self._files.prepare()
        await self._resume()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="dispatch")

    def wake(self, ready: int | None = None) -> None:
        """Wake the worker: the queue may have changed, or the job ``ready`` must be delivered."""
        if ready is not None:
            self._ready.add(ready)
        self._queue.added()
        self._go_on()

    def _go_on(self) -> None:
        self._quiet.clear()
        self._wake.set()

    async def idle(self) -> None:
        """Wait until nothing is queued, on its way or waiting for delivery."""
        await self._quiet.wait()

    async def stop(self, grace: float) -> None:
        """Start nothing new, wait at most ``grace`` seconds for paid calls and deliveries, and cancel the rest.

        Cancelled work is stored up to its last step. The next start resumes it.
        """
        self._stopping = True
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        for slot in self._slots.values():
            for run in slot.running.values():
                run.stopping = True
        patient = {task for task, worth_waiting in self._tasks.items() if worth_waiting()}
        for task in self._tasks.keys() - patient:
            task.cancel()
        if patient:
            log.info("worker.waiting", for_calls=len(patient), seconds=grace)
            await asyncio.wait(patient, timeout=grace)
        tasks = [task for task in (self._dispatcher, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cancel(self, job_id: int) -> None:
        """Let the providers that can stop a submission stop those of this job."""
        for slot in self._slots.values():
            for run in slot.running.values() if slot.provider.cancels else ():
                if run.submission.job_id == job_id:
                    self._spawn(run.cancel(), lambda: False)

    @property
    def stoppable(self) -> frozenset[str]:
        """The names of the providers that can stop a submission that was sent."""
        return frozenset(name for name, slot in self._slots.items() if slot.provider.cancels)

    def outages(self, user_id: int | None = None) -> list[Outage]:
        """Return the current outages of providers: those for everybody, or those that affect this person."""
        breakers = [slot.breaker for slot in self._slots.values()]
        found = [breaker.outage if user_id is None else breaker.outage_for(user_id) for breaker in breakers]
        return [outage for outage in found if outage is not None]

    def services(self) -> list[ServiceState]:
        """Return the state of each service that tells about its servers. Asks nobody."""
        waiting = Counter(submission.provider for submission in self._queue.waiting)
        return [
            ServiceState(
                slot.provider.label,
                servers,
                len(slot.running),
                waiting[name],
                min((run.polls.said.place for run in slot.running.values() if run.polls.said.place), default=None),
                bool(slot.provider.engines),
            )
            for name, slot in self._slots.items()
            if (servers := slot.provider.servers())
        ]

    def progress(self, job_id: int) -> tuple[Progress, list[Submission]]:
        """Return the progress of a job, as far as it is in memory, and its submissions that are on their way."""
        position = self._queue.place(job_id)
        runs = [
            run for slot in self._slots.values() for run in slot.running.values() if run.submission.job_id == job_id
        ]
        said = [run.polls.said for run in runs]
        percents = [each.percent for each in said if each.percent is not None]
        progress = Progress(
            queue_position=position,
            percent=sum(percents) // len(percents) if percents else None,
            service_position=min((each.place for each in said if each.place is not None), default=None),
            seconds_left=max((each.seconds_left for each in said if each.seconds_left is not None), default=None),
            unserved=any(each.unserved for each in said),
            fetching=any(run.fetching for run in runs),
            outage_until=self._outage_until(job_id),
        )
        return progress, [run.submission for run in runs]

    def preview(self, job_id: int) -> bytes | None:
        """Return the unfinished image of one of the job's submissions, if its service sent one."""
        runs = (run for slot in self._slots.values() for run in slot.running.values())
        found = (run.polls.said.preview for run in runs if run.submission.job_id == job_id)
        return next((preview for preview in found if preview is not None), None)

    def age(self, submission: Submission) -> float | None:
        """Return the seconds since it was sent, if it is on its way."""
        run = self._slots[submission.provider].running.get(submission.id)
        return None if run is None or run.sent is None else run.sent.total

    def _outage_until(self, job_id: int) -> int | None:
        """Return when the first of the job's submissions that an outage holds back will be tried."""
        waiting = [submission for submission in self._queue.waiting if submission.job_id == job_id]
        return min((outage.until for outage in self._outages_of(waiting)), default=None)

    def _outages_of(self, waiting: Iterable[Submission]) -> list[Outage]:
        """Return the outages that hold back these submissions."""
        held = {(submission.provider, submission.user_id) for submission in waiting}
        found = [self._slots[provider].breaker.outage_for(user_id) for provider, user_id in held]
        return [outage for outage in found if outage is not None]

    # --- starting submissions -----------------------------------------------------------------------------------

    async def _resume(self) -> None:
        on_their_way, ready, waiting = await self._jobs.take_up(not_offered=as_stored(NOT_OFFERED()))
        for submission in on_their_way:
            self._start(self._slots[submission.provider], submission)
        for job_id in {submission.job_id for submission in on_their_way}:
            self._changed(job_id)
        self._ready.update(job.id for job in ready)
        for one in waiting:
            event = "provider.missing" if one.setting is None else "images.wait"
            log.error(event, provider=one.provider, setting=one.setting, submissions=one.submissions, why=one.details)
        log.info("worker.resumed", submissions=len(on_their_way), ready=len(ready))

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                delay = await self._start_due()
            except StorageError as error:
                log.error("storage.failed", reason=str(error))  # noqa: TRY400 - the sentence says it all
                delay = 1.0
            except Exception:
                # This loop must survive a bug, or nothing would be sent or delivered any more.
                log.exception("worker.dispatch_failed")
                delay = 1.0
            if delay is None and not self._tasks and not self._wake.is_set():
                self._quiet.set()
            await wait_at_most(self._wake, self._clock, delay)

    async def _start_due(self) -> float | None:
        """Start all submissions that may start now. Returns the seconds until another becomes due, or None."""
        for job_id in self._ready - self._delivering:
            self._delivering.add(job_id)
            self._spawn(self._deliver_with_patience(job_id), partial(self._uploading.__contains__, job_id))
        self._ready.clear()
        running = {id_: run for slot in self._slots.values() for id_, run in slot.running.items()}
        # A submission that was sent before waits for its provider, even if that is no longer configured.
        due = await self._queue.due(running)
        due = [each for each in due if each.id not in running and each.provider in self._slots]
        before = [submission.job_id for submission in self._queue.waiting]
        self._queue.waiting = waiting = []
        for submission in self._queue.fair_order(due, (run.submission.user_id for run in running.values())):
            slot = self._slots[submission.provider]
            if slot.free > 0 and slot.breaker.allows(submission.user_id):
                slot.breaker.record_start(submission.id, submission.user_id)
                self._start(slot, submission)
            else:
                waiting.append(submission)
        for job_id in {*before, *(submission.job_id for submission in waiting)}:
            self._changed(job_id)
        ends = [outage.seconds for outage in self._outages_of(waiting)]
        later = self._queue.next_in
        return min(ends if later is None else [later, *ends], default=None)

    def _start(self, slot: ProviderSlot, submission: Submission) -> None:
        run = SubmissionRun(
            submission,
            jobs=self._jobs,
            provider=slot.provider,
            rate=slot.rate,
            breaker=slot.breaker,
            files=self._files,
            sources=self._sources,
            clock=self._clock,
            changed=self._changed,
            waited=self._queue.waited(submission),
            not_found=self._queue.doubt(submission),
        )
        slot.running[submission.id] = run
        self._queue.started(submission.user_id)
        self._spawn(self._run(slot, run), lambda: run.paying)

    async def _run(self, slot: ProviderSlot, run: SubmissionRun) -> None:
        submission = run.submission
        structlog.contextvars.bind_contextvars(job=submission.job_id, submission=submission.id)
        waits = iter(CRASH_BACKOFF)
        try:
            while True:
                try:
                    await self._until_stored(run.run)
                    break
                except Exception:
                    # A bug of any kind: this submission is retried or ended free of charge, and the others continue.
                    log.exception("submission.crashed")
                    wait = next(waits, None)
                    if wait is None or not run.resumable:
                        await self._clock.sleep(CRASH_BACKOFF[0])
                        await self._until_stored(partial(self._jobs.steps.crashed, run.submission))
                        break
                await self._clock.sleep(wait)
        finally:
            del slot.running[submission.id]
            slot.breaker.record_end(submission.id, submission.user_id)
        await self._until_stored(partial(self._after, run.submission))

    async def _until_stored(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work, and retry it while the disk or the database fails. Waiting loses nothing."""
        waits = iter(CRASH_BACKOFF)
        while True:
            try:
                await work()
                return
            except StorageError as error:
                log.error("storage.failed", reason=str(error))  # noqa: TRY400 - the sentence says it all
            await self._clock.sleep(next(waits, CRASH_BACKOFF[-1]))

    async def _after(self, submission: Submission) -> None:
        """Handle a submission that has ended or was postponed."""
        async with self._jobs.database.read() as connection:
            job = await rows.get_job(connection, submission.job_id)
        if job is not None and job.status is JobStatus.READY:
            self._ready.add(job.id)
        else:
            self._changed(submission.job_id)
        if submission.status is SubmissionStatus.QUEUED:
            self._queue.added()
        self._go_on()

    # --- delivery -----------------------------------------------------------------------------------------------

    async def _deliver_with_patience(self, job_id: int) -> None:
        structlog.contextvars.bind_contextvars(job=job_id)
        waits = chain(DELIVERY_BACKOFF, repeat(DELIVERY_BACKOFF[-1]))
        try:
            for wait in waits:
                self._uploading.add(job_id)
                try:
                    await self._deliver(job_id)
                    return
                except StorageError as error:
                    log.error("storage.failed", reason=str(error))  # noqa: TRY400 - the sentence says it all
                except Undelivered as error:
                    log.warning("delivery.failed", why=str(error), again_in=wait)
                except Exception:
                    # A bug of any kind: the result was paid for, so its delivery is retried.
                    log.exception("delivery.failed")
                finally:
                    self._uploading.discard(job_id)
                if self._stopping:
                    return
                await self._clock.sleep(wait)
        finally:
            self._delivering.discard(job_id)

    # --- tasks --------------------------------------------------------------------------------------------------

    def _spawn(self, coroutine: Coroutine[None, None, None], worth_waiting: Callable[[], bool]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks[task] = worth_waiting
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker.task_failed", exc_info=error)
        self._go_on()
