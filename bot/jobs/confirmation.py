"""Prices that wait to be confirmed: the answer of the person who asked, and the end of those that get none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bot.clock import Clock, Elapsed
from bot.domain.place import CardAddress, Origin
from bot.errors import UserError
from bot.jobs.store import Jobs
from bot.jobs.view import CONFIRMABLE
from storage.errors import StorageError
from storage.jobs import Job, JobStatus
from storage.records import LapseReason

log = structlog.get_logger(__name__)

_AFTER_A_FAILURE = 60.0
# How old a proposal of an earlier process is can only be guessed: it can be confirmed for so many seconds in this one.
_AT_LEAST_HERE = 60.0


class Proposals:
    """Confirms what was proposed, and lets it lapse in time; :meth:`run` has to run beside the worker.

    ``wake`` is told that something new is in the queue, ``changed`` the id of a job of which there is something new to
    show; ``check`` raises UserError where the rules do not let the person have a job that was proposed.
    """

    def __init__(
        self,
        *,
        jobs: Jobs,
        clock: Clock,
        wake: Callable[[], None],
        changed: Callable[[int], None],
        check: Callable[[Origin, Job], Awaitable[None]],
    ) -> None:
        self._jobs = jobs
        self._check = check
        self._clock = clock
        self._wake_worker = wake
        self._changed = changed
        self._news = asyncio.Event()
        self._began = Elapsed(clock)
        self.watched: dict[int, Elapsed] = {}
        """Since when each that was seen has been waiting, by its job's id."""

    async def confirm(self, origin: Origin, job_id: int, card: CardAddress, *, missing: Sequence[str] = ()) -> None:
        """Begin with what was proposed: from here on it is paid for. ``card`` is where it is shown from now on.

        ``missing`` says why the bot may not show images there now, unless they are private. Raises UserError where it
        is not this person's to confirm, is over, is against the rules of now, or would pass a limit now.
        """
        job = await self._jobs.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError("Only the person who asked for it may confirm the price. Again asks for your own.")
        if job.status is JobStatus.PROPOSED and self._left(job) <= 0:
            await self._lapse()
            job = await self._jobs.job(job_id)
        if job.lapse_reason is LapseReason.EXPIRED:
            raise UserError("This was not confirmed in time, so it was not started. Nothing was charged.")
        if job.status is JobStatus.PROPOSED:
            if missing and not job.private:
                raise UserError(*missing)
            await self._check(origin, job)
        if not await self._jobs.confirm(origin, job, card):
            raise UserError("This is no longer waiting to be confirmed.")
        self._wake_worker()

    def wake(self) -> None:
        """There is another one to watch."""
        self._news.set()

    async def run(self) -> None:
        """Let lapse what is not confirmed in time, until cancelled."""
        while True:
            self._news.clear()
            try:
                wait = await self._lapse()
            except StorageError as error:
                log.error("proposals.not_read", reason=str(error))  # noqa: TRY400 - the sentence says it all
                wait = _AFTER_A_FAILURE
            except Exception:
                log.exception("proposals.failed")
                wait = _AFTER_A_FAILURE
            news = asyncio.create_task(self._news.wait())
            waits = [news] if wait is None else [news, asyncio.create_task(self._clock.sleep(wait))]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    async def _lapse(self) -> float | None:
        """End what is over, and say in how many seconds the next one will be; None: there is none."""
        waiting = await self._jobs.proposed()
        self.watched = {job.id: self._since(job) for job in waiting}
        later = []
        for job in waiting:
            left = self._left(job)
            if left > 0:
                later.append(left)
            elif await self._jobs.lapse(job, LapseReason.EXPIRED):
                log.info("proposal.lapsed", job=job.id)
                self._changed(job.id)
        return min(later, default=None)

    def _since(self, job: Job) -> Elapsed:
        return self.watched.get(job.id) or Elapsed.since(self._clock, job.created_at)

    def _left(self, job: Job) -> float:
        """For how many seconds it can still be confirmed."""
        return max(CONFIRMABLE / 1000 - self._since(job).total, _AT_LEAST_HERE - self._began.here)
