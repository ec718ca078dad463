"""A provider that fails again and again is rested: new jobs are told, queued ones wait, one shows how things are."""

from __future__ import annotations

import asyncio

import pytest

from bot.display.job_cards import waiting_card
from bot.errors import UserError
from bot.generation.circuit_breaker import FAILURES, LONGEST, SHORTEST, CircuitBreaker, Outage, refuse_outages
from bot.providers.base import Busy, Cause, Failed, OutcomeUnknown, ProviderError, Refused, Unreachable
from storage.jobs import SubmissionStatus
from tests.doubles.clock import SkippingClock
from tests.doubles.engines import BASIC, ENGINES, XL
from tests.doubles.provider import ScriptedProvider
from tests.generation.conftest import ADA, BEN, MakeWorkshop, Workshop

DOWN: tuple[ProviderError, ...] = (
    Unreachable("Nobody listens."),
    Refused("The key is wrong.", operator=True),
    Refused("It is broken.", fault=True),
)
NOBODYS_FAULT: tuple[ProviderError, ...] = (Refused("The words were filtered."), Busy("Later.", retry_after=300))


class Bench:
    """One provider's circuit breaker, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = SkippingClock()
        self.woken = 0
        self.breaker = CircuitBreaker("easel", "Easel", self.clock, self._awake)

    def _awake(self) -> None:
        self.woken += 1

    def fail(self, *ids: int) -> None:
        for id_ in ids:
            self.breaker.record_start(id_)
            self.breaker.record_failure(id_, "It is down.")

    def seconds(self) -> float | None:
        """How long it is out still."""
        outage = self.breaker.outage
        return None if outage is None else outage.seconds

    def allows(self) -> bool:
        return self.breaker.allows


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("error", DOWN, ids=lambda error: error.message)
def test_it_rests_after_some_failures_in_a_row(bench: Bench, error: ProviderError) -> None:
    for id_ in range(FAILURES):
        assert bench.allows()
        bench.breaker.record_error(id_, error)
    assert not bench.allows()
    until = bench.clock.now() + int(SHORTEST * 1000)
    assert bench.breaker.outage == Outage("easel", "Easel", SHORTEST, until, FAILURES, error.cause)


@pytest.mark.parametrize("error", NOBODYS_FAULT, ids=lambda error: error.message)
def test_what_one_person_did_and_a_request_to_wait_are_no_failures(bench: Bench, error: ProviderError) -> None:
    for id_ in range(100):
        bench.breaker.record_error(id_, error)
    assert bench.allows()


def test_a_success_in_between_starts_the_count_anew(bench: Bench) -> None:
    bench.fail(*range(FAILURES - 1))
    bench.breaker.record_success(50)
    bench.fail(*range(FAILURES - 1))
    assert bench.allows()


def test_being_taken_is_no_success(bench: Bench) -> None:
    for id_ in range(FAILURES):
        bench.breaker.record_accepted(id_)
        bench.breaker.record_failure(id_, "Nothing came of it.")
    assert bench.breaker.outage is not None


def test_each_rest_is_twice_as_long_up_to_the_longest(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    lengths = []
    for id_ in range(100, 108):
        seconds = bench.seconds()
        assert seconds is not None
        lengths.append(seconds)
        bench.clock.advance(seconds)
        bench.fail(id_)
    assert lengths == [30, 60, 120, 240, 480, 600, 600, 600]
    assert lengths[-1] == LONGEST


def test_one_alone_is_sent_when_the_rest_is_over(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    assert bench.breaker.outage is None
    assert bench.allows()
    bench.breaker.record_start(100)
    assert not bench.allows()
    bench.breaker.record_accepted(100)
    assert bench.allows()
    assert bench.woken == 1


def test_what_was_sent_before_a_rest_says_nothing_of_it(bench: Bench) -> None:
    for id_ in (90, 91):
        bench.breaker.record_start(id_)
    bench.fail(*range(FAILURES))
    seconds = bench.seconds()
    bench.breaker.record_failure(90, "It is down.")
    bench.breaker.record_success(91)
    assert bench.seconds() == seconds


def test_a_failure_soon_after_a_rest_is_enough_for_a_longer_one(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    bench.breaker.record_start(100)
    bench.breaker.record_accepted(100)
    bench.breaker.record_failure(100, "Nothing came of it.")
    assert bench.seconds() == 2 * SHORTEST


def test_after_a_success_the_next_rest_is_short_again(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    bench.breaker.record_start(100)
    bench.breaker.record_success(100)
    bench.fail(*range(FAILURES))
    assert bench.seconds() == SHORTEST


def test_one_that_shows_nothing_makes_room_for_another(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    bench.breaker.record_start(100)
    bench.breaker.record_end(100)
    assert bench.allows()
    assert bench.woken == 1


@pytest.mark.parametrize(("left", "told"), [(30, "30 seconds"), (0.2, "a second"), (100, "2 minutes")])
def test_the_refusal_says_for_how_long_and_what_else_there_is(left: float, told: str) -> None:
    outage = Outage("easel", "Easel", left, 10**12, 3, "It is down.")
    with pytest.raises(UserError) as refused:
        refuse_outages([XL.id], [outage], ENGINES)
    assert f"Easel fails again and again at the moment, so nothing is sent to it for {told}." in str(refused.value)
    assert BASIC.id in str(refused.value)
    assert XL.id not in str(refused.value)
    refuse_outages([BASIC.id], [outage], ENGINES)


# --- in the worker ------------------------------------------------------------------------------------------------


async def test_new_jobs_are_told_and_queued_ones_wait_for_one_to_go_ahead(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    provider.jobs = 1
    workshop = await make_workshop(provider)
    gate = asyncio.Event()
    provider.enqueue(
        "submit", *(Refused("The key is wrong.", operator=True, cause=Cause.KEY) for _ in range(FAILURES)), gate
    )
    first = [await workshop.imagine(ADA, f"ada {number}") for number in range(FAILURES)]
    waiting = [await workshop.imagine(BEN, f"ben {number}") for number in range(3)]
    began = workshop.clock.now()
    sleep, asleep = workshop.clock.sleep, asyncio.Event()

    async def hold(seconds: float) -> None:
        if workshop.worker.outages():
            asleep.set()
            await gate.wait()
        await sleep(seconds)

    workshop.clock.sleep = hold  # type: ignore[method-assign]  # the rest must not be over before it was looked at
    await workshop.worker.start()
    await asleep.wait()
    (outage,) = workshop.worker.outages()
    assert (outage.label, outage.failures, outage.why) == ("Scripted", FAILURES, Cause.KEY)
    with pytest.raises(UserError, match="again and again"):
        await workshop.imagine(ADA, "one more")
    left = [job for job in (*first, *waiting) if (await workshop.submission(job)).status is SubmissionStatus.QUEUED]
    assert len(left) == 3
    progress, _ = workshop.worker.progress(left[-1])
    assert progress.outage_until == outage.until
    view = await workshop.jobs.view(left[-1], progress)
    assert f"next try <t:{outage.until // 1000}:R>" in waiting_card(view).content
    gate.set()
    await workshop.finish()
    assert [(await workshop.submission(job)).status for job in left] == [SubmissionStatus.DONE] * 3
    assert workshop.clock.now() - began >= SHORTEST * 1000
    assert workshop.worker.outages() == []
    await workshop.imagine(ADA, "and now")


async def test_a_provider_that_stays_away_is_asked_ever_more_seldom(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("prepare", *(Unreachable("Nobody listens.") for _ in range(500)))
    jobs = [await workshop.imagine(origin) for origin in (ADA, ADA, ADA, BEN, BEN)]
    await workshop.finish()
    assert {(await workshop.submission(job)).status for job in jobs} == {SubmissionStatus.FAILED}
    assert (await workshop.totals()).in_flight == 0
    # Five at once, and then one after each outage.
    assert provider.calls("prepare") < 20


async def test_one_that_never_comes_to_be_sent_does_not_hold_up_the_others(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", *(OutcomeUnknown("No answer.") for _ in range(FAILURES)))
    for _ in range(FAILURES):
        await workshop.imagine()
    await workshop.finish()
    assert workshop.worker.outages()
    workshop.clock.advance(SHORTEST)
    sending = workshop.jobs.sending
    taken: list[int] = []

    async def somebody_else(submission: object, handle: object) -> bool:
        workshop.jobs.sending = sending  # type: ignore[method-assign]  # once only
        taken.append((await workshop.jobs.cancel(1 + FAILURES))[0])
        return False

    workshop.jobs.sending = somebody_else  # type: ignore[method-assign]  # the moment at which a person cancels
    cancelled, other = await workshop.imagine(ADA), await workshop.imagine(BEN)
    await workshop.finish()
    assert taken == [1]
    assert (await workshop.submission(cancelled)).status is SubmissionStatus.CANCELLED
    assert (await workshop.submission(other)).status is SubmissionStatus.DONE


async def test_prompts_that_are_refused_never_rest_it(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", *(Refused("The words were filtered.") for _ in range(3)))
    workshop.provider.enqueue("poll", *(Failed("The words were filtered.") for _ in range(3)))
    for _ in range(6):
        await workshop.imagine()
        await workshop.finish()
    assert workshop.worker.outages() == []


async def test_one_that_takes_everything_and_gives_nothing_is_rested(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", *(Refused("That is no picture.") for _ in range(FAILURES)))
    for _ in range(FAILURES):
        await workshop.imagine()
        await workshop.finish()
    (outage,) = workshop.worker.outages()
    assert outage.why == Cause.NOTHING_CAME
    assert workshop.provider.calls("submit") == FAILURES
