"""The worker: whose turn it is, what the card is told, cancelling, deliveries, and faults of ours."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import NotMade, UserError
from bot.jobs.cancellation import ALREADY_ENDED, CANCELLED, PARTLY_CANCELLED
from bot.jobs.limits import Limits
from bot.jobs.provider_text import as_stored
from bot.jobs.submission_steps import CRASHED
from storage.records import SubmissionStatus
from tests.doubles.provider import ScriptedProvider
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop


async def test_users_take_turns(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False, images_per_submission=1)
    provider.jobs = 1
    workshop = await make_workshop(provider)
    for prompt in ("ada one", "ada two", "ada three"):
        await workshop.imagine(ADA, prompt)
    await workshop.imagine(BEN, "ben one")
    await workshop.finish()
    asked = [request.prompts[0].text for request in provider.requests]
    assert asked.index("ben one") < asked.index("ada two")
    assert len(asked) == 4


async def test_slow_fetching_is_reported(workshop: Workshop) -> None:
    come = asyncio.Event()
    workshop.provider.enqueue("fetch", come)
    job_id = await workshop.imagine()
    await workshop.start()
    await workshop.provider.called("fetch")
    assert not workshop.worker.progress(job_id)[0].fetching
    workshop.changes[job_id].clear()
    await workshop.changed(job_id)
    assert workshop.worker.progress(job_id)[0].fetching
    come.set()
    await workshop.finish()
    assert workshop.delivered == [job_id]


async def test_a_job_that_is_ready_is_shown_and_not_looked_at_as_unfinished_once_more(workshop: Workshop) -> None:
    told: list[list[SubmissionStatus]] = []

    def changed(job_id: int) -> None:
        told.append([submission.status for submission in workshop.worker.progress(job_id)[1]])

    workshop.changed_card = changed  # type: ignore[method-assign]  # what the worker is handed
    await workshop.imagine()
    await workshop.finish()
    # Where the disk is slow it is told of fetching too, while it is still rendering as far as the record says.
    assert told[:2] == [[SubmissionStatus.SUBMITTING], [SubmissionStatus.RENDERING]]
    assert all(statuses == [SubmissionStatus.RENDERING] for statuses in told[2:])


async def test_the_first_end_of_several_is_reported(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=False, images_per_submission=1))
    first, second, on_their_way = asyncio.Event(), asyncio.Event(), list[int]()
    workshop.provider.enqueue("submit", first, second)

    def changed(job_id: int) -> None:
        on_their_way.append(len(workshop.worker.progress(job_id)[1]))

    workshop.changed_card = changed  # type: ignore[method-assign]  # what the worker is handed
    await workshop.imagine(images=2)
    await workshop.start()
    while workshop.provider.calls("submit") < 2:
        await asyncio.sleep(0)
    # What was told until now was told of the way there.
    on_their_way.clear()
    first.set()
    while 1 not in on_their_way:
        await asyncio.sleep(0)
    second.set()
    await workshop.finish()
    assert len(workshop.delivered) == 1


async def test_the_place_in_the_queue_is_known(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False)
    provider.jobs = 1
    release = asyncio.Event()
    provider.enqueue("submit", release)
    workshop = await make_workshop(provider)
    first = await workshop.imagine(ADA, "first")
    second = await workshop.imagine(BEN, "second")
    third = await workshop.imagine(ADA, "third")
    await workshop.start()
    await provider.called("submit")
    await workshop.changed(third)
    assert workshop.worker.progress(first)[0].queue_position is None
    assert workshop.worker.progress(second)[0].queue_position == 1
    release.set()
    await workshop.finish()
    assert sorted(workshop.delivered) == [first, second, third]


async def test_cancel_drops_what_has_not_been_sent_and_lets_the_rest_go_on(make_workshop: MakeWorkshop) -> None:
    provider = ScriptedProvider(polled=False, images_per_submission=1)
    provider.jobs = 1
    release = asyncio.Event()
    provider.enqueue("submit", release)
    workshop = await make_workshop(provider)
    job_id = await workshop.imagine(ADA, images=3)
    await workshop.start()
    await provider.called("submit")
    said = await workshop.service.cancel(ADA, job_id)
    assert (said.code, said.values["dropped"]) == (PARTLY_CANCELLED.code, 2)
    release.set()
    await workshop.finish()
    view = await workshop.view(job_id)
    assert len(view.images) == 1
    assert view.captured == 5000
    assert (await workshop.totals()).in_flight == 0
    assert await workshop.service.cancel(ADA, job_id) == ALREADY_ENDED()


async def test_cancel_before_anything_was_sent_is_free_and_shown(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    assert await workshop.service.cancel(ADA, job_id) == CANCELLED()
    await workshop.finish()
    assert workshop.provider.history == []
    assert workshop.delivered == [job_id]
    assert (await workshop.totals()).spent == 0


async def test_somebody_else_may_not_cancel(workshop: Workshop) -> None:
    job_id = await workshop.imagine()
    with pytest.raises(UserError):
        await workshop.service.cancel(BEN, job_id)


async def test_a_delivery_that_fails_is_tried_again(workshop: Workshop) -> None:
    tries = 0
    real = workshop.deliver

    async def deliver(job_id: int) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError("the line is down")
        await real(job_id)

    workshop.deliver = deliver
    job_id = await workshop.imagine()
    await workshop.finish()
    assert tries == 3
    assert workshop.delivered == [job_id]


@pytest.mark.parametrize("can_look", [False, True])
async def test_an_internal_error_is_reported_and_free(make_workshop: MakeWorkshop, *, can_look: bool) -> None:
    workshop = await make_workshop(ScriptedProvider(polled=can_look))
    workshop.provider.enqueue("submit", RuntimeError("a bug"))
    workshop.provider.enqueue("find", *(RuntimeError("a bug") for _ in range(20)))
    job_id = await workshop.imagine()
    await workshop.finish()
    submission = await workshop.submission(job_id)
    assert submission.status is SubmissionStatus.UNKNOWN
    assert submission.problems == as_stored(CRASHED(job=job_id))
    assert workshop.provider.calls("submit") == 1
    assert (await workshop.totals()).in_flight == 0


async def test_an_error_of_our_own_while_fetching_does_not_lose_what_is_paid_for(workshop: Workshop) -> None:
    workshop.provider.enqueue("fetch", OSError("no space left on device"))
    job_id = await workshop.imagine()
    await workshop.finish()
    assert len((await workshop.view(job_id)).images) == 1
    assert workshop.provider.calls("submit") == 1


# --- limits -------------------------------------------------------------------------------------------------------


async def test_a_hundred_at_once_at_a_limit_for_ten_yield_ten(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(limits=Limits(user_daily=50_000, jobs_per_user=1000))
    results = await asyncio.gather(*(workshop.imagine() for _ in range(100)), return_exceptions=True)
    accepted = [result for result in results if isinstance(result, int)]
    refused = [result for result in results if isinstance(result, UserError)]
    assert (len(accepted), len(refused)) == (10, 90)
    assert all(isinstance(each, NotMade) for each in refused), "their cards say that nothing was charged"
    await workshop.finish()
    assert (await workshop.totals()).spent == 50_000


async def test_every_limit_that_is_passed_is_named_at_once(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(limits=Limits(user_daily=1, server_monthly=1, bot_daily=1, jobs_per_user=0))
    with pytest.raises(UserError) as refused:
        await workshop.imagine()
    assert len(refused.value.problems) == 4
