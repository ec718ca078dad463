"""What a person can do. Cogs and buttons call it; it knows no Discord."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import randbelow

import structlog

from bot.credits import amount_text, converted
from bot.errors import STORAGE_FAILS, UserError
from bot.generation import limits
from bot.generation import plain_polling as polling
from bot.generation.clock import Clock
from bot.generation.jobs import Jobs
from bot.generation.requests import ImagineOptions, Plan, plan, with_seed
from bot.generation.views import JobView
from bot.generation.worker import Worker
from bot.origin import CardAddress, Origin
from bot.providers.base import Engine, ImageRequest, WeightedText
from storage import jobs as rows
from storage import ledger, threads
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.jobs import Event, JobStatus

log = structlog.get_logger(__name__)

NOT_YOURS = "That is somebody else's private job."


@dataclass(frozen=True, slots=True)
class Price:
    """What one image of an engine costs, in millicredits: from ``low`` to ``high``."""

    low: int
    high: int
    exact: bool

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{amount_text(self.low)} {'credits' if self.exact else 'credits, estimated'}"
        return f"{amount_text(self.low)} to {amount_text(self.high)} credits"


@dataclass(frozen=True, slots=True)
class CreditsView:
    """What one person spent and has in flight, in millicredits: today, this month, and by engine this month."""

    today: ledger.Totals
    month: ledger.Totals
    by_engine: list[tuple[str, int]]
    daily_limit: int | None


@dataclass(frozen=True, slots=True)
class UsageView:
    """What a server's people spent since a time (Unix milliseconds, UTC), most first."""

    since: int
    users: list[ledger.UserUsage]
    totals: ledger.Totals
    monthly_limit: int | None


class Actions:
    """The verbs of the bot. Each raises UserError where the person asked for something that cannot be."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        worker: Worker,
        files: ImageFiles,
        limits: limits.Limits,
        clock: Clock,
        default_engine: str | None = None,
    ) -> None:
        self.engines: dict[str, Engine] = jobs.engines
        self._jobs = jobs
        self._worker = worker
        self._files = files
        self._limits = limits
        self._clock = clock
        self.default_engine = default_engine or next(iter(self.engines))

    # --- making pictures ----------------------------------------------------------------------------------------

    def check(self, origin: Origin, options: ImagineOptions) -> Plan:
        """Turn what was typed into the requests it means, without any I/O. Names every problem at once."""
        return plan(options, self.engines, self.default_engine)

    async def imagine(self, origin: Origin, plan: Plan, card: CardAddress, *, parent_id: int | None = None) -> int:
        """Accept the job and return its id; from here on it is worked on, whatever happens.

        Raises UserError where a limit would be passed or the job cannot be written down.
        """
        try:
            job_id = await self._jobs.submit(origin, plan, card, parent_id=parent_id)
        except StorageError as error:
            log.error("job.not_stored", reason=str(error))  # noqa: TRY400 - the sentence says it all
            raise UserError(STORAGE_FAILS) from error
        self._worker.wake()
        return job_id

    async def plan_again(self, origin: Origin, job_id: int, *, new_seed: bool = False) -> Plan:
        """The same as it was typed, for whoever asks; with another seed where one was fixed and a new one is wanted."""
        job = await self._visible(origin, job_id)
        options = ImagineOptions.from_json(job.options)
        if new_seed:
            options = with_seed(options, 1 + randbelow(2**32 - 2))
        if job.user_id != origin.user_id:
            options = options.for_another_person()
        return self.check(origin, options)

    async def cancel(self, origin: Origin, job_id: int) -> str:
        """Drop what has not been sent. The answer says what was dropped and what goes on; too late is an answer."""
        job = await self._jobs.job(job_id)
        self._authorise(origin, job, "cancel")
        if job.status not in (JobStatus.PROPOSED, JobStatus.WORKING):
            return "Too late to cancel: this job has ended already."
        dropped, going_on = await self._jobs.cancel(job_id)
        if dropped and not going_on:
            self._worker.wake(ready=job_id)
            return "Cancelled before anything was sent. You were not charged."
        if dropped:
            self._worker.wake()
            return (
                f"{dropped} of {dropped + going_on} requests were cancelled and are free. "
                "The rest has been sent already: it will be shown and charged."
            )
        return "Too late to cancel: it has been sent already. It will be shown and charged."

    async def delete(self, origin: Origin, job_id: int) -> JobView:
        """Delete an ended job and its files. The caller takes the message away; the ledger keeps its entries."""
        job = await self._jobs.job(job_id)
        self._authorise(origin, job, "delete")
        view = await self._jobs.view(job_id)
        for name in await self._jobs.delete(job_id):
            try:
                await self._files.remove(name)
            except StorageError as error:
                # It is nobody's any more, and is tidied away as such.
                log.warning("image.not_removed", file=name, reason=str(error))
        return view

    async def deletable(self, origin: Origin, job_id: int) -> JobView:
        """The job as it stands, for whoever may delete it: what to ask about before it is done."""
        job = await self._jobs.job(job_id)
        self._authorise(origin, job, "delete")
        return await self._jobs.view(job_id)

    def _authorise(self, origin: Origin, job: rows.Job, verb: str) -> None:
        if origin.user_id == job.user_id:
            return
        moderates = origin.manage_messages and origin.server_id is not None and origin.server_id == job.server_id
        if job.private or not moderates:
            raise UserError(f"Only the person who asked for it, or somebody with Manage Messages, may {verb} this.")

    # --- looking ------------------------------------------------------------------------------------------------

    async def view(self, job_id: int) -> JobView:
        """Everything there is to show of a job now."""
        progress, on_their_way = self._worker.progress(job_id)
        if progress.expected_at is None:
            progress = progress.expecting(await self._expected_at(on_their_way))
        return await self._jobs.view(job_id, progress)

    async def _expected_at(self, on_their_way: list[rows.Submission]) -> int | None:
        """When the last of these will probably be finished, in Unix milliseconds; None if all are overdue."""
        now = self._clock.now()
        latest = None
        for submission in on_their_way:
            if submission.sent_at is None:
                continue
            durations = await self._jobs.durations.of(submission.engine)
            left = polling.expected((now - submission.sent_at) / 1000, durations)
            if left is not None:
                latest = max(latest or 0, now + int(left * 1000))
        return latest

    async def details(self, origin: Origin, job_id: int) -> tuple[JobView, list[Event]]:
        """The job and every step of its life."""
        await self._visible(origin, job_id)
        async with self._jobs.database.read() as connection:
            events = await rows.events_of(connection, job_id)
        return await self.view(job_id), events

    async def _visible(self, origin: Origin, job_id: int) -> rows.Job:
        """A job that this person may look at: their own, or one that is public in this very channel."""
        job = await self._jobs.job(job_id)
        if job.user_id != origin.user_id:
            if job.private:
                raise UserError(NOT_YOURS)
            if job.channel_id != origin.channel_id:
                raise UserError("That job belongs to another channel.")
        return job

    async def thread_choices(self, origin: Origin, text: str) -> list[tuple[str, str]]:
        """The person's threads here whose title holds ``text``: the value to send back, and the title."""
        async with self._jobs.database.read() as connection:
            found = await threads.find_threads(connection, origin.user_id, origin.place_id, text)
        return [(str(thread.id), thread.title) for thread in found]

    # --- money --------------------------------------------------------------------------------------------------

    def price(self, engine_id: str) -> Price:
        """What one image of the engine costs, from its smallest to its largest request."""
        engine = self.engines[engine_id]
        provider = self._jobs.providers[engine.provider]
        sample = ImageRequest(engine_id, (WeightedText("a"),), engine.default_size)
        quote = provider.quote(sample)
        value = provider.credit_value
        return Price(converted(quote.low, value), converted(quote.high, value), quote.exact)

    async def credits(self, origin: Origin) -> CreditsView:
        """What this person has spent and has in flight, everywhere."""
        now = self._clock.now()
        day = limits.milliseconds(limits.day_start(now))
        month = limits.milliseconds(limits.month_start(now))
        async with self._jobs.database.read() as connection:
            return CreditsView(
                today=await ledger.totals(connection, since=day, user_id=origin.user_id),
                month=await ledger.totals(connection, since=month, user_id=origin.user_id),
                by_engine=await ledger.usage_by_engine(connection, user_id=origin.user_id, since=month),
                daily_limit=self._limits.user_daily,
            )

    async def usage(self, origin: Origin, *, since: int) -> UsageView:
        """What everybody in this server spent since a time in Unix milliseconds. Needs Manage Server."""
        if origin.server_id is None:
            raise UserError("Usage is counted by server. Ask for it in a server.")
        if not origin.manage_server:
            raise UserError("Only members with the permission Manage Server can see what everybody spends.")
        async with self._jobs.database.read() as connection:
            return UsageView(
                since=since,
                users=await ledger.usage_by_user(connection, server_id=origin.server_id, since=since),
                totals=await ledger.totals(connection, since=since, server_id=origin.server_id),
                monthly_limit=self._limits.server_monthly,
            )
