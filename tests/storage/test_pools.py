"""Thread pools: background work leaves the processor to the event loop."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from storage.pools import BACKGROUND_NICE, Pool


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_only_background_threads_have_a_lower_priority() -> None:
    before = priority()
    quiet, other = Pool("quiet", 1, background=True), Pool("other", 1)
    assert await quiet.run(priority) == BACKGROUND_NICE > before
    assert await other.run(priority) == before
    assert priority() == before
    await quiet.close()
    await other.close()
