"""A plain schedule, in use until the policy of polling.py is joined to the worker; all times are seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

PRIOR = (6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 44.0)


class PlainDurations:
    """What such jobs took lately, by engine."""

    def __init__(self) -> None:
        self._known: dict[str, list[float]] = {}

    async def of(self, engine: str) -> list[float]:
        return self._known.setdefault(engine, [])

    def remember(self, engine: str, seconds: float) -> None:
        known = self._known.setdefault(engine, [])
        known.insert(0, seconds)
        del known[30:]


def next_delay(
    elapsed: float, durations: Sequence[float], *, shortest: float, eta: float | None = None, percent: int | None = None
) -> float:
    if eta is not None:
        return max(shortest, eta)
    past = sorted(durations or PRIOR)
    still_open = past[bisect_right(past, elapsed) :]
    if not still_open:
        return max(shortest, min(elapsed * 0.1, 15.0))
    return max(shortest, still_open[int(len(still_open) * 0.25)] - elapsed)


def expected(elapsed: float, durations: Sequence[float]) -> float | None:
    past = sorted(durations or PRIOR)
    still_open = past[bisect_right(past, elapsed) :]
    return still_open[len(still_open) // 2] - elapsed if still_open else None
