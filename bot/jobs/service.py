"""What a person can do. Cogs and buttons call it; it knows no Discord."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from secrets import randbelow
from typing import TypeVar

import structlog

from bot.clock import Clock
from bot.domain.comparison import comparison
from bot.domain.defaults import Defaults, merged, private_by_default
from bot.domain.money import Price, converted
from bot.domain.place import TOKEN_LIFE, CardAddress, Origin
from bot.domain.requests import ImagineOptions, Plan, decode_request, plan, with_seed
from bot.errors import STORAGE_FAILS, Problem, UserError
from bot.jobs.circuit_breaker import refuse_outages
from bot.jobs.durations import USUALLY, remaining
from bot.jobs.file_removal import remove
from bot.jobs.store import Jobs
from bot.jobs.view import JobView, Progress, planned_requests, price_of
from bot.jobs.worker import Worker
from bot.providers.base import Engine, ImageRequest, WeightedText
from bot.servers.settings import Servers
from storage import jobs as rows
from storage import threads
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.jobs import Event, JobStatus, ShareState
from storage.pools import Pool

T = TypeVar("T")

log = structlog.get_logger(__name__)

NOT_YOURS = "That is somebody else's private job."
LOOKED_AT_AT_ONCE = 300
"""Bytes of a prompt that are looked at within a few milliseconds, whatever they are."""
WITHDRAWN = "cancelled before its price was confirmed"


class Actions:
    """The verbs of the bot. Each raises UserError where the person asked for something that cannot be.

    ``layers`` gives the defaults that complete a person's command there, the nearest first, from memory; ``ask_above``
    the price in millicredits above which a person wants to be asked first. ``servers`` know what their admins allow.
    """

    def __init__(
        self,
        *,
        jobs: Jobs,
        worker: Worker,
        files: ImageFiles,
        clock: Clock,
        default_engine: str | None = None,
        layers: Callable[[Origin], Sequence[Defaults]] = lambda _: (),
        ask_above: Callable[[int], int | None] = lambda _: None,
        servers: Servers | None = None,
    ) -> None:
        self.engines: dict[str, Engine] = jobs.engines
        self._jobs = jobs
        self._worker = worker
        self._files = files
        self._clock = clock
        self._layers = layers
        self._ask_above = ask_above
        self._servers = servers
        # Of its own, since the first answer to a command waits for it. A thread that is idle holds up no end.
        self._checking = Pool("check", 1)
        self.default_engine = default_engine or next(iter(self.engines))

    # --- making pictures ----------------------------------------------------------------------------------------

    def check(self, origin: Origin, options: ImagineOptions) -> Plan:
        """Turn what was typed into the requests it means, without any I/O. Names every problem at once.

        What was not typed is taken from the person's defaults, then from the place's.
        """
        return self.check_as_it_is(origin, self._completed(origin, options))

    async def checked(self, origin: Origin, options: ImagineOptions, *, complete: bool = False) -> Plan:
        """:meth:`check`, or, for options that are ``complete``, :meth:`check_as_it_is`; no I/O either.

        What is long takes a while, so it is looked at in a thread: nobody else waits for it.
        """
        check = self.check_as_it_is if complete else self.check
        return await self._looking_at(options, partial(check, origin, options))

    def check_as_it_is(self, origin: Origin, options: ImagineOptions) -> Plan:
        """The same for options that are complete, such as those of a job that was made before."""
        made = None
        if self._servers is not None:
            options = self._servers.imposed(origin, options)
        try:
            made = self._planned(options)
            refuse_outages(made.engines, self._worker.outages(origin.user_id), self.engines)
        except UserError as error:
            further = self._against_the_rules(origin, options, made)
            if not further:
                raise
            raise UserError(*error.problems, *further) from error
        if further := self._against_the_rules(origin, options, made):
            raise UserError(*further)
        return made

    async def with_limits(
        self, origin: Origin, options: ImagineOptions, problems: Sequence[Problem], *, complete: bool
    ) -> UserError:
        """These problems together with the limits that it would go beyond, for what is refused in any case.

        What passes is held to its limits in the transaction that writes it down; this only keeps people from mending
        one thing after the other. What is not ``complete`` is completed as :meth:`check` does it.
        """

        def planned() -> Plan | None:
            try:
                return self._planned(options if complete else self._completed(origin, options))
            except UserError:
                # What cannot be planned has no price.
                return None

        made = await self._looking_at(options, planned)
        try:
            if made is None:
                beyond = await self._jobs.beyond(origin, (), options.images or 1)
            else:
                beyond = await self._jobs.beyond(origin, made.requests, made.images)
        except StorageError as error:
            log.error("limits.not_read", reason=str(error))  # noqa: TRY400 - the sentence says it all
            beyond = ()
        return UserError(*dict.fromkeys([*problems, *beyond]))

    async def _looking_at(self, options: ImagineOptions, work: Callable[[], T]) -> T:
        # What takes more bytes can stand for many more characters.
        if len(f"{options.prompt}{options.negative or ''}".encode(errors="replace")) <= LOOKED_AT_AT_ONCE:
            return work()
        return await self._checking.run(work)

    def _completed(self, origin: Origin, options: ImagineOptions) -> ImagineOptions:
        return merged(options, self._layers(origin), engines=self.engines, default_engine=self.default_engine)

    def _planned(self, options: ImagineOptions) -> Plan:
        if options.engines is not None:
            return comparison(options, self.engines)
        return plan(options, self.engines, self.default_engine)

    def _against_the_rules(self, origin: Origin, options: ImagineOptions, made: Plan | None) -> list[str]:
        if self._servers is None:
            return []
        return self._servers.problems(origin, options, made, engines=self.engines.keys())

    def check_sharing(self, origin: Origin, options: ImagineOptions) -> None:
        """Raise UserError where the server does not let the person show a result of this here."""
        problems = [] if self._servers is None else self._servers.problems_of_sharing(origin, options)
        if problems:
            raise UserError(*problems)

    def asks_first(self, origin: Origin, plan: Plan) -> bool:
        """Whether the price has to be confirmed before anything is sent: one command can mean several requests."""
        above = self._ask_above(origin.user_id)
        dear = above is not None and price_of(plan.requests, self._jobs.providers).high > above
        return dear or plan.prompts > 1 or plan.options.engines is not None

    def private_by_default(self, origin: Origin) -> bool:
        """Whether only the person sees the result where they did not say."""
        return private_by_default(self._layers(origin))

    def offered(self, origin: Origin) -> list[Engine]:
        """The engines that may be used there."""
        allowed = () if self._servers is None else self._servers.rules(origin.server_id).engines
        return [engine for engine in self.engines.values() if not allowed or engine.id in allowed]

    def engine_by_default(self, origin: Origin) -> str:
        """The id of the engine that is used where none is named."""
        named = (layer.engine for layer in self._layers(origin))
        return next((engine for engine in named if engine in self.engines), self.default_engine)

    async def imagine(
        self, origin: Origin, plan: Plan, card: CardAddress, *, parent_id: int | None = None, proposed: bool = False
    ) -> int:
        """Accept the job and return its id; from here on it is worked on, whatever happens.

        Where it is only ``proposed``, nothing is sent or held before it is confirmed. Raises UserError where a limit
        would be passed or the job cannot be written down.
        """
        try:
            job_id = await self._jobs.submit(origin, plan, card, parent_id=parent_id, proposed=proposed)
        except StorageError as error:
            log.error("job.not_stored", reason=str(error))  # noqa: TRY400 - the sentence says it all
            raise UserError(STORAGE_FAILS) from error
        self._worker.wake()
        return job_id

    async def check_confirmed(self, origin: Origin, job: rows.Job) -> None:
        """Raise UserError where what was proposed may not be made here any more: rules change while a price waits."""
        options, requests = ImagineOptions.from_json(job.options), planned_requests(job)
        made = Plan(options, requests, prompts=1, title="")
        problems = await self._looking_at(options, partial(self._against_the_rules, origin, options, made))
        if self._servers is not None and self._servers.imposed(origin, options).private and not job.private:
            problems.append("Results are always private in this server now, and this one would not be.")
        if problems:
            changed = "The rules here have changed since this price was shown. Nothing was charged."
            raise UserError(changed, *problems)
        refuse_outages(made.engines, self._worker.outages(origin.user_id), self.engines)

    async def plan_again(self, origin: Origin, job_id: int, *, new_seed: bool = False) -> Plan:
        """The same as it was typed, for whoever asks; with another seed where one was fixed and a new one is wanted."""
        job = await self.visible(origin, job_id)
        options = ImagineOptions.from_json(job.options)
        if new_seed:
            options = with_seed(options, 1 + randbelow(2**32 - 2))
        if job.user_id != origin.user_id:
            options = options.for_another_person(private=self.private_by_default(origin))
        try:
            return await self.checked(origin, options, complete=True)
        except UserError as error:
            raise await self.with_limits(origin, options, error.problems, complete=True) from error

    async def cancel(self, origin: Origin, job_id: int) -> str:
        """Drop what has not been sent. The answer says what was dropped and what goes on; too late is an answer."""
        job = await self._jobs.job(job_id)
        self._authorise(origin, job, "cancel")
        if job.status is JobStatus.PROPOSED and await self._jobs.lapse(job, note=WITHDRAWN):
            return "Cancelled. Nothing was sent, and nothing was charged."
        if job.status not in (JobStatus.PROPOSED, JobStatus.WORKING):
            return "Too late to cancel: this job has ended already."
        dropped, going_on = await self._jobs.cancel(job_id)
        if dropped and not going_on:
            self._worker.wake(ready=job_id)
            return "Cancelled. You were not charged."
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
        await remove(self._jobs.database, self._files, await self._jobs.delete(job_id))
        return view

    async def refresh(self, origin: Origin, job_id: int, card: CardAddress) -> rows.Job:
        """Take the fresh token of a press on the job's card, by its author; what could not be shown is shown by it.

        Returns the job as it stood before.
        """
        job = await self._jobs.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError(NOT_YOURS)
        if job.message_id not in (None, card.message_id) and job.status is not JobStatus.DELIVERED:
            raise UserError("This card is no longer the one of that job.")
        job = await self._jobs.renew(
            job_id, token=card.token, token_expires_at=card.token_expires_at, file_limit=origin.file_limit
        )
        if job.status in (JobStatus.READY, JobStatus.KEPT):
            self._worker.wake(ready=job_id)
        return job

    def token_ends(self) -> int:
        """When the token of an interaction that came in just now will be over: Unix milliseconds by the bot's clock."""
        return self._clock.now() + TOKEN_LIFE

    async def deletable(self, origin: Origin, job_id: int) -> JobView:
        """The job as it stands, for whoever may delete it: what to ask about before it is done."""
        job = await self._jobs.job(job_id)
        self._authorise(origin, job, "delete")
        return await self._jobs.view(job_id)

    async def may_clear(self, origin: Origin, job_id: int, *, asked_by: int | None) -> bool:
        """Whether this person may take away a message that is left of a deleted job.

        ``asked_by``: who the message answers, which counts where nothing is stored of the job any more.
        """
        async with self._jobs.database.read() as connection:
            job = await rows.get_job(connection, job_id)
        if job is None:
            return origin.user_id == asked_by or (origin.server_id is not None and origin.manage_messages)
        if job.status is not JobStatus.DELETED:
            return False
        try:
            self._authorise(origin, job, "delete")
        except UserError:
            return False
        return True

    def _authorise(self, origin: Origin, job: rows.Job, verb: str) -> None:
        if origin.user_id == job.user_id:
            return
        server_id = job.share_server_id if job.share_state is ShareState.POSTED else job.server_id
        moderates = origin.manage_messages and origin.server_id is not None and origin.server_id == server_id
        if job.public_in is None or not moderates:
            raise UserError(f"Only the person who asked for it, or somebody with Manage Messages, may {verb} this.")

    # --- looking ------------------------------------------------------------------------------------------------

    async def view(self, job_id: int) -> JobView:
        """Everything there is to show of a job now."""
        progress, on_their_way = self._worker.progress(job_id)
        progress = await self._expected(progress, on_their_way)
        return await self._jobs.view(job_id, progress)

    async def _expected(self, progress: Progress, on_their_way: list[rows.Submission]) -> Progress:
        """With the time at which the last of these will probably be finished, or overdue if one of them is."""
        now = self._clock.now()
        latest, overdue = None, False
        for submission in on_their_way:
            age = self._worker.age(submission)
            if age is None:
                continue
            model = await self._jobs.durations.of(decode_request(submission.request))
            distribution = model.distribution()
            left = remaining(age, distribution)
            if left is None or age > distribution.quantile(USUALLY):
                overdue = True
            else:
                latest = max(latest or 0, now + int(left * 1000))
        return progress.expecting(None if overdue else latest, overdue=overdue)

    async def details(self, origin: Origin, job_id: int) -> tuple[JobView, list[Event]]:
        """The job and every step of its life."""
        await self.visible(origin, job_id)
        async with self._jobs.database.read() as connection:
            events = await rows.events_of(connection, job_id)
        return await self.view(job_id), events

    async def visible(self, origin: Origin, job_id: int) -> rows.Job:
        """A job that this person may look at: their own, or one that is public in this very channel."""
        job = await self._jobs.job(job_id)
        if not self.may_see(origin, job):
            raise UserError(NOT_YOURS if job.public_in is None else "That job belongs to another channel.")
        return job

    def may_see(self, origin: Origin, job: rows.Job) -> bool:
        """Whether this person may look at a job: their own, or one that is public in this very channel."""
        if job.status is JobStatus.DELETED:
            return False
        return job.user_id == origin.user_id or job.public_in == origin.channel_id

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
        quote = engine.price or provider.quote(ImageRequest(engine_id, (WeightedText("a"),), engine.default_size))
        value = provider.credit_value
        return Price(converted(quote.low, value), converted(quote.high, value), quote.exact)
