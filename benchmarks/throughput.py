"""Jobs per second on one core, with nothing lost."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Program
from benchmarks.process_usage import cpu_seconds, keep_to_core

AT_ONCE = 60
"""Number of users; each runs the next command as soon as the last result is shown."""


async def throughput(seconds: float, seed: int) -> list[Figure]:
    """Jobs shown per second, without rate limits, and with the bot pinned to one core."""
    conditions = Conditions(seconds=(0.5, 1.5), rate=None, provider_latency=0.01, discord_latency=0.01, seed=seed)
    async with Harness(conditions, program=Program.PLAIN) as harness:
        await harness.start()
        await harness.at_work()
        await harness.imagine(AT_ONCE, "a warm-up")
        await harness.until_shown(1)
        keep_to_core(harness.bot.pid, 0)
        until = time.monotonic() + seconds

        async def ask(user: int) -> None:
            number = 0
            while time.monotonic() < until:
                trace = await harness.imagine(user, f"a bridge, number {user}-{number}")
                await trace.over.wait()
                number += 1

        asking = [asyncio.create_task(ask(user)) for user in range(AT_ONCE)]
        shown, before, began = [harness.shown], cpu_seconds(harness.bot.pid), time.monotonic()
        try:
            while time.monotonic() < until:
                await asyncio.sleep(1.0)
                shown.append(harness.shown)
            lasted = time.monotonic() - began
            used = (cpu_seconds(harness.bot.pid) - before) / lasted
            rate = (shown[-1] - shown[0]) / lasted
            # Jobs still in progress must be shown too: nothing may be lost.
            await harness.until_shown(len(harness.traces))
        finally:
            for task in asking:
                task.cancel()
        lost = len(harness.traces) - len((await harness.served()).done)
    each = [float(after - before) for before, after in pairwise(shown)]
    return [
        figure("throughput", f"jobs a second over {seconds:g} s, {AT_ONCE} users", "jobs/s", [rate], "≥ 25"),
        figure("throughput", "jobs shown in each second", "jobs", each),
        figure("throughput", "of one core used by the bot", "%", [100 * used]),
        figure("throughput", "jobs lost", "jobs", [float(lost)], "0"),
    ]
