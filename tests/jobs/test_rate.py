"""A provider's rate limit always holds, and the most valuable request goes first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs.rate import POLLS_PAUSED_AT_MOST, Rate, at_once
from fakes.clock import VirtualClock


class Desk:
    """A queue of waiting requests, and the time of each one's turn."""

    def __init__(self, per_second: float = 10) -> None:
        self.clock = VirtualClock()
        self.rate = Rate(per_second, self.clock)
        self.turns: list[tuple[float, str]] = []

    async def ask(self, name: str, *, at: float = 0.0, worth: Callable[[], float] | None = None) -> None:
        if at:
            await self.clock.sleep(at)
        await self.rate.turn(worth)
        self.turns.append((round(self.clock.seconds, 6), name))

    @property
    def order(self) -> list[str]:
        return [name for _, name in self.turns]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.turns]


async def test_a_restart_does_not_begin_with_a_burst() -> None:
    desk = Desk()
    await desk.clock.run(*(desk.ask("a") for _ in range(5)))
    assert desk.times == [0, 0.1, 0.2, 0.3, 0.4]


async def test_two_requests_may_come_early_after_a_quiet_time_but_no_more() -> None:
    desk = Desk()
    await desk.clock.run(*(desk.ask("a", at=3600) for _ in range(6)))
    assert [round(at - 3600, 6) for at in desk.times] == [0, 0, 0, 0.1, 0.2, 0.3]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([0.5, 1.0, 2.5, 10.0, 300.0]),
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["call", "poll", "gives up"])), max_size=60),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3), st.booleans()), max_size=3),
)
def test_the_rate_holds_and_every_request_gets_its_turn(
    per_second: float, comers: list[tuple[float, str]], pauses: list[tuple[float, float, bool]]
) -> None:
    async def scene() -> Desk:
        desk = Desk(per_second)

        async def comes(at: float, name: str) -> None:
            poll = (lambda: desk.clock.seconds - at) if name == "poll" else None
            asking = asyncio.create_task(desk.ask(name, at=at, worth=poll))
            if name == "gives up":
                await desk.clock.sleep(at + 0.3)
                asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

        async def pause(at: float, seconds: float, polls: bool) -> None:
            await desk.clock.sleep(at)
            desk.rate.pause(seconds, polls=polls)

        await desk.clock.run(*(comes(*comer) for comer in comers), *(pause(*each) for each in pauses))
        return desk

    desk = asyncio.run(scene())
    stayed = sum(name != "gives up" for _, name in comers)
    assert sum(name != "gives up" for name in desk.order) == stayed
    for at, seconds, polls in pauses:
        held = [turn for turn, name in desk.turns if (name == "poll") is polls]
        assert not [turn for turn in held if at + 1e-5 < turn < at + seconds - 1e-5]
    lot = max(1, int(per_second))
    for first, last in zip(desk.times, desk.times[lot:], strict=False):
        assert last - first >= lot / per_second - 1e-5


@pytest.mark.parametrize("worth", [None, lambda: 1.0], ids=["calls", "polls"])
async def test_a_pause_holds_all_requests_of_its_kind_and_ends_without_a_burst(
    worth: Callable[[], float] | None,
) -> None:
    desk = Desk()
    desk.rate.pause(30, polls=worth is not None)
    await desk.clock.run(*(desk.ask("a", worth=worth) for _ in range(3)))
    assert desk.times == [30, 30.1, 30.2]


@pytest.mark.parametrize("polls", [True, False])
async def test_a_pause_of_one_kind_does_not_hold_the_other(polls: bool) -> None:
    desk = Desk()

    async def pause() -> None:
        await desk.clock.sleep(0.05)
        desk.rate.pause(3600, polls=polls)

    calls = [desk.ask("call") for _ in range(3)]
    asking = [desk.ask("poll", worth=lambda: 1.0) for _ in range(3)]
    await desk.clock.run(*calls, *asking, pause())
    free = [at for at, name in desk.turns if (name == "poll") is not polls]
    assert free == pytest.approx([free[0] + 0.1 * number for number in range(3)], abs=0.11)
    assert max(free) < 1


async def test_polls_are_paused_briefly_and_submits_as_long_as_requested() -> None:
    desk = Desk()
    desk.rate.pause(3600, polls=True)
    desk.rate.pause(3600, polls=False)
    looks = [desk.ask("look", worth=at_once), desk.ask("poll", worth=lambda: 5.0), desk.ask("call")]
    await desk.clock.run(*looks)
    assert desk.turns == [
        (POLLS_PAUSED_AT_MOST, "look"),
        (POLLS_PAUSED_AT_MOST + 0.1, "poll"),
        (3600, "call"),
    ]


async def test_a_pause_holds_requests_that_already_wait() -> None:
    desk = Desk()

    async def pause() -> None:
        await desk.clock.sleep(0.15)
        desk.rate.pause(10, polls=False)

    await desk.clock.run(*(desk.ask("a") for _ in range(4)), pause())
    assert desk.times == [0, 0.1, 10.15, 10.25]


async def test_the_most_valuable_request_at_the_time_goes_first() -> None:
    desk = Desk()
    worths = {"late": lambda: desk.clock.seconds * 100, "low": lambda: 1.0, "high": lambda: 5.0, "mid": lambda: 3.0}
    await desk.clock.run(desk.ask("first"), *(desk.ask(name, worth=worth) for name, worth in worths.items()))
    # At first "late" is worth nothing; its value is computed again after a quarter of a second.
    assert desk.order == ["first", "high", "mid", "late", "low"]


async def test_polls_and_other_requests_alternate() -> None:
    desk = Desk()
    polls = [desk.ask(f"poll {number}", worth=lambda: 100.0) for number in range(4)]
    calls = [desk.ask(f"call {number}") for number in range(4)]
    await desk.clock.run(*polls, *calls)
    kinds = [name.partition(" ")[0] for name in desk.order]
    assert all(a != b for a, b in pairwise(kinds))
    assert [name for name in desk.order if name.startswith("call")] == [f"call {number}" for number in range(4)]


async def test_a_cancelled_request_hands_the_timer_to_another() -> None:
    desk = Desk()
    tasks = [asyncio.create_task(desk.ask(str(number))) for number in range(4)]

    async def leave() -> None:
        await desk.clock.sleep(0.05)
        tasks[1].cancel()

    async def stay(task: asyncio.Task[None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await task

    await desk.clock.run(leave(), *(stay(task) for task in tasks))
    assert desk.turns == [(0, "0"), (0.1, "2"), (0.2, "3")]


def test_the_crowd_is_the_open_jobs_per_request_a_second() -> None:
    desk = Desk(4)
    desk.rate.watched = 10
    assert desk.rate.crowd == 2.5


async def test_polls_that_are_counted_separately_do_not_wait_for_other_calls() -> None:
    desk = Desk(1)
    desk.rate = Rate(1, desk.clock, polls_per_second=10)

    async def poll() -> None:
        await desk.rate.polls.turn(lambda: 1.0)
        desk.turns.append((round(desk.clock.seconds, 6), "poll"))

    await desk.clock.run(*(desk.ask("call") for _ in range(3)), *(poll() for _ in range(3)))
    assert [at for at, name in desk.turns if name == "poll"] == [0, 0.1, 0.2]
    assert [at for at, name in desk.turns if name == "call"] == [0, 1, 2]


async def test_without_a_rate_of_their_own_polls_share_the_rate() -> None:
    rate = Rate(1, VirtualClock())
    assert rate.polls is rate
