"""Requests are spaced evenly."""

from __future__ import annotations

import asyncio

from bot.generation.rate import Rate
from tests.doubles.clock import SkippingClock


async def test_a_burst_is_spread_over_time() -> None:
    clock = SkippingClock()
    rate = Rate(10, clock)
    began = clock.now()
    times: list[int] = []

    async def ask() -> None:
        await rate.turn()
        times.append(clock.now() - began)

    await asyncio.gather(*(ask() for _ in range(5)))
    assert times == [0, 100, 200, 300, 400]


async def test_an_idle_hour_saves_nothing_up() -> None:
    clock = SkippingClock()
    rate = Rate(10, clock)
    await rate.turn()
    clock.advance(3600)
    began = clock.now()
    await rate.turn()
    await rate.turn()
    assert clock.now() - began == 100


async def test_a_pause_holds_everybody() -> None:
    clock = SkippingClock()
    rate = Rate(10, clock)
    rate.pause(30)
    began = clock.now()
    await rate.turn()
    assert clock.now() - began == 30_000
