"""Limits the calls that a service counts by the minute."""

from __future__ import annotations

from collections import deque


class CallBudget:
    """At most ``calls`` calls in any ``seconds`` seconds. Times are the event loop's, in seconds."""

    def __init__(self, calls: int = 10, seconds: float = 60.0) -> None:
        self._calls = calls
        self._seconds = seconds
        self._made: deque[float] = deque(maxlen=calls)

    def take(self, now: float) -> bool:
        """Count a call if there is room for it. Returns whether it may be made."""
        while self._made and now - self._made[0] >= self._seconds:
            self._made.popleft()
        if len(self._made) >= self._calls:
            return False
        self._made.append(now)
        return True

    def exhaust(self, now: float) -> None:
        """Allow no call for ``seconds`` seconds, because the service counts more calls than we made."""
        self._made.extend([now] * self._calls)
