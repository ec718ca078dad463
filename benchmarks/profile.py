"""``python -m benchmarks.profile``: profiles the bot's event loop.

The profiler makes small functions look more expensive than they are: trust the order more than the times.
"""

from __future__ import annotations

import argparse
import asyncio
import pstats
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Conditions, Harness


async def profiled(jobs: int, images: int, gap: float, path: Path) -> None:
    """Run ``jobs`` jobs under the profiler, ``gap`` seconds apart."""
    async with Harness(Conditions(), profile=path) as harness:
        await harness.start()
        await harness.at_work()
        for number in range(jobs):
            await harness.imagine(number, f"a tower, number {number}", images=images)
            await asyncio.sleep(gap)
        await harness.until_shown(jobs)
        harness.bot.terminate()
        await harness.bot.ended()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--gap", type=float, default=0.5, help="seconds between two jobs")
    parser.add_argument("--sort", choices=("cumulative", "tottime"), default="tottime")
    parser.add_argument("--lines", type=int, default=40)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile"
        asyncio.run(profiled(chosen.jobs, chosen.images, chosen.gap, path))
        pstats.Stats(str(path), stream=sys.stdout).sort_stats(chosen.sort).print_stats(chosen.lines)


if __name__ == "__main__":
    main()
