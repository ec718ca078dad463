"""The circuit breaker of a provider: where it fails again and again, nothing is sent to it for a while.

Trying it for every job would only make people wait, and lose paid requests where it takes them and then breaks. So
after :data:`FAILURES` failures in a row there is an outage, in which nothing is sent. Then a single submission is sent
to see how things are: if it fails, too, the next outage is twice as long; if it is taken, the others follow.

A failure is one that says something about the service: nobody answers, the key is refused, the account is empty, what
was paid for never comes. A refusal is none, nor is a picture that was filtered, charged for or not, and a provider that
asks to wait is not failing. Still a failure may be due to what one person asks for. So a person's failures hold back
that person alone; it takes those of :data:`PEOPLE` to hold back everybody.

Being taken does not count as a success yet, because a service may take every request and finish none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.errors import UserError
from bot.providers.base import Engine, ProviderError, Refused, Unreachable

log = structlog.get_logger(__name__)

FAILURES = 3
"""Failures in a row after which nothing is sent to a provider any more."""
PEOPLE = 2
"""Of so many people the failures have to be before nothing is sent for anybody."""
SHORTEST, LONGEST = 30.0, 600.0
"""Seconds of the first outage and of the longest; each is twice as long as the one before."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider's outage: it lasts ``seconds`` more, which is ``until`` by the wall clock (Unix milliseconds).

    ``failures`` is how many there were since the last success. ``why`` is the cause of the last one, as a code and not
    in the service's words, since others than its author see it. It is ``personal`` where only one person's submissions
    are held back.
    """

    provider: str
    label: str
    seconds: float
    until: int
    failures: int
    why: str
    personal: bool = False


class _Circuit:
    """A count of failures in a row and the outages that come of it; ``people`` is of how many they have to be.

    Submissions are named by their ids, since those that were sent before an outage say nothing of what comes after it.
    """

    def __init__(self, clock: Clock, people: int) -> None:
        self._clock = clock
        self._people = people
        self.failures = 0
        self.why = ""
        # Whose failures these are: since the last success, and after an outage since its end.
        self._failed: set[int] = set()
        self._outages = 0
        # The end of the outage by the monotonic clock, and from then on which submission is sent to see how things are.
        self._until: float | None = None
        self._probe: int | None = None
        # The same for people to read: Unix milliseconds.
        self.until = 0

    @property
    def left(self) -> float:
        """How many more seconds the outage lasts."""
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
        """It was taken; whether that ends an outage."""
        if not self.probes(submission_id):
            return False
        self._until = self._probe = None
        # One more failure before anything has come of this is enough for the next outage.
        self.failures = FAILURES - 1
        return True

    def succeed(self) -> None:
        if self._until is None:
            self.failures = self._outages = 0
            self._failed.clear()

    def fail(self, submission_id: int, user_id: int, why: str, *, enough: bool = False) -> float | None:
        """Count a failure, which may be ``enough`` by itself; the seconds of the outage that begins."""
        probing = self.probes(submission_id)
        if self._until is not None and not probing:
            return None
        self.failures += 1
        self.why = why
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
        """Nobody works on it at the moment; whether another one may be sent in its place."""
        if not self.probes(submission_id):
            return False
        self._probe = None
        return True


class CircuitBreaker:
    """Whether anything may be sent to one provider. ``closed`` is called when something may be sent again."""

    def __init__(self, provider: str, label: str, clock: Clock, closed: Callable[[], None]) -> None:
        self._provider = provider
        self._label = label
        self._clock = clock
        self._closed = closed
        self._everybody = _Circuit(clock, PEOPLE)
        # Of those alone whose last submissions failed.
        self._persons: dict[int, _Circuit] = {}

    @property
    def outage(self) -> Outage | None:
        """The outage for everybody that goes on at this moment."""
        return self._outage(self._everybody)

    def outage_for(self, user_id: int) -> Outage | None:
        """The outage that holds back this person's submissions at this moment: everybody's, or their own."""
        own = self._persons.get(user_id)
        found = [self.outage, None if own is None else self._outage(own, personal=True)]
        return max((outage for outage in found if outage is not None), key=lambda each: each.seconds, default=None)

    def allows(self, user_id: int) -> bool:
        """Whether a submission of this person may be sent now."""
        own = self._persons.get(user_id)
        return self._everybody.allows and (own is None or own.allows)

    def record_start(self, submission_id: int, user_id: int) -> None:
        """This one is being sent."""
        for circuit in self._of(user_id):
            circuit.start(submission_id)

    def record_accepted(self, submission_id: int, user_id: int) -> None:
        """The provider took it, or said no for a reason that does not concern the others."""
        if self._everybody.accept(submission_id):
            log.info("provider.outage_over", provider=self._provider)
            self._closed()
        if (own := self._persons.get(user_id)) is not None and own.accept(submission_id):
            log.info("provider.outage_over", provider=self._provider, user=user_id)
            self._closed()

    def record_success(self, submission_id: int, user_id: int) -> None:
        """Its pictures are here."""
        self.record_accepted(submission_id, user_id)
        self._everybody.succeed()
        self._persons.pop(user_id, None)

    def record_failure(self, submission_id: int, user_id: int, why: str) -> None:
        """The provider failed it, as far as can be told by its own fault; ``why`` is the code of a cause."""
        # One that was sent to see how things are for everybody: its person is not the one to try it next.
        probing = self._everybody.probes(submission_id)
        own = self._persons.setdefault(user_id, _Circuit(self._clock, 1))
        if seconds := own.fail(submission_id, user_id, why, enough=probing):
            log.warning("provider.outage_for_one", provider=self._provider, seconds=seconds, user=user_id)
        if seconds := self._everybody.fail(submission_id, user_id, why):
            failures = self._everybody.failures
            log.error("provider.outage", provider=self._provider, seconds=seconds, failures=failures)
        elif probing:
            self._closed()

    def record_error(self, submission_id: int, user_id: int, error: ProviderError) -> None:
        """It was surely not taken; ``error`` tells whether that is the provider's doing or concerns this one alone."""
        if isinstance(error, Unreachable) or (isinstance(error, Refused) and (error.operator or error.fault)):
            self.record_failure(submission_id, user_id, error.cause)
        else:
            self.record_accepted(submission_id, user_id)

    def record_end(self, submission_id: int, user_id: int) -> None:
        """Nobody works on it at the moment. If it was to show how things are and did not, another one is sent."""
        ended = [circuit.end(submission_id) for circuit in self._of(user_id)]
        if any(ended):
            self._closed()

    def _of(self, user_id: int) -> list[_Circuit]:
        own = self._persons.get(user_id)
        return [self._everybody] if own is None else [self._everybody, own]

    def _outage(self, circuit: _Circuit, *, personal: bool = False) -> Outage | None:
        if not circuit.left:
            return None
        return Outage(self._provider, self._label, circuit.left, circuit.until, circuit.failures, circuit.why, personal)


def refuse_outages(wanted: Iterable[str], outages: Collection[Outage], engines: Mapping[str, Engine]) -> None:
    """Raise UserError where one of the ``wanted`` engines is a provider's that is out: for how long, what to do.

    An engine that is no longer offered is passed over: whoever checks what was asked for says so.
    """
    out = {outage.provider: outage for outage in outages}
    named = dict.fromkeys(engines[engine].provider for engine in wanted if engine in engines)
    away = [out[name] for name in named if name in out]
    if away:
        problems = [_told(outage) for outage in away]
        others = [engine.id for engine in engines.values() if engine.provider not in out]
        instead = f", or take another engine: {', '.join(others)}" if others else ""
        raise UserError(*problems, f"Nothing was charged. Try again then{instead}.")


def _told(outage: Outage) -> str:
    if outage.personal:
        return (
            f"Your last requests to {outage.label} failed one after the other, "
            f"so nothing of yours is sent to it for {_while(outage.seconds)}."
        )
    return f"{outage.label} fails again and again at the moment, so nothing is sent to it for {_while(outage.seconds)}."


def _while(left: float) -> str:
    seconds = max(1, round(left))
    if seconds < 90:
        return f"{seconds} seconds" if seconds > 1 else "a second"
    return f"{round(seconds / 60)} minutes"
