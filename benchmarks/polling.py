"""Simulates the worker's poll schedule: ``python -m benchmarks.polling``.

Time is simulated, so the figures are the same on every machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.duration_scenarios import SCENARIOS, Scenario
from benchmarks.poll_simulation import (
    Compared,
    Outcome,
    Says,
    Watching,
    at_fixed_interval,
    easel,
    every,
    nothing,
    oracle,
    priced,
    simulate,
)
from bot.domain.requests import decode_request
from bot.jobs.durations import DurationKey
from bot.providers.base import Waiting
from storage import submissions
from storage.database import Database

# Jobs per comparison, and how many of them come first and are only learned from.
JOBS, TAUGHT = 400, 100
# The mean number of open jobs in the comparison at equal polls.
OPEN = 4
# The price of a poll along the curves of the plot, as fractions of its price under load.
PRICES = (0.1, 0.2, 0.4, 1.0, 2.0, 4.0)
# A recorded kind of job with fewer durations than this is left out.
RECORDED_AT_LEAST = 50


def compare(scenario: Scenario, seeds: Sequence[int], *, price: float = 1.0, says: Says = nothing) -> Compared:
    """Poll the scenario's jobs with ``price`` times the usual price of a poll, without a rate limit."""
    runs = []
    for seed in seeds:
        durations = scenario.durations(JOBS, seed)
        gap = statistics.fmean(durations) / OPEN
        runs.append(simulate(durations, priced(price), rate=1000, gap=gap, says=says, seed=seed).after(TAUGHT))
    ours = Outcome.together(runs)
    return Compared(ours, at_fixed_interval(ours.durations, ours.polls_a_job))


def time_left(age: float, takes: float) -> Waiting:
    """A provider that reports the remaining time, a fifth too short."""
    return Waiting(seconds_left=0.8 * (takes - age))


def percent(age: float, takes: float) -> Waiting:
    """A provider that reports its progress in steps of 10 %."""
    return Waiting(percent=int(10 * age / takes) * 10)


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs at 10 requests per second: ``gap`` seconds apart on average, or a fixed number at a time."""

    name: str
    scenario: Scenario
    gap: float = 0.0
    at_once: int = 1000
    jobs: int = 200

    def run(self, watching: Watching, seeds: Sequence[int], *, past: int) -> Outcome:
        """Run the jobs; ``past`` more jobs run first, to learn from."""
        runs = []
        for seed in seeds:
            durations = self.scenario.durations(past + self.jobs, seed)
            runs.append(simulate(durations, watching, gap=self.gap, at_once=self.at_once, seed=seed).after(past))
        return Outcome.together(runs)


SHORT, LONG = SCENARIOS[:2]
LOADS = (
    Load("8 to 13 s, one a second", SHORT, gap=1.0),
    Load("20 to 60 s, two in 3 s", LONG, gap=1.5),
    Load("8 to 13 s, 5 at a time", SHORT, at_once=5),
    Load("8 to 13 s, five in 2 s", SHORT, gap=0.4),
)
WAYS: tuple[tuple[str, Watching, int], ...] = (
    ("Easel", easel, 100),
    ("Easel, no past", easel, 0),
    ("every 5 s", every(5), 0),
    ("every 2 s", every(2), 0),
    ("oracle", oracle, 0),
)


def comparison(scenarios: Sequence[Scenario], seeds: Sequence[int]) -> Iterator[str]:
    """The table of the comparison at equal polls."""
    yield f"{'at equal polls':28}{'polls':>7}{'fixed':>8}{'Easel':>8}{'ratio':>7}{'median':>8}{'p95':>8}"
    for scenario in scenarios:
        for name, says in (("", nothing), (", time told", time_left), (", percent told", percent)):
            if says is not nothing and scenario.name not in {"heavy tail", "queue in front"}:
                continue
            both = compare(scenario, seeds, says=says)
            ours = both.ours
            yield (
                f"{scenario.name + name:28}{ours.polls_a_job:7.1f}{both.fixed.mean:8.2f}{ours.mean:8.2f}"
                f"{both.ratio:7.2f}{ours.late(0.5):8.2f}{ours.late(0.95):8.2f}"
            )


def under_load(seeds: Sequence[int]) -> Iterator[str]:
    """The table of jobs that share 10 requests per second."""
    yield f"{'at 10 requests a second':28}{'':18}{'polls':>7}{'median':>8}{'p95':>8}{'worst':>8}"
    for load in LOADS:
        for name, watching, past in WAYS:
            outcome = load.run(watching, seeds, past=past)
            yield (
                f"{load.name:28}{name:18}{outcome.polls_a_job:7.1f}{outcome.late(0.5):8.2f}"
                f"{outcome.late(0.95):8.2f}{outcome.late(1):8.2f}"
            )


def curves(scenarios: Sequence[Scenario], seeds: Sequence[int]) -> Iterator[tuple[str, list[Compared]]]:
    """Each scenario at several prices of a poll."""
    for scenario in scenarios:
        yield scenario.name, [compare(scenario, seeds, price=price) for price in PRICES]


async def recorded(url: str) -> list[Scenario]:
    """Real durations of each kind of job in a database, oldest first, if there are enough."""
    kinds: dict[DurationKey, list[float]] = {}
    database = await Database.open(url)
    try:
        async with database.read() as connection:
            for engine in await submissions.engines(connection):
                for took in reversed(await submissions.durations(connection, engine, limit=10_000)):
                    kinds.setdefault(DurationKey.of(decode_request(took.request)), []).append(took.milliseconds / 1000)
    finally:
        await database.close()
    enough = [(kind, took) for kind, took in kinds.items() if len(took) >= RECORDED_AT_LEAST]
    return [
        Scenario(f"{kind.engine.partition('/')[2][:20]} #{number}", partial(_as_they_were, took))
        for number, (kind, took) in enumerate(enough, 1)
    ]


def _as_they_were(took: list[float], _: Random) -> Iterator[float]:
    return iter(took)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="which made-up jobs; more are pooled")
    parser.add_argument("--recorded", metavar="URL", help="also compare what the jobs in this database took")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the comparison instead, as .svg or .png")
    chosen = parser.parse_args()
    scenarios: tuple[Scenario, ...] = SCENARIOS
    if chosen.recorded is not None:
        scenarios = (*SCENARIOS, *asyncio.run(recorded(chosen.recorded)))
    if chosen.plot is not None:
        # matplotlib is slow to import
        from benchmarks.polling_plot import draw

        draw(dict(curves(scenarios, chosen.seeds)), chosen.plot)
        return
    for line in (*comparison(scenarios, chosen.seeds), "", *under_load(chosen.seeds)):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
