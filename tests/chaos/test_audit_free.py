"""The audit of a chaos run detects violations by the free services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.jobs.submission import MOST_FREE_SENDINGS
from chaos.engines import FREE, Free, of_engine
from fakes.services import Bill, Call
from fakes.services.call_log import Json
from tests.chaos.test_audit import Story, prompt, wrong

A1111, COMFYUI = FREE[Free.A1111], FREE[Free.COMFYUI]


class FreeStory(Story):
    """The successful run, with two more commands, for A1111 (the fourth) and for ComfyUI (the fifth)."""

    def __init__(self) -> None:
        super().__init__()
        for service in (A1111, COMFYUI):
            self.ask(service.engine)
            number = len(self.asks)
            self.send(number)
            self.books.of[number].ended.append("done")
            self.say(self.asks[-1].handle.interaction.original, picture=number)
        self.jobs = len(self.asks)

    def send(self, number: int) -> Call:
        service = of_engine(self.asks[number - 1].engine)
        assert service is not None
        body: Json = {"prompt": prompt(number)}
        self.calls.append(Call(len(self.calls), service.make, "POST", "/", body, {}, accepted=True, status=200))
        return self.calls[-1]


def sent_too_often(story: FreeStory) -> None:
    for _ in range(MOST_FREE_SENDINGS):
        story.send(4)


def booked(story: FreeStory) -> None:
    story.books.of[4].captured = 1


def billed(story: FreeStory) -> None:
    story.bills.append(Bill("a1111", A1111.engine, 1, 1, "x", prompt(4), 0))


def half_made(story: FreeStory) -> None:
    story.unfinished.update(call.number for call in story.calls if call.route == A1111.make)


def nobody_asked(story: FreeStory) -> None:
    call = story.send(5)
    story.calls[-1] = replace(call, body={"prompt": prompt(9)})


def lost(story: FreeStory) -> None:
    original = story.asks[4].handle.interaction.original
    assert original is not None
    original.history.pop()


def shown_twice(story: FreeStory) -> None:
    story.say(story.message(), picture=5)


def test_a_successful_run_passes() -> None:
    assert wrong(FreeStory().told()) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (sent_too_often, "free requests above the limit a submission"),
        (booked, "free requests that were charged"),
        (billed, "free requests that were charged"),
        (half_made, "images of a stopped server that were shown"),
        (nobody_asked, "requests that nobody asked for"),
        (lost, "lost"),
        (shown_twice, "shown twice"),
    ],
)
def test_every_violation_is_detected(spoil: Callable[[FreeStory], None], words: str) -> None:
    story = FreeStory()
    spoil(story)
    assert words in wrong(story.told())


def test_a_lost_answer_may_be_asked_for_again() -> None:
    story = FreeStory()
    for _ in range(MOST_FREE_SENDINGS - 1):
        story.send(4)
    # Each image of ComfyUI is a request of its own.
    story.asks[4].images = 2
    for _ in range(2 * MOST_FREE_SENDINGS - 1):
        story.send(5)
    assert wrong(story.told()) == []


def test_what_was_stopped_once_may_be_made_again() -> None:
    story = FreeStory()
    half_made(story)
    story.send(4)
    assert wrong(story.told()) == []
