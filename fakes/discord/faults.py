"""Faults injected into requests: rate limits, errors, dropped connections, holds and kills, one line each in a test.

A fault matches requests by method and path (with ``*`` as in file names; the path without the API's base). It acts at
one of four moments: ``headers`` (the body has not been read), ``body`` (the first chunk has been read), ``before`` (the
request has been read and validated, but not carried out), ``after`` (it has been carried out, but not answered).
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from fakes.discord.changes import Changes
from fakes.discord.requests import Call, Reply


class Moment(StrEnum):
    HEADERS = "headers"
    BODY = "body"
    BEFORE = "before"
    AFTER = "after"


class Cut(Exception):
    """Raised to drop the connection without a response."""


@dataclass(eq=False)
class Fault:
    """Something that happens to requests. ``times`` is how many more requests it affects; None: all."""

    method: str
    pattern: str
    when: Moment
    times: int | None
    match: Callable[[Call], bool] | None
    act: Callable[[Call], Awaitable[Reply | None]]
    met: int = 0

    def fits(self, call: Call, moment: Moment) -> bool:
        return (
            moment is self.when
            and self.times != 0
            and fnmatchcase(call.method, self.method)
            and fnmatchcase(call.path, self.pattern)
            and (self.match is None or self.match(call))
        )

    def withdraw(self) -> None:
        """Affect no more requests."""
        self.times = 0


@dataclass(eq=False)
class Gate:
    """Requests that are held. They continue after ``release`` or end with ``drop``."""

    changes: Changes
    what: str
    calls: list[Call] = field(default_factory=list)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _dropped: bool = False

    async def reached(self, count: int = 1) -> Call:
        """Wait until ``count`` requests have been held, and return the latest."""
        await self.changes.until(lambda: len(self.calls) >= count, f"{self.what} to be reached")
        return self.calls[-1]

    def release(self) -> None:
        """Let the held requests continue, and hold no more."""
        self._opened.set()

    def drop(self) -> None:
        """Drop the connections of the held requests. A gate before execution prevents them from being carried out."""
        self._dropped = True
        self._opened.set()

    async def stop(self, call: Call) -> Reply | None:
        if self._opened.is_set() and not self._dropped:
            return None
        self.calls.append(call)
        self.changes.notify()
        await self._opened.wait()
        if self._dropped:
            raise Cut
        return None


class Faults:
    """The faults that have been placed."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._placed: list[Fault] = []

    async def at(self, moment: Moment, call: Call) -> Reply | None:
        """Apply the matching faults and return the first response that one of them gives. Raises Cut."""
        for fault in list(self._placed):
            if not fault.fits(call, moment):
                continue
            fault.met += 1
            if fault.times is not None:
                fault.times -= 1
            answer = await fault.act(call)
            if answer is not None:
                return answer
        return None

    def clear(self) -> None:
        """Remove all faults. Held requests stay held."""
        self._placed.clear()

    def place(
        self,
        method: str,
        pattern: str,
        act: Callable[[Call], Awaitable[Reply | None]],
        *,
        when: str = "before",
        times: int | None = 1,
        match: Callable[[Call], bool] | None = None,
    ) -> Fault:
        fault = Fault(method, pattern, Moment(when), times, match, act)
        self._placed.append(fault)
        return fault

    def hold(self, method: str, pattern: str, **place: Any) -> Gate:
        """Hold requests at a moment until the test releases them."""
        gate = Gate(self._changes, f"{method} {pattern}")
        self.place(method, pattern, gate.stop, **place)
        return gate

    def fail(
        self,
        method: str,
        pattern: str,
        *,
        status: int,
        code: int = 0,
        message: str = "placed by a test",
        headers: dict[str, str] | None = None,
        body: Any = None,
        **place: Any,
    ) -> Fault:
        """Respond with an error. With ``when="after"`` the request is carried out anyway."""

        async def act(call: Call) -> Reply:
            return Reply(status, body if body is not None else {"message": message, "code": code}, headers or {})

        return self.place(method, pattern, act, **place)

    def limit(
        self,
        method: str,
        pattern: str,
        *,
        retry_after: float = 0.0,
        scope: str = "user",
        via: bool = True,
        **place: Any,
    ) -> Fault:
        """Respond with 429. ``scope`` is user, shared or global; without ``via`` it looks like a ban by Cloudflare."""
        everywhere = scope == "global"
        headers = {"Retry-After": str(math.ceil(retry_after)), "X-RateLimit-Scope": scope}
        if via:
            headers["Via"] = "1.1 google"
        if everywhere:
            headers["X-RateLimit-Global"] = "true"
        else:
            headers |= {
                "X-RateLimit-Limit": "5",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset-After": f"{retry_after:.3f}",
            }
        body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": everywhere}
        return self.fail(method, pattern, status=429, headers=headers, body=body, **place)

    def cut(self, method: str, pattern: str, **place: Any) -> Fault:
        """Drop the connection without a response."""

        async def act(call: Call) -> Reply | None:
            raise Cut

        return self.place(method, pattern, act, **place)

    def at_request(self, method: str, pattern: str, action: Callable[[], Any], **place: Any) -> Fault:
        """Run ``action`` (a kill, a deletion, …) at that moment, then let the request continue."""

        async def act(call: Call) -> Reply | None:
            result = action()
            if inspect.isawaitable(result):
                await result
            return None

        return self.place(method, pattern, act, **place)
