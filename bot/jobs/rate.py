"""Limits the requests to a provider and the downloads from it, and decides which request goes first."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from bot.clock import Clock

# The value of polls changes while they wait, so they are sorted again at this interval, in seconds.
_ORDERED_EVERY = 0.25
POLLS_PAUSED_AT_MOST = 60.0
"""The longest pause of polls in seconds, even if the provider requests more: their jobs are already paid for."""
DOWNLOADS_AT_ONCE = 8
"""The number of images that are fetched from one provider at the same time.

More would only share the bandwidth, so that all of them arrive late, and keep the event loop from other work.
"""
# The burst: after a quieter time, this many requests may be sent ahead of the even spacing.
_AHEAD = 2


def at_once() -> float:
    """Return the value of a free call that has precedence over every poll."""
    return math.inf


class _Turn:
    """One call that waits for its turn."""

    __slots__ = ("come", "gone", "woken", "worth")

    def __init__(self, worth: Callable[[], float] | None) -> None:
        self.worth = worth
        self.woken = asyncio.Event()
        self.come = False
        self.gone = False


class Rate:
    """A rate limiter: at most ``per_second`` requests in any second, spaced evenly under load, with a small burst.

    If requests must wait, polls and other calls take turns, so that neither delays the other. Other calls are served in
    order of arrival, polls by value. A pause applies to one of the two kinds.
    """

    def __init__(self, per_second: float, clock: Clock, *, polls_per_second: float | None = None) -> None:
        """``polls_per_second`` is for a provider that counts polls separately."""
        self.polls = self if polls_per_second is None else Rate(polls_per_second, clock)
        """The limit of polls."""
        self.per_second = per_second
        self.watched = 0
        """The number of submissions that are open at the provider and are polled."""
        self.downloads = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
        """Held while an image is fetched."""
        self._clock = clock
        # The time of the next request with even spacing, and the times of the latest requests: those of one second, or
        # a single one if the rate is lower than that.
        self._even = clock.monotonic() + _AHEAD / per_second
        self._latest: deque[float] = deque(maxlen=max(1, int(per_second)))
        self._calls: deque[_Turn] = deque()
        self._polls: list[tuple[float, int, _Turn]] = []
        self._ordered_at = clock.monotonic()
        self._poll_next = True
        # The ends of the pauses of polls and of other calls.
        self._polls_from = self._calls_from = -math.inf
        self._numbers = count()
        # One of the waiting calls watches the clock for all of them.
        self._serving = False

    @property
    def crowd(self) -> float:
        """The number of watched submissions per allowed request per second."""
        return self.watched / self.per_second

    async def turn(self, worth: Callable[[], float] | None = None) -> None:
        """Wait until the next request may be sent. ``worth`` returns the current value of a poll."""
        while not await self._turn(worth):
            pass

    def pause(self, seconds: float, *, polls: bool) -> None:
        """Pause polls, or else all other calls, for ``seconds``, because the provider requested it.

        Polls are paused for POLLS_PAUSED_AT_MOST at most.
        """
        if polls:
            self._polls_from = max(self._polls_from, self._clock.monotonic() + min(seconds, POLLS_PAUSED_AT_MOST))
            held = [turn for _, _, turn in self._polls]
            self._polls.clear()
        else:
            self._calls_from = max(self._calls_from, self._clock.monotonic() + seconds)
            held = [*self._calls]
            self._calls.clear()
        for turn in held:
            if not turn.come:
                turn.gone = True
                turn.woken.set()

    async def _turn(self, worth: Callable[[], float] | None) -> bool:
        """Wait for the end of a pause, then for a turn. Returns False if another pause came first."""
        while (wait := (self._calls_from if worth is None else self._polls_from) - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)
            # Requests that were held must not be sent in a burst.
            self._even = max(self._even, self._clock.monotonic() + _AHEAD / self.per_second)
        mine = _Turn(worth)
        if worth is None:
            self._calls.append(mine)
        else:
            heappush(self._polls, (-worth(), next(self._numbers), mine))
        try:
            while not mine.come and not mine.gone:
                if self._serving:
                    await mine.woken.wait()
                    mine.woken.clear()
                else:
                    await self._serve()
        finally:
            mine.gone = True
            if not self._serving and (follower := self._first()) is not None:
                follower.woken.set()
        return mine.come

    def _free_at(self) -> float:
        """Return the time at which the next request may be sent."""
        spaced = self._even - _AHEAD / self.per_second
        if len(self._latest) < (self._latest.maxlen or 0):
            return spaced
        return max(spaced, self._latest[0] + len(self._latest) / self.per_second)

    async def _serve(self) -> None:
        """Wait for the next free slot and give it to the first in line."""
        self._serving = True
        try:
            while (wait := self._free_at() - self._clock.monotonic()) > 0:
                await self._clock.sleep(wait)
        finally:
            self._serving = False
        now = self._clock.monotonic()
        if self._first() is None:
            return  # A pause holds all who waited.
        self._even = max(self._even, now) + 1 / self.per_second
        self._latest.append(now)
        if now - self._ordered_at >= _ORDERED_EVERY:
            self._polls = [(-turn.worth(), number, turn) for _, number, turn in self._polls if turn.worth is not None]
            heapify(self._polls)
            self._ordered_at = now
        first = self._first()
        if first is not None:
            self._poll_next = first.worth is None
            first.come = True
            first.woken.set()

    def _first(self) -> _Turn | None:
        """Return the call that goes next."""
        while self._calls and (self._calls[0].come or self._calls[0].gone):
            self._calls.popleft()
        while self._polls and (self._polls[0][2].come or self._polls[0][2].gone):
            heappop(self._polls)
        if self._polls and (self._poll_next or not self._calls):
            return self._polls[0][2]
        return self._calls[0] if self._calls else None
