"""Keeping to a provider's rate, and who goes first when more is to be asked than it has room for."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from bot.clock import Clock

# What polls are worth changes while they wait: they are put into order again so often, in seconds.
_ORDERED_EVERY = 0.25
POLLS_PAUSED_AT_MOST = 60.0
"""Seconds for which polls are paused at most, however long the provider asks for: they bring what is paid for."""
# So many requests may come before their even time, after a while in which there were fewer.
_AHEAD = 2


def at_once() -> float:
    """What a free look is worth that goes before every poll."""
    return math.inf


class _Turn:
    """Somebody who waits for their turn."""

    __slots__ = ("come", "gone", "woken", "worth")

    def __init__(self, worth: Callable[[], float] | None) -> None:
        self.worth = worth
        self.woken = asyncio.Event()
        self.come = False
        self.gone = False


class Rate:
    """Spaces requests: never more than ``per_second`` in any second, evenly where they crowd, none for a while ahead.

    When requests have to wait, polls and all others take turns, so that neither can hold the other up. The others go in
    the order in which they came; of the polls the one goes first that is worth most. A pause holds those of one kind.
    """

    def __init__(self, per_second: float, clock: Clock) -> None:
        self.per_second = per_second
        self.watched = 0
        """How many submissions are open at the provider and are polled."""
        self._clock = clock
        # When the next request would come if all were evenly spaced, and when the latest ones came: those of a second,
        # or a single one at a rate below that.
        self._even = clock.monotonic() + _AHEAD / per_second
        self._latest: deque[float] = deque(maxlen=max(1, int(per_second)))
        self._calls: deque[_Turn] = deque()
        self._polls: list[tuple[float, int, _Turn]] = []
        self._ordered_at = clock.monotonic()
        self._poll_next = True
        # Until when the polls and all others are paused.
        self._polls_from = self._calls_from = -math.inf
        self._numbers = count()
        # One of those who wait watches the clock for all of them.
        self._serving = False

    @property
    def crowd(self) -> float:
        """How many submissions are watched for each request a second."""
        return self.watched / self.per_second

    async def turn(self, worth: Callable[[], float] | None = None) -> None:
        """Wait until the next request may be sent. ``worth`` says what a poll is worth at the moment it is called."""
        while not await self._turn(worth):
            pass

    def pause(self, seconds: float, *, polls: bool) -> None:
        """Let no polls be sent for so many seconds, or nothing else: the provider asked for it.

        Polls are held for POLLS_PAUSED_AT_MOST.
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
        """Wait for the end of a pause and then for a turn; False where there was another pause first."""
        while (wait := (self._calls_from if worth is None else self._polls_from) - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)
            # What was held does not come in a burst.
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
        """When the next request may be sent."""
        spaced = self._even - _AHEAD / self.per_second
        if len(self._latest) < (self._latest.maxlen or 0):
            return spaced
        return max(spaced, self._latest[0] + len(self._latest) / self.per_second)

    async def _serve(self) -> None:
        """Wait for the next free moment and give it away."""
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
        """Who goes next."""
        while self._calls and (self._calls[0].come or self._calls[0].gone):
            self._calls.popleft()
        while self._polls and (self._polls[0][2].come or self._polls[0][2].gone):
            heappop(self._polls)
        if self._polls and (self._poll_next or not self._calls):
            return self._polls[0][2]
        return self._calls[0] if self._calls else None
