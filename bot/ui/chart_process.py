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
import textwrap
from collections.abc import Iterator
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
# In inches, and in dots per inch. A phone shows a chart about 320 points wide, which makes 18 points here 12 there.
WIDTH, HEIGHT, DOTS = 6.8, 5.6, 170
TITLE, TEXT = 18, 17
# In inches: the height of a head of one line and of two, of the labels below the bars, and of a bar that lies.
HEAD, TALL_HEAD, FOOT, LYING = 0.95, 1.35, 0.6, 0.78
# The width of a character in an axis label, as a part of the chart's width.
CHARACTER = 0.021
TITLE_AT_MOST = 40
# Up to this many bars, each shows its value; with more, only the highest bar does.
BARS_WITH_VALUES = 6
# A chart has at least this many slots, so that a few bars do not become too wide.
PLACES_AT_LEAST = 5
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
    rcParams["hatch.linewidth"] = 2
    lying = spec["lying"]
    lines = textwrap.wrap(spec["title"], TITLE_AT_MOST, max_lines=2, placeholder=" …")
    several = sum(any(series["values"]) for series in spec["series"]) + (spec["line"] is not None) > 1
    head = TALL_HEAD if several or len(lines) > 1 else HEAD
    height = head + 0.35 + LYING * len(spec["labels"]) if lying else HEIGHT
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS)
    FigureCanvasAgg(figure)
    _panel(figure, height)
    if lying:
        axes = figure.add_axes((0.04, 0.2 / height, 0.92, 1 - (0.2 + head) / height), facecolor="none")
        _lying_bars(axes, spec)
    else:
        axes = figure.add_axes((0.1, FOOT / height, 0.86, 1 - (FOOT + head) / height), facecolor="none")
        _line(axes, spec, _bars(axes, spec))
        _ticks(axes, spec["labels"])
    for spine in axes.spines.values():
        spine.set_visible(False)
    _head(figure, axes, lines, height)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _panel(figure: Figure, height: float) -> None:
    figure.patch.set_alpha(0)
    figure.add_artist(
        FancyBboxPatch(
            (0.004, 0.006),
            0.992,
            0.988,
            boxstyle="round,pad=0,rounding_size=0.03",
            mutation_aspect=WIDTH / height,
            transform=figure.transFigure,
            facecolor=PANEL,
            edgecolor=FRAME,
            linewidth=1.2,
            zorder=-1,
        )
    )


def _head(figure: Figure, axes: Axes, lines: list[str], height: float) -> None:
    """The title, and below it a legend if there are several series. A legend takes the place of a second line."""
    marks, names = axes.get_legend_handles_labels()
    if len(names) > 1 and len(lines) > 1:
        lines = [f"{lines[0]} …"]
    middle = 1 - (0.42 if len(lines) == 1 else 0.55) / height
    style: dict[str, Any] = {"color": WORDS, "fontsize": TITLE, "fontweight": "bold", "va": "center"}
    figure.text(0.04, middle, "\n".join(lines), parse_math=False, linespacing=1.25, **style)
    if len(names) > 1:
        figure.legend(
            marks,
            names,
            loc="center left",
            bbox_to_anchor=(0.02, 1 - 0.92 / height),
            ncols=len(names),
            frameon=False,
            fontsize=TEXT,
            labelcolor=WORDS,
            handlelength=1.2,
            handletextpad=0.5,
            columnspacing=1.2,
        )


def _shown(value: float) -> str:
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _look(series: dict[str, Any], colour: str) -> dict[str, Any]:
    """How the bars of a series are filled: hatched if their values are uncertain."""
    hatched = series["hatched"]
    return {
        "label": series["name"],
        "facecolor": PANEL if hatched else colour,
        "edgecolor": colour,
        "hatch": "////" if hatched else None,
        "linewidth": 0.8,
        "zorder": 2,
    }


def _stacked(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, list[int], list[float], list[float]]]:
    """Each series with its colour, the places of its bars, their values, and what is below them.

    A bar without a value would still show its outline, so it is left out.
    """
    sums = [0.0] * len(spec["labels"])
    for series, colour in zip(spec["series"], itertools.cycle(BARS), strict=False):
        places = [place for place, value in enumerate(series["values"]) if value > 0]
        if places:
            values, below = ([row[place] for place in places] for row in (series["values"], sums))
            yield series, colour, places, values, below
            sums = [before + value for before, value in zip(sums, series["values"], strict=True)]


def _sums(spec: dict[str, Any]) -> list[float]:
    return [sum(values) for values in zip(*(series["values"] for series in spec["series"]), strict=True)]


def _bars(axes: Axes, spec: dict[str, Any]) -> float:
    """Draw the bars and return the height of the highest."""
    heights = _sums(spec)
    count, highest = len(heights), max(heights)
    for series, colour, places, values, below in _stacked(spec):
        axes.bar(places, values, 0.74, bottom=below, **_look(series, colour))
    for place, height in enumerate(heights):
        if height > 0 and (count <= BARS_WITH_VALUES or place == heights.index(highest)):
            style: dict[str, Any] = {"color": WORDS, "fontsize": TEXT, "fontweight": "bold", "ha": "center"}
            axes.annotate(_shown(height), (place, height), xytext=(0, 4), textcoords="offset points", **style)
    spare = max(0, PLACES_AT_LEAST - count) / 2
    axes.set_xlim(-0.6 - spare, count - 0.4 + spare)
    axes.set_ylim(0, highest * 1.18 or 1)
    return highest


def _lying_bars(axes: Axes, spec: dict[str, Any]) -> None:
    """Draw the bars from left to right, the first at the top, each with its name above and its value at its end."""
    for series, colour, places, values, below in _stacked(spec):
        axes.barh(places, values, 0.38, left=below, **_look(series, colour))
    widths = _sums(spec)
    for place, width in enumerate(widths):
        style: dict[str, Any] = {"fontsize": TEXT, "parse_math": False}
        axes.text(0, place - 0.27, spec["labels"][place], color=WORDS, va="bottom", **style)
        offset: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(_shown(width), (width, place), color=WORDS, fontsize=TEXT, fontweight="bold", **offset)
    # Leave room for the value at the end of the longest bar.
    axes.set_xlim(0, max(widths) * 1.22 or 1)
    axes.set_ylim(len(widths) - 0.6, -0.85)
    axes.set_axis_off()


def _line(axes: Axes, spec: dict[str, Any], highest: float) -> None:
    line = spec["line"]
    if line is None or line > highest * DWARFS:
        return
    axes.axhline(line, color=LINE, linewidth=2.4, linestyle=(0, (5, 3)), label=spec["line_name"], zorder=3)
    axes.set_ylim(0, max(axes.get_ylim()[1], line * 1.12))


def _ticks(axes: Axes, labels: list[str]) -> None:
    longest = max(map(len, labels))
    at_most = 5 if longest <= 6 else 4 if longest <= 8 else 3
    # The last label is always shown.
    apart = -(-len(labels) // at_most)
    shown = range((len(labels) - 1) % apart, len(labels), apart)
    axes.set_xticks(list(shown), [labels[place] for place in shown], parse_math=False)
    locator = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:,.10g}")
    # Make room for the longest number at the axis, and for half of the last label.
    digits = max(len(f"{value:,.10g}") for value in locator.tick_values(0, axes.get_ylim()[1]))
    left, right = 0.04 + CHARACTER * digits, 0.985 - CHARACTER * longest / 2
    _, bottom, _, height = axes.get_position().bounds
    axes.set_position((left, bottom, right - left, height))
    axes.tick_params(colors=QUIET, labelsize=TEXT, length=0)
    axes.grid(axis="y", color=GRID, linewidth=1, zorder=0)
    axes.set_axisbelow(True)


if __name__ == "__main__":
    main()
