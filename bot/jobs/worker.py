"""The worker: starts submissions fairly, resumes what a restart left, and has ready jobs delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat

import structlog

from bot.clock import Clock
from bot.errors import Undelivered
from bot.jobs.circuit_breaker import CircuitBreaker, Outage
from bot.jobs.provider_text import as_stored
from bot.jobs.queue import Queue
from bot.jobs.rate import Rate
from bot.jobs.store import JobStore
from bot.jobs.submission import NOT_OFFERED, SubmissionRun
from bot.jobs.view import Progress
from bot.providers.base import Provider
from storage import jobs as rows
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.records import JobStatus, Submission, SubmissionStatus

log = structlog.get_logger(__name__)

# Seconds between tries to deliver a job where the reason of the failure may pass; the last one is repeated.
DELIVERY_BACKOFF = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)
# What was sent may be paid for, so it is retried after a crash before it ends, where that costs nothing. Where the disk
# or the database fails, everything is retried after these waits, the last of them repeated.
CRASH_BACKOFF = (2.0, 10.0, 30.0, 120.0)


@dataclass(slots=True)
class ProviderSlot:
    """The run state of one provider: its rate, its circuit breaker, and the submissions that are on their way."""

    provider: Provider
    rate: Rate
    breaker: CircuitBreaker
    running: dict[int, SubmissionRun] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return self.provider.jobs - len(self.running)


async def _nobody(job_id: int) -> None:
    """Takes the place of the delivery before the worker has started."""


class Worker:
    """Runs submissions side by side, each provider at its own rate and number, round robin over users."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        files: ImageFiles,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._clock = clock
        self._changed: Callable[[int], None] = lambda _: None
        self._deliver: Callable[[int], Awaitable[None]] = _nobody
        self._slots = {
            name: ProviderSlot(
                provider, Rate(provider.rate, clock), CircuitBreaker(name, provider.label, clock, self.wake)
            )
            for name, provider in jobs.providers.items()
        }
        self._queue = Queue(jobs, clock)
        # Each task, and whether it should currently be waited for rather than cancelled.
        self._tasks: dict[asyncio.Task[None], Callable[[], bool]] = {}
        self._ready: set[int] = set()
        self._delivering: set[int] = set()
        self._uploading: set[int] = set()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._stopping = False
        self._dispatcher: asyncio.Task[None] | None = None

    # --- the outside --------------------------------------------------------------------------------------------

    async def start(self, *, changed: Callable[[int], None], deliver: Callable[[int], Awaitable[None]]) -> None:
        """Resume what is unfinished, oldest first, and start working. Raises StorageError.

        ``changed`` is called with the id of a job that has something new to show; ``deliver`` delivers a ready job.
        """
        self._changed, self._deliver = changed, deliver
        await self._files.prepare()
        await self._resume()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="dispatch")

    def wake(self, ready: int | None = None) -> None:
        """There may be something new in the queue, or the job ``ready`` is to be delivered."""
        if ready is not None:
            self._ready.add(ready)
        self._queue.added()
        self._go_on()

    def _go_on(self) -> None:
        self._quiet.clear()
        self._wake.set()

    async def idle(self) -> None:
        """Wait until nothing is queued, on its way or to be delivered at this moment."""
        await self._quiet.wait()

    async def stop(self, grace: float) -> None:
        """Start nothing new; wait at most ``grace`` seconds for paid calls and deliveries; cancel the rest.

        What is cancelled is stored at its last step, and the next start resumes it.
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

    def outages(self, user_id: int | None = None) -> list[Outage]:
        """The current outages of providers: those for everybody, or those that affect this person."""
        breakers = [slot.breaker for slot in self._slots.values()]
        found = [breaker.outage if user_id is None else breaker.outage_for(user_id) for breaker in breakers]
        return [outage for outage in found if outage is not None]

    def progress(self, job_id: int) -> tuple[Progress, list[Submission]]:
        """The progress of a job that is known in memory, and its submissions that are on their way."""
        position = self._queue.place(job_id)
        runs = [
            run for slot in self._slots.values() for run in slot.running.values() if run.submission.job_id == job_id
        ]
        percents = [run.polls.said.percent for run in runs if run.polls.said.percent is not None]
        progress = Progress(
            queue_position=position,
            percent=sum(percents) // len(percents) if percents else None,
            fetching=any(run.fetching for run in runs),
            outage_until=self._outage_until(job_id),
        )
        return progress, [run.submission for run in runs]

    def age(self, submission: Submission) -> float | None:
        """The seconds since it was sent, if it is on its way."""
        run = self._slots[submission.provider].running.get(submission.id)
        return None if run is None or run.sent is None else run.sent.total

    def _outage_until(self, job_id: int) -> int | None:
        """When the next submission of the job that an outage holds back will be tried."""
        waiting = [submission for submission in self._queue.waiting if submission.job_id == job_id]
        return min((outage.until for outage in self._outages_of(waiting)), default=None)

    def _outages_of(self, waiting: Iterable[Submission]) -> list[Outage]:
        """The outages that hold back these submissions."""
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
                # This loop must outlive a fault of ours, or nothing would be sent or delivered any more.
                log.exception("worker.dispatch_failed")
                delay = 1.0
            if delay is None and not self._tasks and not self._wake.is_set():
                self._quiet.set()
            if delay is None:
                await self._wake.wait()
            else:
                waker = asyncio.create_task(self._clock.sleep(delay))
                wake = asyncio.create_task(self._wake.wait())
                _, pending = await asyncio.wait((waker, wake), return_when=asyncio.FIRST_COMPLETED)
                for task in pending:
                    task.cancel()

    async def _start_due(self) -> float | None:
        """Start what may be started now; returns the seconds until something else falls due, or None."""
        for job_id in self._ready - self._delivering:
            self._delivering.add(job_id)
            self._spawn(self._deliver_with_patience(job_id), partial(self._uploading.__contains__, job_id))
        self._ready.clear()
        running = {id_: run for slot in self._slots.values() for id_, run in slot.running.items()}
        # One that was sent before waits for its provider, even if that is no longer set up.
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
                    # A fault of ours, of any kind: this one is tried again or ended free of charge, the others go on.
                    log.exception("submission.crashed")
                    wait = next(waits, None)
                    if wait is None or not run.resumable:
                        await self._clock.sleep(CRASH_BACKOFF[0])
                        await self._until_stored(partial(self._jobs.crashed, run.submission))
                        break
                await self._clock.sleep(wait)
        finally:
            del slot.running[submission.id]
            slot.breaker.record_end(submission.id, submission.user_id)
        await self._until_stored(partial(self._after, run.submission))

    async def _until_stored(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work, and repeat it while the disk or the database fails: nothing is lost by waiting."""
        waits = iter(CRASH_BACKOFF)
        while True:
            try:
                await work()
                return
            except StorageError as error:
                log.error("storage.failed", reason=str(error))  # noqa: TRY400 - the sentence says it all
            await self._clock.sleep(next(waits, CRASH_BACKOFF[-1]))

    async def _after(self, submission: Submission) -> None:
        """It has ended or was postponed."""
        async with self._jobs.database.read() as connection:
            job = await rows.get_job(connection, submission.job_id)
        if job is not None and job.status is JobStatus.READY:
            self._ready.add(job.id)
        else:
            self._changed(submission.job_id)
        if submission.status is SubmissionStatus.QUEUED:
            self._queue.added()
        self._go_on()

    # --- showing ------------------------------------------------------------------------------------------------

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
                    # A fault of ours, of any kind: the result was paid for, so its delivery is tried again.
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
