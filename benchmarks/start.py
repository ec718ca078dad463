"""Start-up time: from the command to the gateway's READY, and the imports alone."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Program
from fakes.discord.bot_process import REPOSITORY

_IMPORTS = """
import time
began, used = time.perf_counter(), time.process_time()
import bot.__main__
from bot.gc_tuning import uncollected
with uncollected():
    import bot.run
print(time.perf_counter() - began, time.process_time() - used)
"""


async def start(rounds: int, seed: int) -> list[Figure]:
    """Seconds, with empty and with existing data."""
    imports, processor, first, later = [], [], [], []
    await _import()
    for each in range(rounds):
        took, used = await _import()
        imports.append(took)
        processor.append(used)
        async with Harness(Conditions(seed=seed + each), program=Program.PLAIN) as harness:
            first.append(await harness.start())
            await harness.at_work()
            await harness.bot.killed()
            later.append(await harness.start())
    return [
        figure("start", "imports alone", "s", imports, "≤ 0.6"),
        figure("start", "imports alone, processor time", "s", processor),
        figure("start", "command → READY", "s", later, "≤ 1.5"),
        figure("start", "command → READY, the very first time (makes the database)", "s", first),
    ]


async def _import() -> tuple[float, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _IMPORTS, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    took, used = map(float, told.split())
    return took, used
