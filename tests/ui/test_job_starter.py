"""A burst of commands: each is acknowledged before any is processed."""

from __future__ import annotations

import asyncio

from bot.ui.job_starter import AckFirst


async def test_the_loop_goes_round_between_two_turns() -> None:
    ack_first, seen = AckFirst(), list[str]()

    async def other() -> None:
        while seen.count("turn") < 20:
            seen.append("other")
            await asyncio.sleep(0)

    async def one() -> None:
        await ack_first.enter()
        seen.append("turn")

    await asyncio.gather(*(one() for _ in range(20)), other())
    first = seen.index("turn")
    assert "turn turn" not in " ".join(seen[first:])


async def test_work_waits_until_all_are_answered() -> None:
    ack_first, seen, answers = AckFirst(timeout=60), list[str](), [asyncio.Event() for _ in range(5)]

    async def one(answer: asyncio.Event) -> None:
        with ack_first.unacknowledged():
            await answer.wait()
            seen.append("answered")
        await ack_first.wait()
        seen.append("worked on")

    tasks = [asyncio.create_task(one(answer)) for answer in answers]
    for answer in reversed(answers):
        for _ in range(5):
            await asyncio.sleep(0)
        answer.set()
    await asyncio.gather(*tasks)
    assert seen == ["answered"] * 5 + ["worked on"] * 5


async def test_all_who_waited_begin_their_work_one_a_turn_of_the_loop() -> None:
    ack_first, seen = AckFirst(timeout=60), list[str]()

    async def one() -> None:
        await ack_first.wait()
        seen.append("work")

    with ack_first.unacknowledged():
        tasks = [asyncio.create_task(one()) for _ in range(20)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not seen
    while seen.count("work") < 20:
        seen.append("other")
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert "work work" not in " ".join(seen)


async def test_it_waits_no_longer_than_its_patience() -> None:
    ack_first = AckFirst(timeout=0)
    with ack_first.unacknowledged():
        await ack_first.wait()


async def test_who_is_alone_does_not_wait() -> None:
    ack_first = AckFirst()
    with ack_first.unacknowledged():
        await ack_first.enter()
    await ack_first.wait()


async def test_an_answer_that_fails_holds_up_nobody() -> None:
    ack_first = AckFirst(timeout=60)
    try:
        with ack_first.unacknowledged():
            raise LookupError
    except LookupError:
        await ack_first.wait()
