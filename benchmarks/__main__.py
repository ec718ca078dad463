"""``make bench``: measures the real bot between the loopback Discord and the image services' stand-in.

A full run takes about three quarters of an hour. ``--short`` takes two minutes and only shows that they work.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import job_cost, lateness, pictures
from benchmarks.burst import burst
from benchmarks.delivery import delivery
from benchmarks.figures import Figure, Results, pace
from benchmarks.previews import previews
from benchmarks.reports import report_figures
from benchmarks.restart import restart
from benchmarks.servers import servers
from benchmarks.start import start
from benchmarks.throughput import throughput

Step = Callable[[], Awaitable[Sequence[Figure]]]

MEASURES = (
    "burst",
    "lateness",
    "kinds",
    "servers",
    "previews",
    "cost",
    "throughput",
    "delivery",
    "pictures",
    "restart",
    "reports",
    "start",
)


def whole(seed: int, jobs: int) -> Mapping[str, Sequence[Step]]:
    """The steps of each benchmark."""
    return {
        "burst": [lambda: burst(100, 5, seed), lambda: burst(500, 3, seed)],
        "lateness": [partial(lateness.lateness, load, seed) for load in lateness.loads(jobs)],
        "kinds": [lambda: lateness.of_kinds(lateness.kinds(jobs), seed)],
        "servers": [lambda: servers(4, 100, (2.0, 4.0), seed)],
        "previews": [lambda: previews(500_000, 40.0, 3, seed)],
        "cost": [lambda: job_cost.processor(40, 3, seed), lambda: job_cost.memory((100, 1000), seed)],
        "throughput": [lambda: throughput(60, seed)],
        "delivery": [lambda: delivery(10, 10, 100, 5, seed)],
        "pictures": [
            lambda: pictures.panels(20, 5, seed),
            lambda: pictures.photos(20, 100, 2, seed),
            lambda: pictures.memory(50, seed),
        ],
        "restart": [lambda: restart(1000, 3, seed)],
        "reports": [lambda: report_figures(1_000_000, 15)],
        "start": [lambda: start(7, seed)],
    }


def short(seed: int) -> Mapping[str, Sequence[Step]]:
    """The same steps, as small as possible."""
    load = lateness.Load("1–2 s", (1, 2), 4, gap=0.2)
    kinds = tuple(replace(each, seconds=(0.5, 1.0), jobs=4, gap=0.2) for each in lateness.kinds(0))
    return {
        "burst": [lambda: burst(10, 1, seed, after=1.0)],
        "lateness": [lambda: lateness.lateness(load, seed)],
        "kinds": [lambda: lateness.of_kinds(kinds, seed)],
        "servers": [lambda: servers(4, 12, (0.5, 1.0), seed)],
        "previews": [lambda: previews(500_000, 4.0, 1, seed)],
        "cost": [lambda: job_cost.memory((5,), seed)],
        "throughput": [lambda: throughput(5, seed)],
        "delivery": [lambda: delivery(2, 2, 10, 1, seed)],
        "pictures": [
            lambda: pictures.panels(4, 1, seed),
            lambda: pictures.photos(2, 10, 1, seed),
            lambda: pictures.memory(2, seed),
        ],
        "restart": [lambda: restart(10, 1, seed)],
        "reports": [lambda: report_figures(10_000, 2)],
        "start": [lambda: start(1, seed)],
    }


async def run(measures: Mapping[str, Sequence[Step]], results: Results, out: Path) -> None:
    """Run the benchmarks one after another, and write the results after each."""
    for name, steps in measures.items():
        for step in steps:
            sys.stderr.write(f"measuring: {name} …\n")
            results.figures += await step()
            results.paces.append(pace())
            results.write(out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="two minutes, to see that it works")
    parser.add_argument("--only", metavar="MEASURES", default=",".join(MEASURES), help=f"some of: {','.join(MEASURES)}")
    parser.add_argument("--jobs", type=int, default=200, help="so many jobs for each load of the lateness (200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/bench.json"))
    chosen = parser.parse_args()
    only = chosen.only.split(",")
    if unknown := set(only) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    everything = short(chosen.seed) if chosen.short else whole(chosen.seed, chosen.jobs)
    results = Results(chosen.seed, chosen.short)
    asyncio.run(run({name: everything[name] for name in only}, results, chosen.out))
    for line in results.lines():
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
