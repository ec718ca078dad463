"""When a bot took in each interaction and sent its first answer: recorded inside the measured process."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from discord.state import ConnectionState

_CALLBACK = re.compile(r"/interactions/([0-9]+)/[^/]+/callback$")


def note_answers(path: Path) -> None:
    """From now on, write lines to this file: ``in`` or ``out``, the id of the interaction, and Unix seconds.

    Call it before the client is created.
    """
    notes = path.open("a", encoding="ascii", buffering=1)
    take = ConnectionState.parse_interaction_create
    opened = aiohttp.ClientSession.__init__

    def taking(self: Any, data: Any) -> None:
        notes.write(f"in {data['id']} {time.time():.6f}\n")
        take(self, data)

    async def sent(_session: object, _context: SimpleNamespace, sent: aiohttp.TraceRequestHeadersSentParams) -> None:
        if (found := _CALLBACK.search(sent.url.raw_path)) is not None:
            notes.write(f"out {found[1]} {time.time():.6f}\n")

    def opening(self: Any, *given: Any, **named: Any) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(sent)
        opened(self, *given, **{**named, "trace_configs": [*(named.get("trace_configs") or ()), trace]})

    setattr(ConnectionState, "parse_interaction_create", taking)  # noqa: B010 - a method is replaced, for this process alone
    setattr(aiohttp.ClientSession, "__init__", opening)  # noqa: B010 - a method is replaced, for this process alone


def answer_times(path: Path) -> dict[int, tuple[float, float]]:
    """When each interaction was taken in and answered, in Unix seconds, by its id."""
    found: dict[str, dict[int, float]] = {"in": {}, "out": {}}
    for line in path.read_text(encoding="ascii").splitlines():
        what, interaction, at = line.split()
        found[what].setdefault(int(interaction), float(at))
    return {each: (at, found["out"][each]) for each, at in found["in"].items() if each in found["out"]}
