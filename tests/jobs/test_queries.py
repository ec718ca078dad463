"""No query in a loop: many requests, images or jobs take as many statements as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress
from storage.jobs import JobFilter
from storage.records import SubmissionStatus
from tests.jobs.conftest import ADA, Workshop

PLENTY = 6


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Count the statements to any database meanwhile, by kind and table."""
    found: Counter[str] = Counter()

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        named = re.search(r"(?:INTO|UPDATE|FROM) (\w+)", statement)
        found[f"{statement.split(maxsplit=1)[0]} {named[1] if named else ''}"] += 1

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def counted(ask: Callable[[], Awaitable[object]]) -> Counter[str]:
    with statements() as found:
        await ask()
    assert found
    return found


async def again(workshop: Workshop, parent: int) -> int:
    plan = workshop.service.check(ADA, ImagineOptions(prompt="a child"))
    card = CardAddress(ADA.channel_id, 1000, "token", workshop.clock.now() + 900_000)
    return await workshop.service.imagine(ADA, plan, card, parent_id=parent)


async def test_writing_many_requests_takes_as_many_statements_as_one(workshop: Workshop) -> None:
    await workshop.imagine(prompt="opens the thread")
    choices = ", ".join(f"c{number}" for number in range(PLENTY))
    one = await counted(lambda: workshop.imagine(prompt="a red car"))
    many = await counted(lambda: workshop.imagine(prompt=f"a {{{choices}}} car"))
    assert many == one
    assert len((await workshop.view(3)).submissions) == PLENTY


async def test_cancelling_many_requests_takes_as_many_statements_as_one(workshop: Workshop) -> None:
    choices = ", ".join(f"c{number}" for number in range(PLENTY))
    single, several = await workshop.imagine(prompt="a car"), await workshop.imagine(prompt=f"a {{{choices}}} car")
    one = await counted(lambda: workshop.jobs.cancel(single))
    many = await counted(lambda: workshop.jobs.cancel(several))
    assert many == one
    statuses = [each.record.status for each in (await workshop.view(several)).submissions]
    assert statuses == [SubmissionStatus.CANCELLED] * PLENTY


@pytest.mark.parametrize("images", [1, 4])
async def test_images_are_recorded_together(workshop: Workshop, images: int) -> None:
    await workshop.imagine(images=images)
    found = await counted(workshop.finish)
    assert found["INSERT images"] == 1


async def test_reading_a_page_of_jobs_takes_as_many_statements_as_one_job(workshop: Workshop) -> None:
    await workshop.imagine()
    await workshop.finish()
    await workshop.results.page(ADA, JobFilter())
    one = await counted(lambda: workshop.results.page(ADA, JobFilter()))
    for _ in range(2):
        await workshop.imagine(images=2)
    await workshop.finish()
    await workshop.results.page(ADA, JobFilter())
    many = await counted(lambda: workshop.results.page(ADA, JobFilter()))
    assert many == one


async def test_related_jobs_are_read_together(workshop: Workshop) -> None:
    parent = await workshop.imagine()
    await again(workshop, parent)
    one = await counted(lambda: workshop.results.detailed(ADA, parent))
    for _ in range(3):
        await again(workshop, parent)
    assert await counted(lambda: workshop.results.detailed(ADA, parent)) == one
    assert len((await workshop.results.detailed(ADA, parent)).children) == 4
