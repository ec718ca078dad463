"""The circuit breaker of a provider: after repeated failures nothing is sent to it for a while.

Trying it for every job would make people wait, and lose paid requests where it accepts them and then breaks. So after
:data:`FAILURES` failures in a row there is an outage, in which nothing is sent. Then a single submission is sent as a
probe: if it fails too, the next outage is twice as long; if it is accepted, the others follow.

A failure says something about the service: no answer, a refused key, an empty account, images that never come. A
refusal is no failure, nor is a filtered image, nor a provider that asks to wait. A failure may still be due to what one
person asks for, so a person's failures hold back that person alone; those of :data:`PEOPLE` hold back everybody.

Being accepted is not a success yet, because a service may accept every request and finish none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.errors import Problem, UserError
from bot.providers.base import Engine
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.text import Text, message

log = structlog.get_logger(__name__)

FAILURES = 3
"""Failures in a row that begin an outage."""
PEOPLE = 2
"""An outage for everybody takes failures of so many people."""
SHORTEST, LONGEST = 30.0, 600.0
"""Seconds of the first outage and of the longest; each is twice as long as the one before."""

OUTAGE = message("outage.everybody", "{label} is having trouble. Try again in {seconds:duration}.")
PERSONAL_OUTAGE = message("outage.personal", "Your last requests to {label} failed. Try again in {seconds:duration}.")
TRY_LATER = message("outage.try_later", "Nothing was charged.")
TRY_ANOTHER = message("outage.try_another", "Nothing was charged. Or use another engine: {engines}.")


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider's outage: it lasts ``seconds`` more, until ``until`` (Unix milliseconds).

    ``failures`` is their number since the last success, ``reason`` that of the last one. It is ``personal`` where only
    one person's submissions are held back.
    """

    provider: str
    label: str
    seconds: float
    until: int
    failures: int
    reason: Reason
    personal: bool = False


class _Circuit:
    """Counts failures in a row and begins outages; an outage takes failures of so many ``people``.

    Submissions are given by id, since those that were sent before an outage say nothing about the time after it.
    """

    def __init__(self, clock: Clock, people: int) -> None:
        self._clock = clock
        self._people = people
        self.failures = 0
        self.reason = Reason.BROKEN
        # The users of these failures: since the last success or the end of the last outage.
        self._failed: set[int] = set()
        self._outages = 0
        # The end of the outage by the monotonic clock, and the probe that is sent after it.
        self._until: float | None = None
        self._probe: int | None = None
        # The end for people to read: Unix milliseconds.
        self.until = 0

    @property
    def left(self) -> float:
        """The seconds for which the outage still lasts."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock.monotonic())

    @property
    def allows(self) -> bool:
        return self._until is None or (self.left == 0 and self._probe is None)

    def start(self, submission_id: int) -> None:
        if self._until is not None and self._probe is None:
            self._probe = submission_id

    def probes(self, submission_id: int) -> bool:
        return submission_id == self._probe

    def accept(self, submission_id: int) -> bool:
        """It was accepted; returns whether that ends an outage."""
        if not self.probes(submission_id):
            return False
        self._until = self._probe = None
        # One more failure before a success begins the next outage.
        self.failures = FAILURES - 1
        return True

    def succeed(self) -> None:
        if self._until is None:
            self.failures = self._outages = 0
            self._failed.clear()

    def fail(self, submission_id: int, user_id: int, reason: Reason, *, enough: bool = False) -> float | None:
        """Count a failure, which may be ``enough`` by itself; returns the seconds of the outage that begins."""
        probing = self.probes(submission_id)
        if self._until is not None and not probing:
            return None
        self.failures += 1
        self.reason = reason
        self._failed.add(user_id)
        self._probe = None
        if not (enough or probing or self.failures >= FAILURES) or len(self._failed) < self._people:
            return None
        self._failed.clear()
        seconds: float = min(LONGEST, SHORTEST * 2**self._outages)
        self._outages += 1
        self._until = self._clock.monotonic() + seconds
        self.until = self._clock.now() + int(seconds * 1000)
        return seconds

    def end(self, submission_id: int) -> bool:
        """Its run is over; returns whether another probe may be sent in its place."""
        if not self.probes(submission_id):
            return False
        self._probe = None
        return True


class CircuitBreaker:
    """Decides whether anything may be sent to one provider. ``closed`` is called when something may be sent again."""

    def __init__(self, provider: str, label: str, clock: Clock, closed: Callable[[], None]) -> None:
        self._provider = provider
        self._label = label
        self._clock = clock
        self._closed = closed
        self._everybody = _Circuit(clock, PEOPLE)
        # For each person whose last submissions failed.
        self._persons: dict[int, _Circuit] = {}

    @property
    def outage(self) -> Outage | None:
        """The current outage for everybody."""
        return self._outage(self._everybody)

    def outage_for(self, user_id: int) -> Outage | None:
        """The current outage that holds back this person's submissions: everybody's, or their own."""
        own = self._persons.get(user_id)
        found = [self.outage, None if own is None else self._outage(own, personal=True)]
        return max((outage for outage in found if outage is not None), key=lambda each: each.seconds, default=None)

    def allows(self, user_id: int) -> bool:
        """Whether a submission of this person may be sent now."""
        own = self._persons.get(user_id)
        return self._everybody.allows and (own is None or own.allows)

    def record_start(self, submission_id: int, user_id: int) -> None:
        """It is being sent."""
        for circuit in self._of(user_id):
            circuit.start(submission_id)

    def record_accepted(self, submission_id: int, user_id: int) -> None:
        """The provider accepted it, or refused it for a reason that does not concern others."""
        if self._everybody.accept(submission_id):
            log.info("provider.outage_over", provider=self._provider)
            self._closed()
        if (own := self._persons.get(user_id)) is not None and own.accept(submission_id):
            log.info("provider.outage_over", provider=self._provider, user=user_id)
            self._closed()

    def record_success(self, submission_id: int, user_id: int) -> None:
        """Its images are here."""
        self.record_accepted(submission_id, user_id)
        self._everybody.succeed()
        self._persons.pop(user_id, None)

    def record_failure(self, submission_id: int, user_id: int, reason: Reason) -> None:
        """The provider failed, as far as we can tell by its own fault."""
        # A failed probe begins an outage for its user as well, so that somebody else's submission is the next probe.
        probing = self._everybody.probes(submission_id)
        own = self._persons.setdefault(user_id, _Circuit(self._clock, 1))
        if seconds := own.fail(submission_id, user_id, reason, enough=probing):
            log.warning("provider.outage_for_one", provider=self._provider, seconds=seconds, user=user_id)
        if seconds := self._everybody.fail(submission_id, user_id, reason):
            failures = self._everybody.failures
            log.error("provider.outage", provider=self._provider, seconds=seconds, failures=failures)
        elif probing:
            self._closed()

    def record_error(self, submission_id: int, user_id: int, error: ProviderError) -> None:
        """It was surely not accepted; ``error`` tells whether that is the provider's fault or concerns it alone."""
        if isinstance(error, Unreachable) or (isinstance(error, Refused) and (error.operator or error.fault)):
            self.record_failure(submission_id, user_id, error.reason)
        else:
            self.record_accepted(submission_id, user_id)

    def record_end(self, submission_id: int, user_id: int) -> None:
        """Its run is over. If it was a probe and showed nothing, another one is sent."""
        ended = [circuit.end(submission_id) for circuit in self._of(user_id)]
        if any(ended):
            self._closed()

    def _of(self, user_id: int) -> list[_Circuit]:
        own = self._persons.get(user_id)
        return [self._everybody] if own is None else [self._everybody, own]

    def _outage(self, circuit: _Circuit, *, personal: bool = False) -> Outage | None:
        if not circuit.left:
            return None
        return Outage(
            self._provider, self._label, circuit.left, circuit.until, circuit.failures, circuit.reason, personal
        )


def refuse_outages(wanted: Iterable[str], outages: Collection[Outage], engines: Mapping[str, Engine]) -> None:
    """Raise UserError if the provider of one of the ``wanted`` engines has an outage: for how long, what to do.

    Engines that are no longer offered are skipped here.
    """
    out = {outage.provider: outage for outage in outages}
    named = dict.fromkeys(engines[engine].provider for engine in wanted if engine in engines)
    away = [out[name] for name in named if name in out]
    if away:
        problems: list[Problem] = [_told(outage) for outage in away]
        others = [engine.id for engine in engines.values() if engine.provider not in out]
        raise UserError(*problems, TRY_ANOTHER(engines=others) if others else TRY_LATER)


def _told(outage: Outage) -> Text:
    return (PERSONAL_OUTAGE if outage.personal else OUTAGE)(label=outage.label, seconds=outage.seconds)
