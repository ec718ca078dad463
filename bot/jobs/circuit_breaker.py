"""The circuit breaker of a provider: after repeated failures, nothing is sent to it for a while.

If every job still tried the provider, people would wait. Paid requests would be lost if the provider accepts them and
then breaks. So after :data:`FAILURES` failures in a row an outage begins, and nothing is sent. After it a single
submission is sent as a probe. If the probe fails, the next outage is twice as long. If it is accepted, the others
follow.

A failure is a problem of the service: no response, a refused key, an empty account, images that never arrive. These are
not failures: a refusal, a filtered image, a request to wait. Some failures may still be caused by one person's prompts.
So a person's failures hold back that person alone; failures of :data:`PEOPLE` people hold back everybody.

An accepted request is not a success yet, because a service may accept every request and finish none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.errors import NotMade
from bot.providers.base import Engine, Failed, Finished
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.text import Text, message

log = structlog.get_logger(__name__)

FAILURES = 3
"""The number of failures in a row that begins an outage."""
PEOPLE = 2
"""The number of people whose failures begin an outage for everybody."""
SHORTEST, LONGEST = 30.0, 600.0
"""The length of the first outage and of the longest, in seconds. Each is twice as long as the one before."""

ABUSE_SECONDS = 900.0
"""The length of a person's outage after a request that a service counts as abuse, in seconds."""

OUTAGE = message("outage.everybody", "{label} is having trouble. Try again in {seconds:duration}.")
PERSONAL_OUTAGE = message("outage.personal", "Your last requests to {label} failed. Try again in {seconds:duration}.")
ABUSE_OUTAGE = message(
    "outage.abuse",
    "{label} refused your last prompt because of its content, and would block this bot after a few more. You can use "
    "it again in {seconds:duration}.",
)


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider's outage. It lasts ``seconds`` more, until ``until`` (Unix milliseconds).

    ``failures`` is the number of failures since the last success, ``reason`` the reason for the last one. ``personal``
    is True if the outage holds back only one person's submissions.
    """

    provider: str
    label: str
    seconds: float
    until: int
    failures: int
    reason: Reason
    personal: bool = False


class _Circuit:
    """Counts failures in a row and begins outages. An outage needs failures of this many ``people``.

    Submissions are identified by id, because one that was sent before an outage says nothing about the time after it.
    """

    def __init__(self, clock: Clock, people: int) -> None:
        self._clock = clock
        self._people = people
        self.failures = 0
        self.reason = Reason.BROKEN
        # The users whose submissions failed since the last success or the end of the last outage.
        self._failed: set[int] = set()
        self._outages = 0
        # The end of the outage by the monotonic clock, and the probe that follows it.
        self._until: float | None = None
        self._probe: int | None = None
        # The same end in Unix milliseconds, to show to people.
        self.until = 0

    @property
    def left(self) -> float:
        """The remaining seconds of the outage."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock.monotonic())

    @property
    def closed(self) -> bool:
        """Whether there is no outage, nor one that a probe has yet to end."""
        return self._until is None

    @property
    def allows(self) -> bool:
        return self.closed or (self.left == 0 and self._probe is None)

    def start(self, submission_id: int) -> None:
        if self._until is not None and self._probe is None:
            self._probe = submission_id

    def probes(self, submission_id: int) -> bool:
        return submission_id == self._probe

    def accept(self, submission_id: int) -> bool:
        """Record an accepted submission. Returns whether that ends an outage."""
        if not self.probes(submission_id):
            return False
        self._until = self._probe = None
        # A single failure before the next success begins another outage.
        self.failures = FAILURES - 1
        return True

    def succeed(self) -> None:
        if self._until is None:
            self.failures = self._outages = 0
            self._failed.clear()

    def fail(self, submission_id: int, user_id: int, reason: Reason, *, enough: bool = False) -> float | None:
        """Count a failure, which may be ``enough`` by itself. Returns the seconds of the outage that it begins."""
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

    def stop(self, seconds: float, reason: Reason) -> None:
        """Begin an outage of this length at once."""
        self.reason = reason
        self._probe = None
        self._until = self._clock.monotonic() + seconds
        self.until = self._clock.now() + int(seconds * 1000)

    def end(self, submission_id: int) -> bool:
        """Record the end of a run. Returns whether another probe may replace it."""
        if not self.probes(submission_id):
            return False
        self._probe = None
        return True


class CircuitBreaker:
    """Decides whether anything may be sent to one provider. It calls ``closed`` when sending is allowed again."""

    def __init__(self, provider: str, label: Callable[[], str], clock: Clock, closed: Callable[[], None]) -> None:
        self._provider = provider
        self._label = label
        self._clock = clock
        self._closed = closed
        self._everybody = _Circuit(clock, PEOPLE)
        # One circuit for each person whose latest submissions failed.
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
        """Return whether a submission of this person may be sent now."""
        own = self._persons.get(user_id)
        return self._everybody.allows and (own is None or own.allows)

    def record_start(self, submission_id: int, user_id: int) -> None:
        """Record that the submission is being sent."""
        for circuit in self._of(user_id):
            circuit.start(submission_id)

    def record_accepted(self, submission_id: int, user_id: int) -> None:
        """Record that the provider accepted it, or refused it for a reason that does not affect others."""
        if self._everybody.accept(submission_id):
            log.info("provider.outage_over", provider=self._provider)
            self._closed()
        if (own := self._persons.get(user_id)) is not None and own.accept(submission_id):
            log.info("provider.outage_over", provider=self._provider, user=user_id)
            self._closed()

    def record_success(self, submission_id: int, user_id: int) -> None:
        """Record that its images have arrived."""
        self.record_accepted(submission_id, user_id)
        self._everybody.succeed()
        # It may have been sent before the person's outage began, which goes on then.
        if user_id in self._persons and self._persons[user_id].closed:
            del self._persons[user_id]

    def record_failure(self, submission_id: int, user_id: int, reason: Reason) -> None:
        """Record a failure that the provider probably caused."""
        # A failed probe also begins an outage for its user, so that the next probe is another person's submission.
        probing = self._everybody.probes(submission_id)
        own = self._persons.setdefault(user_id, _Circuit(self._clock, 1))
        if seconds := own.fail(submission_id, user_id, reason, enough=probing):
            log.warning("provider.outage_for_one", provider=self._provider, seconds=seconds, user=user_id)
        if seconds := self._everybody.fail(submission_id, user_id, reason):
            failures = self._everybody.failures
            log.error("provider.outage", provider=self._provider, seconds=seconds, failures=failures)
        elif probing:
            self._closed()

    def check_abuse(self, user_id: int, answer: ProviderError | Failed | Finished) -> None:
        """If the service counts this person's request as abuse, send nothing of theirs for a while."""
        if isinstance(answer, Refused | Failed | Finished) and answer.abuse:
            reason = Reason.MODERATED if isinstance(answer, Finished) else answer.reason
            self._persons.setdefault(user_id, _Circuit(self._clock, 1)).stop(ABUSE_SECONDS, reason)
            log.warning("provider.abuse", provider=self._provider, user=user_id, seconds=ABUSE_SECONDS)

    def record_error(self, submission_id: int, user_id: int, error: ProviderError) -> None:
        """Record that it was certainly not accepted. ``error`` shows whether other submissions are affected too."""
        # A retired engine is switched off by itself. The provider's other engines still work.
        of_all = isinstance(error, Refused) and (error.operator or error.fault) and error.reason is not Reason.RETIRED
        if isinstance(error, Unreachable) or of_all:
            self.record_failure(submission_id, user_id, error.reason)
        else:
            self.record_accepted(submission_id, user_id)
        self.check_abuse(user_id, error)

    def record_end(self, submission_id: int, user_id: int) -> None:
        """Record the end of its run. If it was a probe without a result, another one is sent."""
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
            self._provider, self._label(), circuit.left, circuit.until, circuit.failures, circuit.reason, personal
        )


def refuse_outages(wanted: Iterable[str], outages: Collection[Outage], engines: Mapping[str, Engine]) -> None:
    """Raise NotMade if the provider of a ``wanted`` engine has an outage. It says for how long.

    Engines that are no longer offered are ignored here.
    """
    out = {outage.provider: outage for outage in outages}
    named = dict.fromkeys(engines[engine].provider for engine in wanted if engine in engines)
    away = [out[name] for name in named if name in out]
    if away:
        raise NotMade(*map(_told, away))


def _told(outage: Outage) -> Text:
    if outage.personal and outage.reason is Reason.MODERATED:
        return ABUSE_OUTAGE(label=outage.label, seconds=outage.seconds)
    return (PERSONAL_OUTAGE if outage.personal else OUTAGE)(label=outage.label, seconds=outage.seconds)
