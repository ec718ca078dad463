"""The real bot on a faulty machine: ``python -m chaos.bot CONDITIONS run`` instead of ``python -m bot run``.

The wall clock, DNS lookups and fsync follow the :class:`~chaos.conditions.Conditions` in the file. The monotonic clock
is the machine's own: an operator or NTP that sets the time does not change it either.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bot.__main__ import main as bot
from chaos.conditions import Conditions

LOOKED_FOR = 5.0
"""Seconds for which ComfyUI is asked about a lost request, and the longest rest of a wait from before a restart.

The bot's own minute would outlast a run.
"""

_time_ns, _fsync, _getaddrinfo = time.time_ns, os.fsync, socket.getaddrinfo


@contextmanager
def subject_to(conditions: Conditions) -> Iterator[None]:
    """Apply the conditions to this process."""

    def time_ns() -> int:
        return _time_ns() + conditions.clock * 1_000_000

    def seconds() -> float:
        return time_ns() / 1e9

    def fsync(file: Any) -> None:
        if conditions.disk_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _fsync(file)

    def getaddrinfo(*asked: Any, **more: Any) -> Any:
        time.sleep(conditions.slow_names / 1000)
        return _getaddrinfo(*asked, **more)

    with ExitStack() as patches:
        patches.enter_context(patch("time.time_ns", time_ns))
        patches.enter_context(patch("time.time", seconds))
        patches.enter_context(patch("discord.utils.utcnow", lambda: datetime.fromtimestamp(seconds(), UTC)))
        patches.enter_context(patch("os.fsync", fsync))
        patches.enter_context(patch("socket.getaddrinfo", getaddrinfo))
        # Every author is notified when a job is done, as if each took long.
        patches.enter_context(patch("bot.jobs.notifications.LONG", 0))
        patches.enter_context(patch("bot.providers.comfyui.Comfyui.lost_after", LOOKED_FOR))
        patches.enter_context(patch("bot.jobs.store.LONGEST_STORED_WAIT", LOOKED_FOR))
        yield


def main() -> int:
    path, *words = sys.argv[1:]
    with Conditions(Path(path)) as conditions, subject_to(conditions):
        return bot(words)


if __name__ == "__main__":
    sys.exit(main())
