"""Explains a refused command: all of its problems, and offers of changes that make it acceptable, with their prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

import structlog

from bot.domain.alternatives import Alternative, Changes, alternatives, fitting
from bot.domain.edits import UNFIT
from bot.domain.money import Price
from bot.domain.options import IMAGES, IMAGES_PER_JOB, ImagineOptions
from bot.domain.place import Origin
from bot.domain.requests import Plan, read_command
from bot.domain.rules import FORBIDDEN, PRIVATE_OFF, RULES
from bot.errors import NotMade, Problem
from bot.jobs.limits import Room
from bot.jobs.new_jobs import NewJobs
from bot.jobs.view import price_of
from bot.providers.base import Engine, ImageRequest, Provider
from bot.providers.operations import Operation
from storage.errors import StorageError

T = TypeVar("T")

log = structlog.get_logger(__name__)

OFFERS_AT_MOST = 4
_TRIED_AT_MOST = 12


class CommandRefused(NotMade):
    """The command cannot be accepted. ``plan`` is its plan, or None if the command is invalid.

    ``options`` are the options that were checked, and ``completed`` the same with the defaults. ``complete``: they
    had been completed before.
    """

    def __init__(
        self,
        *problems: Problem,
        plan: Plan | None,
        options: ImagineOptions,
        completed: ImagineOptions,
        complete: bool,
    ) -> None:
        super().__init__(*problems)
        self.plan = plan
        self.options = options
        self.completed = completed
        self.complete = complete


@dataclass(frozen=True, slots=True)
class Offer:
    """A changed command that would be accepted now: its options, what is different, and its price."""

    options: ImagineOptions
    changes: Changes
    price: Price


class Refusal(NotMade):
    """A refused command with all of its problems, and what could be made instead, the best first.

    ``complete``: its ``options`` already include the defaults, as those of an earlier job do.
    """

    def __init__(
        self, *problems: Problem, options: ImagineOptions, complete: bool, offers: Sequence[Offer] = ()
    ) -> None:
        super().__init__(*problems)
        self.options = options
        self.complete = complete
        self.offers = tuple(offers)


class Checks(Protocol):
    """The checks of :class:`~bot.jobs.service.JobService`. None does any I/O."""

    def check(self, origin: Origin, options: ImagineOptions, *, complete: bool = False) -> Plan: ...
    def engines_doing(self, operation: Operation) -> dict[str, Engine]: ...
    def default_for(self, operation: Operation) -> str: ...
    def usable(self, origin: Origin, operation: Operation = ...) -> list[Engine]: ...
    def price(self, engine_id: str, operation: Operation = ...) -> Price: ...
    async def in_thread_if_long(self, options: ImagineOptions, work: Callable[[], T]) -> T: ...


class Refusals:
    """Explains why commands are refused, and finds what could be made instead."""

    def __init__(self, *, checks: Checks, new_jobs: NewJobs, providers: Mapping[str, Provider]) -> None:
        self._checks = checks
        self._new_jobs = new_jobs
        self._providers = providers

    async def explained(self, origin: Origin, error: CommandRefused, *, missing: Sequence[Problem] = ()) -> Refusal:
        """Return the refusal with all problems: those of the command, and the limits that it would exceed.

        Limits are not listed if the server's rules refuse the command. ``missing`` are reasons why the bot may not
        show public images there.
        """
        problems: list[Problem] = [*error.problems, *missing]
        known = {problem.code for problem in error.problems}
        room = None
        try:
            if not known & RULES:
                plan = error.plan
                requests, images = ((), error.options.images or 1) if plan is None else (plan.requests, plan.images)
                problems += await self._new_jobs.limit_problems(origin, requests, images)
            if not known & FORBIDDEN:
                room = await self._new_jobs.room(origin)
        except StorageError as failure:
            log.error("limits.not_read", reason=str(failure))  # noqa: TRY400 - the reason says everything
        private = True if missing else False if PRIVATE_OFF.code in known else None
        offers = await self._offers(origin, error, room, private=private) if room is not None else []
        return Refusal(*dict.fromkeys(problems), options=error.options, complete=error.complete, offers=offers)

    async def _offers(
        self, origin: Origin, error: CommandRefused, room: Room, *, private: bool | None
    ) -> Sequence[Offer]:
        if not room.job:
            return []
        options = error.options
        if not error.complete and options.images is None and IMAGES.name not in read_command(options).flags:
            options = replace(options, images=error.completed.images)
        find = partial(self._found, origin, options, error, room, private=private)
        return await self._checks.in_thread_if_long(options, find)

    def _found(
        self, origin: Origin, options: ImagineOptions, error: CommandRefused, room: Room, *, private: bool | None
    ) -> list[Offer]:
        checks, operation = self._checks, options.operation
        usual, engines = error.completed.engine, checks.engines_doing(operation)
        if not engines:
            return []
        # If the limit on free images allows too few, engines that charge come first.
        used_up = room.free is not None and error.plan is not None and room.free < error.plan.images

        def price(engine: Engine) -> tuple[bool, int]:
            high = checks.price(engine.id, operation).high
            return used_up and not high, high

        find = partial(
            alternatives,
            engines=engines,
            default_engine=usual if usual in engines else checks.default_for(operation),
            offered=sorted(checks.usable(origin, operation), key=price),
            most=min(IMAGES_PER_JOB, IMAGES_PER_JOB if room.images is None else room.images),
            private=private,
        )
        unfit = not UNFIT.isdisjoint(problem.code for problem in error.problems)
        candidates = fitting(options, find) if unfit else find(options)
        found: dict[tuple[ImageRequest, ...], Offer] = {}
        fewer_free = False
        for candidate in islice(candidates, _TRIED_AT_MOST):
            accepted = self._accepted(origin, candidate, room, complete=error.complete)
            if accepted is None:
                continue
            alternative, plan = accepted
            if alternative is not candidate and self._new_jobs.free_images(plan.requests) == plan.images:
                # Another free engine would make no more images than the first one.
                if fewer_free:
                    continue
                fewer_free = True
            if alternative.changes != Changes():
                offer = Offer(alternative.options, alternative.changes, price_of(plan.requests, self._providers))
                found.setdefault(plan.requests, offer)
            if len(found) == OFFERS_AT_MOST or (
                alternative is candidate and not alternative.changes.engines and alternative.engines_fit
            ):
                break
        return list(found.values())

    def _accepted(
        self, origin: Origin, alternative: Alternative, room: Room, *, complete: bool
    ) -> tuple[Alternative, Plan] | None:
        """The alternative if it would be accepted, else the same with as many images as the limits allow."""
        plan = self._checked(origin, alternative, complete=complete)
        while plan is not None:
            hold, free = self._new_jobs.hold_for(plan.requests), self._new_jobs.free_images(plan.requests)
            most = plan.images
            if room.credits is not None and hold > room.credits:
                most = min(most - 1, plan.images * room.credits // hold)
            if room.free is not None and free > room.free:
                most = min(most, plan.images - 1, plan.images * room.free // free)
            if most == plan.images:
                break
            fewer = alternative.with_images(most)
            if fewer is None:
                return None
            alternative, plan = fewer, self._checked(origin, fewer, complete=complete)
        return None if plan is None else (alternative, plan)

    def _checked(self, origin: Origin, alternative: Alternative, *, complete: bool) -> Plan | None:
        try:
            return self._checks.check(origin, alternative.options, complete=complete)
        except CommandRefused:
            return None
