"""Loading modules without the garbage collector going through them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
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
