"""Lets the event loop run again soon while other threads decode images or check long prompts.

Only one thread runs Python at a time. A thread that wants to run waits for the switch interval, 5 ms by default, before
the running one is stopped. The event loop gives way at each request that it sends, so beside a busy thread each of them
would cost it 5 ms.
"""

from __future__ import annotations

import sys

SWITCH_SECONDS = 0.0005
"""The switch interval. Shorter ones gain nothing."""


def switch_soon() -> None:
    """Set the interval, for the whole process."""
    sys.setswitchinterval(SWITCH_SECONDS)
