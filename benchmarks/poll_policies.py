"""The poll policies that are measured, and the duration of each synthetic job."""

from __future__ import annotations

from contextvars import ContextVar
from random import Random
from typing import Any

from bot.jobs import submission
from bot.jobs.durations import DurationModel, Durations
from bot.jobs.poll_schedule import PollSchedule
from bot.providers.base import ImageRequest

POLICIES = ("easel", "every 5 s", "every 2 s", "oracle")

_request: ContextVar[ImageRequest] = ContextVar("request")


class Scheduled(PollSchedule):
    """Polls first at a given age, then at a fixed interval; both in seconds."""

    def __init__(self, *given: Any, first: float, then: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._first = first
        self._then = then

    def due(self) -> float:
        return self._first if self._polled is None else self._polled + self._then


def takes(prompt: str, low: float, high: float, seed: int) -> float:
    """The duration in seconds of the job with this prompt: the same in every process and for every policy."""
    return Random(f"{seed} {prompt}").uniform(low, high)


def adopt(policy: str, *, low: float, high: float, seed: int, latency: float) -> None:
    """Make this process use a poll policy. ``latency`` is the provider's response time in seconds."""
    if policy == "easel":
        return
    if policy == "oracle":
        known = Durations.of

        async def remembering(self: Durations, request: ImageRequest) -> DurationModel:
            _request.set(request)
            return await known(self, request)

        def oracle(*given: Any, **named: Any) -> PollSchedule:
            prompt = ", ".join(part.text for part in _request.get().prompts)
            # A submit arrives half the response time after it was sent, and so does the poll.
            at = takes(prompt, low, high, seed) + latency / 2
            return Scheduled(*given, first=at, then=named["shortest"], **named)

        setattr(Durations, "of", remembering)  # noqa: B010 - a method is replaced, for this process alone
        setattr(submission, "PollSchedule", oracle)  # noqa: B010 - a class is replaced, for this process alone
    else:
        interval = float(policy.split()[1])

        def every(*given: Any, **named: Any) -> PollSchedule:
            return Scheduled(*given, first=interval, then=interval, **named)

        setattr(submission, "PollSchedule", every)  # noqa: B010 - a class is replaced, for this process alone
