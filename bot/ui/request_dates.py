"""Reads the time from Discord's responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import yarl
from discord.http import Route

from bot.clock import ReferenceClock
from bot.domain.periods import milliseconds
from bot.providers.answers import http_date


def records_dates(reference: ReferenceClock) -> Callable[[Any, Any, aiohttp.TraceRequestEndParams], Awaitable[None]]:
    """Return a trace callback that records the time of each of Discord's responses in the reference clock."""

    async def answered(_session: object, _context: object, end: aiohttp.TraceRequestEndParams) -> None:
        at = http_date(end.response.headers.get("Date"))
        if at is not None and end.url.host == yarl.URL(Route.BASE).host:
            reference.record(milliseconds(at))

    return answered
