"""Proposals: jobs whose price must be confirmed first. Nothing is sent or held for them until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from bot.clock import Clock, Elapsed, wait_at_most
from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import Plan
from bot.domain.rules import Rules
from bot.errors import NotMade, Problem, UserError
from bot.jobs.circuit_breaker import refuse_outages
from bot.jobs.long_prompts import LongPrompts
from bot.jobs.new_jobs import NewJobs
from bot.jobs.store import NOT_YOURS, OLD_CARD, JobStore
from bot.jobs.view import ASKED_PRICE, CONFIRMABLE, available_engines, planned_requests, price_of
from bot.jobs.worker import Worker
from bot.providers.base import Engine
from bot.text import message
from storage.errors import StorageError
from storage.records import Job, JobStatus, LapseReason

log = structlog.get_logger(__name__)

_RETRY_AFTER_FAILURE = 60.0
# The time that a proposal waited in an earlier process is a guess, so it can be confirmed for this long in this one.
_CONFIRMABLE_HERE = 60.0

EXPIRED = message("jobs.confirm.expired", "This price has expired. Nothing was made.")
NOT_WAITING = message("jobs.confirm.not_waiting", "This job isn't waiting for confirmation any more.")
RULES_CHANGED = message("jobs.confirm.rules_changed", "The rules here have changed since this price was shown.")
PRICE_CHANGED = message(
    "jobs.confirm.price_changed",
    "The price has changed since it was shown: it is now {price}. Press Confirm again to accept it.",
)
ALWAYS_PRIVATE_NOW = message(
    "jobs.confirm.always_private", "Results are now always private in this server, and this one would be public."
)


class ServerRules(Protocol):
    """Provides the servers' rules, without I/O."""

    def rules(self, server_id: int | None) -> Rules:
        """The rules of the server."""

    def problems(
        self, origin: Origin, options: ImagineOptions, plan: Plan | None, *, engines: Mapping[str, Engine]
    ) -> Sequence[Problem]:
        """Return why the server does not allow this person to make this here.

        ``engines`` are those that the bot has, by id.
        """


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal's author, and for how long it has waited."""

    user_id: int
    elapsed: Elapsed


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
        self._read = False
        self.waiting: dict[int, Waiting] = {}
        """The proposals that wait, by job id. Complete since ``run`` has read them."""

    async def make_room(self, user_id: int) -> None:
        """Let the person's oldest proposals lapse if they have the maximum. Raises StorageError."""
        for job in await self._new_jobs.make_room(user_id):
            self.waiting.pop(job.id, None)
            self._changed(job.id)

    def added(self, job_id: int, user_id: int) -> None:
        """Note a new proposal, so that it lapses in time."""
        self.waiting[job_id] = Waiting(user_id, Elapsed(self._clock))
        self._proposed_one.set()

    def may_wait(self, job_id: int, user_id: int) -> bool:
        """Return False if no proposal with this id waits for this person, without I/O."""
        if not self._read:
            return True
        waiting = self.waiting.get(job_id)
        return waiting is not None and waiting.user_id == user_id

    async def require_waiting(self, origin: Origin, job_id: int) -> Job:
        """Return the proposal. Raises UserError if it is not this person's, or does not wait for confirmation."""
        job = await self._store.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError(NOT_YOURS)
        if job.status is JobStatus.PROPOSED and self._seconds_left(job) <= 0:
            await self.lapse_due()
            job = await self._store.job(job_id)
        if job.lapse_reason is LapseReason.EXPIRED:
            raise NotMade(EXPIRED)
        if job.status is not JobStatus.PROPOSED:
            raise UserError(NOT_WAITING)
        return job

    async def confirm(
        self, origin: Origin, job_id: int, card: CardAddress, *, private: bool, in_place: bool = False
    ) -> Job:
        """Start a proposed job, which is charged from now on. Returns it as it was before.

        ``card`` is its card from now on; ``private`` is whether only this person sees that, and ``in_place`` whether
        it asked for the confirmation. Raises UserError if the job is not this person's, is over, does not fit the
        card, now violates the rules, or would now exceed a limit.
        """
        job = await self.require_waiting(origin, job_id)
        if job.private is not private or (in_place and job.message_id not in (None, card.message_id)):
            raise UserError(OLD_CARD)
        await self._check(origin, job)
        if not await self._new_jobs.confirm(origin, job, card):
            raise UserError(NOT_WAITING)
        self.waiting.pop(job_id, None)
        self._worker.wake()
        return job

    async def _check(self, origin: Origin, job: Job) -> None:
        """Raise UserError if the job is not allowed here any more, or costs more than its card has said.

        Rules and prices can change before a price is confirmed.
        """
        options, requests = ImagineOptions.from_json(job.options), planned_requests(job)
        made = Plan(options, requests, prompts=1, title="")
        judge = partial(self._servers.problems, origin, options, made, engines=available_engines(self._store.providers))
        problems = list(await self._long_prompts.check(options, judge))
        if self._servers.rules(origin.server_id).imposed(options).private and not job.private:
            problems.append(ALWAYS_PRIVATE_NOW)
        if problems:
            raise NotMade(RULES_CHANGED, *problems)
        refuse_outages(made.engines, self._worker.outages(origin.user_id), self._store.engines)
        price, asked = price_of(requests, self._store.providers), job.options.get(ASKED_PRICE)
        if asked is not None and price.high > asked:
            # The operator has changed it, and restarted the bot.
            await self._new_jobs.ask_again(job, price.high)
            self._changed(job.id)
            raise NotMade(PRICE_CHANGED(price=price.text))

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
        before = frozenset(self.waiting)
        proposed = await self._new_jobs.proposed()
        added = {job_id: one for job_id, one in self.waiting.items() if job_id not in before}
        self.waiting = added | {job.id: Waiting(job.user_id, self._waited(job)) for job in proposed}
        # An earlier process may have ended before it showed them.
        unseen, self._read = not self._read, True
        later = []
        for job in proposed:
            left = self._seconds_left(job)
            if left > 0:
                later.append(left)
                if unseen:
                    self._changed(job.id)
            elif await self._new_jobs.lapse(job, LapseReason.EXPIRED):
                self.waiting.pop(job.id, None)
                log.info("proposal.lapsed", job=job.id)
                self._changed(job.id)
        return min(later, default=None)

    def _waited(self, job: Job) -> Elapsed:
        waiting = self.waiting.get(job.id)
        return Elapsed.since(self._clock, job.created_at) if waiting is None else waiting.elapsed

    def _seconds_left(self, job: Job) -> float:
        """Return the seconds for which the proposal can still be confirmed."""
        return max(CONFIRMABLE / 1000 - self._waited(job).total, _CONFIRMABLE_HERE - self._started.here)
