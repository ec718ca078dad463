"""One request to the stand-in, and the state that its services share."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from fakes.services.call_log import Call
from fakes.services.forms import Form
from fakes.services.pictures import Gallery
from fakes.services.rendering import Fate, Renderings

T = TypeVar("T")

FILTERED_WORDS = frozenset({"gore", "nsfw"})
SD3_VERSIONS = frozenset({"sdv3"})
EDIT_PIXELS = 4_194_304


@dataclass(slots=True)
class Services:
    """The shared state of one stand-in's services.

    ``url`` is known once the server listens. ``remember`` is how many threads are kept; None: all. ``sd3_versions``
    are the versions in the paths of aithriving's SD3 that exist: ``sdv3``, ``sd3``, both or none. ``edit_pixels`` is
    the size of the results of its edits, in pixels; None: the size of the source.
    """

    renderings: Renderings
    gallery: Gallery
    executor: Executor
    chance: random.Random
    fate: Fate = field(default_factory=Fate)
    filtered_words: frozenset[str] = FILTERED_WORDS
    url: str = ""
    remember: int | None = None
    sd3_versions: frozenset[str] = SD3_VERSIONS
    edit_pixels: int | None = EDIT_PIXELS

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def is_filtered(self, texts: list[str]) -> bool:
        """Whether the content filter refuses one of these texts."""
        words = re.findall(r"[a-z]+", " ".join(texts).lower())
        return not self.filtered_words.isdisjoint(words)

    async def in_thread(self, task: Callable[[bytes], T], data: bytes) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.executor, task, data)


class RateLimit:
    """A token bucket: ``rate`` requests a second, with bursts of one second's worth."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._full = max(1.0, rate)
        self._left = self._full
        self._at: float | None = None

    def wait(self, now: float) -> int:
        """Whole seconds to wait; 0 if the request is allowed, and then it is counted."""
        if self._at is not None:
            self._left = min(self._full, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) / self.rate))


@dataclass(slots=True, eq=False)
class Exchange:
    """A request, its record in the log, and its handler.

    ``form`` are the fields of a form of ai-client, ``multipart`` the form of a service that takes files.
    """

    request: web.Request
    call: Call
    fate: Fate
    form: Mapping[str, str]
    released: asyncio.Event
    do: Callable[[web.Request], Awaitable[web.Response]]
    multipart: Form | None = None

    async def proceed(self) -> web.Response:
        """Carry out the request as a healthy service does, and record whether it was accepted."""
        response = await self.do(self.request)
        refused = self.request.get(REFUSED, False)
        self.call.accepted = response.status < 400 and not refused
        return response


EXCHANGE = web.RequestKey("exchange", Exchange)
REFUSED = web.RequestKey("refused", bool)
"""Set by a service that refuses with status 200."""
