"""The real bot with an event loop monitor and a choice of poll policies: ``python -m benchmarks.measured_bot``."""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import signal
import time
from pathlib import Path

from benchmarks.answer_times import note_answers
from benchmarks.loop_stalls import note_stalls
from benchmarks.poll_policies import POLICIES, adopt
from bot import config, logs
from bot.config import Settings
from bot.gc_tuning import uncollected

with uncollected():
    from bot.app import Runtime, assembled
    from bot.run import serve


async def run(settings: Settings, stalls: Path, profile: cProfile.Profile | None = None) -> None:
    """Run ``python -m bot run`` with the monitor. The profile leaves out the start."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with assembled(settings) as runtime:
        watching = asyncio.create_task(note_stalls(stalls) if profile is None else _follow(runtime, profile))
        try:
            await serve(runtime, stop)
        finally:
            watching.cancel()


async def _follow(runtime: Runtime, profile: cProfile.Profile) -> None:
    while not runtime.client.is_ready():
        await asyncio.sleep(0.1)
    profile.enable()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measured_bot", description=__doc__)
    parser.add_argument("--stalls", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--policy", choices=POLICIES, default="easel")
    parser.add_argument("--seconds", type=float, nargs=2, default=(8.0, 13.0), help="what jobs take, for the oracle")
    parser.add_argument("--latency", type=float, default=0.0, help="the provider's, for the oracle")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="write there what the event loop spent its time on"
    )
    chosen = parser.parse_args()
    note_answers(chosen.answers)
    low, high = chosen.seconds
    adopt(chosen.policy, low=low, high=high, seed=chosen.seed, latency=chosen.latency)
    settings = config.load(env_file=None)
    logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
    if chosen.profile is None:
        asyncio.run(run(settings, chosen.stalls))
        return
    # Processor time, so that other load on the machine does not change the profile.
    profile = cProfile.Profile(time.thread_time)
    asyncio.run(run(settings, chosen.stalls, profile))
    profile.disable()
    profile.dump_stats(chosen.profile)


if __name__ == "__main__":
    main()
