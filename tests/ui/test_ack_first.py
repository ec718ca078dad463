"""A rush of commands: answers before work, one after the other."""

from __future__ import annotations

import asyncio

from bot.ui.ack_first import Rush


async def test_work_waits_until_all_are_answered() -> None:
    rush, seen, answers = Rush(patience=60), list[str](), [asyncio.Event() for _ in range(5)]

    async def one(answer: asyncio.Event) -> None:
        with rush.unanswered():
            await answer.wait()
            seen.append("answered")
        await rush.calm()
        seen.append("worked on")

    tasks = [asyncio.create_task(one(answer)) for answer in answers]
    for answer in reversed(answers):
        for _ in range(5):
            await asyncio.sleep(0)
        answer.set()
    await asyncio.gather(*tasks)
    assert seen == ["answered"] * 5 + ["worked on"] * 5


async def test_it_waits_no_longer_than_its_patience() -> None:
    rush = Rush(patience=0)
    with rush.unanswered():
        await rush.calm()


async def test_who_is_alone_does_not_wait() -> None:
    rush = Rush()
    with rush.unanswered():
        await rush.turn()
    await rush.calm()


async def test_an_answer_that_fails_holds_up_nobody() -> None:
    rush = Rush(patience=60)
    try:
        with rush.unanswered():
            raise LookupError
    except LookupError:
        await rush.calm()
