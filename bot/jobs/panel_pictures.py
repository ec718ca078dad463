"""The small pictures of panels. The latest are kept in memory, since people open several panels of one picture."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from bot.pictures import decoding, grids
from storage.pools import Pools

SIDE = 480
"""Pixels of the longer side."""
KEPT_AT_MOST = 100
"""The number of pictures in memory, each of about 40 KiB."""
GRIDS_AT_MOST = 30
"""The number of pictures for grids in memory, each of about 300 KiB."""


def small_picture(file: Path) -> bytes:
    """Draw the picture of a panel as JPEG. Blocks. Raises Undecodable."""
    return grids.panel_picture(file, SIDE)


class PanelPictures:
    """Draws small pictures in the thread pool for pictures."""

    def __init__(
        self,
        pools: Pools,
        draw: Callable[[Path], bytes] = small_picture,
        *,
        most: int = KEPT_AT_MOST,
    ) -> None:
        """``draw`` draws a picture as JPEG; the latest ``most`` are kept."""
        self._pools = pools
        self._drawing = draw
        self._most = most
        self._drawn: OrderedDict[Path, asyncio.Task[bytes | None]] = OrderedDict()

    def ready(self, file: Path) -> bool:
        """Whether the picture of this file is drawn already."""
        task = self._drawn.get(file)
        return task is not None and task.done()

    async def of(self, file: Path) -> bytes | None:
        """Return the small picture as JPEG. None if the file is gone or cannot be decoded.

        A file never changes, so it is drawn once, even if several people wait for it.
        """
        task = self._drawn.get(file)
        if task is None:
            task = self._drawn[file] = asyncio.create_task(
                decoding.drawn(self._pools, self._drawing, file), name=f"panel-{file.name}"
            )
        self._drawn.move_to_end(file)
        drawn = None
        try:
            drawn = await asyncio.shield(task)
        finally:
            if drawn is None and task.done() and self._drawn.get(file) is task:
                del self._drawn[file]
        while len(self._drawn) > self._most:
            self._drawn.popitem(last=False)
        return drawn
