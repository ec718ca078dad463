"""Many changed cards: all of them are edited, but only a few concurrently."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from bot.ui.delivery.progress import EDITS_AT_ONCE, JobCards
from tests.doubles.clock import SkippingClock


async def test_a_thousand_cards_after_a_restart_do_not_delay_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = cast("Any", None)
    delivery = JobCards(
        jobs=nothing, files=nothing, clock=SkippingClock(), view=nothing, settings_of=nothing, notifier=nothing
    )
    begun: list[int] = []
    full, go_on = asyncio.Event(), asyncio.Event()
    done = 0

    async def show(job_id: int) -> None:
        nonlocal done
        begun.append(job_id)
        if len(begun) == EDITS_AT_ONCE:
            full.set()
        await go_on.wait()
        done += 1

    monkeypatch.setattr(delivery, "show", show)
    jobs = 1000
    for job_id in range(jobs):
        delivery.changed(job_id)
    running = asyncio.create_task(delivery.run())
    await full.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(begun) == EDITS_AT_ONCE
    go_on.set()
    while done < jobs:
        await asyncio.sleep(0)
    assert sorted(begun) == list(range(jobs))
    running.cancel()
