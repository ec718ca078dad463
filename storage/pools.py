"""Thread pools for blocking work: one for each kind, so that one kind never waits for another.

The event loop's default executor is left to libraries, which use it to resolve host names.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PICTURES_AT_ONCE = 2
"""The number of images decoded at the same time. Each needs memory for all of its pixels."""
FILES_AT_ONCE = 4
BACKGROUND_NICE = 10
"""The niceness of background threads: the event loop goes first, but people wait for pictures too."""


class Pool(ThreadPoolExecutor):
    """A pool of at most ``workers`` threads; further work is queued. The job id in log lines is preserved.

    ``background`` threads have a low priority, so that the event loop goes first.
    """

    def __init__(self, name: str, workers: int, *, background: bool = False) -> None:
        super().__init__(workers, thread_name_prefix=name, initializer=_step_back if background else None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(partial(copy_context().run, fn, *args, **kwargs))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the work in one of the threads. Returns and raises what ``work`` does."""
        return await asyncio.get_running_loop().run_in_executor(self, partial(work, *args, **kwargs))

    async def close(self) -> None:
        """Wait for running work and end the threads."""
        await apart(self.shutdown, cancel_futures=True)


def _step_back() -> None:
    """Give this thread a low priority. Only Linux has priorities for single threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICE)


class Pools:
    """The pools that all parts of a running bot share."""

    def __init__(self) -> None:
        self.files = Pool("files", FILES_AT_ONCE)
        self.pictures = Pool("pictures", PICTURES_AT_ONCE, background=True)
        self.large = asyncio.Lock()
        """Locked while a large image is decoded."""

    async def close(self) -> None:
        """Wait for running work and end the threads."""
        await self.pictures.close()
        await self.files.close()


async def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the work in a separate thread. For rare or long work, which must not block a pool."""
    pool = Pool("apart", 1)
    try:
        return await pool.run(work, *args, **kwargs)
    finally:
        pool.shutdown(wait=False)
