"""When a submission is polled for any distribution; what the answers mean; and how the worker uses both."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from bot.jobs.limits import Limits
from bot.jobs.polling import DOUBTED_FOR, NOT_HEARD, PAUSE, TIMED_OUT, Doubt, PollStatus
from bot.jobs.provider_text import TEXTS
from bot.jobs.rate import Rate
from bot.providers.base import Handle, ImageRequest, PollResult, Waiting
from bot.providers.errors import Busy, OutcomeUnknown, Reason, Refused, Unreachable
from tests.doubles.clock import SkippingClock
from tests.doubles.provider import ScriptedProvider, finished
from tests.jobs.conftest import MakeWorkshop, Workshop
from tests.jobs.poll_ages import Post


async def test_polls_are_dense_when_such_jobs_end_and_sparse_when_overdue() -> None:
    post = Post()
    ages = await post.follow(post.schedule(), until=600)
    assert ages[0] > 5
    assert sum(age < 8 for age in ages) <= 2
    assert 10 < sum(8 <= age < 13.5 for age in ages) < 25
    assert sum(age > 30 for age in ages) < 45
    assert all(b - a > 4 for a, b in pairwise(ages) if a > 60)


QUICK = [2 + 0.05 * (number % 4) for number in range(24)]


@pytest.mark.parametrize(
    "durations",
    [[], QUICK[:5], QUICK, [8 + 0.25 * (number % 20) for number in range(24)], [20.0 + number for number in range(40)]],
    ids=["no past", "five quick ones", "quick", "usual", "slow"],
)
async def test_a_hanging_job_is_polled_less_and_less_often(durations: list[float]) -> None:
    post = Post(durations=durations)
    ages = await post.follow(post.schedule(), until=600)
    minutes = [sum(60 * minute <= age < 60 * (minute + 1) for age in ages) for minute in range(10)]
    assert minutes[0] <= 55
    assert len(ages) <= 90
    assert all(number <= 10 for number in minutes[2:])
    assert max(b - a for a, b in pairwise(ages)) < 75, "it must not be forgotten either"


async def test_a_slow_job_after_many_quick_ones_takes_few_polls() -> None:
    post = Post(durations=QUICK)
    assert len(await post.follow(post.schedule(), until=9)) <= 15


async def test_three_hanging_jobs_leave_the_rate_to_others() -> None:
    post = Post(durations=QUICK)
    schedules = [post.schedule() for _ in range(3)]
    await post.clock.run(*(post.follow_until(schedule, 60, lambda _: Waiting()) for schedule in schedules))
    assert len(post.ages) < 0.2 * 60 * post.per_second


async def test_polls_keep_the_providers_minimum_interval() -> None:
    post = Post(durations=[10.0] * 50, shortest=3.0)
    ages = await post.follow(post.schedule(), until=40)
    assert all(b - a >= 2.999 for a, b in pairwise(ages))


async def test_many_open_jobs_make_polls_expensive() -> None:
    alone = await (post := Post()).follow(post.schedule(), until=13)
    post = Post()
    post.rate.watched = 100
    assert len(await post.follow(post.schedule(), until=13)) < 0.7 * len(alone)


async def test_open_jobs_are_counted_even_if_one_is_aborted() -> None:
    post = Post()
    with post.schedule(), post.schedule():
        assert post.rate.watched == 2
    with pytest.raises(KeyError), post.schedule():
        raise KeyError
    assert post.rate.watched == 0


async def test_a_resumed_job_is_polled_at_once() -> None:
    post = Post()
    ages = await post.follow(post.schedule(sent_ago=3, at_once=True), until=12)
    assert ages[0] == 3
    assert ages[1] > 7


async def test_failed_polls_back_off_and_teach_nothing() -> None:
    post = Post()
    ages = await post.follow(post.schedule(sent_ago=12), until=100, says=lambda _: None)
    assert [b - a for a, b in pairwise(ages)][:5] == pytest.approx([2, 5, 15, 30, 30], abs=0.2)


async def test_a_percentage_counts_more_near_the_end() -> None:
    post = Post(durations=[40.0 + number % 9 for number in range(100)])
    early = await post.follow(post.schedule(sent_ago=9), until=40, says=lambda _: Waiting(percent=2))
    post = Post(durations=[40.0 + number % 9 for number in range(100)])
    soon = await post.follow(post.schedule(sent_ago=9, at_once=True), until=40, says=lambda _: Waiting(percent=95))
    assert sum(age < 20 for age in soon) > sum(age < 20 for age in early)


@pytest.mark.parametrize("percent", [0, 100, 250])
async def test_a_meaningless_percentage_changes_nothing(percent: int) -> None:
    plain = await (post := Post()).follow(post.schedule(), until=13)
    post = Post()
    assert await post.follow(post.schedule(), until=13, says=lambda _: Waiting(percent=percent)) == plain


async def test_the_estimated_duration_lies_between_the_last_two_polls() -> None:
    post = Post()
    schedule = post.schedule()
    ages = await post.follow(schedule, until=11)
    assert schedule.estimated_duration() == pytest.approx((ages[-2] + ages[-1]) / 2, abs=0.01)
    assert not schedule.never_seen_open


async def test_a_job_never_seen_open_makes_the_next_first_poll_earlier() -> None:
    post = Post(durations=[30.0 + number % 7 for number in range(100)])
    post.rate.watched = 100
    schedule = post.schedule()
    (first,) = await post.follow(schedule, until=1)
    assert schedule.never_seen_open
    assert 0 < schedule.estimated_duration() <= first
    for _ in range(4):
        post.model.add(first, schedule.mark, blind=True)
    post.ages.clear()
    assert (await post.follow(post.schedule(), until=60))[0] < first / 2


# --- the meaning of answers -----------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> SkippingClock:
    return SkippingClock()


@pytest.fixture
def news() -> list[str]:
    """Grows with each response that has anything new."""
    return []


@pytest.fixture
def status(clock: SkippingClock, news: list[str]) -> PollStatus:
    return PollStatus(ScriptedProvider(), Rate(10, clock), clock, lambda: news.append("new"))


def test_an_error_does_not_change_the_latest_answer(status: PollStatus, news: list[str]) -> None:
    status.heard(Waiting(percent=40))
    status.heard(Waiting(percent=40))
    assert len(news) == 1
    status.failed(Unreachable())
    assert status.said == Waiting(percent=40)


@pytest.mark.parametrize(("asked_for", "paused"), [(30.0, 30.0), (None, PAUSE)])
async def test_a_busy_provider_is_not_polled_for_a_while(
    status: PollStatus, clock: SkippingClock, asked_for: float | None, paused: float
) -> None:
    began = clock.monotonic()
    status.failed(Busy(retry_after=asked_for))
    await status._rate.turn(lambda: 1.0)
    assert paused <= clock.monotonic() - began < paused + 1


async def test_a_job_may_be_given_up_while_polls_succeed_or_after_long_failure(
    status: PollStatus, clock: SkippingClock
) -> None:
    may = [status.may_give_up]
    status.failed(Unreachable())
    clock.advance(ScriptedProvider.patience)
    status.failed(Unreachable(Reason.BROKEN))
    may.append(status.may_give_up)
    clock.advance(1)
    may.append(status.may_give_up)
    assert may == [True, False, True]
    assert await status.give_up({}, 10) == [NOT_HEARD(minutes=10), TEXTS[Reason.BROKEN](label="Scripted")]
    status.answered()
    assert await status.give_up({}, 10) == [TIMED_OUT(minutes=10)]


def test_an_inconclusive_answer_counts_only_after_time_and_several_polls(clock: SkippingClock) -> None:
    doubt = Doubt(clock)
    many = [doubt.seen() for _ in range(100)]
    clock.advance(DOUBTED_FOR - 1)
    many.append(doubt.seen())
    assert not any(many), "several polls are not enough"
    clock.advance(1)
    assert doubt.seen()
    doubt.over()
    assert not doubt.seen()
    clock.advance(10 * DOUBTED_FOR)
    assert not doubt.seen(), "time is not enough"


def test_an_error_in_between_does_not_end_the_doubt(status: PollStatus, clock: SkippingClock) -> None:
    assert not any(status.doubted() for _ in range(10))
    assert not status.may_give_up
    status.failed(Unreachable())
    clock.advance(DOUBTED_FOR)
    assert status.doubted()


def test_the_operator_is_notified_once_of_each_problem(status: PollStatus) -> None:
    wrong_key, no_credits = (Refused(each, operator=True) for each in (Reason.WRONG_KEY, Reason.NO_CREDITS))
    with capture_logs() as lines:
        for error in (wrong_key, wrong_key, no_credits):
            status.failed(error)
        status.answered()
        status.failed(no_credits)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == 3 * ["provider.needs_operator"]


# --- in the worker ------------------------------------------------------------------------------------------------


class TimedProvider(ScriptedProvider):
    """A provider whose jobs take a given time on the workshop's clock. It records the times of the polls."""

    shortest_poll = 0.25

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.rate = 10
        self.asked: list[tuple[int, int]] = []
        self.sent: dict[object, int] = {}
        self.workshop: Workshop | None = None

    def now(self) -> int:
        assert self.workshop is not None
        return self.workshop.clock.now()

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        number = handle["number"]
        assert isinstance(number, int)
        self.asked.append((number, self.now()))
        answer = await self._next("poll", handle)
        assert answer is None
        began = self.sent.setdefault(number, self.now())
        return finished() if self.now() - began >= self.seconds * 1000 else Waiting()


async def test_after_a_restart_each_job_is_polled_at_once_within_the_rate(make_workshop: MakeWorkshop) -> None:
    provider = TimedProvider(seconds=1000)
    workshop = await make_workshop(provider, limits=Limits(jobs_per_user=100))
    provider.workshop = workshop
    jobs = [await workshop.imagine() for _ in range(12)]
    await workshop.start()
    for job_id in jobs:
        while await workshop.steps(job_id) != ["queued", "submitting", "rendering"]:
            await asyncio.sleep(0.001)
    await workshop.worker.stop(0)
    provider.asked.clear()
    await workshop.restart()
    while len(provider.asked) < 12:
        await asyncio.sleep(0.001)
    asked = provider.asked[:12]
    assert {number for number, _ in asked} == set(range(1, 13))
    # At most two requests come ahead of the even schedule.
    assert all(later - at >= 100 for (_, at), (_, later) in zip(asked, asked[3:], strict=False))
    # The clock may skip the time that the database takes on a busy machine.
    assert asked[-1][1] - asked[0][1] <= 5000


async def test_the_end_is_estimated_from_the_polls(make_workshop: MakeWorkshop) -> None:
    provider = TimedProvider(seconds=20)
    workshop = await make_workshop(provider)
    provider.workshop = workshop
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.sent_at is not None
    assert submission.finished_at is not None
    *_, before, last = (at for _, at in provider.asked)
    assert before <= submission.finished_at <= last


async def test_polling_slows_down_during_trouble_and_then_recovers(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop()
    workshop.provider.enqueue("poll", Unreachable(), Unreachable(), Busy(retry_after=60))
    began = workshop.clock.now()
    job_id = await workshop.imagine()
    await workshop.finish()
    assert len((await workshop.view(job_id)).images) == 1
    assert workshop.clock.now() - began >= 67_000


HOUR = 3600.0


def held(workshop: Workshop, above: float) -> asyncio.Event:
    """Make waits of more than this many seconds wait for the event first, so that the clock does not skip them too
    early.
    """
    come, real = asyncio.Event(), workshop.clock.sleep

    async def sleep(seconds: float) -> None:
        if seconds > above:
            await come.wait()
        await real(seconds)

    workshop.clock.sleep = sleep  # type: ignore[method-assign]  # the clock of a test
    return come


@pytest.mark.parametrize("call", ["prepare", "submit"])
async def test_an_hours_retry_after_for_new_work_does_not_delay_paid_work(workshop: Workshop, call: str) -> None:
    rendering, hour = asyncio.Event(), held(workshop, HOUR / 2)
    workshop.provider.enqueue("poll", rendering, Waiting(), Waiting())
    paid = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("poll")
    workshop.provider.enqueue(call, Busy(retry_after=HOUR))
    began = workshop.clock.monotonic()
    late = await workshop.imagine()
    while (await workshop.submission(late)).next_attempt_at is None:
        await asyncio.sleep(0.001)
    rendering.set()
    while paid not in workshop.delivered:
        await asyncio.sleep(0.001)
    assert workshop.clock.monotonic() - began < 120
    hour.set()
    await workshop.finish()
    assert workshop.clock.monotonic() - began >= HOUR


async def test_an_hours_retry_after_for_a_poll_pauses_polls_for_a_minute_and_no_new_work(workshop: Workshop) -> None:
    workshop.provider.enqueue("poll", Busy(retry_after=HOUR))
    minute = held(workshop, 30)
    began = workshop.clock.monotonic()
    first = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("poll")
    second = await workshop.imagine()
    while workshop.provider.calls("submit") < 2:
        await asyncio.sleep(0.001)
    assert workshop.clock.monotonic() - began < 30
    minute.set()
    await workshop.finish()
    assert sorted(workshop.delivered) == [first, second]
    assert workshop.clock.monotonic() - began < 120


async def test_a_lookup_does_not_wait_for_the_pause_of_new_work(workshop: Workshop) -> None:
    workshop.provider.enqueue("submit", OutcomeUnknown())
    workshop.provider.enqueue("find", None, "found")
    lost = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("find")
    workshop.worker._slots["scripted"].rate.pause(HOUR, polls=False)
    began = workshop.clock.monotonic()
    while lost not in workshop.delivered:
        await asyncio.sleep(0.001)
    assert workshop.clock.monotonic() - began < 120
