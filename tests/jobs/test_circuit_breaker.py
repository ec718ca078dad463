"""The circuit breaker: a failing provider is paused, new jobs are refused, and a single trial tests the provider."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import UserError
from bot.jobs.circuit_breaker import (
    ABUSE_SECONDS,
    FAILURES,
    LONGEST,
    OUTAGE,
    PERSONAL_OUTAGE,
    SHORTEST,
    CircuitBreaker,
    Outage,
    refuse_outages,
)
from bot.providers.base import Cost, Failed, Finished, GeneratedImage
from bot.providers.errors import Busy, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.ui.cards.waiting import waiting_card
from storage.records import SubmissionStatus
from tests.doubles.clock import SkippingClock
from tests.doubles.engines import BASIC, ENGINES, XL
from tests.doubles.provider import ScriptedProvider
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop

DOWN: tuple[ProviderError, ...] = (
    Unreachable(),
    Refused(Reason.WRONG_KEY, operator=True),
    Refused(Reason.BROKEN, fault=True),
)
SOMEBODY = 77
NOBODYS_FAULT: tuple[ProviderError, ...] = (
    Refused(said="The words were filtered."),
    Refused(Reason.RETIRED, operator=True),
    Busy(retry_after=300),
)


class Bench:
    """One provider's circuit breaker, on a clock that is moved by hand.

    Each submission belongs to a different person with the same id, unless ``user`` is given.
    """

    def __init__(self) -> None:
        self.clock = SkippingClock()
        self.woken = 0
        self.breaker = CircuitBreaker("easel", lambda: "Easel", self.clock, self._awake)

    def _awake(self) -> None:
        self.woken += 1

    def fail(self, *ids: int, user: int | None = None) -> None:
        for id_ in ids:
            self.breaker.record_start(id_, user or id_)
            self.breaker.record_failure(id_, user or id_, Reason.UNREACHABLE)

    def seconds(self) -> float | None:
        """The remaining seconds of the outage, for everybody."""
        outage = self.breaker.outage
        return None if outage is None else outage.seconds

    def allows(self, user: int = SOMEBODY) -> bool:
        return self.breaker.allows(user)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("error", DOWN, ids=lambda error: error.reason)
def test_consecutive_failures_start_an_outage(bench: Bench, error: ProviderError) -> None:
    for id_ in range(FAILURES):
        assert bench.allows()
        bench.breaker.record_error(id_, id_, error)
    assert not bench.allows()
    until = bench.clock.now() + int(SHORTEST * 1000)
    assert bench.breaker.outage == Outage("easel", "Easel", SHORTEST, until, FAILURES, error.reason)


@pytest.mark.parametrize("error", NOBODYS_FAULT, ids=lambda error: error.reason)
def test_a_persons_own_errors_and_rate_limits_do_not_count(bench: Bench, error: ProviderError) -> None:
    for id_ in range(100):
        bench.breaker.record_error(id_, id_, error)
    assert bench.allows()


@pytest.mark.parametrize("error", DOWN, ids=lambda error: error.reason)
def test_one_persons_failures_pause_only_that_person(bench: Bench, error: ProviderError) -> None:
    for id_ in range(50):
        bench.breaker.record_error(id_, ADA.user_id, error)
    assert bench.breaker.outage is None
    assert bench.allows(BEN.user_id)
    assert not bench.allows(ADA.user_id)
    outage = bench.breaker.outage_for(ADA.user_id)
    assert outage is not None
    assert outage.personal
    assert bench.breaker.outage_for(BEN.user_id) is None
    bench.clock.advance(SHORTEST)
    assert bench.allows(ADA.user_id)
    bench.breaker.record_start(60, ADA.user_id)
    assert not bench.allows(ADA.user_id), "only one trial at a time"
    bench.breaker.record_success(60, ADA.user_id)
    assert bench.allows(ADA.user_id)
    assert bench.woken == 1


def test_a_persons_outages_get_longer_too(bench: Bench) -> None:
    bench.fail(*range(FAILURES), user=ADA.user_id)
    lengths = []
    for id_ in range(100, 104):
        outage = bench.breaker.outage_for(ADA.user_id)
        assert outage is not None
        lengths.append(outage.seconds)
        bench.clock.advance(outage.seconds)
        bench.fail(id_, user=ADA.user_id)
    assert lengths == [30, 60, 120, 240]
    assert bench.allows(BEN.user_id)


def test_one_persons_failed_trial_does_not_block_others(bench: Bench) -> None:
    bench.fail(1, 2, user=ADA.user_id)
    bench.fail(3, user=BEN.user_id)
    assert not bench.allows()
    bench.clock.advance(SHORTEST)
    bench.fail(4, user=ADA.user_id)
    assert not bench.allows(ADA.user_id)
    assert bench.allows(SOMEBODY), "somebody else may run the next trial"
    bench.breaker.record_start(5, SOMEBODY)
    bench.breaker.record_success(5, SOMEBODY)
    assert bench.allows(BEN.user_id)
    assert not bench.allows(ADA.user_id)


def test_a_success_resets_the_count(bench: Bench) -> None:
    bench.fail(*range(FAILURES - 1))
    bench.breaker.record_success(50, 50)
    bench.fail(*range(FAILURES - 1))
    assert bench.allows()


def test_an_accepted_request_is_not_yet_a_success(bench: Bench) -> None:
    for id_ in range(FAILURES):
        bench.breaker.record_accepted(id_, id_)
        bench.breaker.record_failure(id_, id_, Reason.NO_IMAGES)
    assert bench.breaker.outage is not None


def test_each_outage_is_twice_as_long_up_to_the_maximum(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    lengths = []
    for id_ in range(100, 116, 2):
        seconds = bench.seconds()
        assert seconds is not None
        lengths.append(seconds)
        bench.clock.advance(seconds)
        bench.fail(id_, id_ + 1)
    assert lengths == [30, 60, 120, 240, 480, 600, 600, 600]
    assert lengths[-1] == LONGEST


def test_only_one_trial_is_sent_after_an_outage(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    assert bench.breaker.outage is None
    assert bench.allows()
    bench.breaker.record_start(100, 100)
    assert not bench.allows()
    bench.breaker.record_accepted(100, 100)
    assert bench.allows()
    assert bench.woken == 1


def test_results_of_requests_sent_before_an_outage_do_not_change_it(bench: Bench) -> None:
    for id_ in (90, 91):
        bench.breaker.record_start(id_, id_)
    bench.fail(*range(FAILURES))
    seconds = bench.seconds()
    bench.breaker.record_failure(90, 90, Reason.UNREACHABLE)
    bench.breaker.record_success(91, 91)
    assert bench.seconds() == seconds


@pytest.mark.parametrize("abuse", [True, False])
def test_a_success_from_before_a_persons_outage_does_not_end_it(bench: Bench, abuse: bool) -> None:
    bench.breaker.record_start(99, SOMEBODY)
    if abuse:
        bench.breaker.check_abuse(SOMEBODY, Refused(Reason.MODERATED, abuse=True))
    else:
        bench.fail(1, 2, 3, user=SOMEBODY)
    bench.breaker.record_success(99, SOMEBODY)
    assert not bench.breaker.allows(SOMEBODY)
    bench.clock.advance(ABUSE_SECONDS)
    bench.breaker.record_start(100, SOMEBODY)
    bench.breaker.record_success(100, SOMEBODY)
    assert bench.breaker.allows(SOMEBODY)


def test_failures_soon_after_an_outage_start_a_longer_one(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    bench.breaker.record_start(100, 100)
    bench.breaker.record_accepted(100, 100)
    bench.breaker.record_failure(100, 100, Reason.NO_IMAGES)
    assert bench.seconds() is None
    bench.breaker.record_failure(101, 101, Reason.NO_IMAGES)
    assert bench.seconds() == 2 * SHORTEST


def test_after_a_success_the_next_outage_is_short_again(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    bench.breaker.record_start(100, 100)
    bench.breaker.record_success(100, 100)
    bench.fail(*range(FAILURES))
    assert bench.seconds() == SHORTEST


def test_an_inconclusive_trial_allows_another(bench: Bench) -> None:
    bench.fail(*range(FAILURES))
    bench.clock.advance(SHORTEST)
    bench.breaker.record_start(100, 100)
    bench.breaker.record_end(100, 100)
    assert bench.allows()
    assert bench.woken == 1


def test_the_refusal_names_the_duration() -> None:
    outage = Outage("easel", "Easel", 30, 10**12, 3, Reason.UNREACHABLE)
    with pytest.raises(UserError) as refused:
        refuse_outages([XL.id], [outage], ENGINES)
    assert list(refused.value.problems) == [OUTAGE(label="Easel", seconds=30)]
    refuse_outages([BASIC.id], [outage], ENGINES)


# --- in the worker ------------------------------------------------------------------------------------------------


async def test_new_jobs_are_refused_and_queued_ones_wait_for_a_trial(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    provider.jobs = 1
    workshop = await make_workshop(provider)
    gate = asyncio.Event()
    provider.enqueue("submit", *(Refused(Reason.WRONG_KEY, operator=True) for _ in range(FAILURES)), gate)
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
    await workshop.start()
    await asleep.wait()
    (outage,) = workshop.worker.outages()
    assert (outage.label, outage.failures, outage.reason) == ("Scripted", FAILURES, Reason.WRONG_KEY)
    with pytest.raises(UserError) as refused:
        await workshop.imagine(ADA, "one more")
    assert codes(refused.value) == [OUTAGE.code]
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


async def test_the_backoff_grows_while_a_provider_is_down(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("prepare", *(Unreachable() for _ in range(500)))
    jobs = [await workshop.imagine(origin) for origin in (ADA, ADA, ADA, BEN, BEN)]
    await workshop.finish()
    assert {(await workshop.submission(job)).status for job in jobs} == {SubmissionStatus.FAILED}
    assert (await workshop.totals()).in_flight == 0
    # Five at once, then one for each of the two people after each outage.
    assert provider.calls("prepare") < 30


async def test_a_trial_that_is_never_sent_does_not_block_others(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    workshop = await make_workshop(provider)
    provider.enqueue("submit", *(OutcomeUnknown() for _ in range(FAILURES)))
    for origin in (ADA, ADA, BEN):
        await workshop.imagine(origin)
    await workshop.finish()
    assert workshop.worker.outages()
    workshop.clock.advance(SHORTEST)
    sending = workshop.jobs.steps.sending
    taken: list[int] = []

    async def somebody_else(submission: object, handle: object) -> bool:
        workshop.jobs.steps.sending = sending  # type: ignore[method-assign]  # once only
        taken.append((await workshop.jobs.cancel(1 + FAILURES))[0])
        return False

    workshop.jobs.steps.sending = somebody_else  # type: ignore[method-assign]  # the moment at which a person cancels
    cancelled, other = await workshop.imagine(ADA), await workshop.imagine(BEN)
    await workshop.finish()
    assert taken == [1]
    assert (await workshop.submission(cancelled)).status is SubmissionStatus.CANCELLED
    assert (await workshop.submission(other)).status is SubmissionStatus.DONE


async def test_refused_prompts_never_start_an_outage(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", *(Refused(said="The words were filtered.") for _ in range(3)))
    workshop.provider.enqueue("poll", *(Failed(Reason.REFUSED, "The words were filtered.") for _ in range(3)))
    for _ in range(6):
        await workshop.imagine()
        await workshop.finish()
    assert workshop.worker.outages() == []


async def test_withheld_images_are_not_failures_even_if_charged(workshop: Workshop) -> None:
    workshop.provider.enqueue(
        "poll", *(Failed(Reason.REFUSED, "It was filtered.", charged=5000) for _ in range(FAILURES))
    )
    blurred = Finished((GeneratedImage(url="https://there/1.png", filtered=True),), Cost(5000, exact=True))
    workshop.provider.enqueue("poll", *(blurred for _ in range(FAILURES)))
    workshop.provider.enqueue("fetch", *(Refused(said="It is withheld.") for _ in range(FAILURES)))
    for number in range(2 * FAILURES):
        origin = (ADA, BEN)[number % 2]
        job_id = await workshop.imagine(origin)
        await workshop.finish()
        assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    for origin in (ADA, BEN):
        assert workshop.worker.outages(origin.user_id) == []


async def test_one_persons_failures_never_delay_others(workshop: Workshop) -> None:
    fault = Refused(said="Invalid API key, it says.", operator=True)
    workshop.provider.enqueue("submit", *(fault for _ in range(FAILURES)))
    for _ in range(FAILURES):
        await workshop.imagine(ADA)
        await workshop.finish()
    with pytest.raises(UserError) as refused:
        await workshop.imagine(ADA)
    assert codes(refused.value) == [PERSONAL_OUTAGE.code]
    job_id = await workshop.imagine(BEN)
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.DONE
    assert workshop.worker.outages() == []
    assert len(workshop.worker.outages(ADA.user_id)) == 1


async def test_a_persons_queued_jobs_wait_for_the_end_of_their_outage(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    provider.jobs = 1
    workshop = await make_workshop(provider)
    provider.enqueue("submit", *(Refused(Reason.BROKEN, fault=True) for _ in range(FAILURES)))
    began = workshop.clock.monotonic()
    jobs = [await workshop.imagine(ADA) for _ in range(FAILURES + 2)]
    await workshop.finish()
    assert [(await workshop.submission(job)).status for job in jobs[FAILURES:]] == [SubmissionStatus.DONE] * 2
    assert workshop.clock.monotonic() - began >= SHORTEST


async def test_a_provider_that_accepts_but_never_delivers_is_paused(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", *(Refused(said="That is no picture.") for _ in range(FAILURES)))
    for origin in (ADA, ADA, BEN):
        await workshop.imagine(origin)
        await workshop.finish()
    (outage,) = workshop.worker.outages()
    assert outage.reason is Reason.NO_IMAGES
    assert workshop.provider.calls("submit") == FAILURES
