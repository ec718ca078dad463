"""A burst of commands: each is acknowledged before any is processed."""

from __future__ import annotations

import asyncio

from bot.ui.job_starter import CHECKED_PER_TURN, AckFirst


async def test_work_waits_until_all_commands_are_acknowledged() -> None:
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


async def test_the_wait_ends_after_the_timeout() -> None:
    ack_first = AckFirst(timeout=0)
    with ack_first.unacknowledged():
        await ack_first.wait()


async def test_a_single_command_does_not_wait() -> None:
    ack_first = AckFirst()
    with ack_first.unacknowledged():
        await ack_first.enter()
    await ack_first.wait()


async def test_a_failed_acknowledgement_delays_nobody() -> None:
    ack_first = AckFirst(timeout=60)
    try:
        with ack_first.unacknowledged():
            raise LookupError
    except LookupError:
        await ack_first.wait()


async def test_a_burst_is_let_in_over_several_turns_of_the_event_loop_in_order() -> None:
    ack_first, turn, seen = AckFirst(), 0, list[tuple[int, int]]()

    async def one(number: int) -> None:
        await ack_first.enter()
        seen.append((number, turn))

    tasks = [asyncio.create_task(one(number)) for number in range(5 * CHECKED_PER_TURN)]
    while len(seen) < len(tasks):
        await asyncio.sleep(0)
        turn += 1
    assert [number for number, _ in seen] == list(range(len(tasks)))
    turns = [at for _, at in seen]
    assert max(map(turns.count, turns)) <= CHECKED_PER_TURN
    assert turns[-1] - turns[0] < len(tasks) // 2, "others need not wait for a turn of each"


async def test_a_cancelled_command_lets_the_next_ones_in() -> None:
    ack_first = AckFirst()
    tasks = [asyncio.create_task(ack_first.enter()) for _ in range(3 * CHECKED_PER_TURN)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks[1::2]), timeout=60)
    assert all(task.cancelled() for task in tasks[::2])
    await asyncio.wait_for(ack_first.enter(), timeout=60)
