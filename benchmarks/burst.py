"""Many /imagine at the same instant: time to acknowledge each, and the longest event loop stall."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Program
from benchmarks.loop_stalls import longest

GOALS = {100: "p95 ≤ 200", 500: "p95 ≤ 500"}


@dataclass(slots=True)
class Outcome:
    """Milliseconds until each acknowledgement, and each round's longest stall during and after the burst."""

    acknowledged: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)


async def burst(size: int, rounds: int, seed: int, after: float = 5.0) -> list[Figure]:
    """Compare ``size`` simultaneous commands on Easel and on a bot that only defers.

    The loop is watched for ``after`` seconds after the last acknowledgement.

    The loop is watched for ``after`` seconds after the last acknowledgement.
    """
    bare, easel = Outcome(), Outcome()
    # The bots take turns, so that other load on the machine affects both.
    for each in range(rounds):
        await _round(bare, Program.BARE, size, seed + each, after)
        await _round(easel, Program.WATCHED, size, seed + each, after)
    bounds = {"acknowledged": GOALS.get(size, ""), "during": f"≤ {1.5 * max(bare.during):.0f}", "after": "≤ 50"}
    lines = []
    for name, outcome, goals in (("bare bot", bare, {}), ("Easel", easel, bounds)):
        for what, told, values in (
            ("acknowledged", "acknowledged after", outcome.acknowledged),
            ("during", "longest stall during it", outcome.during),
            ("after", f"longest stall in the {after:g} s after it", outcome.after),
        ):
            lines.append(figure("burst", f"{size} at once, {name}, {told}", "ms", values, goals.get(what, "")))
    return lines


async def _round(outcome: Outcome, program: Program, size: int, seed: int, after: float) -> None:
    async with Harness(Conditions(seed=seed), program=program) as harness:
        await harness.start()
        if program is Program.WATCHED:
            await harness.at_work()
        await harness.warm_up()
        traces = [await harness.imagine(user, f"a fox, number {user}") for user in range(size)]
        # The commands are on their way once the loop continues here.
        asked = time.time()
        await harness.until_acknowledged(traces)
        ended = max(trace.acknowledged for trace in traces)
        await asyncio.sleep(after)
        outcome.acknowledged += [1000 * (trace.acknowledged - asked) for trace in traces]
        outcome.during.append(1000 * longest(harness.stalls, asked, ended))
        outcome.after.append(1000 * longest(harness.stalls, ended, ended + after))
