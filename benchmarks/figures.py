"""Results as a table and as JSON, with a description of the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("discord.py", "aiohttp", "aiosqlite", "SQLAlchemy", "pydantic")
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: ``count`` values in ``unit``. ``goal`` is the target, if there is one."""

    measure: str
    name: str
    unit: str
    count: int
    mean: float
    median: float
    p95: float
    worst: float
    goal: str = ""


def figure(measure: str, name: str, unit: str, values: Sequence[float], goal: str = "") -> Figure:
    """Summarise these values (at least one) as a row; the worst is the largest."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    middle = statistics.median(ordered)
    return Figure(measure, name, unit, len(ordered), statistics.fmean(ordered), middle, p95, ordered[-1], goal)


@dataclass(slots=True)
class Results:
    """All figures of a run. ``load_before`` is the machine's load average over the last minute when the run began.

    ``paces`` are the machine's speed at the start and after each benchmark: see :func:`pace`.
    """

    seed: int
    short: bool
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    load_after: float = 0.0
    paces: list[float] = field(default_factory=lambda: [pace()])
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        self.load_after = os.getloadavg()[0]
        whole = {"machine": machine(), "versions": versions(), **asdict(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def lines(self) -> Iterator[str]:
        """The table."""
        told = " · ".join((*machine().values(), f"load {self.load_before:.1f}", f"seed {self.seed}", self.began))
        yield told
        yield " · ".join(f"{name} {number}" for name, number in versions().items())
        slowest, fastest = max(self.paces), min(self.paces)
        yield f"pace: a million additions take Python {fastest:.0f} to {slowest:.0f} ms of processor time here"
        yield f"{'':12}{'':60}{'n':>6}{'mean':>9}{'median':>9}{'p95':>9}{'worst':>9}  unit      goal"
        for one in self.figures:
            numbers = "".join(f"{_short(value):>9}" for value in (one.mean, one.median, one.p95, one.worst))
            yield f"{one.measure:12}{one.name:60}{one.count:6}{numbers}  {one.unit:9} {one.goal}".rstrip()
        yield from self.notes


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def pace() -> float:
    """Milliseconds of processor time for a million additions. On a shared machine it may double from hour to hour."""
    took = []
    for _ in range(5):
        began, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        took.append(1000 * (time.process_time() - began))
    return statistics.median(took)


def machine() -> dict[str, str]:
    """The machine that the figures were measured on."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _read("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": cpu,
        "cores": f"{os.cpu_count()} cores",
        "memory": f"{memory / 1_048_576:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """The versions of Easel, Python and the main libraries."""
    try:
        asked = ["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    libraries = {name: version(name) for name in LIBRARIES}
    return {"easel": commit, "python": platform.python_version(), **libraries}


def _read(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
