"""Many jobs at once for several A1111 servers: how much of the time each server works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness
from benchmarks.kinds import Kind

Spans: TypeAlias = list[tuple[float, float]]
"""The begins and ends of a server's jobs, in Unix seconds."""


async def servers(count: int, jobs: int, seconds: tuple[float, float], seed: int) -> list[Figure]:
    """Run ``jobs`` jobs, which take between two numbers of ``seconds``, on ``count`` servers with one job at a time.

    A server's share is of the time from the begin of the first job to the begin of the last one, or to its end. After
    the last one has begun, there is no work for the other servers.
    """
    conditions = Conditions(seconds=seconds, seed=seed, kind=Kind.A1111, servers=count)
    async with Harness(conditions) as harness:
        await harness.start()
        await harness.at_work()
        traces = [await harness.imagine(user, f"a harbour, number {user}") for user in range(jobs)]
        await asyncio.gather(*(trace.over.wait() for trace in traces))
        busy = (await harness.served()).busy
    beside = f"{jobs} jobs at once, {count} servers"
    return [
        figure("servers", f"{beside}, idle until the last begins", "%", idle_of(busy), "≤ 5"),
        figure("servers", f"{beside}, idle until the last ends", "%", idle_of(busy, to_the_end=True)),
        figure("servers", f"{beside}, pause between two jobs", "ms", pauses_of(busy)),
        figure("servers", f"{beside}, jobs a server", "jobs", [float(len(each)) for each in busy]),
    ]


def idle_of(busy: Sequence[Spans], *, to_the_end: bool = False) -> list[float]:
    """The percentage of the time for which each server did nothing."""
    every = [span for spans in busy for span in spans]
    first = min(begin for begin, _ in every)
    last = max(end if to_the_end else begin for begin, end in every)
    worked = (sum(max(0.0, min(end, last) - begin) for begin, end in spans) for spans in busy)
    return [100 - 100 * seconds / (last - first) for seconds in worked]


def pauses_of(busy: Sequence[Spans]) -> list[float]:
    """The milliseconds between two jobs of a server."""
    pairs = (pair for spans in busy for pair in pairwise(sorted(spans)))
    return [1000 * (begin - end) for (_, end), (begin, _) in pairs]
