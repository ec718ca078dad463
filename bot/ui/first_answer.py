"""The first answer to a command or a press, which Discord waits three seconds for: it waits for nothing slow.

Most answers are promised at once and filled later. Only where what is found decides what kind of answer it is (a form
cannot be promised), it is looked up first, and only for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.ui.replies import Press

PATIENCE = 1.5
"""Seconds for which something is looked up before the first answer."""

TOO_SLOW = (
    "The bot's own records answer slowly at the moment, so nothing was begun and nothing was charged. "
    "Press the button again."
)

T = TypeVar("T")


async def promise(interaction: Press) -> None:
    """Promise a private answer, unless one was given: what is told from now on takes its place."""
    if not interaction.response.is_done():
        await interaction.response.defer(ephemeral=True, thinking=True)


async def looked_up(interaction: Press, work: Coroutine[Any, Any, T]) -> T:
    """What the work finds. Where it takes too long for a first answer, a private one is promised meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            await promise(interaction)
        return await task
    finally:
        task.cancel()
