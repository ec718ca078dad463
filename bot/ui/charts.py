"""Charts as images. A subprocess draws each one, so that the plotting library costs the bot no memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.text import plural, t
from storage.files import make_folder
from storage.pools import Pool

PROCESS = Path(__file__).with_name("chart_process.py")
TIME_LIMIT = 60.0
"""Seconds after which a drawing process is killed."""


class ChartFailed(Exception):
    """The chart could not be drawn. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of bars: its name, and a value for each label. ``hatched`` marks uncertain values."""

    name: str
    values: tuple[float, ...]
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A stacked bar chart. ``labels`` are short and stand below the bars.

    ``title`` says what is counted. ``line`` marks a height, such as a limit, with the name ``line_name``; it is left
    out if it would dwarf the bars.
    """

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    line: float | None = None
    line_name: str = ""

    def __post_init__(self) -> None:
        if not self.labels or any(len(series.values) != len(self.labels) for series in self.series):
            raise ValueError("a chart needs labels, and each series a value for each of them")


def in_words(spec: ChartSpec, limit: int) -> str:
    """The chart as alt text of at most ``limit`` characters. If it is too long, the first bars are left out."""
    sums = [sum(values) for values in zip(*(series.values for series in spec.series), strict=True)]
    tail = [f"{spec.line_name} {spec.line:,g}"] if spec.line is not None else []
    unsure = [series for series in spec.series if series.hatched and any(series.values)]
    tail += [f"{series.name} {sum(series.values):,g}" for series in unsure]
    bars = [f"{label} {value:,g}" for label, value in zip(spec.labels, sums, strict=True) if value]
    left_out = 0
    while True:
        shown = bars[left_out:] or [str(t("nothing"))]
        if left_out:
            shown.insert(0, str(plural("… {count} earlier bar", "… {count} earlier bars", left_out)))
        words = f"{spec.title}: {', '.join(shown)}" + "".join(f"; {end}" for end in tail)
        if len(words) <= limit or left_out >= len(bars) - 1:
            return words[:limit]
        left_out += 1


class Charts:
    """Draws one chart at a time. ``cache`` is a folder for the font cache of the plotting library."""

    def __init__(self, cache: Path, *, time_limit: float = TIME_LIMIT) -> None:
        self._cache = cache
        self._time_limit = time_limit
        # Its thread waits for the subprocess, so it is shared with nothing else.
        self._pool = Pool("charts", 1)

    async def png(self, spec: ChartSpec) -> bytes:
        """The chart as a PNG. Raises ChartFailed."""
        return await self._pool.run(self._draw, json.dumps(asdict(spec)).encode())

    async def close(self) -> None:
        """Wait for the chart that is being drawn."""
        await self._pool.close()

    def _draw(self, spec: bytes) -> bytes:
        # None of our environment: it holds tokens.
        environment = {"MPLCONFIGDIR": str(self._cache.absolute())}
        command = [sys.executable, "-I", str(PROCESS)]
        try:
            make_folder(self._cache)
            # A session of its own, so that Ctrl-C in the terminal does not interrupt a chart.
            ended = subprocess.run(  # noqa: S603 - our own file, by our own Python
                command,
                input=spec,
                capture_output=True,
                env=environment,
                start_new_session=True,
                timeout=self._time_limit,
                check=False,
            )
        except OSError as error:
            raise ChartFailed(f"the process cannot be started: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise ChartFailed(f"the process took longer than {self._time_limit:g} s") from error
        if ended.returncode:
            raise ChartFailed(f"the process failed: {ended.stderr.decode(errors='replace')[-500:].strip()}")
        return ended.stdout
