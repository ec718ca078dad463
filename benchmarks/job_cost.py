"""The processor time of a job, and the memory of jobs in flight."""

from __future__ import annotations

import asyncio
import time

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Program
from benchmarks.process_usage import cpu_seconds, resident_mib
from benchmarks.services import Pictures

SETTLED = 2.0
"""Seconds for which the bot is left idle before its memory is read."""


async def processor(jobs: int, rounds: int, seed: int) -> list[Figure]:
    """Processor time of the whole process per job: two images, either heavy ones or tiny ones."""
    lines = []
    kinds = (("of 1.4 MB", Pictures.HEAVY, ""), ("of next to no bytes", Pictures.SMALL, "≤ 20"))
    for name, pictures, goal in kinds:
        took, idle = [], 0.0
        async with Harness(Conditions(pictures=pictures, seed=seed), program=Program.PLAIN) as harness:
            await harness.start()
            await harness.at_work()
            await asyncio.sleep(SETTLED)
            idle = await _idle(harness)
            await harness.imagine(0, "a warm-up", images=2)
            await harness.until_shown(1)
            await asyncio.sleep(SETTLED)
            for each in range(rounds):
                began, before = time.perf_counter(), cpu_seconds(harness.bot.pid)
                for number in range(jobs):
                    await harness.imagine(number, f"a tower, number {each}-{number}", images=2)
                    await asyncio.sleep(0.5)
                await harness.until_shown(1 + (each + 1) * jobs)
                spent = cpu_seconds(harness.bot.pid) - before - idle * (time.perf_counter() - began)
                took.append(1000 * spent / jobs)
        lines.append(figure("cost", f"CPU a job from end to end, two pictures {name}", "ms", took, goal))
        lines.append(figure("cost", "CPU of a bot with nothing to do", "ms a s", [1000 * idle]))
    return [*lines[:1], *lines[2:3], lines[1]]


async def _idle(harness: Harness) -> float:
    """The processor time that the idle bot uses per second."""
    before = cpu_seconds(harness.bot.pid)
    await asyncio.sleep(SETTLED)
    return (cpu_seconds(harness.bot.pid) - before) / SETTLED


async def memory(flights: tuple[int, ...], seed: int) -> list[Figure]:
    """Resident memory with a given number of jobs in flight."""
    lines = []
    async with Harness(Conditions(seconds=(3600, 3600), rate=None, seed=seed), program=Program.PLAIN) as harness:
        await harness.start()
        await harness.at_work()
        await asyncio.sleep(SETTLED)
        lines.append(figure("cost", "resident memory, nothing in flight", "MiB", [resident_mib(harness.bot.pid)]))
        flying = 0
        for wanted in flights:
            await fill(harness, flying, wanted)
            flying = wanted
            await asyncio.sleep(SETTLED)
            goal = "≤ 150" if wanted == 1000 else ""
            resident = [resident_mib(harness.bot.pid)]
            lines.append(figure("cost", f"resident memory, {wanted} jobs in flight", "MiB", resident, goal))
    return lines


async def fill(harness: Harness, flying: int, wanted: int) -> None:
    """Raise the number of jobs in flight from ``flying`` to ``wanted``; the services have accepted all of them."""
    for number in range(flying, wanted):
        trace = await harness.imagine(number, f"a harbour, number {number}")
        if number % 20 == 19:
            await harness.until_acknowledged([trace])
    while (await harness.calls())["ai-client.entry"] < wanted:
        await asyncio.sleep(0.2)
