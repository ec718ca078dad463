"""Garbage collector tuning: long-lived objects are frozen, so that full collections do not scan them."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch the collector off within the block, and freeze all objects that exist at its end.

    It is used while modules are imported. Nearly all of their objects live until the process ends. Collections would
    take a sixth of the time of the imports, and each later full collection would block the event loop.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def settle(ready: Awaitable[object]) -> None:
    """Freeze the objects that the start created, and, once the bot is ``ready``, all cached servers and channels.

    Reference cycles of a server that the bot leaves later are never freed.
    """
    gc.freeze()
    await ready
    gc.freeze()
