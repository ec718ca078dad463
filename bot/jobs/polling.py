"""Decides when to poll a submission, and tracks the results of polls. All times are seconds.

The *value* of a poll is the expected time for which the job has been finished unnoticed since it was last seen open:
``∫ P(over by t) / P(open at t) dt``. A job is polled as soon as the value reaches the *price*, which is the waiting
time that one poll must save. So there are no polls while the job cannot be over. Most polls come when the job most
likely ends. Few come when it is overdue, because the rest of the distribution is a long thin tail.

The price is a small constant plus a fraction of the usual duration: a second more matters less to a person who waits
for a minute than to one who waits for five seconds. The price is low while few jobs share the provider's rate, and
rises with their number. If more polls are due than the rate allows, the most valuable ones go first
(:mod:`bot.jobs.rate`).

The distribution comes from the latest such jobs (:mod:`bot.jobs.durations`) and from the provider's progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from types import TracebackType
from typing import Self

import structlog

from bot.clock import Clock, Elapsed
from bot.jobs.durations import OVERDUE_PART, DurationDistribution, DurationModel
from bot.jobs.provider_text import provider_text
from bot.jobs.rate import Rate, at_once
from bot.providers.base import Failed, Finished, Gone, Handle, ImageRequest, PollResult, Provider, Waiting
from bot.providers.errors import Busy, ProviderError, Reason, Refused
from bot.providers.operations import Pictures
from bot.text import Text, message

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Seconds without polls after a provider was busy and did not say for how long."""
DOUBTED_FOR, DOUBTED_LOOKS = 120.0, 5
"""A doubtful response counts after this many seconds and this many polls, without any other response."""

# The age of a submission from an earlier process is a guess. So it is given up only after this many seconds and polls
# in this process.
RESUMED_PATIENCE, RESUMED_POLLS = 120.0, 3

# Seconds between two attempts to find a lost submit.
FIND_EVERY = 5.0
# After the last call, giving up early has no benefit: the search takes this many times as long.
LAST_LOOK = 3

# The price of a poll as a fraction of the usual duration, with few open jobs and with many; and the seconds that are
# added to it with many.
CHEAP, DEAR = 0.001, 0.0038
EXTRA = 0.019
# Open jobs per allowed request per second: few up to the first value, many from the second one on.
FEW, MANY = 0.5, 0.7
# An overdue job is polled less and less often. The gap between two polls is a fraction of the age: _HANGING at twice
# the age at which the job became overdue. The fraction grows linearly with the age, up to _HANGING_AT_MOST. The gap is
# at least _SHORTEST_GAP and at most _LONGEST_GAP seconds.
_SHORTEST_GAP, _HANGING, _HANGING_AT_MOST, _LONGEST_GAP = 0.4, 0.1, 0.11, 30.0
# With a new engine a job is hardly ever overdue, so the number of polls shows that it hangs: after this many polls, the
# gap grows by one hundredth of the age with each further poll.
_MANY_POLLS = 30
# A long wait is reconsidered halfway, but not sooner than this: by then more may be known.
_RECONSIDERED = 2.0
# The clock cannot wait for less than this.
_SOON = 0.001
# The backoff after failed polls; the last value is repeated.
_BACKOFF = (2.0, 5.0, 15.0, 30.0)
# The weight of the provider's progress, relative to the model's, when it approaches 100 percent.
_TRUST_PERCENT = 3.0
# Until a model has learnt from this many jobs, polls cost more, up to this factor: it cannot tell when they help.
_UNKNOWN_UNTIL, _UNKNOWN_DEARER = 10, 2
# A job this many times as old as usual is polled as if its age divided by this were the usual duration.
_LONG_OVER = 8
# Each job in a row that had already ended at its first poll halves the price for the next one, this many times at most.
_BLIND_AT_MOST = 6

TIMED_OUT = message(
    "submission.timed_out",
    "The image service was not finished after {minutes} minutes, so we stopped waiting.",
)
NOT_HEARD = message(
    "submission.not_heard",
    "We could not get your images from the image service for {minutes} minutes, so we stopped trying.",
)

Price = Callable[[float, float], float]


def price(usual: float, crowd: float) -> float:
    """Return the seconds of waiting that a poll must save, for jobs that usually take ``usual``.

    ``crowd`` is the number of open jobs per allowed request per second.
    """
    crowded = min(1.0, max(0.0, (crowd - FEW) / (MANY - FEW)))
    return EXTRA * crowded + usual * (CHEAP + (DEAR - CHEAP) * crowded)


def shortest_gap(age: float, overdue: float, polls: int, unknown: float) -> float:
    """Return the minimum seconds until the next poll, for a job of this age after ``polls`` polls, whatever its value.

    ``overdue`` is the age from which such jobs are overdue. ``unknown``, from 0 to 1, is how little is known about
    them.
    """
    part = unknown * 0.01 * max(0, polls - _MANY_POLLS)
    if age > overdue:
        part = max(part, _HANGING * (age / overdue - 1))
    gap = age * min(_HANGING_AT_MOST, part)
    return min(_LONGEST_GAP, gap if age <= overdue else max(_SHORTEST_GAP, gap))


class PollSchedule:
    """Decides when one submission is polled next.

    Ages are seconds since ``sent``. As a context manager, it counts itself in ``rate.watched``. ``at_once`` is for a
    submission that was not polled for a while: it is polled as soon as the rate allows.
    """

    def __init__(
        self,
        model: DurationModel,
        rate: Rate,
        clock: Clock,
        *,
        sent: Elapsed,
        shortest: float,
        at_once: bool = False,
        price: Price = price,
    ) -> None:
        self._model = model
        self._rate = rate
        self._clock = clock
        self._sent = sent
        self._shortest = shortest
        self._price = price
        self._at_once = at_once
        # The ages at the last poll, and at the last poll that found it open.
        self._polled: float | None = None
        self._seen_open = 0.0
        self._said = Waiting()
        self._failures = 0
        self._polls = 0
        # The model's distribution, and its combination with the progress.
        self._combined: tuple[DurationDistribution, DurationDistribution] | None = None
        self.mark = model.mark()
        """The model's mark from when the submission was sent."""
        self.never_seen_open = not at_once
        """Whether no poll found it open, although it was polled from the start."""

    def __enter__(self) -> Self:
        self._rate.watched += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._rate.watched -= 1

    @property
    def age(self) -> float:
        return self._sent.total

    async def turn(self) -> None:
        """Wait until the next poll is due and the rate allows it."""
        while not self._at_once and (wait := self.due() - self.age) > _SOON:
            await self._clock.sleep(min(wait, max(_RECONSIDERED, wait / 2)))
        await self._rate.turn(self._value)
        self._at_once = False
        self._polled = self.age
        self._polls += 1

    def still_waiting(self, said: Waiting) -> None:
        """Record a poll that found it open."""
        self._seen_open = self.age if self._polled is None else self._polled
        self._said, self._combined = said, None
        self._failures, self.never_seen_open = 0, False

    def failed(self) -> None:
        """Record a poll without a usable response."""
        self._failures += 1

    def due(self) -> float:
        """Return the age at which the next poll is due."""
        distribution = self._distribution()
        usual = max(distribution.usual, self._seen_open / _LONG_OVER)
        cost = self._price(usual, self._rate.crowd) / 2 ** min(self._model.blind, _BLIND_AT_MOST)
        unknown = max(0.0, 1 - self._model.known / _UNKNOWN_UNTIL)
        cost *= 1 + _UNKNOWN_DEARER * unknown
        at = distribution.when(self._seen_open, cost)
        if self._polled is None:
            return at
        rest = _BACKOFF[min(self._failures, len(_BACKOFF)) - 1] if self._failures else 0.0
        # After a restart the age is a guess and may be too high.
        surely = min(self._seen_open, self._sent.here + distribution.usual)
        if self._seen_open > max(surely, distribution.overdue):
            at = min(at, self._polled + OVERDUE_PART * surely)
        gap = shortest_gap(surely, distribution.overdue, self._polls, unknown)
        return max(at, self._polled + max(self._shortest, rest, gap))

    def estimated_duration(self) -> float:
        """Estimate the duration in seconds, after the latest poll found it finished."""
        if self._seen_open:
            return (self._seen_open + self.age) / 2
        return self._distribution().between(0.0, self.age)

    def _value(self) -> float:
        return self._distribution().worth(self._seen_open, self.age)

    def _distribution(self) -> DurationDistribution:
        """Return the model's distribution, combined with the provider's progress."""
        learnt, percent, at = self._model.distribution(), self._said.percent, self._seen_open
        if not percent or percent >= 100 or at <= 0:
            return learnt
        if self._combined is None or self._combined[0] is not learnt:
            left = at * (100 - percent) / percent
            self._combined = learnt, learnt.with_remaining(at, left, _TRUST_PERCENT * percent / 100)
        return self._combined[1]


PROGRESS_EVERY = 1.5
"""The seconds between two requests for the progress of a blocking submit."""


class Doubt:
    """A response that may be temporary: while a service is being deployed, it may not find what it found before.

    The response counts after DOUBTED_LOOKS times over DOUBTED_FOR seconds, with no other response in between.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self.looks = 0

    def seen(self) -> bool:
        """Record the same response once more. Returns whether it counts now."""
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        self.looks += 1
        return self.looks >= DOUBTED_LOOKS and now - self._since >= DOUBTED_FOR

    def over(self) -> None:
        """Record a different response."""
        self._since, self.looks = None, 0


class PollStatus:
    """The latest response about one submission (``said``), and the error that calls currently have."""

    def __init__(self, provider: Provider, rate: Rate, clock: Clock, changed: Callable[[], None]) -> None:
        """``changed`` is called when a response has anything new for the card."""
        self.said = Waiting()
        self._changed = changed
        self._provider = provider
        self._rate = rate
        self._clock = clock
        # The current error of calls, and when it began (seconds by the monotonic clock).
        self._trouble: tuple[ProviderError | Failed, float] | None = None
        self._doubt = Doubt(clock)

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None) -> Handle | Finished:
        """Send the request once. If the provider ``blocks``, ask for the progress meanwhile.

        Raises ProviderError.
        """
        if not self._provider.blocks:
            return await self._provider.submit(handle, request, pictures)
        watching = asyncio.create_task(self._watch(handle), name="progress")
        try:
            return await self._provider.submit(handle, request, pictures)
        finally:
            watching.cancel()

    async def _watch(self, handle: Handle) -> None:
        while True:
            await self._clock.sleep(PROGRESS_EVERY)
            await self._rate.turn()
            try:
                self.heard(await self._provider.progress(handle))
            except ProviderError as error:
                log.debug("progress.failed", provider=self._provider.name, detail=error.detail)
            except Exception:
                # A bug in the progress must not cost the image that is being made.
                log.exception("progress.crashed", provider=self._provider.name)
                return

    async def poll(self, schedule: PollSchedule, handle: Handle, request: ImageRequest) -> PollResult:
        """Poll once. If the response does not count, return the latest result that did."""
        try:
            result = await self._provider.poll(handle, request)
        except ProviderError as error:
            self.failed(error)
            schedule.failed()
            return replace(self.said, handle=None)
        if isinstance(result, Gone | Finished | Failed) and not result.sure:
            if self.doubted():
                return result
            schedule.failed()
            return replace(self.said, handle=None)
        self.answered()
        if isinstance(result, Waiting):
            schedule.still_waiting(result)
            self.heard(result)
        return result

    async def cancel(self, handle: Handle) -> None:
        """Ask the provider to stop it. If that fails, it goes on."""
        try:
            await self._rate.turn()
            await self._provider.cancel(handle)
        except ProviderError as error:
            log.info("cancel.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)

    def answered(self) -> None:
        """Record a call with a valid response."""
        self._trouble = None
        self._doubt.over()

    def doubted(self) -> bool:
        """Record a call with a doubtful response. Returns whether it has lasted long enough to count."""
        if self._trouble is None:
            self._trouble = Failed(Reason.CONTRADICTION), self._clock.monotonic()
        believed = self._doubt.seen()
        log.info("poll.doubted", provider=self._provider.name, looks=self._doubt.looks)
        return believed

    def heard(self, said: Waiting) -> None:
        """Record a report that it is not finished yet."""
        before, self.said = self.said, said
        if said != before:
            self._changed()

    def failed(self, error: ProviderError) -> None:
        """Record a failed call. Nothing is lost: the call is retried, perhaps after a pause."""
        log.info("poll.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        if isinstance(error, Busy):
            self._rate.pause(error.retry_after if error.retry_after is not None else PAUSE, polls=True)
        if self._trouble is None or (self._trouble[0].reason, self._trouble[0].said) != (error.reason, error.said):
            alarm(self._provider, error)
        self._trouble = error, self._clock.monotonic() if self._trouble is None else self._trouble[1]

    @property
    def may_give_up(self) -> bool:
        """Return True if calls succeed, or have failed for longer than the provider's patience: then we may give up."""
        return self._trouble is None or self._clock.monotonic() - self._trouble[1] > self._provider.patience

    def given_up(self, minutes: int) -> list[Text]:
        """Return the texts for the author when the submission is given up after this many minutes."""
        if self._trouble is None:
            return [TIMED_OUT(minutes=minutes)]
        return [NOT_HEARD(minutes=minutes), provider_text(self._provider.label, self._trouble[0])]


class LostSubmit(Enum):
    """What became of the search for a submit whose response was lost, if it did not find it."""

    ABSENT = auto()
    """The provider certainly does not have it."""
    NOT_SEARCHED = auto()
    """Every search failed for longer than the provider's patience."""
    STOPPED = auto()


async def find_lost(
    provider: Provider,
    handle: Handle,
    rate: Rate,
    clock: Clock,
    status: PollStatus,
    *,
    last: bool,
    stopping: Callable[[], bool],
) -> Handle | LostSubmit:
    """Find a submit whose response was lost, until it is certain whether it arrived.

    ``last``: it will not be sent again, so the search takes longer.
    """
    looked = 0
    # Only time in this run counts: downtime or a clock that jumps must not be a reason to pay again.
    began = Elapsed(clock)
    lost_after = provider.lost_after * (LAST_LOOK if last else 1)
    patience = max(provider.patience, 2 * lost_after)
    while not stopping():
        try:
            await rate.turn(at_once)
            looked_for = began.here
            found = await provider.find(handle)
            looked += 1
        except ProviderError as error:
            status.failed(error)
            if began.here > patience:
                return LostSubmit.NOT_SEARCHED
            await clock.sleep(FIND_EVERY)
            continue
        status.answered()
        if found is not None:
            return found
        if looked >= 2 and looked_for >= lost_after:
            return LostSubmit.ABSENT
        pause = min(lost_after - looked_for, provider.lost_after)
        await clock.sleep(FIND_EVERY if looked < 2 else max(FIND_EVERY, pause))
    return LostSubmit.STOPPED


def waited_enough(provider: Provider, sent: Elapsed, polls: int, found: Elapsed | None) -> bool:
    """Return whether a submission may be given up after this time and this number of polls that found it open.

    ``found`` is the time since a lost submit was found, if it was lost: it may have arrived only just before.
    """
    patience = provider.patience
    if found is not None and found.here <= patience:
        return False
    if sent.guessed and (polls < RESUMED_POLLS or sent.here <= min(patience, RESUMED_PATIENCE)):
        return False
    return sent.total > patience


def alarm(provider: Provider, error: ProviderError) -> None:
    """Log an error that only the operator can fix, at level ERROR."""
    if isinstance(error, Refused) and error.operator:
        log.error("provider.needs_operator", provider=provider.name, reason=error.reason.value, detail=error.detail)
