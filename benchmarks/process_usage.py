"""Processor time and memory of a process, from Linux."""

from __future__ import annotations

import os
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used so far, in seconds."""
    # The process name in brackets may contain anything, so the fields are counted from the closing bracket.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK


def resident_mib(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    return _mib(pid, "VmRSS:")


def peak_mib(pid: int) -> float:
    """The most resident memory of a process since :func:`forget_peak`, in MiB."""
    return _mib(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    """Let the most resident memory of a process be what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _mib(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def keep_to_core(pid: int, core: int) -> None:
    """Pin a process with all its threads to one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})
