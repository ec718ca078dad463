"""A refused command is explained with all its problems, and comes with offers that would be accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.alternatives import Changes
from bot.domain.engines import ENGINE_MISSPELT, NOT_TAKEN
from bot.domain.options import SEED, SIZE, ImagineOptions
from bot.domain.requests import TOO_MANY_IMAGES
from bot.domain.rules import ENGINE_NOT_ALLOWED, PRIVATE_OFF, WORD_REFUSED, Privacy
from bot.errors import Problem
from bot.jobs.circuit_breaker import FAILURES, PERSONAL_OUTAGE
from bot.jobs.limits import TOO_EXPENSIVE, TOO_MANY_JOBS, LimitKind, Limits
from bot.jobs.limits import TOO_MANY_IMAGES as TOO_MANY_IMAGES_HERE
from bot.jobs.refusals import OFFERS_AT_MOST, CommandRefused, Refusal, Refusals
from bot.providers.errors import Refused as RefusedByService
from bot.providers.operations import Size
from bot.text import message
from storage.errors import StorageError
from storage.settings import Subject
from tests.doubles.engines import BASIC, CORE, XL
from tests.doubles.provider import ScriptedProvider
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop

MISSING = message("test.missing_permission", "I may not show images here.")
CHIEF = replace(ADA, user_id=9, manage_server=True)


class Desk:
    """A workshop with two services: one has XL at 5 credits, the other BASIC and CORE at 3 (15 with its credits)."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.refusals = Refusals(checks=workshop.service, new_jobs=workshop.new_jobs, providers=workshop.jobs.providers)

    async def rules(self, **rules: Any) -> None:
        await self.workshop.servers.set_rules(CHIEF, rules)

    async def quota(self, **limits: int) -> None:
        await self.workshop.servers.set_quota(CHIEF, Subject.SERVER, 0, **limits)

    async def refused(
        self, prompt: str = "a fox", *, missing: Sequence[Problem] = (), complete: bool = False, **typed: Any
    ) -> Refusal:
        """Refuse a command; one that would be accepted is refused because of what is ``missing`` or a limit."""
        options = ImagineOptions(prompt, **typed)
        try:
            plan = self.workshop.service.check(ADA, options, complete=complete)
        except CommandRefused as error:
            refused = error
        else:
            refused = CommandRefused(
                *(missing or (MISSING,)), plan=plan, options=options, completed=plan.options, complete=complete
            )
        return await self.refusals.explained(ADA, refused, missing=missing)


def changes(refused: Refusal) -> list[Changes]:
    return [offer.changes for offer in refused.offers]


def two_services() -> tuple[ScriptedProvider, ScriptedProvider]:
    first, second = ScriptedProvider(), ScriptedProvider()
    first.engines, second.engines = (XL,), (BASIC, CORE)
    second.credit_value = Decimal("0.6")
    return first, second


@pytest.fixture
async def desk(make_workshop: MakeWorkshop) -> Desk:
    return Desk(await make_workshop(*two_services()))


async def test_an_offer_says_what_it_changes_and_what_it_costs(desk: Desk) -> None:
    refused = await desk.refused(engine=XL.id, size="500x500")
    assert [(offer.changes, str(offer.price)) for offer in refused.offers][:2] == [
        (Changes(values=((SIZE, Size(1024, 1024)),)), "5 credits"),
        (Changes(engines=(BASIC,), values=((SIZE, Size(512, 512)),)), "3 credits"),
    ]
    assert refused.options == ImagineOptions("a fox", engine=XL.id, size="500x500")
    assert len(refused.offers) <= OFFERS_AT_MOST


async def test_the_default_engine_is_replaced_by_one_that_takes_what_was_asked_for(desk: Desk) -> None:
    plan = desk.workshop.service.check(ADA, ImagineOptions("a fox", seed=7))
    assert plan.engines == (BASIC.id,)
    await desk.rules(engines=(XL.id, CORE.id))
    assert desk.workshop.service.check(ADA, ImagineOptions("a fox", seed=7)).engines == (CORE.id,)
    await desk.rules(engines=(XL.id,))
    refused = await desk.refused(seed=7)
    assert codes(refused) == [NOT_TAKEN.code]
    assert changes(refused) == [Changes(dropped=(SEED,))]


async def test_only_engines_that_are_allowed_and_work_are_offered(desk: Desk) -> None:
    await desk.rules(engines=(XL.id, CORE.id))
    refused = await desk.refused(engine=BASIC.id)
    assert codes(refused) == [ENGINE_NOT_ALLOWED.code]
    assert changes(refused) == [Changes(engines=(CORE,)), Changes(engines=(XL,))], "the cheapest first"
    fault = RefusedByService(said="Invalid API key.", operator=True)
    desk.workshop.provider.enqueue("submit", *(fault for _ in range(FAILURES)))
    for _ in range(FAILURES):
        await desk.workshop.imagine(ADA, engine=XL.id)
        await desk.workshop.finish()
    assert changes(await desk.refused(engine=BASIC.id)) == [Changes(engines=(CORE,))]
    refused = await desk.refused(engine=XL.id)
    assert codes(refused) == [PERSONAL_OUTAGE.code]
    assert changes(refused) == [Changes(engines=(CORE,))]


async def test_a_misspelt_engine(desk: Desk) -> None:
    refused = await desk.refused(engine="pencil/coer")
    assert codes(refused) == [ENGINE_MISSPELT.code]
    assert refused.offers[0].changes == Changes(engines=(CORE,))
    assert changes(await desk.refused(engine="nobody"))[0] == Changes(engines=(XL,)), "the default"


async def test_refused_words_are_not_mixed_with_limits_and_have_no_offers(make_workshop: MakeWorkshop) -> None:
    desk = Desk(await make_workshop(*two_services(), limits=Limits(user_daily=1)))
    await desk.rules(refused=("gun*",))
    await desk.quota(images=1)
    refused = await desk.refused("a fox with guns, really", engine=XL.id, images=3)
    assert list(refused.problems) == [WORD_REFUSED(word="guns")]
    assert refused.offers == ()


async def test_fewer_images_for_the_limit_of_the_server(desk: Desk) -> None:
    await desk.quota(images=2)
    refused = await desk.refused(images=4)
    assert codes(refused) == [TOO_MANY_IMAGES_HERE.code]
    assert changes(refused)[0] == Changes(images=2)
    assert str(refused.offers[0].price) == "10 credits"


async def test_fewer_images_or_a_cheaper_engine_for_what_is_left_of_a_limit(make_workshop: MakeWorkshop) -> None:
    desk = Desk(await make_workshop(*two_services(), limits=Limits(user_daily=14_000)))
    refused = await desk.refused(images=4)
    assert TOO_EXPENSIVE[LimitKind.USER_DAILY].code in codes(refused)
    assert [(offer.changes, str(offer.price)) for offer in refused.offers] == [
        (Changes(images=2), "10 credits"),
        (Changes(engines=(BASIC,)), "12 credits"),
        (Changes(engines=(CORE,)), "12 credits"),
    ]
    poor = Desk(await make_workshop(*two_services(), limits=Limits(user_daily=4_000)))
    assert changes(await poor.refused()) == [Changes(engines=(BASIC,)), Changes(engines=(CORE,))]
    assert changes(await poor.refused("a {red, blue} fox")) == []


async def test_extra_credits_count(make_workshop: MakeWorkshop) -> None:
    desk = Desk(await make_workshop(ScriptedProvider()))
    await desk.workshop.servers.set_quota(CHIEF, Subject.DEFAULT, 0, credits=4_000)
    assert (await desk.refused(images=4)).offers == ()
    await desk.workshop.servers.grant(CHIEF, ADA.user_id, 7_000, None)
    assert changes(await desk.refused(images=4)) == [Changes(images=2)]


async def test_too_many_running_jobs_have_no_alternative(make_workshop: MakeWorkshop) -> None:
    desk = Desk(await make_workshop(*two_services(), limits=Limits(jobs_per_user=1)))
    await desk.workshop.imagine(ADA)
    refused = await desk.refused(engine=XL.id, size="3x3")
    assert TOO_MANY_JOBS.code in codes(refused)
    assert refused.offers == ()


async def test_a_private_result_needs_no_permission_and_a_public_one_is_offered_where_private_is_off(
    desk: Desk,
) -> None:
    refused = await desk.refused(missing=[MISSING()])
    assert codes(refused) == [MISSING.code]
    assert changes(refused)[0] == Changes(private=True)
    await desk.rules(privacy=Privacy.FORBIDDEN)
    refused = await desk.refused(private=True)
    assert codes(refused) == [PRIVATE_OFF.code]
    assert changes(refused)[0] == Changes(private=False)
    assert changes(await desk.refused(private=True, missing=[MISSING()])) == []


async def test_a_command_that_is_refused_for_another_reason_has_no_offers(desk: Desk) -> None:
    assert (await desk.refused()).offers == ()


async def test_a_default_number_of_images_counts(desk: Desk) -> None:
    service = desk.workshop.service
    completed = service.check(ADA, ImagineOptions("a fox")).options
    await desk.quota(images=2)
    plan_of_four = replace(completed, images=4)
    error = CommandRefused(
        MISSING(), plan=None, options=ImagineOptions("a fox"), completed=plan_of_four, complete=False
    )
    assert changes(await desk.refusals.explained(ADA, error))[0] == Changes(images=2)


async def test_without_the_database_there_are_no_offers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(desk.workshop.new_jobs, "room", broken)
    refused = await desk.refused(engine=XL.id, size="3x3")
    assert refused.problems
    assert refused.offers == ()


def commands() -> Iterator[tuple[str, dict[str, Any]]]:
    """Commands that are refused for each reason, and for several at once."""
    prompts = ["a fox", "a {red, blue} fox --seed {1, 2}", "a fox::3 snow::-1 --ar 9:1", "a fox --steps 500 --images 6"]
    options: list[dict[str, Any]] = [
        {"size": "3x3"},
        {"seed": 7, "sampler": "ddim", "size": "9:1"},
        {"engine": "nobody"},
        {"engine": BASIC.id, "negative": "rain"},
        {"engine": CORE.id, "steps": 5, "guidance": 99.0},
        {"images": 12, "style": "neonpunk"},
        {"engines": (XL.id, BASIC.id, CORE.id, "nobody"), "size": "huge"},
        {"private": True, "images": 3},
    ]
    for prompt in prompts:
        for typed in options:
            yield prompt, typed


@pytest.mark.slow
@pytest.mark.parametrize("quota", [None, 1, 2])
@pytest.mark.parametrize("daily", [None, 4_000, 14_000])
@pytest.mark.parametrize("allowed", [(), (XL.id, CORE.id), (CORE.id,)])
async def test_every_offer_would_be_accepted_at_its_price(
    make_workshop: MakeWorkshop, quota: int | None, daily: int | None, allowed: tuple[str, ...]
) -> None:
    workshop = await make_workshop(*two_services(), limits=Limits(user_daily=daily))
    desk = Desk(workshop)
    await desk.rules(engines=allowed, privacy=Privacy.FORBIDDEN if quota == 2 else Privacy.FREE)
    if quota is not None:
        await desk.quota(images=quota)
    offered = 0
    for prompt, typed in commands():
        refused = await desk.refused(prompt, **typed)
        assert len({offer.options for offer in refused.offers}) == len(refused.offers)
        for offer in refused.offers:
            offered += 1
            assert offer.changes != Changes()
            plan = workshop.service.check(ADA, offer.options)
            hold = workshop.new_jobs.hold_for(plan.requests)
            assert hold == offer.price.high
            assert await workshop.new_jobs.limit_problems(ADA, plan.requests, plan.images) == ()
            if TOO_MANY_IMAGES.code in codes(refused):
                assert offer.changes.images is not None
    assert offered
