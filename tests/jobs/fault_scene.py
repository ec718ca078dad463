"""The scene for faults: the real adapters, and a job's visible outcome."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress
from bot.jobs.view import JobView
from bot.providers.ai_client import AiClient
from bot.providers.aithriving import Aithriving
from bot.providers.base import Provider
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.ui.cards.job import failure_card, result_card
from tests.jobs.conftest import ADA, Workshop
from tests.jobs.fault_table import CAP
from tests.providers.workbench import BASIC, CORE, SECRET, XL

PROMPT = "a zebra-striped lighthouse of kraken bones"
TOKEN = "aW50ZXJhY3Rpb246c2VjcmV0"

ROUTES = {
    XL: {
        "paid": "ai-client.entry",
        "thread": "ai-client.thread",
        "poll": "ai-client.entries",
        "image": "ai-client.image",
        "*": "*",
    },
    BASIC: {"paid": "aithriving.basic", "*": "*"},
    CORE: {"paid": "aithriving.core", "*": "*"},
}
PRICES = {XL: 5000, BASIC: 900, CORE: 6000}
"""Millicredits for one image of 1024x1024 with 30 steps."""

OpenWorkshop = Callable[..., Awaitable[Workshop]]


@contextmanager
def dead_address(where: str) -> Iterator[str]:
    """An address where nobody listens (``closed``), or that never accepts a connection (``deaf``)."""
    with closing(socket.socket()) as door, closing(socket.socket()) as filler:
        door.bind(("127.0.0.1", 0))
        if where == "deaf":
            door.listen(0)
            filler.connect(door.getsockname())
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


def provider_at(url: str, engine: str) -> Provider:
    if engine == XL:
        service = Service("ai-client", f"{url}/api/v1", secret=SECRET, scheme="Bearer")
        return AiClient(service, Downloads(service, pause=0, largest=CAP), patience=120)
    return Aithriving(Service("AI Thriving", url, secret=SECRET), largest=CAP)


async def ask(workshop: Workshop, engine: str, **options: Any) -> int:
    plan = workshop.service.check(ADA, ImagineOptions(prompt=PROMPT, engine=engine, **options))
    card = CardAddress(ADA.channel_id, 1000, TOKEN, workshop.clock.now() + 900_000)
    return await workshop.service.imagine(ADA, plan, card)


def card_of(view: JobView) -> str:
    """All texts on the final card."""
    card = result_card(view, []) if view.images else failure_card(view)
    return json.dumps(card.to_components(), ensure_ascii=False)  # type: ignore[no-untyped-call]  # the library leaves it untyped


def logged(caplog: pytest.LogCaptureFixture) -> set[tuple[str, str]]:
    return {
        (record.msg["event"], record.levelname.lower()) for record in caplog.records if isinstance(record.msg, dict)
    }


def keeps_quiet(text: str) -> None:
    for secret in (SECRET, TOKEN, PROMPT, "kraken"):
        assert secret not in text


def stored(database: Path) -> str:
    """Everything in the database except the prompt."""
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump())
