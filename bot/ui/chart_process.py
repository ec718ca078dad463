"""The process that draws charts: it reads a line of JSON, writes an image, and ends when idle for a while.

It is run as a file and imports no module of the bot. A response is a letter (P for a PNG, E for an error), the length
of the content in four bytes, and the content.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
from threading import Timer
from typing import Any, BinaryIO

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

# A dark panel with a frame is readable on dark and on light pages.
PANEL, FRAME = "#1f2329", "#3a414b"
WORDS, QUIET, GRID = "#f2f4f7", "#aeb6c2", "#353c46"
BARS = ("#6fb1e8", "#f0b56a", "#8fd19a", "#d79be0")
LINE = "#ff8f7a"
WIDTH, HEIGHT, DOTS = 7.0, 4.0, 170
LABELS_AT_MOST = 9
# Up to this many bars, each shows its value; with more, only the highest bar does.
BARS_WITH_VALUES = 8
# A chart has at least this many slots, so that a few bars do not become too wide.
PLACES_AT_LEAST = 7
# A line higher than this many times the highest bar is omitted.
DWARFS = 3


def main() -> None:
    """Answer requests until standard input ends, or until it is idle for the seconds in the command's argument."""
    idle = float(sys.argv[1])
    while request := _next_line(sys.stdin.buffer, idle):
        try:
            letter, answer = b"P", draw(json.loads(request))
        except Exception as error:  # noqa: BLE001 - the bot is told, and logs it
            letter, answer = b"E", repr(error).encode()
        sys.stdout.buffer.write(letter + len(answer).to_bytes(4, "big") + answer)
        sys.stdout.buffer.flush()


def _next_line(stream: BinaryIO, idle: float) -> bytes:
    ending = Timer(idle, os._exit, (0,))
    ending.daemon = True
    ending.start()
    try:
        return stream.readline()
    finally:
        ending.cancel()


def draw(spec: dict[str, Any]) -> bytes:
    """Draw a ChartSpec as a PNG with transparent corners."""
    rcParams["hatch.linewidth"] = 1.6
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS)
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    figure.add_artist(
        FancyBboxPatch(
            (0.004, 0.008),
            0.992,
            0.984,
            boxstyle="round,pad=0,rounding_size=0.025",
            mutation_aspect=WIDTH / HEIGHT,
            transform=figure.transFigure,
            facecolor=PANEL,
            edgecolor=FRAME,
            linewidth=1.2,
            zorder=-1,
        )
    )
    axes = figure.add_axes((0.095, 0.12, 0.855, 0.64), facecolor="none")
    _line(axes, spec, _bars(axes, spec))
    _ticks(axes, spec["labels"])
    figure.text(0.03, 0.925, spec["title"], color=WORDS, fontsize=14, fontweight="bold", va="center", parse_math=False)
    marks, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(
            marks,
            names,
            loc="center left",
            bbox_to_anchor=(0.02, 0.835),
            ncols=len(names),
            frameon=False,
            fontsize=11.5,
            labelcolor=WORDS,
            handlelength=1.4,
            columnspacing=1.4,
        )
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _bars(axes: Axes, spec: dict[str, Any]) -> float:
    count = len(spec["labels"])
    heights = [0.0] * count
    for series, colour in zip(spec["series"], itertools.cycle(BARS), strict=False):
        # A bar without height would still show its outline.
        there = [place for place in range(count) if series["values"][place] > 0]
        if not there:
            continue
        values, below = ([row[place] for place in there] for row in (series["values"], heights))
        hatched = series["hatched"]
        axes.bar(
            there,
            values,
            0.74,
            bottom=below,
            label=series["name"],
            facecolor=PANEL if hatched else colour,
            edgecolor=colour,
            hatch="////" if hatched else None,
            linewidth=0.8,
            zorder=2,
        )
        heights = [height + value for height, value in zip(heights, series["values"], strict=True)]
    highest = max(heights)
    for place, height in enumerate(heights):
        if height > 0 and (count <= BARS_WITH_VALUES or place == heights.index(highest)):
            axes.annotate(
                f"{height:,.4g}" if height < 1000 else f"{height:,.0f}",
                (place, height),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=WORDS,
                fontsize=11.5,
                fontweight="bold",
            )
    spare = max(0, PLACES_AT_LEAST - count) / 2
    axes.set_xlim(-0.6 - spare, count - 0.4 + spare)
    axes.set_ylim(0, highest * 1.18 or 1)
    return highest


def _line(axes: Axes, spec: dict[str, Any], highest: float) -> None:
    line = spec["line"]
    if line is None or line > highest * DWARFS:
        return
    axes.axhline(line, color=LINE, linewidth=1.6, linestyle=(0, (5, 3)), label=spec["line_name"], zorder=3)
    axes.set_ylim(0, max(axes.get_ylim()[1], line * 1.12))


def _ticks(axes: Axes, labels: list[str]) -> None:
    # The last label is always shown.
    apart = -(-len(labels) // LABELS_AT_MOST)
    shown = range((len(labels) - 1) % apart, len(labels), apart)
    axes.set_xticks(list(shown), [labels[place] for place in shown], parse_math=False)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:,.10g}")
    axes.tick_params(colors=QUIET, labelsize=11.5, length=0)
    axes.grid(axis="y", color=GRID, linewidth=1, zorder=0)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


if __name__ == "__main__":
    main()
