"""Checks long prompts in a thread, so that they do not block the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bot.domain.options import ImagineOptions
from storage.pools import Pool

T = TypeVar("T")

CHECKED_AT_ONCE = 300
"""The size in bytes up to which any prompt is checked within a few milliseconds."""


class LongPrompts:
    """A pool for the checks. It is a separate one, because the first response to a command waits for it."""

    def __init__(self) -> None:
        self._pool = Pool("check", 1)

    async def check(self, options: ImagineOptions, work: Callable[[], T]) -> T:
        """Run ``work``, a check of these options: at once if their texts are short, else in a thread."""
        # Bytes, not characters: normalisation can turn one character into many.
        if len(f"{options.prompt}{options.negative or ''}".encode(errors="replace")) <= CHECKED_AT_ONCE:
            return work()
        return await self._pool.run(work)
