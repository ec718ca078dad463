"""The job service: makes, confirms, repeats and cancels jobs for cogs and buttons. Independent of Discord."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from secrets import randbelow
from typing import TypeVar

import structlog

from bot.clock import Clock
from bot.domain.edits import NAMES, NOT_OFFERED, about_existing, varied_size
from bot.domain.engine_choice import suited
from bot.domain.engines import NO_ENGINES
from bot.domain.form_data import Draft, draft_of, draft_of_prompt
from bot.domain.money import Price, converted
from bot.domain.options import SEED_AT_MOST, Defaults, ImagineOptions
from bot.domain.pictures import SourceKind
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import (
    Plan,
    completed,
    decode_request,
    for_another_person,
    plan,
    private_by_default,
    read_command,
)
from bot.errors import STORAGE_FAILS, Problem, UserError
from bot.jobs.cancellation import Cancellation
from bot.jobs.circuit_breaker import refuse_outages
from bot.jobs.durations import USUALLY
from bot.jobs.long_prompts import LongPrompts
from bot.jobs.new_jobs import NewJobs
from bot.jobs.proposals import Proposals, ServerRules
from bot.jobs.refusals import CommandRefused
from bot.jobs.repeats import makes_the_same
from bot.jobs.sources import PictureNotYours, Sources
from bot.jobs.store import JobStore
from bot.jobs.view import JobView, Progress, available_engines, may_manage, price_of, require_visible
from bot.jobs.worker import Worker
from bot.providers.base import Engine, ImageRequest, WeightedText
from bot.providers.operations import Operation, Size
from bot.text import Text, message
from storage.errors import StorageError
from storage.records import Job, JobStatus, LapseReason, Submission

T = TypeVar("T")

log = structlog.get_logger(__name__)

CANCEL_NOT_ALLOWED = message(
    "jobs.cancel_not_allowed", "Only the person who started this job, or somebody with Manage Messages, can cancel it."
)
NOT_IN_THIS_SERVER = message("jobs.not_in_this_server", "There is no such job in this server.")


class JobService:
    """Makes and changes jobs. The ``run`` of its ``proposals`` must run alongside the worker.

    Every method raises UserError if a request is impossible. ``defaults`` returns the defaults that complete a person's
    command in a place, the most specific first. ``ask_above`` returns the price in millicredits above which a person
    wants to confirm first. Neither does I/O.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        new_jobs: NewJobs,
        worker: Worker,
        sources: Sources,
        clock: Clock,
        servers: ServerRules,
        defaults: Callable[[Origin], Sequence[Defaults]],
        ask_above: Callable[[int], int | None],
        default_engine: Callable[[], str],
    ) -> None:
        self.all_engines: dict[str, Engine] = store.engines
        """All engines by id, each for its first operation, including those that their services no longer have."""
        self._default_engine = default_engine
        self._store = store
        self._new_jobs = new_jobs
        self._worker = worker
        self._sources = sources
        self._clock = clock
        self._servers = servers
        self._defaults = defaults
        self._ask_above = ask_above
        self.recent = store.recent
        self._long_prompts = LongPrompts()
        self.proposals = Proposals(
            store=store,
            new_jobs=new_jobs,
            worker=worker,
            clock=clock,
            servers=servers,
            long_prompts=self._long_prompts,
        )

    # --- making jobs --------------------------------------------------------------------------------------------

    def check(self, origin: Origin, options: ImagineOptions, *, complete: bool = False) -> Plan:
        """Turn typed options into requests, without any I/O.

        Options that are not ``complete`` are completed from the person's defaults, then from the server's. The options
        of an earlier job are already complete. Raises CommandRefused, which names every problem.
        """
        command, operation = read_command(options), options.operation
        engines = self.engines_doing(operation)
        if not engines:
            problem = self.none_offered(operation)
            raise CommandRefused(problem, plan=None, options=options, completed=options, complete=complete)
        default_engine = self.default_for(operation)
        if not complete:
            command = completed(
                command,
                self._defaults(origin),
                engines=engines,
                default_engine=default_engine,
                suited=partial(
                    suited,
                    offered=self.usable(origin, operation),
                    price=lambda requests: price_of(requests, self._store.providers).high,
                ),
            )
        whole = self._servers.rules(origin.server_id).imposed(command.options)
        made, problems = None, list[Problem]()
        try:
            made = plan(replace(command, options=whole), engines, default_engine).shown_in(origin)
            refuse_outages(made.engines, self._worker.outages(origin.user_id), engines)
        except UserError as error:
            problems += [about_existing(each, self.all_engines, operation) for each in error.problems]
        problems += self._servers.problems(origin, whole, made, engines=self.available_engines)
        if made is None or problems:
            raise CommandRefused(*problems, plan=made, options=options, completed=whole, complete=complete)
        return made

    async def checked(self, origin: Origin, options: ImagineOptions, *, complete: bool = False) -> Plan:
        """Run :meth:`check`, in a thread if the prompt is long so that it does not block the event loop."""
        return await self.in_thread_if_long(options, partial(self.check, origin, options, complete=complete))

    def asks_first(self, origin: Origin, plan: Plan) -> bool:
        """Return whether the price must be confirmed: it is high, or the command has several prompts or engines.

        What is free has no price to confirm.
        """
        above, price = self._ask_above(origin.user_id), self.cost(plan).high
        expensive = above is not None and price > above
        return expensive or (price > 0 and (plan.prompts > 1 or plan.options.engines is not None))

    def cost(self, plan: Plan) -> Price:
        """Return the price of all requests of the plan."""
        return price_of(plan.requests, self._store.providers)

    async def imagine(
        self,
        origin: Origin,
        plan: Plan,
        card: CardAddress,
        *,
        parent_id: int | None = None,
        proposed: bool = False,
        repeats: bool = False,
    ) -> int:
        """Store the job and return its id. From then on it survives a restart.

        Nothing is sent or held for a ``proposed`` job until it is confirmed; ``repeats`` is whether it would make
        images that exist. Raises UserError if a limit would be exceeded or the job cannot be stored.
        """
        try:
            if proposed:
                await self.proposals.make_room(origin.user_id)
            job_id = await self._new_jobs.add(
                origin, plan, card, parent_id=parent_id, proposed=proposed, repeats=repeats
            )
        except StorageError as error:
            log.error("job.not_stored", reason=str(error))  # noqa: TRY400 - the reason says everything
            raise UserError(STORAGE_FAILS) from error
        if proposed:
            self.proposals.added(job_id, origin.user_id)
        else:
            self._worker.wake()
        return job_id

    async def plan_again(self, origin: Origin, job_id: int, *, new_seed: bool = False) -> Plan:
        """Plan the same job again for this person. With ``new_seed``, a fixed seed is replaced by a random one."""
        job = await self.visible(origin, job_id)
        options = ImagineOptions.from_json(job.options)
        if new_seed:
            options = replace(options, new_seed=1 + randbelow(SEED_AT_MOST))
        if job.user_id != origin.user_id:
            options = await self._for_another_person(origin, job_id, options)
        return await self.checked(origin, options, complete=True)

    async def _for_another_person(self, origin: Origin, job_id: int, options: ImagineOptions) -> ImagineOptions:
        """The job's options for this person. Raises PictureNotYours, and UserError if the picture is gone."""
        if options.source is not None:
            source = None if options.mask is not None else await self._sources.for_person(origin, options.source)
            if source is None:
                raise PictureNotYours(await self._store.view(job_id))
            options = replace(options, source=source)
        return for_another_person(options, private=self.private_by_default(origin))

    async def plan_repeat(self, origin: Origin, job_id: int) -> tuple[Plan, Job | None]:
        """Plan the same job again for this person. Also returns the job if its images would only be made again."""
        planned = await self.plan_again(origin, job_id)
        return planned, await self.with_the_same(job_id, planned)

    async def with_the_same(self, job_id: int, planned: Plan) -> Job | None:
        """Return the job with this id if it has the images that the plan would make, see ``repeats``."""
        view = await self._store.view(job_id)
        return view.job if makes_the_same(planned, view) else None

    async def draft(self, origin: Origin, job_id: int, *, prompt_alone: bool = False) -> Draft:
        """Fill the Edit form from a job; with ``prompt_alone``, use only its prompt and default settings."""
        view = await self._visible_view(origin, job_id)
        options, private = view.options, self.private_by_default(origin)
        if prompt_alone:
            base = ImagineOptions(prompt=options.prompt, private=private)
            return draft_of_prompt(base, options, engine=self.engine_by_default(origin))
        if view.job.user_id != origin.user_id:
            options = await self._for_another_person(origin, job_id, options)
        engines = tuple(dict.fromkeys(request.engine for request in view.requests))
        return draft_of(options, engine=engines[0] if len(engines) == 1 else None)

    # --- changing jobs ------------------------------------------------------------------------------------------

    async def cancel(self, origin: Origin, job_id: int) -> Text:
        """Cancel unsent requests. The returned text says what ended and what continues; "too late" is not an error."""
        job = await self._store.job(job_id)
        if not may_manage(origin, job):
            raise UserError(CANCEL_NOT_ALLOWED)
        return (await self._cancel(job, LapseReason.CANCELLED)).text

    async def cancel_as_admin(self, job_id: int, *, server_id: int | None) -> Cancellation:
        """Cancel anybody's job in this server (None: in any). The caller must check that an admin requests it."""
        try:
            job = await self._store.job(job_id)
        except UserError:
            raise UserError(NOT_IN_THIS_SERVER) from None
        if server_id is not None and job.server_id != server_id:
            raise UserError(NOT_IN_THIS_SERVER)
        return await self._cancel(job, LapseReason.CANCELLED_BY_ADMIN)

    async def _cancel(self, job: Job, reason: LapseReason) -> Cancellation:
        if job.status is JobStatus.PROPOSED and await self._new_jobs.lapse(job, reason):
            self.proposals.waiting.pop(job.id, None)
            return Cancellation(job, dropped=1, going_on=0)
        if job.status not in (JobStatus.PROPOSED, JobStatus.WORKING):
            return Cancellation(job, dropped=0, going_on=0)
        dropped, going_on = await self._store.cancel(job.id)
        providers = [self._store.providers.get(each.provider) for each in going_on]
        stoppable = [each for each in providers if each is not None and each.cancels]
        if dropped:
            self._worker.wake(ready=None if going_on else job.id)
        if stoppable:
            self._worker.cancel(job.id)
        return Cancellation(job, dropped, len(going_on), len(stoppable))

    async def refresh(self, origin: Origin, job_id: int, card: CardAddress) -> Job:
        """Store the fresh token from the author's button press on the card. An undelivered result is then delivered.

        Returns the job before the change.
        """
        job = await self._store.renew(job_id, origin.user_id, card, file_limit=origin.file_limit)
        if job.status in (JobStatus.READY, JobStatus.UNDELIVERED):
            self._worker.wake(ready=job_id)
        return job

    # --- reading ------------------------------------------------------------------------------------------------

    async def view(self, job_id: int) -> JobView:
        """Read everything that a job's card shows now."""
        progress, on_their_way = self._worker.progress(job_id)
        progress = await self._timed(progress, on_their_way)
        return await self._store.view(job_id, progress)

    async def _timed(self, progress: Progress, on_their_way: list[Submission]) -> Progress:
        """Add the age of these submissions, and how long such submissions usually take."""
        progress = replace(progress, at=self._clock.now())
        ages = [(age, each) for each in on_their_way if (age := self._worker.age(each)) is not None]
        if not ages:
            return progress
        models = [(age, await self._store.durations.of(decode_request(each.request))) for age, each in ages]
        oldest = max(age for age, _ in models)
        return replace(
            progress,
            started_at=progress.at - int(oldest * 1000),
            # From the first sending to the usual end of the last.
            usual_seconds=max(oldest - age + model.distribution().usual for age, model in models),
            overdue_at=progress.at
            + int(1000 * min(model.distribution().quantile(USUALLY) - age for age, model in models)),
        )

    async def visible(self, origin: Origin, job_id: int) -> Job:
        """Return a job that this person may see: their own, or one that is public in this channel."""
        job = await self._store.job(job_id)
        require_visible(origin, job)
        return job

    async def _visible_view(self, origin: Origin, job_id: int) -> JobView:
        view = await self._store.view(job_id)
        require_visible(origin, view.job)
        return view

    def private_by_default(self, origin: Origin) -> bool:
        """Return whether the result is private if the command has no such option."""
        return private_by_default(self._defaults(origin))

    def example(self, origin: Origin, prompt: str) -> ImagineOptions:
        """Return the options of a command with only a prompt, from this person and place."""
        return ImagineOptions(prompt=prompt, private=self.private_by_default(origin))

    @property
    def engines(self) -> dict[str, Engine]:
        """The engines that make images from words and that their services still have, by id."""
        return self.engines_doing(Operation.TEXT_TO_IMAGE)

    @property
    def available_engines(self) -> dict[str, Engine]:
        """All engines that their services still have for at least one operation, by id."""
        return available_engines(self._store.providers)

    def has_retired(self, engine: Engine) -> bool:
        """Return whether the service no longer has this engine for this operation."""
        return self._store.providers[engine.provider].has_retired(engine)

    def engines_doing(self, operation: Operation) -> dict[str, Engine]:
        """Return the engines that have this operation and that their services still have for it, by id."""
        return self._store.engines_doing(operation)

    def none_offered(self, operation: Operation) -> Text:
        """The problem if no engine has this operation: none can do it, or there is no engine at all."""
        if self.engines_doing(Operation.TEXT_TO_IMAGE):
            return NOT_OFFERED(operation=NAMES[operation])
        return NO_ENGINES()

    def default_for(self, operation: Operation) -> str:
        """Return the id of the engine for an operation if nobody set a default: the bot's default, or the cheapest.

        If no engine has the operation, it is the bot's default.
        """
        able = self.engines_doing(operation)
        default = self._default_engine()
        if default in able or not able:
            return default
        return min(able, key=lambda engine: self.price(engine, operation).high)

    def require_engine(self, engine_id: str) -> Engine:
        """Return the engine with this id, even if it is retired.

        Raises UserError if there is none: services that list their engines may all have been away since the start.
        """
        engine = self.all_engines.get(engine_id)
        if engine is None:
            raise UserError(NO_ENGINES())
        return engine

    def engine_by_default(self, origin: Origin, operation: Operation = Operation.TEXT_TO_IMAGE) -> str:
        """Return the id of the engine for a command that names none."""
        named, able = (layer.engine for layer in self._defaults(origin)), self.engines_doing(operation)
        return next((engine for engine in named if engine in able), self.default_for(operation))

    def offered(self, origin: Origin, operation: Operation = Operation.TEXT_TO_IMAGE) -> list[Engine]:
        """Return the engines that may be used there for this operation."""
        allowed = self._servers.rules(origin.server_id).engines
        return [engine for engine in self.engines_doing(operation).values() if not allowed or engine.id in allowed]

    def usable(self, origin: Origin, operation: Operation = Operation.TEXT_TO_IMAGE) -> list[Engine]:
        """Return the engines that may be used there and whose services have no outage for this person."""
        out = {outage.provider for outage in self._worker.outages(origin.user_id)}
        return [engine for engine in self.offered(origin, operation) if engine.provider not in out]

    def require_picture_allowed(self, origin: Origin, kind: SourceKind) -> None:
        """Raise UserError if the server does not let people start from a picture of this kind."""
        problems = self._servers.rules(origin.server_id).problems_of_picture(kind)
        if problems:
            raise UserError(*problems)

    def price_of(self, engine: Engine) -> Price:
        """Return the price of one image of the engine for its operation, as :meth:`price` does."""
        return self.price(engine.id, engine.operation)

    def price(
        self, engine_id: str, operation: Operation = Operation.TEXT_TO_IMAGE, *, picture: Size | None = None
    ) -> Price:
        """Return the price of one image of the engine, from its smallest to its largest request.

        With ``picture``, it is the price of one image that is made from a picture of this size.
        """
        engine = self._store.engines[engine_id].doing(operation)  # A retired engine still has its price.
        if engine is None:
            raise KeyError(engine_id)
        provider = self._store.providers[engine.provider]
        size = engine.default_size if picture is None else picture
        if picture is not None and engine.sized:
            size = varied_size(engine, picture)
        asked = ImageRequest(engine_id, (WeightedText("a"),), size, operation=operation)
        quote = (engine.price if picture is None else None) or provider.quote(asked)
        value = provider.credit_value
        return Price(converted(quote.low, value), converted(quote.high, value), quote.exact)

    async def in_thread_if_long(self, options: ImagineOptions, work: Callable[[], T]) -> T:
        """Do work on these options, in a thread if their text is long."""
        return await self._long_prompts.check(options, work)
