"""Images for age-restricted channels: requests say so, also after a restart, and results stay in such places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import decode_request, encode_request
from bot.errors import UserError
from bot.jobs.results import SHARE_NEEDS_ADULTS
from bot.providers.base import Finished, Handle, ImageRequest
from bot.providers.operations import Pictures
from tests.doubles.provider import ScriptedProvider
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, MakeWorkshop, Workshop

ADULTS = replace(ADA, channel_id=200, age_restricted=True)


class Recorder(ScriptedProvider):
    """Records whether each request that it received is for adults."""

    def __init__(self) -> None:
        super().__init__()
        self.adult: list[bool] = []

    async def submit(
        self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None
    ) -> Handle | Finished:
        self.adult.append(request.adult)
        return await super().submit(handle, request, pictures)


@pytest.mark.parametrize(
    ("origin", "adults"),
    [
        (ADA, False),
        (ADULTS, True),
        (replace(ADULTS, server_id=None), False),
        (replace(ADULTS, bot_present=False), False),
    ],
    ids=["a channel", "an age-restricted channel", "direct messages", "a user install"],
)
def test_only_age_restricted_channels_of_servers_with_the_bot_are_for_adults(origin: Origin, adults: bool) -> None:
    assert origin.for_adults is adults


async def test_a_restart_and_again_keep_to_the_place(make_workshop: MakeWorkshop) -> None:
    provider = Recorder()
    workshop = await make_workshop(provider)
    job_id = await workshop.imagine(ADULTS)
    await workshop.restart()
    await workshop.finish()
    assert provider.adult == [True]
    for origin, adult in ((ADA, False), (ADULTS, True)):
        plan = await workshop.service.plan_again(origin, job_id)
        assert [request.adult for request in plan.requests] == [adult]


async def test_a_confirmation_takes_the_place_as_it_is_then(make_workshop: MakeWorkshop) -> None:
    provider = Recorder()
    workshop = await make_workshop(provider)
    card = CardAddress(200, 1000, "token", workshop.clock.now() + 900_000)
    plan = workshop.service.check(ADULTS, ImagineOptions(prompt="a lighthouse"))
    job_id = await workshop.service.imagine(ADULTS, plan, card, proposed=True)
    await workshop.service.proposals.confirm(replace(ADULTS, age_restricted=False), job_id, card, private=False)
    await workshop.finish()
    assert provider.adult == [False]


async def test_a_result_from_an_age_restricted_channel_is_shared_only_in_one(workshop: Workshop) -> None:
    job_id = await workshop.imagine(ADULTS, private=True)
    ordinary = await workshop.imagine(ADA, private=True)
    await workshop.finish()
    with pytest.raises(UserError) as caught:
        await workshop.results.shareable(ADA, job_id)
    assert codes(caught.value) == [SHARE_NEEDS_ADULTS.code]
    assert (await workshop.results.shareable(ADULTS, job_id)).job.id == job_id
    assert (await workshop.results.shareable(ADULTS, ordinary)).job.id == ordinary


async def test_requests_from_before_are_read(workshop: Workshop) -> None:
    request = workshop.service.check(ADULTS, ImagineOptions(prompt="a lighthouse")).requests[0]
    stored = encode_request(request)
    assert decode_request(stored).adult
    del stored["adult"]
    assert decode_request(stored) == replace(request, adult=False)
