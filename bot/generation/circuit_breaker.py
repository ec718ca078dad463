"""The circuit breaker of a provider: where it fails again and again, nothing is sent to it for a while.

Trying it for every job would only make people wait, and lose paid requests where it takes them and then breaks. So
after :data:`FAILURES` failures in a row there is an outage, in which nothing is sent. Then a single submission is sent
to see how things are: if it fails, too, the next outage is twice as long; if it is taken, the others follow.

A failure is one that no other request would have escaped: nobody answers, the key is refused, the account is empty,
what was paid for never comes. What one person did wrong is none, and a provider that asks to wait is not failing.
Being taken does not count as a success yet, because a service may take every request and finish none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog

from bot.errors import UserError
from bot.generation.clock import Clock
from bot.providers.base import Engine, ProviderError, Refused, Unreachable

log = structlog.get_logger(__name__)

FAILURES = 3
"""Failures in a row after which nothing is sent to a provider."""
SHORTEST, LONGEST = 30.0, 600.0
"""Seconds of the first outage and of the longest; each is twice as long as the one before."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider's outage: it lasts ``seconds`` more, which is ``until`` by the wall clock (Unix milliseconds).

    ``failures`` is how many there were since the last success. ``why`` is the cause of the last one, as a code
    and not in the service's words, since others than its author see it.
    """

    provider: str
    label: str
    seconds: float
    until: int
    failures: int
    why: str


class CircuitBreaker:
    """Whether anything may be sent to one provider. ``closed`` is called when something may be sent again.

    Submissions are named by their ids, since those that were sent before an outage say nothing of what comes after it.
    """

    def __init__(self, provider: str, label: str, clock: Clock, closed: Callable[[], None]) -> None:
        self._provider = provider
        self._label = label
        self._clock = clock
        self._closed = closed
        self._failures = 0
        self._outages = 0
        self._why = ""
        # The end of the outage by the monotonic clock, and from then on which submission is sent to see how things are.
        self._until: float | None = None
        self._probe: int | None = None
        # The same for people to read.
        self._until_wall = 0

    @property
    def outage(self) -> Outage | None:
        """The outage that goes on at this moment."""
        if self._until is None or (seconds := self._until - self._clock.monotonic()) <= 0:
            return None
        return Outage(self._provider, self._label, seconds, self._until_wall, self._failures, self._why)

    @property
    def allows(self) -> bool:
        """Whether a submission may be sent now."""
        return self._until is None or (self.outage is None and self._probe is None)

    def record_start(self, submission_id: int) -> None:
        """This one is being sent."""
        if self._until is not None:
            self._probe = submission_id

    def record_accepted(self, submission_id: int) -> None:
        """The provider took it, or said no for a reason that does not concern the others."""
        if submission_id == self._probe:
            self._until = self._probe = None
            # One more failure before anything has come of this is enough for the next outage.
            self._failures = FAILURES - 1
            log.info("provider.outage_over", provider=self._provider)
            self._closed()

    def record_success(self, submission_id: int) -> None:
        """Its pictures are here."""
        self.record_accepted(submission_id)
        if self._until is None:
            self._failures = self._outages = 0

    def record_failure(self, submission_id: int, why: str) -> None:
        """The provider failed it as it would have failed any other; ``why`` is the code of a cause."""
        if self._until is not None and submission_id != self._probe:
            return
        self._failures += 1
        self._why = why
        if self._failures >= FAILURES or submission_id == self._probe:
            seconds = min(LONGEST, SHORTEST * 2**self._outages)
            self._outages += 1
            self._until = self._clock.monotonic() + seconds
            self._until_wall = self._clock.now() + int(seconds * 1000)
            self._probe = None
            log.error("provider.outage", provider=self._provider, seconds=seconds, failures=self._failures)

    def record_error(self, submission_id: int, error: ProviderError) -> None:
        """It was surely not taken; ``error`` tells whether that is the provider's doing or concerns this one alone."""
        if isinstance(error, Unreachable) or (isinstance(error, Refused) and (error.operator or error.fault)):
            self.record_failure(submission_id, error.cause)
        else:
            self.record_accepted(submission_id)

    def record_end(self, submission_id: int) -> None:
        """Nobody works on it at the moment. If it was to show how things are and did not, another one is sent."""
        if submission_id == self._probe:
            self._probe = None
            self._closed()


def refuse_outages(wanted: Iterable[str], outages: Collection[Outage], engines: Mapping[str, Engine]) -> None:
    """Raise UserError where one of the ``wanted`` engines is a provider's that is out: for how long, what to do."""
    out = {outage.provider: outage for outage in outages}
    named = dict.fromkeys(engines[engine].provider for engine in wanted)
    away = [out[name] for name in named if name in out]
    if away:
        problems = [
            f"{outage.label} fails again and again at the moment, "
            f"so nothing is sent to it for {_while(outage.seconds)}."
            for outage in away
        ]
        others = [engine.id for engine in engines.values() if engine.provider not in out]
        instead = f", or take another engine: {', '.join(others)}" if others else ""
        raise UserError(*problems, f"Nothing was charged. Try again then{instead}.")


def _while(left: float) -> str:
    seconds = max(1, round(left))
    if seconds < 90:
        return f"{seconds} seconds" if seconds > 1 else "a second"
    return f"{round(seconds / 60)} minutes"
