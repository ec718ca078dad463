"""Plots the comparison of poll schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.poll_simulation import Compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
OURS, FIXED, ORACLE = "#1f6feb", "#8b949e", "#1a7f37"


def draw(curves: Mapping[str, Sequence[Compared]], file: Path) -> None:
    """Mean lateness over polls per job, one panel for each scenario; the file's suffix decides the format."""
    count = math.ceil(len(curves) / COLUMNS)
    # The same figures give the same file: no timestamps, no random names.
    with mpl.rc_context(
        {"svg.hashsalt": "easel", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure, panels = plt.subplots(count, COLUMNS, figsize=(9, 2.5 * count + 0.6), sharex=True, squeeze=False)
        for panel, (name, compared) in zip(panels.flat, curves.items(), strict=False):
            _panel(panel, name, compared)
        for panel in list(panels.flat)[len(curves) :]:
            panel.remove()
        for panel in panels[-1]:
            panel.set_xlabel("polls a job")
        for row in panels:
            row[0].set_ylabel("mean lateness, s")
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False)
        figure.tight_layout(rect=(0, 0, 1, 0.95))
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=150)
        plt.close(figure)


def _panel(panel: Axes, name: str, compared: Sequence[Compared]) -> None:
    polls = [each.ours.polls_a_job for each in compared]
    panel.plot(polls, [each.fixed.mean for each in compared], color=FIXED, marker="s", ms=3, label="fixed interval")
    panel.plot(polls, [each.ours.mean for each in compared], color=OURS, marker="o", ms=4, label="Easel")
    panel.set_xscale("log")
    panel.set_yscale("log")
    low, high = 0.08, 1.5 * max(each.fixed.mean for each in compared)
    panel.set_xlim(0.8, 45)
    panel.set_ylim(low, high)
    panel.plot(
        [1], [low], color=ORACLE, marker="*", ms=11, ls="none", clip_on=False, label="oracle: one poll, never late"
    )
    panel.set_title(name, loc="left", fontsize=10)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    panel.grid(color="#d0d7de", lw=0.5)
