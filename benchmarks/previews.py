"""The processor time of live previews: edits of cards with the unfinished image, beside its upload."""

from __future__ import annotations

import asyncio
import statistics
import time

import aiohttp

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Trace
from benchmarks.kinds import Kind
from benchmarks.process_usage import cpu_seconds
from benchmarks.services import preview

SERVERS = 12
SETTLED = 2.0
"""Seconds for which the idle bot is measured."""
UPLOADS = 20


async def previews(size: int, seconds: float, rounds: int, seed: int) -> list[Figure]:
    """Measure cards with previews of ``size`` bytes, and without, while jobs of ``seconds`` run on four servers."""
    with_previews, without = [], []
    upload = 0.0
    for each in range(rounds):
        # Processor time is measured, so they may run side by side.
        (taken, upload), (plain, _) = await asyncio.gather(
            _round(size, seconds, seed + each), _round(0, seconds, seed + each)
        )
        with_previews.append(taken)
        without.append(plain)
    named = f"an edit with a preview of {size // 1000} kB"
    return [
        figure("previews", f"{named}, processor time", "ms", with_previews),
        figure("previews", "an edit with a percentage only, processor time", "ms", without),
        figure("previews", f"the upload of {size // 1000} kB alone, processor time", "ms", [upload]),
        figure("previews", f"{named}, beside its upload", "ms", [each - upload for each in with_previews], "≤ 5"),
    ]


async def _round(size: int, seconds: float, seed: int) -> tuple[float, float]:
    """Milliseconds of the bot's processor time for each edit, and of an upload of this size."""
    conditions = Conditions(seconds=(seconds, seconds), seed=seed, kind=Kind.A1111, servers=SERVERS, preview=size)
    async with Harness(conditions) as harness:
        await harness.start()
        await harness.at_work()
        await harness.warm_up()
        await harness.until_shown(1)
        idle = await _used(harness, SETTLED)
        traces = [await harness.imagine(user, f"a mill, number {user}") for user in range(SERVERS)]
        await harness.until_acknowledged(traces)
        # The first edits of a job and its result are not measured.
        await asyncio.sleep(seconds / 4)
        before = _edits(traces)
        used = await _used(harness, seconds / 2)
        edits = _edits(traces) - before
        upload = await _upload(harness, size, seed)
    return 1000 * (used - idle * seconds / 2 / SETTLED) / max(1, edits), upload


def _edits(traces: list[Trace]) -> int:
    return sum(trace.edits for trace in traces)


async def _used(harness: Harness, seconds: float) -> float:
    """The bot's processor time in the next seconds."""
    before = cpu_seconds(harness.bot.pid)
    await asyncio.sleep(seconds)
    return cpu_seconds(harness.bot.pid) - before


async def _upload(harness: Harness, size: int, seed: int) -> float:
    """Milliseconds of processor time that the library needs to send a form with a file of this size."""
    data, taken = preview(size, seed), []
    for _ in range(UPLOADS if size else 0):
        form = aiohttp.FormData()
        form.add_field("image", data, filename="preview.png", content_type="image/png")
        before = time.thread_time()
        async with harness.http.post(f"{harness.services}/comfyui/upload/image", data=form) as answer:
            await answer.read()
        taken.append(1000 * (time.thread_time() - before))
    return statistics.median(taken) if taken else 0.0
