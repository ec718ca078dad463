"""A burst of commands: each is acknowledged before any is processed."""

from __future__ import annotations

import asyncio

from bot.ui.job_starter import AckFirst


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
