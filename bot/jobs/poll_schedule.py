"""Decides when to poll a submission, and tracks the results of polls. All times are seconds.

The *value* of a poll is the expected time for which the job has been finished unnoticed since it was last seen open:
``∫ P(over by t) / P(open at t) dt``. A job is polled as soon as the value reaches the *price*, which is the waiting
time that one poll must save. So there are no polls while the job cannot be over. Most polls come when the job most
likely ends. Few come when it is overdue, because the rest of the distribution is a long thin tail.

The price is a small constant plus a fraction of the usual duration: a second more matters less to a person who waits
for a minute than to one who waits for five seconds. The price is low while few jobs share the provider's rate, and
rises with their number. If more polls are due than the rate allows, the most valuable ones go first
(:mod:`bot.jobs.rate`).

The distribution comes from the latest such jobs (:mod:`bot.jobs.durations`) and from what the provider says: a
percentage, a remaining time, or a place in its own queue. A service may also push that a submission has ended. That
only makes the next poll earlier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bot.clock import Clock, Elapsed, wait_at_most
from bot.jobs.durations import OVERDUE_PART, DurationDistribution, DurationModel
from bot.jobs.rate import Rate, at_once
from bot.providers.base import Waiting

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
# The weight of the provider's remaining time, and of its percentage when it approaches 100, relative to the model's.
_TRUST_TIME, _TRUST_PERCENT = 6.0, 3.0
# The polls of one submission that are made early because of a push, and the seconds since the poll before.
EARLY_AT_MOST, EARLY_GAP = 4, 0.1
# Until a model has learnt from this many jobs, polls cost more, up to this factor: it cannot tell when they help.
_UNKNOWN_UNTIL, _UNKNOWN_DEARER = 10, 2
# A job this many times as old as usual is polled as if its age divided by this were the usual duration.
_LONG_OVER = 8
# Each job in a row that had already ended at its first poll halves the price for the next one, this many times at most.
_BLIND_AT_MOST = 6

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
    submission that was not polled for a while: it is polled as soon as the rate allows. ``pushed`` is set when the
    service has pushed that the submission may have ended.
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
        pushed: asyncio.Event | None = None,
        price: Price = price,
    ) -> None:
        self._model = model
        self._rate = rate
        self._clock = clock
        self._sent = sent
        self._shortest = shortest
        self._price = price
        self._at_once = at_once
        self._pushed = pushed
        self._early_left = EARLY_AT_MOST if pushed is not None else 0
        # The ages at the last poll, and at the last poll that found it open, and still in the provider's queue.
        self._polled: float | None = None
        self._seen_open = 0.0
        self._queued = 0.0
        self._said = Waiting()
        self._tells_time = False
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
        value = self._value
        while not self._at_once and (wait := self.due() - self.age) > _SOON:
            if await self._push_within(min(wait, max(_RECONSIDERED, wait / 2))):
                value = at_once
                break
        await self._rate.turn(value)
        self._at_once = False
        self._polled = self.age
        self._polls += 1

    def still_waiting(self, said: Waiting) -> None:
        """Record a poll that found it open."""
        self._seen_open = self.age if self._polled is None else self._polled
        if said.place:
            self._queued = self._seen_open
        self._tells_time = self._tells_time or said.seconds_left is not None
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
        unknown = 0.0 if self._tells_time else max(0.0, 1 - self._model.known / _UNKNOWN_UNTIL)
        cost *= 1 + _UNKNOWN_DEARER * unknown
        at = self._queued + distribution.when(self._seen_open - self._queued, cost)
        if self._polled is None:
            return at
        rest = _BACKOFF[min(self._failures, len(_BACKOFF)) - 1] if self._failures else 0.0
        age = self._seen_open - self._queued
        # After a restart the age is a guess and may be too high.
        surely = min(age, self._sent.here + distribution.usual)
        if age > max(surely, distribution.overdue):
            at = min(at, self._polled + OVERDUE_PART * surely)
        # A remaining time may stay the same for ever.
        gap = shortest_gap(surely, distribution.overdue, self._polls, 1.0 if self._tells_time else unknown)
        return max(at, self._polled + max(self._shortest, rest, gap))

    def estimated_duration(self) -> float:
        """Estimate the duration in seconds, after the latest poll found it finished."""
        if self._seen_open:
            return (self._seen_open + self.age) / 2
        return self._distribution().between(0.0, self.age)

    def known_duration(self, patience: float) -> float | None:
        """Return this estimate, or None if it depends on a wrong guess: nothing takes longer than ``patience``."""
        seconds = self.estimated_duration()
        return seconds if not self._sent.guessed or seconds <= patience else None

    def learn(self, seconds: float) -> None:
        """Let the model learn from a job that ended after ``seconds``. Its time in the provider's queue is left out."""
        self._model.add(seconds - self._queued, self.mark, blind=self.never_seen_open)

    async def _push_within(self, seconds: float) -> bool:
        """Wait for a push, ``seconds`` at most. Returns whether there was one that makes the next poll earlier."""
        if self._pushed is None or not self._early_left:
            await self._clock.sleep(seconds)
            return False
        await wait_at_most(self._pushed, self._clock, seconds)
        if not self._pushed.is_set():
            return False
        self._pushed.clear()
        self._early_left -= 1
        if self._polled is not None and (gap := self._polled + EARLY_GAP - self.age) > 0:
            await self._clock.sleep(gap)
        return True

    def _value(self) -> float:
        return self._distribution().worth(self._seen_open - self._queued, self.age - self._queued)

    def _distribution(self) -> DurationDistribution:
        """Return the model's distribution, combined with what the provider says.

        It counts from when the submission left the provider's queue.
        """
        learnt = self._model.distribution()
        left, trust = self._remaining()
        if left is None:
            return learnt
        if self._combined is None or self._combined[0] is not learnt:
            self._combined = learnt, learnt.with_remaining(self._seen_open - self._queued, left, trust)
        return self._combined[1]

    def _remaining(self) -> tuple[float | None, float]:
        """Return the remaining seconds by the provider's latest answer, and how far to trust them."""
        percent, at = self._said.percent, self._seen_open - self._queued
        if self._said.seconds_left:
            return self._said.seconds_left, _TRUST_TIME
        # A service that tells the time counts something else as progress.
        if self._tells_time or not percent or percent >= 100 or at <= 0:
            return None, 0.0
        return at * (100 - percent) / percent, _TRUST_PERCENT * percent / 100
