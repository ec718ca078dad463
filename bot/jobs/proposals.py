"""Proposals: jobs whose price must be confirmed first. Nothing is sent or held for them until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Protocol

import structlog

from bot.clock import Clock, Elapsed, wait_at_most
from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import Plan
from bot.domain.rules import Rules
from bot.errors import Problem, UserError
from bot.jobs.circuit_breaker import refuse_outages
from bot.jobs.long_prompts import LongPrompts
from bot.jobs.new_jobs import NewJobs
from bot.jobs.store import JobStore
from bot.jobs.view import CONFIRMABLE, planned_requests
from bot.jobs.worker import Worker
from bot.text import message
from storage.errors import StorageError
from storage.records import Job, JobStatus, LapseReason

log = structlog.get_logger(__name__)

_RETRY_AFTER_FAILURE = 60.0
# The time that a proposal waited in an earlier process is a guess, so it can be confirmed for this long in this one.
_CONFIRMABLE_HERE = 60.0

CONFIRM_NOT_ALLOWED = message(
    "jobs.confirm.not_allowed",
    "Only the person who started this job can confirm its price. Press Again to make your own.",
)
EXPIRED = message("jobs.confirm.expired", "The price wasn't confirmed in time, so nothing was made or charged.")
NOT_WAITING = message("jobs.confirm.not_waiting", "This job is no longer waiting for confirmation.")
RULES_CHANGED = message(
    "jobs.confirm.rules_changed", "The rules here have changed since this price was shown. Nothing was charged."
)
ALWAYS_PRIVATE_NOW = message(
    "jobs.confirm.always_private", "Results are now always private in this server, and this one would be public."
)


class ServerRules(Protocol):
    """Provides the servers' rules, without I/O."""

    def rules(self, server_id: int | None) -> Rules:
        """The rules of the server."""

    def problems(
        self, origin: Origin, options: ImagineOptions, plan: Plan | None, *, engines: Collection[str]
    ) -> Sequence[Problem]:
        """Return why the server does not allow this person to make this here. ``engines`` are the offered ids."""


class Proposals:
    """Confirms proposals, and lets those lapse that are not confirmed in time: :meth:`run` must run."""

    def __init__(
        self,
        *,
        store: JobStore,
        new_jobs: NewJobs,
        worker: Worker,
        clock: Clock,
        servers: ServerRules,
        long_prompts: LongPrompts,
    ) -> None:
        self._store = store
        self._new_jobs = new_jobs
        self._worker = worker
        self._clock = clock
        self._servers = servers
        self._long_prompts = long_prompts
        self._changed: Callable[[int], None] = lambda _: None
        self._proposed_one = asyncio.Event()
        self._started = Elapsed(clock)
        self.waiting: dict[int, Elapsed] = {}
        """The waiting time of each proposal, by job id."""

    def added(self) -> None:
        """Note that there is a new proposal, so that it lapses in time."""
        self._proposed_one.set()

    async def confirm(self, origin: Origin, job_id: int, card: CardAddress, *, missing: Sequence[Problem] = ()) -> None:
        """Start a proposed job, which is charged from now on. ``card`` is its card from now on.

        ``missing`` are reasons why the bot may not show public images there. Raises UserError if the job is not this
        person's, is over, now violates the rules, or would now exceed a limit.
        """
        job = await self._store.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError(CONFIRM_NOT_ALLOWED)
        if job.status is JobStatus.PROPOSED and self._seconds_left(job) <= 0:
            await self.lapse_due()
            job = await self._store.job(job_id)
        if job.lapse_reason is LapseReason.EXPIRED:
            raise UserError(EXPIRED)
        if job.status is JobStatus.PROPOSED:
            if missing and not job.private:
                raise UserError(*missing)
            await self._check(origin, job)
        if not await self._new_jobs.confirm(origin, job, card):
            raise UserError(NOT_WAITING)
        self._worker.wake()

    async def _check(self, origin: Origin, job: Job) -> None:
        """Raise UserError if the job is not allowed here any more: rules can change before a price is confirmed."""
        options, requests = ImagineOptions.from_json(job.options), planned_requests(job)
        made = Plan(options, requests, prompts=1, title="")
        judge = partial(self._servers.problems, origin, options, made, engines=self._store.engines.keys())
        problems = list(await self._long_prompts.check(options, judge))
        if self._servers.rules(origin.server_id).imposed(options).private and not job.private:
            problems.append(ALWAYS_PRIVATE_NOW)
        if problems:
            raise UserError(RULES_CHANGED, *problems)
        refuse_outages(made.engines, self._worker.outages(origin.user_id), self._store.engines)

    async def run(self, changed: Callable[[int], None]) -> None:
        """Let unconfirmed proposals lapse, until cancelled.

        ``changed`` is called with the id of each job whose card must be updated.
        """
        self._changed = changed
        while True:
            self._proposed_one.clear()
            try:
                wait = await self.lapse_due()
            except StorageError as error:
                log.error("proposals.not_read", reason=str(error))  # noqa: TRY400 - the reason says everything
                wait = _RETRY_AFTER_FAILURE
            except Exception:
                # This loop must survive a bug, or proposals would never lapse again.
                log.exception("proposals.failed")
                wait = _RETRY_AFTER_FAILURE
            await wait_at_most(self._proposed_one, self._clock, wait)

    async def lapse_due(self) -> float | None:
        """Let overdue proposals lapse. Returns the seconds until the next one is due; None: there is none.

        Raises StorageError.
        """
        proposed = await self._new_jobs.proposed()
        self.waiting = {job.id: self._waited(job) for job in proposed}
        later = []
        for job in proposed:
            left = self._seconds_left(job)
            if left > 0:
                later.append(left)
            elif await self._new_jobs.lapse(job, LapseReason.EXPIRED):
                log.info("proposal.lapsed", job=job.id)
                self._changed(job.id)
        return min(later, default=None)

    def _waited(self, job: Job) -> Elapsed:
        return self.waiting.get(job.id) or Elapsed.since(self._clock, job.created_at)

    def _seconds_left(self, job: Job) -> float:
        """Return the seconds for which the proposal can still be confirmed."""
        return max(CONFIRMABLE / 1000 - self._waited(job).total, _CONFIRMABLE_HERE - self._started.here)
