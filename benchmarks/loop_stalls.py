"""Event loop stalls: recorded by a task inside the measured process, read from outside."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

_EVERY = 0.002
# Shorter delays are the resolution of the clock, not stalls.
_LEAST = 0.005


async def note_stalls(path: Path) -> None:
    """Write a line for each late wake-up of the loop: when (Unix seconds), and how late in seconds."""
    with path.open("a", encoding="ascii", buffering=1) as notes:
        while True:
            due = time.perf_counter() + _EVERY
            await asyncio.sleep(_EVERY)
            late = time.perf_counter() - due
            if late > _LEAST:
                notes.write(f"{time.time():.3f} {late:.4f}\n")


def longest(path: Path, since: float, until: float) -> float:
    """The longest stall that ended between two times (Unix seconds), in seconds."""
    stalls = [tuple(map(float, line.split())) for line in path.read_text(encoding="ascii").splitlines()]
    return max((late for at, late in stalls if since <= at <= until), default=0.0)
