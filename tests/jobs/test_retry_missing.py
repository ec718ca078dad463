"""``retry`` of requests that are done but lack images: only the missing ones are fetched, and nothing is paid again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs.image_fetcher import RESHAPED
from bot.jobs.provider_text import MISSING_IMAGES, as_stored
from bot.jobs.submission import SubmissionRun
from bot.providers.base import Cost, Failed, FetchedImage, Finished, GeneratedImage, Gone, Waiting
from bot.providers.errors import NotFound, ProviderError, Reason, Refused, Unreachable
from storage import endings, ledger, reconcile, reports
from storage import submissions as rows
from storage.endings import Reopened
from storage.ledger import Scope
from storage.records import JobStatus, SubmissionStatus
from storage.reports import By, Waits, report
from tests.doubles.provider import ScriptedProvider, png
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop

pytestmark = pytest.mark.slow

DONE, UNKNOWN, RENDERING = SubmissionStatus.DONE, SubmissionStatus.UNKNOWN, SubmissionStatus.RENDERING
ELSEWHERE = Refused(Reason.IMAGE_HOST_NOT_ALLOWED, detail="cdn.lan:9000", operator=True, setting="IMAGE_HOSTS")
TOO_LARGE = Refused(Reason.IMAGE_TOO_LARGE, detail="40 MiB", operator=True, setting="IMAGE_MAX_MIB")
BROKEN = Refused(Reason.IMAGE_BROKEN)
GONE = NotFound(Reason.IMAGE_GONE)
AWAY = Unreachable(Reason.IMAGE_UNREACHABLE)
URLS = [f"http://cdn.lan/{number}.png" for number in range(3)]
MADE = Finished(
    tuple(GeneratedImage(url=url, seed=70 + number) for number, url in enumerate(URLS)), Cost(15_000, exact=True)
)
SECOND = URLS[1]


class Elsewhere(ScriptedProvider):
    """A provider whose images are at URLs, some of which fail."""

    def __init__(self, *, polled: bool = True) -> None:
        super().__init__(polled=polled)
        self.failing: dict[str, ProviderError | asyncio.Event] = {}
        self.fetched: list[str] = []

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.data is None:
            if image.url is None:
                raise Refused(Reason.IMAGE_MISSING)
            self.fetched.append(image.url)
            failing = self.failing.get(image.url)
            if isinstance(failing, asyncio.Event):
                await failing.wait()
            elif failing is not None:
                raise failing
        return await super().fetch(image, path)


@pytest.fixture
def provider() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
async def workshop(make_workshop: MakeWorkshop, provider: Elsewhere) -> Workshop:
    return await make_workshop(provider)


async def partly_lost(
    workshop: Workshop, provider: Elsewhere, error: ProviderError = ELSEWHERE, made: Finished = MADE
) -> int:
    """A job of three images, of which the second could not be fetched. It is delivered with the others."""
    provider.enqueue("poll" if provider.polled else "submit", made)
    provider.failing[SECOND] = error
    job_id = await workshop.imagine(images=3)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert (view.job.status, view.submissions[0].record.status) == (JobStatus.DELIVERED, DONE)
    assert [image.position for image in view.images] == [0, 2]
    assert MISSING_IMAGES(count=1, asked=3) in view.submissions[0].problems
    provider.fetched.clear()
    return job_id


async def reopen(workshop: Workshop) -> Reopened:
    """Stop the bot, and run retry as the operator."""
    await workshop.worker.stop(0)
    async with workshop.database.write() as tx:
        reopened = await endings.reopen(tx, ["scripted"], at=workshop.clock.now())
        assert (await reconcile.reconcile(tx)).differences == []
    return reopened


async def retry(workshop: Workshop) -> Reopened:
    reopened = await reopen(workshop)
    await workshop.restart()
    await workshop.finish()
    async with workshop.database.read() as connection:
        assert (await reconcile.reconcile(connection)).differences == []
    return reopened


async def waiting(workshop: Workshop) -> list[Waits]:
    async with workshop.database.read() as connection:
        return await reports.waiting(connection, ["scripted"])


async def is_whole(workshop: Workshop, job_id: int) -> None:
    """The job has all its images now, paid once."""
    view = await workshop.view(job_id)
    record = view.submissions[0].record
    assert (view.job.status, record.status) == (JobStatus.DELIVERED, DONE)
    assert [(image.position, image.seed) for image in view.images] == [(0, 70), (1, 71), (2, 72)]
    assert [image.file for image in view.images] == [f"{job_id}-0-{position}.png" for position in range(3)]
    assert (record.problems, record.result, record.waits_for) == (None, None, None)
    assert workshop.provider.calls("submit") == 1
    totals = await workshop.totals()
    assert (totals.spent, totals.in_flight, totals.captures) == (15_000, 0, 1)
    assert await reopen(workshop) == Reopened(0, 0, 0)


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (ELSEWHERE, [Waits("scripted", "IMAGE_HOSTS", 1, ("cdn.lan:9000",))]),
        (TOO_LARGE, [Waits("scripted", "IMAGE_MAX_MIB", 1, ("40 MiB",))]),
        (AWAY, []),
    ],
    ids=["host", "size", "away"],
)
async def test_the_missing_image_is_fetched_once_the_cause_is_fixed(
    workshop: Workshop, provider: Elsewhere, error: ProviderError, waits: list[Waits]
) -> None:
    job_id = await partly_lost(workshop, provider, error)
    assert await waiting(workshop) == waits
    async with workshop.database.read() as connection:
        before = await ledger.costs_of(connection, job_id)
    provider.failing.clear()
    provider.enqueue("poll", MADE)
    workshop.clock.advance(3 * 86_400)
    assert await retry(workshop) == Reopened(1, 1, 0)
    assert provider.fetched == [SECOND]
    assert workshop.delivered == [job_id, job_id]
    await is_whole(workshop, job_id)
    assert await waiting(workshop) == []
    async with workshop.database.read() as connection:
        after = await ledger.costs_of(connection, job_id)
        figures = (await report(connection, By.USER, Scope(server_id=ADA.server_id))).totals
        took = await rows.durations(connection, (await workshop.submission(job_id)).engine)
    for entries in (*before.values(), *after.values()):
        entries[:] = [replace(entry, images=None) for entry in entries]
    assert after == before
    assert (figures.images, figures.jobs, figures.failed, figures.spent) == (3, 1, 0, 15_000)
    assert took == []


async def test_an_image_that_still_cannot_be_fetched_waits_again(workshop: Workshop, provider: Elsewhere) -> None:
    job_id = await partly_lost(workshop, provider)
    before = await workshop.submission(job_id)
    for _ in range(2):
        provider.enqueue("poll", MADE)
        assert await retry(workshop) == Reopened(1, 1, 0)
        submission = await workshop.submission(job_id)
        assert (submission.status, submission.waits_for) == (DONE, "IMAGE_HOSTS")
        assert (submission.problems, submission.result) == (before.problems, before.result)
        assert submission.finished_at == before.finished_at
        assert (await workshop.totals()).spent == 15_000
    provider.failing.clear()
    await retry(workshop)
    await is_whole(workshop, job_id)


@pytest.mark.parametrize("error", [GONE, BROKEN], ids=["gone", "broken"])
async def test_an_image_that_is_gone_for_good_waits_no_longer(
    workshop: Workshop, provider: Elsewhere, error: ProviderError
) -> None:
    job_id = await partly_lost(workshop, provider)
    provider.failing[SECOND] = error
    await retry(workshop)
    view = await workshop.view(job_id)
    record = view.submissions[0].record
    assert (record.status, record.result, record.waits_for) == (DONE, None, None)
    assert record.problems != as_stored()
    assert MISSING_IMAGES(count=1, asked=3) in view.submissions[0].problems
    assert len(view.images) == 2
    assert await retry(workshop) == Reopened(0, 0, 0)


async def test_nothing_is_stored_about_an_image_that_was_broken_from_the_start(
    workshop: Workshop, provider: Elsewhere
) -> None:
    job_id = await partly_lost(workshop, provider, BROKEN)
    assert (await workshop.submission(job_id)).result is None
    assert await retry(workshop) == Reopened(0, 0, 0)


@pytest.mark.parametrize(
    "answers",
    [
        [Gone()] * 1000,
        [Failed(Reason.NOTHING_MADE)],
        [Failed(Reason.NOTHING_MADE, charged=9000)],
        [replace(MADE, images=MADE.images[:1])],
        [Waiting()] * 5000,
        [Unreachable()] * 5000,
    ],
    ids=["forgotten", "failed", "charged", "fewer", "waiting", "silent"],
)
async def test_the_stored_address_counts_if_the_service_has_no_other(
    workshop: Workshop, provider: Elsewhere, answers: list[object]
) -> None:
    job_id = await partly_lost(workshop, provider)
    provider.failing.clear()
    provider.enqueue("poll", *answers)
    await retry(workshop)
    assert provider.fetched == [SECOND]
    provider._answers["poll"].clear()
    await is_whole(workshop, job_id)


async def test_a_new_address_replaces_the_stored_one(workshop: Workshop, provider: Elsewhere) -> None:
    job_id = await partly_lost(workshop, provider)
    moved = replace(MADE, images=tuple(replace(image, url=f"{image.url}?again") for image in MADE.images))
    provider.enqueue("poll", moved)
    await retry(workshop)
    assert provider.fetched == [f"{SECOND}?again"]
    await is_whole(workshop, job_id)


async def test_a_free_service_that_forgot_it_is_not_asked_to_make_it_again(
    make_workshop: MakeWorkshop, provider: Elsewhere
) -> None:
    provider.price, made = 0, replace(MADE, cost=Cost(0, exact=True))
    provider.charges = False
    workshop = await make_workshop(provider)
    job_id = await partly_lost(workshop, provider, made=made)
    provider.enqueue("poll", *[Gone()] * 1000)
    await retry(workshop)
    assert provider.calls("submit") == 1
    assert (await workshop.submission(job_id)).waits_for == "IMAGE_HOSTS"


@pytest.mark.parametrize("lost", ["some", "all"])
async def test_a_response_with_some_images_in_it_and_some_at_urls(make_workshop: MakeWorkshop, lost: str) -> None:
    provider = Elsewhere(polled=False)
    workshop = await make_workshop(provider)
    inline = [GeneratedImage(data=png(), seed=70), GeneratedImage(data=png(), seed=72)]
    made = replace(MADE, images=(inline[0], MADE.images[1], inline[1]))
    provider.enqueue("poll", *[Gone()] * 1000)
    if lost == "some":
        job_id = await partly_lost(workshop, provider, made=made)
        provider.failing.clear()
        await retry(workshop)
        await is_whole(workshop, job_id)
        return
    provider.enqueue("submit", replace(made, images=(GeneratedImage(seed=70, filtered=True), MADE.images[1])))
    provider.failing[SECOND] = ELSEWHERE
    job_id = await workshop.imagine(images=2)
    await workshop.finish()
    record = await workshop.submission(job_id)
    assert (record.status, record.waits_for) == (UNKNOWN, "IMAGE_HOSTS")
    provider.failing.clear()
    await retry(workshop)
    view = await workshop.view(job_id)
    assert [(image.position, image.seed) for image in view.images] == [(1, 71)]
    assert (await workshop.totals()).spent == 15_000


async def test_images_in_another_shape_are_still_mentioned(workshop: Workshop, provider: Elsewhere) -> None:
    first, *others = MADE.images
    made = replace(MADE, images=(replace(first, reshaped=True), *others))
    job_id = await partly_lost(workshop, provider, made=made)
    provider.failing.clear()
    provider.enqueue("poll", *[Gone()] * 1000)
    await retry(workshop)
    assert (await workshop.view(job_id)).submissions[0].problems == (RESHAPED(),)


async def test_a_crash_loses_nothing_and_pays_nothing(workshop: Workshop, provider: Elsewhere) -> None:
    job_id = await partly_lost(workshop, provider)
    hanging = asyncio.Event()
    for answers in ([asyncio.Event()], [MADE]):
        # The process is killed while it polls, then while it fetches.
        provider.failing[SECOND] = hanging
        provider._answers["poll"].clear()
        provider.enqueue("poll", *answers)
        if answers != [MADE]:
            await reopen(workshop)
        await workshop.restart()
        while not (provider.fetched if answers == [MADE] else provider.calls("poll") > 1):
            await asyncio.sleep(0)
        view = await workshop.view(job_id)
        assert (view.job.status, view.submissions[0].record.status) == (JobStatus.WORKING, RENDERING)
        assert len(view.images) == 2, "the card goes on showing what it has"
        await workshop.worker.stop(0)
        async with workshop.database.read() as connection:
            assert (await reconcile.reconcile(connection)).differences == []
            figures = (await report(connection, By.USER, Scope(server_id=ADA.server_id))).totals
        assert (figures.spent, figures.in_flight) == (15_000, 0)
    provider.failing.clear()
    await workshop.restart()
    await workshop.finish()
    await is_whole(workshop, job_id)


async def test_a_bug_leaves_it_done(workshop: Workshop, provider: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await partly_lost(workshop, provider)
    before = await workshop.submission(job_id)

    async def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(SubmissionRun, "_follow", broken)
        await retry(workshop)
    after = await workshop.submission(job_id)
    assert (after.status, after.problems, after.result) == (DONE, before.problems, before.result)
    assert await waiting(workshop) == [Waits("scripted", "IMAGE_HOSTS", 1, ("cdn.lan:9000",))]
    provider.failing.clear()
    await retry(workshop)
    await is_whole(workshop, job_id)


async def test_one_whose_service_is_no_longer_set_up_can_be_cancelled(
    make_workshop: MakeWorkshop, provider: Elsewhere
) -> None:
    workshop = await make_workshop(provider, ScriptedProvider(name="other"))
    job_id = await partly_lost(workshop, provider)
    await reopen(workshop)
    workshop.providers = {"other": workshop.providers["other"]}
    await workshop.restart()
    assert (await workshop.submission(job_id)).status is RENDERING
    await workshop.service.cancel(ADA, job_id)
    await workshop.finish()
    view = await workshop.view(job_id)
    assert (view.job.status, view.submissions[0].record.status) == (JobStatus.DELIVERED, DONE)
    assert len(view.images) == 2
    async with workshop.database.read() as connection:
        assert (await reconcile.reconcile(connection)).differences == []
    assert await reopen(workshop) == Reopened(0, 0, 0)


async def test_one_of_a_service_that_is_not_set_up_stays_as_it_is(workshop: Workshop, provider: Elsewhere) -> None:
    job_id = await partly_lost(workshop, provider)
    async with workshop.database.write() as tx:
        assert await endings.reopen(tx, [], at=workshop.clock.now()) == Reopened(0, 0, 0, incomplete=1)
    assert (await workshop.submission(job_id)).status is DONE


async def test_a_deleted_job_keeps_no_addresses(workshop: Workshop, provider: Elsewhere) -> None:
    job_id = await partly_lost(workshop, provider)
    await workshop.results.delete(ADA, job_id)
    record = await workshop.submission(job_id)
    assert (record.result, record.waits_for) == (None, None)
    assert await waiting(workshop) == []
    assert await retry(workshop) == Reopened(0, 0, 0)
