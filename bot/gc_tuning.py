"""Keeps the garbage collector away from what stays for good: modules, and what a start makes."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the collector off, and what there is at the end out of its sight for good.

    Nearly all of it stays until the process ends. To look through it takes a sixth of the time that loading takes, and
    later the event loop would stand still for it each time that everything is collected.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def settle(ready: Awaitable[object]) -> None:
    """Leave out of the collector's sight what a start has made, and once it is ``ready``, every server and channel.

    Of a server that is left later, what points at one another is not given back until the process ends.
    """
    gc.freeze()
    await ready
    gc.freeze()
