"""Imports with the garbage collector off: the imported objects are not scanned later."""

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


def scanned(made: object) -> bool:
    """Whether the collector would scan the object."""
    return any(each is made for each in gc.get_objects())


def test_loaded_objects_are_frozen_and_the_collector_is_on_again() -> None:
    with uncollected():
        assert not gc.isenabled()
        loaded: list[list[int]] = [[]]
    assert gc.isenabled()
    assert not scanned(loaded)


def test_the_collector_is_on_again_if_loading_fails() -> None:
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


async def test_objects_created_by_a_start_are_frozen() -> None:
    ready = asyncio.Event()
    before: list[list[int]] = [[]]
    settling = asyncio.create_task(settle(ready.wait()))
    await asyncio.sleep(0)
    while_connecting: list[list[int]] = [[]]
    assert not scanned(before)
    ready.set()
    await settling
    assert not scanned(while_connecting)
