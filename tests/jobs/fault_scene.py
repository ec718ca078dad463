"""The scene for faults: the real adapters, and a job's visible outcome."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress
from bot.jobs.view import JobView
from bot.providers.ai_client import AiClient
from bot.providers.aithriving import Aithriving
from bot.providers.base import Provider
from bot.providers.credentials import Credentials
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from bot.text import credits_text
from bot.ui.cards.job import NOT_CHARGED, failure_card, result_card
from fakes.services import StandIn
from tests.doubles.texts import shows
from tests.jobs.conftest import ADA, Workshop
from tests.jobs.fault_table import CAP, DONE, Case, Row, Says
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
        service = Service("ai-client", f"{url}/api/v1", credentials=Credentials.key(SECRET, "Bearer"))
        return AiClient(service, Downloads(service, pause=0, largest=CAP), patience=120)
    return Aithriving(Service("AI Thriving", url, credentials=Credentials.key(SECRET)), largest=CAP)


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


@dataclass(frozen=True)
class FaultScene:
    """Plays a row of the table, and compares everything that it says."""

    stand_in: StandIn
    open_workshop: OpenWorkshop
    pass_time: Callable[[float], None]
    monkeypatch: pytest.MonkeyPatch
    caplog: pytest.LogCaptureFixture
    folder: Path

    async def plays(
        self,
        row: Row,
        case: Case,
        engine: str,
        *,
        routes: Mapping[str, str],
        price: int,
        options: Callable[[Workshop], Awaitable[dict[str, Any]]] | None = None,
    ) -> None:
        """Run one job with the fault. ``price`` is of one image; ``options`` returns further options of the command."""
        stand_in, caplog = self.stand_in, self.caplog
        caplog.set_level(logging.INFO)
        self.monkeypatch.setattr("bot.providers.http.CONNECT_SECONDS", 0.01 if row.where == "deaf" else 10)
        fault = case.fault(routes[case.at], self.pass_time, stand_in.url)
        if fault is not None:
            stand_in.misbehave(fault)
        with dead_address(row.where) as dead:
            workshop: Workshop = await self.open_workshop(
                provider_at(stand_in.url if row.where == "up" else dead, engine)
            )
            further = {} if options is None else await options(workshop)
            began = workshop.clock.now()
            job_id = await ask(workshop, engine, images=case.images, **further)
            await workshop.finish()

        view = await workshop.view(job_id)
        card, records = card_of(view), [submission.record for submission in view.submissions]
        # What the user reads, and that it was shown.
        assert workshop.delivered == [job_id]
        assert case.status in {record.status for record in records}
        if isinstance(case.says, Says):
            assert shows(card, case.says.message)
            assert case.says.words in card
        elif case.says is not None:
            assert shows(card, case.says)
        # What is charged, to whom.
        totals = await workshop.totals()
        assert totals.in_flight == 0
        assert totals.spent == (view.captured or 0) == case.charged * price
        assert stand_in.charged == case.billed * price
        assert (credits_text(totals.spent) if case.charged else str(NOT_CHARGED)) in card
        assert len(view.images) == (1 if case.status is DONE else 0)
        # Whether it is retried, and when.
        assert len(stand_in.calls_to(routes["paid"])) == case.calls
        assert workshop.clock.now() - began >= case.seconds * 1000
        # What is logged, and what must be neither in the log nor in the database.
        assert set(case.logs) <= logged(caplog)
        if case.status is DONE and not case.logs:
            assert all(record.levelno == logging.INFO for record in caplog.records)
        keeps_quiet(caplog.text)
        dump = await asyncio.to_thread(stored, self.folder / "0.db")
        assert SECRET not in dump
        assert TOKEN not in dump
