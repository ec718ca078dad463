"""The worker: starts submissions fairly, takes up what a restart left, and sees that what is ready is shown."""

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
from bot.jobs.fair_order import Turns
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

# Waits between tries to deliver a job that could not be delivered for a reason that may pass, in seconds; the last one
# is repeated.
DELIVERY_BACKOFF = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)
# A rendering submission is paid for: after an error of our own it is tried again before it ends. Where the disk or the
# database fails, everything is tried again after these waits, the last of them repeated.
CRASH_BACKOFF = (2.0, 10.0, 30.0, 120.0)


@dataclass(slots=True)
class Lane:
    """One provider's share of the work: its rate, its circuit breaker, and the submissions that are on their way."""

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
    """Runs submissions side by side, each provider at its own rate and number, users taking turns."""

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
        self._lanes = {
            name: Lane(provider, Rate(provider.rate, clock), CircuitBreaker(name, provider.label, clock, self.wake))
            for name, provider in jobs.providers.items()
        }
        self._queue = Queue(jobs, clock)
        # Each task, with whether it is at a point where it should be waited for and not be cancelled.
        self._tasks: dict[asyncio.Task[None], Callable[[], bool]] = {}
        self._turns = Turns()
        self._ready: set[int] = set()
        self._delivering: set[int] = set()
        self._uploading: set[int] = set()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._stopping = False
        self._dispatcher: asyncio.Task[None] | None = None

    # --- the outside --------------------------------------------------------------------------------------------

    async def start(self, *, changed: Callable[[int], None], deliver: Callable[[int], Awaitable[None]]) -> None:
        """Take up what is unfinished, oldest first, and begin to work. Raises StorageError.

        ``changed`` is called with the id of a job that has something new to show; ``deliver`` shows a job that is
        ready.
        """
        self._changed, self._deliver = changed, deliver
        await self._files.prepare()
        await self._resume()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="dispatch")

    def wake(self, ready: int | None = None) -> None:
        """There may be something new in the queue, or the job ``ready`` is to be shown."""
        if ready is not None:
            self._ready.add(ready)
        self._queue.added()
        self._go_on()

    def _go_on(self) -> None:
        self._quiet.clear()
        self._wake.set()

    async def idle(self) -> None:
        """Come back when nothing is queued, on its way or to be delivered at this moment."""
        await self._quiet.wait()

    async def stop(self, grace: float) -> None:
        """Start nothing new; wait at most ``grace`` seconds for paid calls and deliveries; drop the rest.

        What is dropped is stored at its last step and taken up by the next start.
        """
        self._stopping = True
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        for lane in self._lanes.values():
            for run in lane.running.values():
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
        """The providers to which nothing is sent at this moment: for everybody, or for this person."""
        breakers = [lane.breaker for lane in self._lanes.values()]
        found = [breaker.outage if user_id is None else breaker.outage_for(user_id) for breaker in breakers]
        return [outage for outage in found if outage is not None]

    def progress(self, job_id: int) -> tuple[Progress, list[Submission]]:
        """What is known in memory of a job at this moment, and its submissions that are on their way."""
        position = self._queue.place(job_id)
        runs = [
            run for lane in self._lanes.values() for run in lane.running.values() if run.submission.job_id == job_id
        ]
        heard = [run.hearing for run in runs]
        percents = [each.said.percent for each in heard if each.said.percent is not None]
        now, here = self._clock.now(), self._clock.monotonic()
        ends = [
            now + int(1000 * (each.said_at + each.said.eta_seconds - here))
            for each in heard
            if each.said.eta_seconds is not None
        ]
        progress = Progress(
            queue_position=position,
            percent=sum(percents) // len(percents) if percents else None,
            expected_at=max(ends, default=None),
            fetching=any(run.fetching for run in runs),
            outage_until=self._outage_until(job_id),
        )
        return progress, [run.submission for run in runs]

    def age(self, submission: Submission) -> float | None:
        """How many seconds ago it was sent, if it is on its way."""
        run = self._lanes[submission.provider].running.get(submission.id)
        return None if run is None or run.sent is None else run.sent.total

    def _outage_until(self, job_id: int) -> int | None:
        """When something of the job that an outage holds back will be tried."""
        waiting = [submission for submission in self._queue.waiting if submission.job_id == job_id]
        return min((outage.until for outage in self._outages_of(waiting)), default=None)

    def _outages_of(self, waiting: Iterable[Submission]) -> list[Outage]:
        """The outages that hold these back."""
        held = {(submission.provider, submission.user_id) for submission in waiting}
        found = [self._lanes[provider].breaker.outage_for(user_id) for provider, user_id in held]
        return [outage for outage in found if outage is not None]

    # --- starting submissions -----------------------------------------------------------------------------------

    async def _resume(self) -> None:
        on_their_way, ready, waiting = await self._jobs.take_up(not_offered=NOT_OFFERED)
        for submission in on_their_way:
            self._start(self._lanes[submission.provider], submission)
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
        """Start what may be started now; the seconds until something else falls due, or None."""
        for job_id in self._ready - self._delivering:
            self._delivering.add(job_id)
            self._spawn(self._deliver_with_patience(job_id), partial(self._uploading.__contains__, job_id))
        self._ready.clear()
        running = {id_: run for lane in self._lanes.values() for id_, run in lane.running.items()}
        # One that was sent before waits for its provider, if that is not set up.
        due = await self._queue.due(running)
        due = [each for each in due if each.id not in running and each.provider in self._lanes]
        before = [submission.job_id for submission in self._queue.waiting]
        self._queue.waiting = waiting = []
        for submission in self._turns.ordered(due, (run.submission.user_id for run in running.values())):
            lane = self._lanes[submission.provider]
            if lane.free > 0 and lane.breaker.allows(submission.user_id):
                lane.breaker.record_start(submission.id, submission.user_id)
                self._start(lane, submission)
            else:
                waiting.append(submission)
        for job_id in {*before, *(submission.job_id for submission in waiting)}:
            self._changed(job_id)
        ends = [outage.seconds for outage in self._outages_of(waiting)]
        later = self._queue.next_in
        return min(ends if later is None else [later, *ends], default=None)

    def _start(self, lane: Lane, submission: Submission) -> None:
        run = SubmissionRun(
            submission,
            jobs=self._jobs,
            provider=lane.provider,
            rate=lane.rate,
            breaker=lane.breaker,
            files=self._files,
            clock=self._clock,
            changed=self._changed,
            waited=self._queue.waited(submission),
            not_found=self._queue.doubt(submission),
        )
        lane.running[submission.id] = run
        self._turns.started(submission.user_id)
        self._spawn(self._run(lane, run), lambda: run.paying)

    async def _run(self, lane: Lane, run: SubmissionRun) -> None:
        submission = run.submission
        structlog.contextvars.bind_contextvars(job=submission.job_id, submission=submission.id)
        waits = iter(CRASH_BACKOFF)
        try:
            while True:
                try:
                    await self._until_stored(run.run)
                    break
                except Exception:
                    log.exception("submission.crashed")
                    wait = next(waits, None)
                    if wait is None or run.submission.status is not SubmissionStatus.RENDERING:
                        await self._clock.sleep(CRASH_BACKOFF[0])
                        await self._until_stored(partial(self._jobs.crashed, run.submission))
                        break
                await self._clock.sleep(wait)
        finally:
            del lane.running[submission.id]
            lane.breaker.record_end(submission.id, submission.user_id)
        await self._until_stored(partial(self._after, run.submission))

    async def _until_stored(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work, again and again while the disk or the database fails: nothing is lost by waiting."""
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
