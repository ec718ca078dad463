"""How late finished images are shown, and what that costs in polls and edits, under several poll policies.

All policies have the same work at the same time, each in its own harness, so that other load on the machine affects all
of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Served, Trace
from benchmarks.kinds import CALLS, Kind
from benchmarks.poll_policies import POLICIES


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs with durations in a range of seconds, ``gap`` seconds apart on average or a fixed number at a time.

    ``goals`` are the targets for the lateness, the polls and the edits. The kind of service has several ``servers`` if
    they share the work.
    """

    name: str
    seconds: tuple[float, float]
    jobs: int
    gap: float = 0.0
    at_once: int = 1000
    goals: tuple[str, str, str] = ("", "", "")
    kind: Kind = Kind.AI_CLIENT
    servers: int = 1


def loads(jobs: int) -> tuple[Load, ...]:
    """The three loads, with a given number of jobs each."""
    return (
        Load("8–13 s, one a second", (8, 13), jobs, gap=1.0, goals=("≤ 0.4, p95 ≤ 1.0", "mean ≤ 5", "mean ≤ 4")),
        Load("20–60 s, two in 3 s", (20, 60), jobs, gap=1.5, goals=("≤ 1.3, p95 ≤ 3.0", "mean ≤ 8", "")),
        Load("8–13 s, 5 at a time", (8, 13), jobs, at_once=5, goals=("≤ 0.25", "≤ 15", "")),
    )


def kinds(jobs: int) -> tuple[Load, ...]:
    """A load for each kind of free service.

    A ComfyUI server makes one image at a time, so most of four jobs wait in its queue. The AI Horde gives out ten
    results a minute.
    """
    return (
        Load("A1111", (2, 4), jobs, at_once=4, goals=("≤ 0.1", "", ""), kind=Kind.A1111, servers=4),
        Load("ComfyUI", (2, 4), jobs // 2, at_once=4, goals=("≤ 0.3", "", ""), kind=Kind.COMFYUI),
        Load("AI Horde", (8, 13), jobs // 5, gap=8.0, goals=("≤ 0.3", "", ""), kind=Kind.AI_HORDE),
    )


async def of_kinds(loads: Sequence[Load], seed: int) -> list[Figure]:
    """Measure each kind of service at the same time. The AI Horde is polled every two seconds for comparison."""
    policies = {load: (POLICIES[0], POLICIES[2]) if load.kind is Kind.AI_HORDE else POLICIES[:1] for load in loads}
    found = await asyncio.gather(*(lateness(load, seed, policies[load]) for load in loads))
    return [line for lines in found for line in lines]


async def lateness(load: Load, seed: int, policies: tuple[str, ...] = POLICIES) -> list[Figure]:
    """Measure a load under each poll policy."""
    conditions = Conditions(seconds=load.seconds, seed=seed, kind=load.kind, servers=load.servers)
    outcomes = await asyncio.gather(*(_run(load, conditions, policy) for policy in policies))
    lines: list[Figure] = []
    # An image cannot be shown before it was downloaded from the service and uploaded to Discord.
    stated = CALLS[load.kind] * conditions.provider_latency + conditions.discord_latency
    for policy, (traces, served) in zip(policies, outcomes, strict=True):
        late = [trace.shown - served.done[trace.prompt] - stated for trace in traces]
        polls = [float(len(times)) for times in served.polls.values()]
        edits = [float(trace.edits) for trace in traces]
        named = f"{load.name}, {policy}: "
        goals = load.goals if policy == "easel" else ("", "", "")
        lines.append(figure("lateness", f"{named}done → shown, above {stated:g} s", "s", late, goals[0]))
        if polls:
            lines.append(figure("lateness", f"{named}polls", "a job", polls, goals[1]))
        lines.append(figure("lateness", f"{named}edits", "a job", edits, goals[2]))
    return lines


async def _run(load: Load, conditions: Conditions, policy: str) -> tuple[list[Trace], Served]:
    chance = Random(conditions.seed)
    traces: list[Trace] = []
    async with Harness(conditions, policy=policy) as harness:
        await harness.start()
        await harness.at_work()
        room = asyncio.Semaphore(load.at_once)

        async def ask(number: int, arrives: float) -> None:
            await asyncio.sleep(arrives)
            async with room:
                traces.append(trace := await harness.imagine(number, f"a lighthouse, number {number}"))
                await trace.over.wait()

        arrives = 0.0
        asking = []
        for number in range(load.jobs):
            asking.append(asyncio.create_task(ask(number, arrives)))
            arrives += chance.expovariate(1 / load.gap) if load.gap else 0.0
        try:
            await harness.until_shown(load.jobs)
        finally:
            for task in asking:
                task.cancel()
        return traces, await harness.served()
