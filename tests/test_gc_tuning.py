"""Loading modules with the garbage collector off."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from bot.gc_tuning import settle, uncollected


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_is_off_and_then_leaves_alone_what_was_loaded() -> None:
    before = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        loaded: list[list[int]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(loaded)


def test_it_is_on_again_when_loading_fails() -> None:
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


async def test_what_a_start_has_made_is_left_alone_before_and_after_it_is_ready() -> None:
    ready, counts = asyncio.Event(), [gc.get_freeze_count()]
    made: list[list[list[int]]] = [[[] for _ in range(2000)]]
    settling = asyncio.create_task(settle(ready.wait()))
    await asyncio.sleep(0)
    counts.append(gc.get_freeze_count())
    made.append([[] for _ in range(2000)])
    ready.set()
    await settling
    counts.append(gc.get_freeze_count())
    assert counts[1] - counts[0] >= 1000 <= counts[2] - counts[1]
