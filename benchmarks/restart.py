"""Restart with many jobs in flight: seconds until READY, until all are resumed, and until all were polled."""

from __future__ import annotations

import asyncio
import time

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Program
from benchmarks.job_cost import fill


async def restart(jobs: int, rounds: int, seed: int) -> list[Figure]:
    """Seconds from the start after a kill."""
    ready, taken_up, asked = [], [], []
    async with Harness(Conditions(seconds=(3600, 3600), rate=None, seed=seed), program=Program.PLAIN) as harness:
        await harness.start()
        await harness.at_work()
        await fill(harness, 0, jobs)
        for _ in range(rounds):
            await asyncio.sleep(1.0)
            await harness.bot.killed()
            said, began = len(harness.bot.lines), time.time()
            resuming = asyncio.create_task(harness.bot.said("worker.resumed", since=said))
            ready.append(await harness.start())
            await resuming
            taken_up.append(time.time() - began)
            while len(first := await _first_polls(harness, began)) < jobs:
                await asyncio.sleep(0.5)
            asked += [at - began for at in first]
    goal = "≤ 2" if jobs == 1000 else ""
    return [
        figure("restart", f"{jobs} jobs in flight: start → READY", "s", ready),
        figure("restart", f"{jobs} jobs in flight: start → all taken up", "s", taken_up, goal),
        figure("restart", f"{jobs} jobs in flight: start → each asked for, rate lifted", "s", asked, goal),
    ]


async def _first_polls(harness: Harness, since: float) -> list[float]:
    """The time of each job's first poll after a given time."""
    polls = (await harness.served()).polls.values()
    later = ([at for at in times if at >= since] for times in polls)
    return [min(times) for times in later if times]
