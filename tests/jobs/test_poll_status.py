"""What is made of a provider's answers to free calls, and of their failing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from bot.jobs.poll_status import DOUBTED_FOR, PAUSE, Hearing
from bot.providers.base import Busy, Refused, Unreachable, Waiting
from tests.doubles.clock import SkippingClock
from tests.doubles.provider import ScriptedProvider


@dataclass
class Pace:
    """A rate of which only the pauses matter."""

    paused: float | None = None

    def pause(self, seconds: float, *, polls: bool) -> None:
        assert polls, "what is to be sent does not wait for it"
        self.paused = seconds


@dataclass
class Ear:
    clock: SkippingClock
    pace: Pace
    hearing: Hearing


@pytest.fixture
def ear() -> Ear:
    clock, pace = SkippingClock(), Pace()
    return Ear(clock, pace, Hearing(ScriptedProvider(), pace, clock))  # type: ignore[arg-type]  # a part of a rate


def test_the_last_word_is_kept_with_its_time(ear: Ear) -> None:
    ear.clock.advance(5)
    assert ear.hearing.waiting(Waiting(percent=40))
    assert (ear.hearing.said, ear.hearing.said_at) == (Waiting(percent=40), ear.clock.monotonic())
    assert not ear.hearing.waiting(Waiting(percent=40))
    ear.hearing.failed(Unreachable("Away."))
    assert ear.hearing.said == Waiting(percent=40)


@pytest.mark.parametrize(("asked_for", "paused"), [(30.0, 30.0), (None, PAUSE)])
def test_a_busy_provider_is_given_its_pause(ear: Ear, asked_for: float | None, paused: float) -> None:
    ear.hearing.failed(Busy("Later.", retry_after=asked_for))
    assert ear.pace.paused == paused


def test_silence_is_enough_once_it_has_lasted_as_long_as_the_patience(ear: Ear) -> None:
    enough = [ear.hearing.enough]
    ear.hearing.failed(Unreachable("Away."))
    ear.clock.advance(ScriptedProvider.patience)
    ear.hearing.failed(Unreachable("Still away."))
    enough.append(ear.hearing.enough)
    ear.clock.advance(1)
    enough.append(ear.hearing.enough)
    assert enough == [True, False, True]
    assert ear.hearing.given_up(10).endswith("after 10 minutes, so we stopped asking for them. Still away.")
    ear.hearing.answered()
    assert "stopped waiting" in ear.hearing.given_up(10)


def test_a_doubt_counts_by_time_and_by_looks(ear: Ear) -> None:
    many = [ear.hearing.believes() for _ in range(100)]
    ear.clock.advance(DOUBTED_FOR - 1)
    many.append(ear.hearing.believes())
    assert not any(many), "a number of looks alone"
    assert not ear.hearing.enough
    ear.hearing.failed(Unreachable("Away."))
    ear.clock.advance(1)
    assert ear.hearing.believes()
    ear.hearing.answered()
    assert not ear.hearing.believes()
    ear.clock.advance(10 * DOUBTED_FOR)
    assert not ear.hearing.believes(), "time alone"


def test_the_operator_is_told_once_of_each_trouble(ear: Ear) -> None:
    wrong_key, no_credits = (Refused(text, operator=True) for text in ("The key is wrong.", "No credits."))
    with capture_logs() as lines:
        for error in (wrong_key, wrong_key, no_credits):
            ear.hearing.failed(error)
        ear.hearing.answered()
        ear.hearing.failed(no_credits)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == 3 * ["provider.needs_operator"]
