"""Limits on the images of engines that do not charge: whose, in which period, and what is offered beyond them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.options import ImagineOptions
from bot.domain.periods import Period
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.limits import TOO_MANY_FREE, LimitKind, Limits, PeriodLimit, in_force
from bot.jobs.refusals import CommandRefused, Refusals
from bot.providers.base import Failed
from bot.providers.errors import Reason, Refused
from bot.servers.settings import FREE_IMAGES_AT_MOST, FREE_IMAGES_RANGE
from storage import privacy
from storage.records import SubmissionStatus
from storage.settings import Quota, Subject
from tests.doubles.free_provider import FreeProvider
from tests.doubles.provider import ScriptedProvider, finished
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop

FREE, PAID = "scripted/brush", "paid/brush"
GRACE = replace(ADA, user_id=9, manage_server=True)
DM = replace(ADA, server_id=None, channel_id=101)


@pytest.fixture
async def workshop(make_workshop: MakeWorkshop) -> Workshop:
    """A free service and a paid one."""
    limits = Limits(free_images=10, jobs_per_user=100)
    return await make_workshop(FreeProvider(), ScriptedProvider(name="paid"), limits=limits)


async def refused(workshop: Workshop, origin: Origin, images: int, engine: str = FREE) -> list[tuple[str, object]]:
    """The limits that refuse so many images, each with what is left of it."""
    with pytest.raises(UserError) as caught:
        await workshop.imagine(origin, images=images, engine=engine)
    return [(problem.code, problem.values["left"]) for problem in caught.value.problems]


def code(kind: LimitKind) -> str:
    return TOO_MANY_FREE[kind].code


async def test_a_members_limit_is_for_this_server(workshop: Workshop) -> None:
    await workshop.servers.set_quota(GRACE, Subject.DEFAULT, 0, free_images=3)
    await workshop.imagine(ADA, images=2, engine=FREE)
    assert await refused(workshop, ADA, 2) == [(code(LimitKind.FREE_USER), 1)]
    await workshop.imagine(BEN, images=3, engine=FREE)
    await workshop.imagine(DM, images=4, engine=FREE)
    await workshop.imagine(ADA, images=5, engine=PAID)
    assert await refused(workshop, ADA, 5) == [(code(LimitKind.FREE_DAILY), 4), (code(LimitKind.FREE_USER), 1)]


async def test_a_servers_limit_is_for_all_together(workshop: Workshop) -> None:
    await workshop.servers.set_quota(GRACE, Subject.SERVER, 0, free_images=3)
    await workshop.imagine(ADA, images=2, engine=FREE)
    assert await refused(workshop, BEN, 2) == [(code(LimitKind.FREE_SERVER), 1)]
    await workshop.imagine(replace(BEN, server_id=11), images=2, engine=FREE)


async def test_what_failed_does_not_count_and_a_limit_renews(workshop: Workshop) -> None:
    await workshop.servers.set_quota(GRACE, Subject.DEFAULT, 0, free_images=2)
    await workshop.servers.set_rules(GRACE, {"period": Period.WEEK})
    provider = workshop.providers["scripted"]
    assert isinstance(provider, FreeProvider)
    provider.enqueue("submit", Refused(Reason.MODERATED))
    for _ in range(2):
        await workshop.imagine(ADA, images=2, engine=FREE)
        await workshop.finish()
    assert await refused(workshop, ADA, 1) == [(code(LimitKind.FREE_USER), 0)]
    workshop.clock.advance(7 * 86_400)
    await workshop.imagine(ADA, images=2, engine=FREE)


async def test_free_engines_of_a_service_that_charges_count_too(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(ScriptedProvider(price=0), limits=Limits(free_images=1))
    job_id = await workshop.imagine(ADA)
    assert await refused(workshop, ADA, 1) == [(code(LimitKind.FREE_DAILY), 0)]
    await workshop.finish()
    assert (await workshop.view(job_id)).free


async def test_concurrent_jobs_do_not_exceed_it(workshop: Workshop) -> None:
    await workshop.servers.set_quota(GRACE, Subject.SERVER, 0, free_images=7)
    asked = (workshop.imagine((ADA, BEN)[number % 2], engine=FREE) for number in range(20))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, int) for answer in answers) == 7
    assert all(isinstance(answer, int | UserError) for answer in answers)


@pytest.mark.parametrize(("made", "offers"), [(1, (FREE, 2)), (3, (PAID, 4))], ids=["fewer", "another engine"])
async def test_beyond_it_the_first_offer_is_within_it(workshop: Workshop, made: int, offers: tuple[str, int]) -> None:
    await workshop.servers.set_quota(GRACE, Subject.DEFAULT, 0, free_images=3)
    await workshop.imagine(ADA, images=made, engine=FREE)
    options = ImagineOptions("a fox", engine=FREE, images=4)
    plan = workshop.service.check(ADA, options)
    problems = await workshop.new_jobs.limit_problems(ADA, plan.requests, plan.images)
    error = CommandRefused(*problems, plan=plan, options=options, completed=plan.options, complete=False)
    refusals = Refusals(checks=workshop.service, new_jobs=workshop.new_jobs, providers=workshop.jobs.providers)
    refusal = await refusals.explained(ADA, error)
    assert codes(refusal) == [code(LimitKind.FREE_USER)]
    first = refusal.offers[0].options
    assert (first.engine, first.images) == offers


@pytest.mark.parametrize("amount", [-1, FREE_IMAGES_AT_MOST + 1])
async def test_a_limit_out_of_range_is_refused(workshop: Workshop, amount: int) -> None:
    with pytest.raises(UserError) as caught:
        await workshop.servers.set_quota(GRACE, Subject.DEFAULT, 0, free_images=amount)
    assert codes(caught.value) == [FREE_IMAGES_RANGE.code]


amounts = st.one_of(st.none(), st.integers(0, 9))
quotas = st.builds(Quota, st.sampled_from(Subject), st.integers(0, 3), free_images=amounts)


@given(st.lists(quotas, unique_by=lambda quota: (quota.subject, quota.subject_id)), st.frozensets(st.integers(1, 3)))
def test_they_are_found_as_those_on_credits_are(every: list[Quota], roles: frozenset[int]) -> None:
    operator = Limits()
    free = in_force(operator, user_id=1, role_ids=roles, server_id=10, quotas=every)
    of_credits = [replace(quota, credits=quota.free_images) for quota in every]
    paid = in_force(operator, user_id=1, role_ids=roles, server_id=10, quotas=of_credits)
    pairs = (LimitKind.SERVER_USER, LimitKind.FREE_USER), (LimitKind.SERVER, LimitKind.FREE_SERVER)
    for credits_kind, free_kind in pairs:
        expected = [PeriodLimit(free_kind, one.most, one.period) for one in paid.of(credits_kind)]
        assert list(free.of(free_kind)) == expected


async def test_only_what_was_made_or_may_still_be_made_counts(workshop: Workshop) -> None:
    """Like credits: what ends without images is given back, and of four images only those that exist count."""
    await workshop.servers.set_quota(GRACE, Subject.DEFAULT, 0, free_images=4)
    provider = workshop.providers["scripted"]
    assert isinstance(provider, FreeProvider)
    provider.enqueue("poll", finished(images=1, millicredits=0), Failed(Reason.NOTHING_MADE, charged=1))
    await workshop.imagine(ADA, images=3, engine=FREE)
    await workshop.finish()
    unknown = await workshop.imagine(ADA, images=3, engine=FREE)
    await workshop.finish()
    assert (await workshop.submission(unknown)).status is SubmissionStatus.UNKNOWN
    assert await refused(workshop, ADA, 4) == [(code(LimitKind.FREE_USER), 3)]
    job_id = await workshop.imagine(ADA, images=3, engine=FREE)
    assert await refused(workshop, ADA, 1) == [(code(LimitKind.FREE_USER), 0)]
    await workshop.finish()
    await workshop.jobs.delete(job_id)
    async with workshop.database.write() as tx:
        await privacy.delete_all(tx, ADA.user_id, due_at=workshop.clock.now() + 86_400_000)
    assert await refused(workshop, ADA, 1) == [(code(LimitKind.FREE_USER), 0)]


async def test_what_has_credits_on_hold_is_not_called_free(make_workshop: MakeWorkshop) -> None:
    """The operator has changed the prices, or removed the model, and restarted the bot."""
    provider = ScriptedProvider()
    workshop = await make_workshop(provider)
    job_id = await workshop.imagine()
    provider.price = 0
    view = await workshop.view(job_id)
    assert view.held
    assert not view.free
