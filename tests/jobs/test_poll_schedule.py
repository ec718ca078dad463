"""What a service says about its queue and its time, and what it pushes, moves the next poll."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bot.jobs.poll_schedule import EARLY_AT_MOST, EARLY_GAP
from bot.providers.base import Waiting
from tests.jobs.poll_ages import Post


async def test_a_remaining_time_outweighs_the_past() -> None:
    post = Post()
    ages = await post.follow(post.schedule(sent_ago=9), until=40, says=lambda age: Waiting(seconds_left=40 - age))
    assert len([age for age in ages if 12 < age < 25]) <= 4
    assert [age for age in ages if 39 < age < 40.5]


async def test_a_remaining_time_that_never_changes_is_not_polled_without_end() -> None:
    post = Post()
    ages = await post.follow(post.schedule(), until=300, says=lambda _: Waiting(seconds_left=1))
    assert len(ages) < 150


async def test_in_the_services_queue_a_job_counts_as_just_sent() -> None:
    post = Post()
    ages = await post.follow(post.schedule(), until=90, says=lambda age: Waiting(place=2 if age < 30 else None))
    assert all(b - a > 5 for a, b in pairwise(age for age in ages if age < 30))
    # It has left the queue between two polls, so it may end soon after the second one.
    left, *later = (age for age in ages if age >= 30)
    assert later[0] - left < 3


async def test_the_time_in_the_queue_is_not_learnt() -> None:
    post = Post(durations=[])
    schedule = post.schedule()
    ages = await post.follow(schedule, until=45, says=lambda age: Waiting(place=1 if age < 30 else None))
    queued = max(age for age in ages if age < 30)
    schedule.learn(45.0)
    assert post.model.distribution().usual < 45 - queued + 3


async def test_the_percentage_of_a_service_that_tells_the_time_says_nothing_about_the_end() -> None:
    """The AI Horde counts an image that is being made as half, and its remaining time may be 0 too early."""

    async def ages(percent: int | None) -> list[float]:
        post = Post()
        return await post.follow(
            post.schedule(sent_ago=9),
            until=13,
            says=lambda age: Waiting(percent=percent, seconds_left=1 if age < 10 else None),
        )

    assert await ages(50) == await ages(None)


@pytest.mark.parametrize("percent", [0, 100, 250])
async def test_a_percentage_without_information_changes_nothing(percent: int) -> None:
    plain = await (post := Post()).follow(post.schedule(), until=13)
    post = Post()
    assert await post.follow(post.schedule(), until=13, says=lambda _: Waiting(percent=percent)) == plain


async def test_a_push_makes_the_next_poll_earlier() -> None:
    post, pushed = Post(), asyncio.Event()

    async def push() -> None:
        await post.clock.sleep(3)
        pushed.set()

    await post.clock.run(post.follow_until(post.schedule(pushed=pushed), 3), push())
    assert post.ages == [3]
    assert not pushed.is_set()


async def test_pushes_without_end_cost_few_polls() -> None:
    plain = await (post := Post()).follow(post.schedule(), until=13)
    post, pushed = Post(), asyncio.Event()

    async def push() -> None:
        while post.clock.seconds < 1013:
            pushed.set()
            await post.clock.sleep(0.01)

    await post.clock.run(post.follow_until(post.schedule(pushed=pushed), 13), push())
    assert len(post.ages) <= len(plain) + EARLY_AT_MOST
    assert all(b - a >= EARLY_GAP - 0.001 for a, b in pairwise(post.ages))
