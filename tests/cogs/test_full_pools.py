"""The rest of the bot works while all threads for images and files are busy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.health import HEARTBEAT, beating
from storage.pools import FILES_AT_ONCE, PICTURES_AT_ONCE, Pools
from tests.cogs.conftest import Studio, card

MORE = 60
"""The number of queued tasks behind the busy threads: more than the threads of any default executor."""


@pytest.fixture
async def full(studio: Studio) -> AsyncIterator[Pools]:
    """The bot's pools. All their threads wait until the end of the test, and each pool has a queue."""
    pools, over = studio.runtime.files.pools, threading.Event()
    works = [
        asyncio.ensure_future(pool.run(over.wait))
        for pool in (pools.files, pools.pictures)
        for _ in range(FILES_AT_ONCE + MORE)
    ]
    await asyncio.sleep(0)
    yield pools
    assert not any(work.done() for work in works)
    over.set()
    await asyncio.gather(*works)


async def test_a_host_name_is_resolved(full: Pools) -> None:
    assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)


async def test_the_heartbeat_continues(full: Pools, tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT
    loop = asyncio.get_running_loop()
    async with beating(tmp_path, pulse=0):
        while not await loop.run_in_executor(None, path.exists):
            await asyncio.sleep(0)


async def test_commands_are_answered(studio: Studio, full: Pools) -> None:
    assert "/imagine" in card(await studio.ada.slash(studio.channel, "help")).text


async def test_commands_that_read_the_database_are_answered(studio: Studio, full: Pools) -> None:
    assert "Your history" in card(await studio.ada.slash(studio.channel, "history")).text


async def test_neither_pool_waits_for_the_other(pools: Pools) -> None:
    over = threading.Event()
    decoding = [asyncio.ensure_future(pools.pictures.run(over.wait)) for _ in range(MORE)]
    await asyncio.sleep(0)
    assert await pools.files.run(len, "file") == 4
    assert not any(work.done() for work in decoding)
    over.set()
    await asyncio.gather(*decoding)


async def test_concurrent_decoding_is_limited_to_the_number_of_threads(pools: Pools) -> None:
    """This limits the memory, as all decoding shares these threads."""
    meet, taken = threading.Barrier(PICTURES_AT_ONCE), set()

    def decode() -> None:
        meet.wait()
        taken.add(threading.current_thread())

    await asyncio.gather(*(pools.pictures.run(decode) for _ in range(MORE)))
    assert len(taken) == PICTURES_AT_ONCE
