"""Watching one submission: the moments at which it is asked for, and what is learnt when it is over."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from bot.clock import Clock, Elapsed
from bot.jobs import polling
from bot.jobs.durations import Past
from bot.jobs.polling import Outlook
from bot.jobs.rate import Rate
from bot.providers.base import Waiting

# A long wait is thought over when half of it is past, but not after less than this: more may be known by then.
_THOUGHT_OVER = 2.0
# The clock tells no less than this.
_SOON = 0.001
# After a poll that gave no answer the next one waits at least so long; the last one is repeated.
_BACKOFF = (2.0, 5.0, 15.0, 30.0)
# How much a provider's word counts beside the past: a time that it names, and a percentage by the time it nears 100.
_TRUST_ETA, _TRUST_PERCENT = 6.0, 3.0
# Before an engine has a past of so many jobs, when nobody can tell where polls help, they cost up to so much more.
_UNKNOWN_UNTIL, _UNKNOWN_DEARER = 10, 2
# A job that has taken so many times what is usual is asked for as if its age by this were usual.
_LONG_OVER = 8
# Each job in a row that was over when it was first looked at halves the price for the next one, so many times.
_BLIND_AT_MOST = 6

Price = Callable[[float, float], float]


class Watch:
    """Says when one submission is to be asked for.

    Ages are seconds since it was ``sent``. It is a context manager, so that all that share the rate know how many they
    are. ``at_once`` is for one that nobody has watched for a while: it is asked for as soon as the rate allows.
    """

    def __init__(
        self,
        past: Past,
        rate: Rate,
        clock: Clock,
        *,
        sent: Elapsed,
        shortest: float,
        at_once: bool = False,
        price: Price = polling.price,
    ) -> None:
        self._past = past
        self._rate = rate
        self._clock = clock
        self._sent = sent
        self._shortest = shortest
        self._price = price
        self._at_once = at_once
        # Ages: of the last poll, and of the last one that found it open, and still in the provider's own queue.
        self._asked: float | None = None
        self._seen_open = 0.0
        self._queued = 0.0
        self._said = Waiting()
        self._failures = 0
        self._polls = 0
        self._told: tuple[Outlook, Outlook] | None = None
        self.mark = past.mark()
        """What was known when it was sent."""
        self.blind = not at_once
        """Whether it was never seen open, though it was watched from the start."""

    def __enter__(self) -> Self:
        self._rate.watched += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._rate.watched -= 1

    @property
    def age(self) -> float:
        return self._sent.total

    async def turn(self) -> None:
        """Wait until it should be asked for and the rate has room."""
        while not self._at_once and (wait := self.due() - self.age) > _SOON:
            await self._clock.sleep(min(wait, max(_THOUGHT_OVER, wait / 2)))
        await self._rate.turn(self._worth)
        self._at_once = False
        self._asked = self.age
        self._polls += 1

    def still_waiting(self, said: Waiting) -> None:
        """The poll found it open."""
        at = self._seen_open = self.age if self._asked is None else self._asked
        if said.position:
            self._queued = at
        self._said, self._told = said, None
        self._failures, self.blind = 0, False

    def failed(self) -> None:
        """The poll gave no answer: nothing is known that was not known before."""
        self._failures += 1

    def due(self) -> float:
        """The age at which to ask next."""
        outlook = self._outlook()
        usual = max(outlook.usual, self._seen_open / _LONG_OVER)
        cost = self._price(usual, self._rate.crowd) / 2 ** min(self._past.blind, _BLIND_AT_MOST)
        unknown = max(0.0, 1 - self._past.mark()[-1] / _UNKNOWN_UNTIL)
        cost *= 1 + _UNKNOWN_DEARER * unknown
        at = self._queued + outlook.when(self._seen_open - self._queued, cost)
        if self._asked is None:
            return at
        rest = _BACKOFF[min(self._failures, len(_BACKOFF)) - 1] if self._failures else 0.0
        age = self._seen_open - self._queued
        # One that was taken up again may be younger than it seems.
        surely = min(age, self._sent.here + outlook.usual)
        if age > max(surely, outlook.overdue):
            at = min(at, self._asked + polling.OVERDUE_PART * surely)
        gap = polling.shortest_gap(surely, outlook.overdue, self._polls, unknown)
        return max(at, self._asked + max(self._shortest, rest, gap))

    def over(self) -> float:
        """The poll found it over: how many seconds it probably took."""
        if self._seen_open:
            return (self._seen_open + self.age) / 2
        return self._outlook().between(0.0, self.age)

    def _worth(self) -> float:
        return self._outlook().worth(self._seen_open - self._queued, self.age - self._queued)

    def _outlook(self) -> Outlook:
        """The past, with the provider's last word."""
        past, said, at = self._past.outlook(), self._said, self._seen_open - self._queued
        if said.eta_seconds is None and not said.percent:
            return past
        if self._told is None or self._told[0] is not past:
            told = past
            if said.eta_seconds is not None:
                told = past.told(at, max(0.0, said.eta_seconds), _TRUST_ETA)
            elif said.percent is not None and 0 < said.percent < 100 and at > 0:
                trust = _TRUST_PERCENT * said.percent / 100
                told = past.told(at, at * (100 - said.percent) / said.percent, trust)
            self._told = (past, told)
        return self._told[1]
