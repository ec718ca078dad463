"""Charts as pictures, drawn in a process of their own, so that the plotting library costs the bot no memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer

import structlog

from storage.files import make_folder
from storage.pools import Pool

log = structlog.get_logger(__name__)

PROCESS = Path(__file__).with_name("chart_process.py")
IDLE_SECONDS = 120.0
"""After so long without a chart the process ends by itself."""
PATIENCE_SECONDS = 60.0
"""A chart that is not there by then will never be."""


class ChartFailed(Exception):
    """There is no picture. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of bars: what it is called, and a value for each label. ``hatched`` marks what is not certain."""

    name: str
    values: tuple[float, ...]
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """Bars, the series on top of each other; ``labels`` are short and go along the bottom.

    ``title`` says what is counted. ``line`` is a height worth marking, such as a limit, and ``line_name`` its name; it
    is left out where it would dwarf the bars.
    """

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    line: float | None = None
    line_name: str = "limit"

    def __post_init__(self) -> None:
        if not self.labels or any(len(series.values) != len(self.labels) for series in self.series):
            raise ValueError("a chart needs labels, and each series a value for each of them")


def in_words(spec: ChartSpec, limit: int) -> str:
    """What the chart shows, for those who do not see it: at most ``limit`` characters, early bars left out first."""
    sums = [sum(values) for values in zip(*(series.values for series in spec.series), strict=True)]
    unsure = [series for series in spec.series if series.hatched and any(series.values)]
    ends = [f"{spec.line_name} {spec.line:,g}"] if spec.line is not None else []
    ends += [f"{series.name} in all: {sum(series.values):,g}" for series in unsure]
    tail = "".join(f". {end[0].upper()}{end[1:]}" for end in ends) + "."
    bars = [f"{label} {value:,g}" for label, value in zip(spec.labels, sums, strict=True) if value]
    if not bars:
        return f"{spec.title}: nothing{tail}"[:limit]
    quiet = "; nothing otherwise" if len(bars) < len(sums) else ""
    while True:
        words = f"{spec.title}: {', '.join(bars)}{quiet}{tail}"
        if len(words) <= limit or len(bars) == 1:
            return words[:limit]
        bars = ["earlier ones left out", *bars[3 if bars[0].startswith("earlier") else 2 :]]


class Charts:
    """Draws one chart after the other. ``cache`` is a folder for what the plotting library likes to find again."""

    def __init__(self, cache: Path, *, idle: float = IDLE_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._cache = cache
        self._idle = idle
        self._patience = patience
        self._turn = asyncio.Lock()
        # Waits for the process, up to ``patience`` seconds: nothing else may wait with it.
        self._thread = Pool("charts", 1)
        self._process: subprocess.Popen[bytes] | None = None

    async def png(self, spec: ChartSpec) -> bytes:
        """The chart as a PNG. Raises ChartFailed."""
        asked = json.dumps(asdict(spec)).encode() + b"\n"
        async with self._turn:
            return await self._thread.run(self._draw, asked)

    async def close(self) -> None:
        """End the process, if there is one."""
        async with self._turn:
            await self._thread.run(self._end)
            await self._thread.close()

    def _draw(self, asked: bytes) -> bytes:
        if self._process is not None:
            # It may have ended meanwhile, since nothing was asked of it for long.
            answer = self._answer(self._process, asked)
            if answer is not None:
                return answer
            self._end()
        self._process = self._start()
        answer = self._answer(self._process, asked)
        if answer is None:
            self._end()
            raise ChartFailed("the process that draws charts ended without an answer")
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        # Nothing of our environment: its tokens are none of its business.
        environment = {"MPLCONFIGDIR": str(self._cache.absolute())}
        # A session of its own: Ctrl-C in the terminal is for the bot, which then ends this by itself.
        command = [sys.executable, "-I", str(PROCESS), str(self._idle)]
        try:
            make_folder(self._cache)
            return subprocess.Popen(  # noqa: S603 - our own file, by our own Python
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
            )
        except OSError as error:
            raise ChartFailed(f"the process that draws charts cannot be started: {error.strerror}") from error

    def _answer(self, process: subprocess.Popen[bytes], asked: bytes) -> bytes | None:
        """What it says, or None if it is gone. Raises ChartFailed where it says what is wrong."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started with pipes")
        impatience = Timer(self._patience, process.kill)
        impatience.start()
        try:
            process.stdin.write(asked)
            process.stdin.flush()
            head = process.stdout.read(5)
            length = int.from_bytes(head[1:], "big")
            body = process.stdout.read(length) if len(head) == 5 else b""
        except OSError:
            return None
        finally:
            impatience.cancel()
        if len(head) < 5 or len(body) < length:
            return None
        if head[:1] != b"P":
            raise ChartFailed(body.decode(errors="replace"))
        return body

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            # What was written and never read is lost with it.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
