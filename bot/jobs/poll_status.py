"""What a provider says of one submission in answer to the calls that are free: its last word, or why there is none."""

from __future__ import annotations

import structlog

from bot.clock import Clock
from bot.jobs.rate import Rate
from bot.providers.base import Busy, Provider, ProviderError, Refused, Waiting

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Seconds for which a provider is not asked that is busy and does not say for how long."""

DOUBTED_FOR, DOUBTED_LOOKS = 120.0, 5
"""An answer that may be a moment's disorder counts if it is seen so often over so many seconds, and no other one is."""

ODD = "The image service gives answers that contradict themselves."
GIVEN_UP = "The image service was not finished after {minutes} minutes, so we stopped waiting."
NOT_TOLD = "Your pictures are not here after {minutes} minutes, so we stopped asking for them."


class Doubt:
    """An answer that may be a moment's disorder: a service that is being deployed does not know what it knew before.

    It counts once it was seen DOUBTED_LOOKS times over DOUBTED_FOR seconds, and no other one in between.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self.looks = 0

    def seen(self) -> bool:
        """It was seen once more; whether it counts now."""
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        self.looks += 1
        return self.looks >= DOUBTED_LOOKS and now - self._since >= DOUBTED_FOR

    def over(self) -> None:
        """Another answer came."""
        self._since, self.looks = None, 0


class Hearing:
    """Keeps the provider's last word, ``said``, and when it came, ``said_at`` (by the monotonic clock)."""

    def __init__(self, provider: Provider, rate: Rate, clock: Clock) -> None:
        self.said = Waiting()
        self.said_at = clock.monotonic()
        self._provider = provider
        self._rate = rate
        self._clock = clock
        # What the calls failed with, and since when (seconds by the monotonic clock), while they do.
        self._trouble: tuple[str, float] | None = None
        self._doubt = Doubt(clock)

    def answered(self) -> None:
        """A call was answered, and the answer makes sense."""
        self._trouble = None
        self._doubt.over()

    def believes(self) -> bool:
        """An answer may be another one in a moment; whether it has stayed for so long that it counts.

        A service that is restarted forgets what it makes for a minute, or lists half of it.
        """
        self._trouble = self._trouble or (ODD, self._clock.monotonic())
        believed = self._doubt.seen()
        log.info("poll.doubted", provider=self._provider.name, looks=self._doubt.looks)
        return believed

    def waiting(self, said: Waiting) -> bool:
        """The answer is that it is not over; whether that says anything new."""
        self.said_at = self._clock.monotonic()
        before, self.said = self.said, said
        return said != before

    def failed(self, error: ProviderError) -> None:
        """A call failed: nothing is lost, it is made again; only the pace may change."""
        log.info("poll.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        if isinstance(error, Busy):
            self._rate.pause(error.retry_after if error.retry_after is not None else PAUSE, polls=True)
        if self._trouble is None or self._trouble[0] != error.message:
            alarm(self._provider, error)
        self._trouble = error.message, self._clock.monotonic() if self._trouble is None else self._trouble[1]

    @property
    def enough(self) -> bool:
        """Whether the provider had its chance to say that it is over: after an absence it may only be out of reach."""
        return self._trouble is None or self._clock.monotonic() - self._trouble[1] > self._provider.patience

    def given_up(self, minutes: int) -> str:
        """What to tell somebody whose submission is given up after so long."""
        if self._trouble is None:
            return GIVEN_UP.format(minutes=minutes)
        return f"{NOT_TOLD.format(minutes=minutes)} {self._trouble[0]}"


def alarm(provider: Provider, error: ProviderError) -> None:
    """Log what only the operator can mend as an error."""
    if isinstance(error, Refused) and error.operator:
        log.error("provider.needs_operator", provider=provider.name, detail=error.detail)
