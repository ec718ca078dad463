"""Charts as images. A subprocess draws them, so that the plotting library uses none of the bot's memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer

from bot.text import plural, t
from storage.files import make_folder
from storage.pools import Pool

PROCESS = Path(__file__).with_name("chart_process.py")
IDLE_SECONDS = 120.0
"""Seconds after the last chart until the process ends. Loading the plotting library again takes half a second."""
TIME_LIMIT = 60.0
"""Seconds after which the process is killed if a chart is not finished."""


class ChartFailed(Exception):
    """The chart could not be drawn. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series of bars: its name, and a value for each label. ``hatched`` marks uncertain values."""

    name: str
    values: tuple[float, ...]
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A stacked bar chart. ``labels`` are short texts below the bars.

    ``title`` says what is counted. ``line`` marks a height, such as a limit, with the name ``line_name``. It is omitted
    if it would dwarf the bars. ``lying`` bars run from left to right, which leaves room for longer labels above them.
    """

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    line: float | None = None
    line_name: str = ""
    lying: bool = False

    def __post_init__(self) -> None:
        if not self.labels or any(len(series.values) != len(self.labels) for series in self.series):
            raise ValueError("a chart needs labels, and each series a value for each of them")


def in_words(spec: ChartSpec, limit: int) -> str:
    """The chart as alt text of at most ``limit`` characters. If the text is too long, the first bars are omitted."""
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

    def __init__(self, cache: Path, *, idle: float = IDLE_SECONDS, time_limit: float = TIME_LIMIT) -> None:
        self._cache = cache
        self._idle = idle
        self._time_limit = time_limit
        self._turn = asyncio.Lock()
        # The pool's thread waits for the subprocess, so nothing else uses this pool.
        self._pool = Pool("charts", 1)
        self._process: subprocess.Popen[bytes] | None = None

    async def png(self, spec: ChartSpec) -> bytes:
        """Draw the chart as a PNG. Raises ChartFailed."""
        request = json.dumps(asdict(spec)).encode() + b"\n"
        async with self._turn:
            return await self._pool.run(self._draw, request)

    async def close(self) -> None:
        """Wait for the current chart, then end the process."""
        async with self._turn:
            await self._pool.run(self._end)
            await self._pool.close()

    def _draw(self, request: bytes) -> bytes:
        # The process may have ended since the last chart. In that case, start a new one, once.
        chart = None if self._process is None else self._ask(self._process, request)
        if chart is None:
            self._end()
            self._process = self._start()
            chart = self._ask(self._process, request)
        if chart is None:
            self._end()
            raise ChartFailed("the process ended without an answer")
        return chart

    def _start(self) -> subprocess.Popen[bytes]:
        # Do not pass the bot's environment: it contains tokens.
        environment = {"MPLCONFIGDIR": str(self._cache.absolute())}
        command = [sys.executable, "-I", str(PROCESS), str(self._idle)]
        try:
            make_folder(self._cache)
            # A separate session, so that Ctrl-C in the terminal does not interrupt a chart.
            return subprocess.Popen(  # noqa: S603 - our own file, by our own Python
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
            )
        except OSError as error:
            raise ChartFailed(f"the process cannot be started: {error.strerror}") from error

    def _ask(self, process: subprocess.Popen[bytes], request: bytes) -> bytes | None:
        """Request a chart from the process. Returns None if the process has ended. Raises ChartFailed on an error."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started with pipes")
        time_limit = Timer(self._time_limit, process.kill)
        time_limit.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            head = process.stdout.read(5)
            length = int.from_bytes(head[1:], "big")
            answer = process.stdout.read(length) if len(head) == 5 else b""
        except OSError:
            return None
        finally:
            time_limit.cancel()
        if len(head) < 5 or len(answer) < length:
            return None
        if head[:1] != b"P":
            raise ChartFailed(f"the process failed: {answer.decode(errors='replace')}")
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            # Data that the process has not read is lost with it.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
